"""The arrays that layers work on, as they are named in ``Weights`` and ``Tape``, and views of them.

Time comes first: what a layer reads and gives out is (steps, n, width) for n samples computed together. An array that a
layer does not have (no bias, no mask, no gradient asked for) is empty: ``size`` is 0.
"""

from __future__ import annotations

from typing import Annotated, Any, get_type_hints

import numpy as np

from pytrainr.numerics.by_address import Kind
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.views import view

__all__ = [
    "Matrix",
    "Presence",
    "Rows",
    "Steps",
    "Vector",
    "extended",
    "flat",
    "flattened",
    "following",
    "kinds_of",
    "past",
    "rows",
    "steps_of",
]

Vector = Annotated[np.ndarray, Kind(("size",))]
"""Weights (size,)."""
Matrix = Annotated[np.ndarray, Kind(("rows", "columns"))]
"""Weights (rows, columns)."""
Steps = Annotated[np.ndarray, Kind(("steps", None, "width"))]
"""(steps, n, width)."""
Rows = Annotated[np.ndarray, Kind((None, "width"))]
"""(n, width)."""
Presence = Annotated[np.ndarray, Kind(("steps", None))]
"""(steps, n): 1.0 where a sample has an entry, 0.0 where not; empty where all sequences are whole."""


def kinds_of(shown_as: type) -> dict[str, Any]:
    """The kind of each field of a NamedTuple: ``int``, ``float``, or that of an array."""
    hints = get_type_hints(shown_as, include_extras=True)
    return {name: hint.__metadata__[0] if hasattr(hint, "__metadata__") else hint for name, hint in hints.items()}


def extended(base: Any, more: Any) -> Any:
    """The NamedTuple ``more`` with the fields of ``base`` before its own."""
    from typing import NamedTuple

    fields = {**get_type_hints(base, include_extras=True), **get_type_hints(more, include_extras=True)}
    joined: Any = NamedTuple(more.__name__, list(fields.items()))  # type: ignore[misc]
    joined.__module__, joined.__doc__ = more.__module__, more.__doc__
    return joined


@fast_part
def flat(array):
    """A contiguous array as a vector."""
    return view(array, 0, (array.size,))


@fast_part
def flattened(a):
    """(steps, n, width) as (steps·n, width)."""
    return view(a, 0, (a.shape[0] * a.shape[1], a.shape[2]))


@fast_part
def rows(a, first, count):
    """``count`` rows of a matrix from ``first`` on."""
    return view(a, first * a.shape[1], (count, a.shape[1]))


@fast_part
def steps_of(a, begin, end):
    """The steps from ``begin`` to before ``end`` of (steps, n, width), as (·n, width)."""
    step = a.shape[1] * a.shape[2]
    return view(a, begin * step, ((end - begin) * a.shape[1], a.shape[2]))


@fast_part
def past(states):
    """Of (steps + 1, n, width) the state before each step (steps, n, width)."""
    return view(states, 0, (states.shape[0] - 1, states.shape[1], states.shape[2]))


@fast_part
def following(states):
    """Of (steps + 1, n, width) the state after each step (steps, n, width)."""
    shape = states.shape[0] - 1, states.shape[1], states.shape[2]
    return view(states, states.shape[1] * states.shape[2], shape)
