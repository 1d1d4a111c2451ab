"""One flat vector holds all weights of a network; R's arrays are views of it.

A flat vector makes an update rule, a snapshot or a checkpoint one line for every network. Each weight array of R is
a :class:`Block` of it. Inside a block the memory order is (rows, gates, columns), row by row, so that one matrix
product serves all gates of a layer; R's order of dimensions, (rows, columns, gates), is a transposed view.
"""

from __future__ import annotations

import operator
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrainr.argument_errors import Place, wrong_type, wrong_value

__all__ = ["Block", "Layout", "flat_of"]

Flat = NDArray[np.float64]

_ALIGNMENT = 8  # doubles: a cache line, so that every matrix starts on one


@dataclass(frozen=True)
class Block:
    """One weight array of the model.

    ``field`` and ``layer`` say where it stands in the model (``model.time_synapse[0]``); ``rows`` is 0 for a bias and
    ``gates`` is 0 where R's array has no gate dimension; ``offset`` is its first entry in the flat vector.
    """

    field: str
    layer: int
    rows: int
    columns: int
    gates: int = 0
    offset: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape R gives the array: (rows, columns[, gates]), for a bias (columns[, gates])."""
        return tuple(n for n in (self.rows, self.columns, self.gates) if n)

    @property
    def size(self) -> int:
        return max(self.rows, 1) * self.columns * max(self.gates, 1)

    def view(self, flat: np.ndarray) -> np.ndarray:
        """R's array, as a view of ``flat``."""
        memory = flat[self.offset : self.offset + self.size]
        stored = memory.reshape([n for n in (self.rows, self.gates, self.columns) if n])
        return stored.swapaxes(-1, -2) if self.gates else stored


class Layout:
    """Where each weight array lies in the flat vector."""

    def __init__(self, blocks: Sequence[Block]) -> None:
        placed, offset = [], 0
        for block in blocks:
            placed.append(Block(block.field, block.layer, block.rows, block.columns, block.gates, offset))
            offset += -(-block.size // _ALIGNMENT) * _ALIGNMENT
        self.blocks: tuple[Block, ...] = tuple(placed)
        self.size = offset
        self._attached: dict[str, tuple[np.ndarray, dict[str, list[np.ndarray]]]] = {}

    def __iter__(self) -> Iterator[Block]:
        return iter(self.blocks)

    def find(self, field: str, layer: int) -> Block:
        """The block of ``model.<field>[layer]``."""
        return next(block for block in self.blocks if (block.field, block.layer) == (field, layer))

    def zeros(self) -> Flat:
        """A flat vector of zeros."""
        return np.zeros(self.size)

    def views(self, flat: np.ndarray) -> dict[str, list[np.ndarray]]:
        """R's arrays by field name, in layer order, as views of ``flat``."""
        fields: dict[str, list[np.ndarray]] = {}
        for block in sorted(self.blocks, key=lambda block: block.layer):
            fields.setdefault(block.field, []).append(block.view(flat))
        return fields

    def copied(self, model: Any) -> Flat:
        """A flat vector with the model's arrays."""
        flat = self.zeros()
        for field, views in self.views(flat).items():
            for array, view in zip(model[field], views, strict=True):
                view[...] = array
        return flat

    def without(self, field: str) -> Layout:
        """The same layout with the arrays of ``field`` left out of what it attaches and collects."""
        part = object.__new__(Layout)
        part.blocks = tuple(block for block in self.blocks if block.field != field)
        part.size, part._attached = self.size, {}
        return part

    def attach(self, model: Any, flat: np.ndarray, suffix: str = "") -> None:
        """Let ``model.<field><suffix>`` be lists of views of ``flat``: what training changes shows there at once."""
        fields = self.views(flat)
        for field, arrays in fields.items():
            model[field + suffix] = arrays[:]
        self._attached[suffix] = flat, fields

    def collect(self, model: Any, flat: np.ndarray, suffix: str = "") -> None:
        """Copy into ``flat`` every array of the model that is not (any more) a view of it, and attach the views again.

        An epoch function may have put arrays of its own in the model. Raises what :meth:`check` raises, and has copied
        nothing then.
        """
        if self._is_attached(model, flat, suffix):
            return
        self.check(model, suffix)
        for field, views in self.views(flat).items():
            for array, view in zip(model[field + suffix], views, strict=True):
                if not _same_memory(array, view):
                    view[...] = array
        self.attach(model, flat, suffix)

    def _is_attached(self, model: Any, flat: np.ndarray, suffix: str) -> bool:
        """Whether the model's arrays are the very views of ``flat`` that were attached to it last."""
        attached, fields = self._attached.get(suffix, (None, {}))
        if attached is not flat:
            return False
        for field, views in fields.items():
            arrays = model.get(field + suffix)
            if not isinstance(arrays, list) or len(arrays) != len(views) or not all(map(operator.is_, arrays, views)):
                return False
        return True

    def check(self, model: Any, suffix: str = "") -> None:
        """Raise ``ValueError`` or ``TypeError`` that names the field where an array of the model is missing, holds
        anything but numbers or has another shape than its block."""
        blocks: dict[str, list[Block]] = {}
        for block in sorted(self.blocks, key=lambda block: block.layer):
            blocks.setdefault(block.field, []).append(block)
        for field, placed in blocks.items():
            name = field + suffix
            arrays = model.get(name)
            if not isinstance(arrays, (list, tuple)) or len(arrays) != len(placed):
                should = f"{{place}} should be a list of {len(placed)} arrays, it is {{value}}"
                raise wrong_value(Place(f"model.{name}"), should, value=arrays)
            for layer, (array, block) in enumerate(zip(arrays, placed, strict=True)):
                _check_numbers(array, block.shape, Place(f"model.{name}", (layer,)))


def _check_numbers(array: Any, shape: tuple[int, ...], place: Place) -> None:
    """Check an array that the caller put in the model."""
    try:
        values = np.asarray(array)
    except (ValueError, TypeError):
        values = np.array(None)
    if values.dtype.kind not in "fiub":
        raise wrong_type(place, "{place} should hold numbers, it is {value}", value=array)
    if values.shape != shape:
        given = values.shape
        raise wrong_value(place, "{place} should have the shape {shape}, it has {given}", shape=shape, given=given)


def flat_of(model: Any, layout: Layout) -> Flat | None:
    """The flat vector that all weights of the model are views of, if there is one."""
    if not layout.blocks:
        return None
    arrays = model.get(layout.blocks[0].field)
    flat = getattr(arrays[0], "base", None) if isinstance(arrays, list) and arrays else None
    if not isinstance(flat, np.ndarray) or flat.dtype != np.float64 or flat.shape != (layout.size,):
        return None
    for field, views in layout.views(flat).items():
        arrays = model.get(field)
        if arrays is None or len(arrays) != len(views) or not all(map(_same_memory, arrays, views)):
            return None
    return flat if flat.flags.c_contiguous and flat.flags.writeable else None


def _same_memory(array: Any, view: np.ndarray) -> bool:
    return (
        isinstance(array, np.ndarray)
        and array.shape == view.shape
        and array.strides == view.strides
        and array.dtype == view.dtype
        and array.__array_interface__["data"] == view.__array_interface__["data"]
    )
