"""The registry of R's cells, and how compiled code calls the right one.

``forward(cell, …)`` and the other functions here are the names that the compiled epoch calls; Numba replaces each call,
while compiling, by the function that ``CELLS`` gives for the class of ``cell``. The epoch itself knows no cell by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types
from numba.extending import overload

from pytrainr.numerics.jit import intrinsic
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


def _number(name: str, what: str) -> Any:
    """A number or several of the cell, by the cell's field; not as literals, for which Numba would compile anew."""

    def number(typing: Any, cell: Any) -> Any:
        value = getattr(_of(cell), name)
        kind = types.int64 if isinstance(value, int) else types.UniTuple(types.int64, len(value))

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return context.get_constant_generic(builder, kind, value)

        return kind(cell), generate

    number.__name__, number.__doc__ = name, what
    return intrinsic(number)


gates = _number("gates", "How many gates the cell has.")
kept = _number(
    "kept", "What a layer's states hold besides the hidden state: cells (1 or 0), gates, extra array (1 or 0)."
)
stored_arrays = _number("stored_arrays", "How many arrays R's ``store`` keeps for the cell.")
