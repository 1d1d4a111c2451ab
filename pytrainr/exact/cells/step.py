"""A cell's equations, found by the class of its options when a kernel is compiled."""

from __future__ import annotations

import sys
from typing import Any

from pytrainr.numerics.numba_internals import by_class

__all__ = ["add_gradient", "cell_backward", "cell_forward"]


def _of_cell(name: str) -> Any:
    return by_class(name, lambda options: getattr(sys.modules[options.__module__], name))


cell_forward = _of_cell("forward")
"""(cell, weights, tape, t): one time step."""

cell_backward = _of_cell("backward")
"""(cell, weights, transposed, tape, t): one time step back."""

add_gradient = _of_cell("add_gradient")
"""(cell, gradient, weights, tape): the weights' gradient after all steps back."""
