"""The cells: one file each, with the equations of one time step and, under them, their derivatives.

A cell is a NamedTuple of its options (its class needs a name of its own: Numba knows types by name), and in the same
file

    GATES, Cell                                     the names of its gates, the class
    widths(hidden, outputs)                         what the layer keeps: names of ``Tape`` fields and their widths
    forward(cell, weights, tape, t)                 fills ``tape.hidden[t + 1]`` from ``tape.gates[t]`` = x·W (+ b)
    backward(cell, weights, transposed, tape, t)    takes ``tape.upstream[t]``; fills ``tape.delta[t]`` and what goes
                                                    back to step t − 1
    add_gradient(cell, gradient, weights, tape)     the weights' gradient, over all time steps at once

A new cell is a file like these and one line in ``CELLS``.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

from numba.extending import overload

from pytrainr.exact.cells import echo_state, elman, gru, jordan, lstm

__all__ = ["CELLS", "add_gradient", "backward", "forward"]

CELLS: dict[str, ModuleType] = {
    "rnn": elman,
    "jordan": jordan,
    "gru": gru,
    "lstm": lstm,
    "esn": echo_state,
}
"""The cells by ``network_type``."""


def forward(cell, weights, tape, t):
    """One time step of the given cell; compiled code only."""


def backward(cell, weights, transposed, tape, t):
    """One time step back; compiled code only."""


def add_gradient(cell, gradient, weights, tape):
    """The weights' gradient after all steps back; compiled code only."""


def _file_of(cell: Any) -> ModuleType:
    return sys.modules[cell.instance_class.__module__]


@overload(forward, jit_options={"forceinline": True})
def _forward(cell, weights, tape, t):
    step = _file_of(cell).forward
    return lambda cell, weights, tape, t: step(cell, weights, tape, t)


@overload(backward, jit_options={"forceinline": True})
def _backward(cell, weights, transposed, tape, t):
    step = _file_of(cell).backward
    return lambda cell, weights, transposed, tape, t: step(cell, weights, transposed, tape, t)


@overload(add_gradient, jit_options={"forceinline": True})
def _add_gradient(cell, gradient, weights, tape):
    add = _file_of(cell).add_gradient
    return lambda cell, gradient, weights, tape: add(cell, gradient, weights, tape)
