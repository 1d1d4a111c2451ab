"""A cell's equations, found by the type of its options when a kernel is compiled."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from numba.extending import overload

__all__ = ["add_gradient", "cell_backward", "cell_forward"]


def cell_forward(cell, weights, tape, t):
    """One time step of the given cell; compiled code only."""


def cell_backward(cell, weights, transposed, tape, t):
    """One time step back; compiled code only."""


def add_gradient(cell, gradient, weights, tape):
    """The weights' gradient after all steps back; compiled code only."""


def _file_of(cell: Any) -> ModuleType:
    return sys.modules[cell.instance_class.__module__]


@overload(cell_forward, jit_options={"forceinline": True})
def _forward(cell, weights, tape, t):
    step = _file_of(cell).forward
    return lambda cell, weights, tape, t: step(cell, weights, tape, t)


@overload(cell_backward, jit_options={"forceinline": True})
def _backward(cell, weights, transposed, tape, t):
    step = _file_of(cell).backward
    return lambda cell, weights, transposed, tape, t: step(cell, weights, transposed, tape, t)


@overload(add_gradient, jit_options={"forceinline": True})
def _add_gradient(cell, gradient, weights, tape):
    add = _file_of(cell).add_gradient
    return lambda cell, gradient, weights, tape: add(cell, gradient, weights, tape)
