"""What turns a layer's equations, written on arrays, into functions that the epoch's kernel calls by address.

    class Weights(NamedTuple):
        kernel: Matrix

    class Tape(NamedTuple):
        x: Steps
        ...

    def forward(layer, weights, tape): ...                            decorated with ``fast_part``
    def backward(layer, weights, transposed, gradient, tape): ...

    kernels = Kernels("Dense", forward, backward, options=Options, weights=Weights, tape=Tape)

A function is given what it names among its parameters: ``layer`` (the numbers in ``options``), ``weights``, room for
them ``transposed``, their ``gradient``, the ``tape``, and the ``call``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from pytrainr.exact.arrays import kinds_of
from pytrainr.numerics.by_address import ByAddress, Unpacked

__all__ = ["Call", "Kernels"]


class Call(NamedTuple):
    """What changes from group to group; in compiled code an array of whole numbers.

    The addresses of weights, transposed weights, gradient and memory; ``samples`` computed together; the ``key`` of the
    group's dropout masks and the place of the ``first_sample`` in its group.
    """

    weights: int
    transposed: int
    gradient: int
    memory: int
    samples: int
    key: int
    first_sample: int


_PLACE = {name: place for place, name in enumerate(Call._fields)}


class Nothing(NamedTuple):
    """Options, or weights, of a layer that has none."""

    unused: int


class Kernels:
    """The compiled functions of a layer, each None where there is nothing to do, and how its row is laid out."""

    known: ClassVar[dict[str, Kernels]] = {}
    """All there are, by name: what a first use may compile."""

    def __init__(
        self,
        name: str,
        forward: Any,
        backward: Any,
        *,
        tape: type,
        options: type = Nothing,
        weights: type | None = None,
        module: str | None = None,
        announced: bool = True,
    ) -> None:
        self.name, self.tape, self.announced = name, kinds_of(tape), announced
        self.shown_options, self.shown_weights, self.shown_tape = options, weights, tape
        self.options = kinds_of(options)
        self.weights = kinds_of(weights) if weights else {}
        first = len(self.options)
        after = first + sum(kind.entries for kind in self.weights.values())
        samples = _PLACE["samples"]

        def memory(group: str, shown_as: Any, place: int, entry: str, **more: Any) -> Unpacked:
            kinds = tuple(kinds_of(shown_as).values())
            return Unpacked(group, shown_as, kinds, place, _PLACE[entry], samples, **more)

        unpacked = [
            Unpacked("layer", options, tuple(self.options.values())),
            Unpacked("call", Call, (int,) * len(Call._fields), in_call=True),
            memory("tape", tape, after, "memory"),
        ]
        if weights:
            unpacked += [
                memory("weights", weights, first, "weights"),
                memory("transposed", weights, first, "transposed", transposed=True),
                memory("gradient", weights, first, "gradient"),
            ]
        self._functions = [
            ByAddress(part, f"{name}.{part.py_func.__name__}", module or tape.__module__, unpacked) if part else None
            for part in (forward, backward)
        ]
        Kernels.known[name] = self

    def announce(self, dtype: Any, backward: bool = True) -> None:
        """They will be needed soon."""
        for function in self._functions[: 1 + backward]:
            if function and self.announced:
                function.announce(dtype)

    def addresses(self, dtype: Any, backward: bool = True) -> tuple[int, int]:
        """Of forward and backward, 0 for none."""
        forward, back = self._functions
        return forward.address(dtype) if forward else 0, back.address(dtype) if back and backward else 0

    def row(self, options: Mapping[str, Any], weights: Mapping[str, Any], tape: Mapping[str, Any]) -> list[int]:
        """The numbers that compiled code reads: options, then place and sizes of each array; those left out are
        empty."""
        entries: list[int] = []
        for name, kind in self.options.items():
            number = options.get(name, 0)
            entries.append(_bits(float(number)) if kind is float else int(number))
        for arrays, kinds in ((weights, self.weights), (tape, self.tape)):
            if not arrays.keys() <= kinds.keys():
                raise TypeError(f"{self.name} has no {sorted(arrays.keys() - kinds.keys())}")
            for name, kind in kinds.items():
                entries += arrays.get(name) or [0] * kind.entries
        return entries


def _bits(number: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", number))[0])
