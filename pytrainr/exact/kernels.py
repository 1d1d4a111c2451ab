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
them ``transposed``, their ``gradient``, the ``tape``, and the ``call``; and where it drives a recurrent layer, which is
compiled by itself, that ``cell``.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from pytrainr.exact.arrays import kinds_of
from pytrainr.numerics.by_address import ByAddress, Unpacked, call_at, following_row
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.views import boxed

__all__ = ["AFTER_LAST", "BEFORE_FIRST", "Call", "Driving", "Kernels", "take_steps"]

BEFORE_FIRST, AFTER_LAST = -1, 1 << 62
"""Numbers of steps: in the place of the one is what comes before the first, and the other is beyond any last."""


class Call(NamedTuple):
    """What changes from group to group; in compiled code an array of whole numbers.

    The addresses of weights, transposed weights, gradient and memory; ``samples`` computed together; the ``key`` of the
    group's dropout masks and the place of the ``first_sample`` in its group. A recurrent layer takes the steps from
    ``begin`` to before ``end``: all, with what comes before the first and after the last, unless another drives it.
    """

    weights: int
    transposed: int
    gradient: int
    memory: int
    samples: int
    key: int
    first_sample: int
    begin: int
    end: int


_PLACE = {name: place for place, name in enumerate(Call._fields)}


class Nothing(NamedTuple):
    """Options, or weights, of a layer that has none."""

    unused: int


class Cell(NamedTuple):
    """The functions of a recurrent layer that is driven, their addresses. Its row follows them."""

    forward: int
    backward: int


@fast_part
def take_steps(function, cell, call, begin, end):
    """Call ``function``, forward or backward of the ``cell``, for the steps from ``begin`` to before ``end``."""
    memory = call.weights, call.transposed, call.gradient, call.memory
    own = Call(*memory, call.samples, call.key, call.first_sample, begin, end)
    call_at(function, following_row(cell), boxed(own))


class Laid(Protocol):
    """What a row is made of; see ``exact/plan.py``."""

    @property
    def options(self) -> Mapping[str, Any]: ...

    @property
    def weights(self) -> Mapping[str, Any]: ...

    @property
    def arrays(self) -> Mapping[str, Any]: ...

    @property
    def goes_back(self) -> bool: ...


class Kernels:
    """The compiled functions of a layer, each None where there is nothing to do, and how its row is laid out."""

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
    ) -> None:
        self.name, self.tape = name, kinds_of(tape)
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
            Unpacked("cell", Cell, (int, int), after + sum(kind.entries for kind in self.tape.values())),
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

    def announce(self, dtype: Any, backward: bool = True) -> None:
        """They will be needed soon."""
        for function in self._functions[: 1 + backward]:
            if function:
                function.announce(dtype)

    def addresses(self, dtype: Any, backward: bool = True) -> tuple[int, int]:
        """Of forward and backward, 0 for none. What takes longer to compile comes first: a helper may do the other."""
        forward, back = self._functions
        address_of_backward = back.address(dtype) if back and backward else 0
        return forward.address(dtype) if forward else 0, address_of_backward

    def row(self, given: Laid, dtype: Any) -> list[int]:
        """The numbers that compiled code reads: options, then place and sizes of each array; those left out are
        empty."""
        entries: list[int] = []
        for name, kind in self.options.items():
            number = given.options.get(name, 0)
            entries.append(_bits(float(number)) if kind is float else int(number))
        for arrays, kinds in ((given.weights, self.weights), (given.arrays, self.tape)):
            for name, kind in kinds.items():
                entries += arrays.get(name) or [0] * kind.entries
        return entries


@dataclass(frozen=True)
class Driving:
    """The kernels of a layer that drives another, the ``cell``: those of both, and its row with the other's at its
    end."""

    own: Kernels
    cell: Kernels

    @property
    def name(self) -> str:
        return f"{self.own.name}.{self.cell.name}"

    @property
    def weights(self) -> dict[str, Any]:
        return {**self.own.weights, **self.cell.weights}

    @property
    def tape(self) -> dict[str, Any]:
        return {**self.own.tape, **self.cell.tape}

    def announce(self, dtype: Any, backward: bool = True) -> None:
        self.own.announce(dtype, backward)
        self.cell.announce(dtype, backward)

    def addresses(self, dtype: Any, backward: bool = True) -> tuple[int, int]:
        return self.own.addresses(dtype, backward)

    def row(self, given: Laid, dtype: Any) -> list[int]:
        functions = self.cell.addresses(dtype, given.goes_back)
        return [*self.own.row(given, dtype), *functions, *self.cell.row(given, dtype)]


def _bits(number: float) -> int:
    return int(struct.unpack("<q", struct.pack("<d", number))[0])
