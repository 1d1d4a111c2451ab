"""The registry of R's cells, and how compiled code calls the right one.

``forward(cell, …)`` and the other functions here are the names that the compiled epoch calls; Numba replaces each call,
while compiling, by the function that ``CELLS`` gives for the class of ``cell``. The epoch itself knows no cell by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba.extending import overload

from pytrainr.r import gru, lstm, output, rnn

__all__ = [
    "CELLS",
    "activate",
    "add_updates",
    "backward",
    "forward",
    "gates",
    "kept",
    "output_backward",
    "stored",
    "stored_arrays",
]


class Cell(NamedTuple):
    """What a cell brings: its class of run-time options, its file's functions, its output layer's backward pass."""

    options: type
    forward: Callable
    backward: Callable
    add_updates: Callable
    activate: Callable
    stored: Callable
    output_backward: Callable
    gates: int
    kept: tuple[int, int, int]
    stored_arrays: int


def _cell(module: Any, options: type, output_backward: Callable) -> Cell:
    return Cell(
        options,
        module.forward,
        module.backward,
        module.add_updates,
        module.activate,
        module.stored,
        output_backward,
        module.GATES,
        module.KEPT,
        module.STORED,
    )


CELLS: dict[str, Cell] = {
    "rnn": _cell(rnn, rnn.Rnn, output.through_weights),
    "gru": _cell(gru, gru.Gru, output.through_pending_update),
    "lstm": _cell(lstm, lstm.Lstm, output.through_pending_update),
}


def _of(cell_type: Any) -> Cell:
    return next(cell for cell in CELLS.values() if cell.options is cell_type.instance_class)


def forward(cell, weights, x, states, rows):
    """Fill ``states`` from the inputs ``x`` (T, n, input)."""


def backward(cell, weights, transposed, states, gradient, scratch):
    """Make of ``gradient.up`` and the states what the updates need, and fill ``gradient.down``."""


def add_updates(cell, updates, x, states, delta, first, share):
    """A share of a layer's updates, from what the backward pass left in the states and, as ``delta``, in ``up``.

    ``first``: whether the layer is the lowest, which R treats differently.
    """


def activate(cell, values):
    """Apply the output layer's activation in place."""


def output_backward(cell, weights, transposed, updates, bias_update, delta, h, up):
    """Add to the output layer's updates and fill ``up`` (T, n, hidden)."""


def stored(cell, states, t, sample, k, unit):
    """Entry k of R's ``store`` for one unit."""


def gates(cell):
    """How many gates the cell has."""


def kept(cell):
    """What a layer's states hold besides the hidden state: cells (1 or 0), gates, extra array (1 or 0)."""


def stored_arrays(cell):
    """How many arrays R's ``store`` keeps for the cell."""


@overload(forward)
def _forward(cell, weights, x, states, rows):
    compiled = _of(cell).forward
    return lambda cell, weights, x, states, rows: compiled(cell, weights, x, states, rows)


@overload(backward)
def _backward(cell, weights, transposed, states, gradient, scratch):
    compiled = _of(cell).backward
    return lambda cell, weights, transposed, states, gradient, scratch: compiled(
        cell, weights, transposed, states, gradient, scratch
    )


@overload(add_updates)
def _add_updates(cell, updates, x, states, delta, first, share):
    compiled = _of(cell).add_updates
    return lambda cell, updates, x, states, delta, first, share: compiled(cell, updates, x, states, delta, first, share)


@overload(activate)
def _activate(cell, values):
    compiled = _of(cell).activate
    return lambda cell, values: compiled(cell, values)


@overload(output_backward)
def _output_backward(cell, weights, transposed, updates, bias_update, delta, h, up):
    compiled = _of(cell).output_backward
    return lambda cell, weights, transposed, updates, bias_update, delta, h, up: compiled(
        weights, transposed, updates, bias_update, delta, h, up
    )


@overload(stored)
def _stored(cell, states, t, sample, k, unit):
    compiled = _of(cell).stored
    return lambda cell, states, t, sample, k, unit: compiled(cell, states, t, sample, k, unit)


@overload(gates)
def _gates(cell):
    count = _of(cell).gates
    return lambda cell: count


@overload(kept)
def _kept(cell):
    counts = _of(cell).kept
    return lambda cell: counts


@overload(stored_arrays)
def _stored_arrays(cell):
    count = _of(cell).stored_arrays
    return lambda cell: count
