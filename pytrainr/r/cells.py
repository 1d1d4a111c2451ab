"""The registry of R's cells, and how compiled code calls the right one.

``forward(cell, …)`` and the other functions here are the names that the compiled epoch calls; Numba replaces each call,
while compiling, by the function that ``CELLS`` gives for the class of ``cell``. The epoch itself knows no cell by name.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from numba import types

from pytrainr.numerics.jit import intrinsic
from pytrainr.numerics.numba_internals import by_class
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


def _of(options: type) -> Cell:
    return next(cell for cell in CELLS.values() if cell.options is options)


def _function(name: str) -> Any:
    return by_class(name, lambda options: getattr(_of(options), name))


forward = _function("forward")
"""(cell, weights, x, states, rows): fill ``states`` from the inputs ``x`` (T, n, input)."""

backward = _function("backward")
"""(cell, weights, transposed, states, gradient, scratch): make of ``gradient.up`` and the states what the updates need,
and fill ``gradient.down``."""

add_updates = _function("add_updates")
"""(cell, updates, x, states, delta, first, share): a share of a layer's updates, from what the backward pass left in
the states and, as ``delta``, in ``up``. ``first``: whether the layer is the lowest, which R treats differently."""

activate = _function("activate")
"""(cell, values): apply the output layer's activation in place."""

output_backward = _function("output_backward")
"""(cell, weights, transposed, updates, bias_update, delta, h, up): add to the output layer's updates and fill ``up``
(T, n, hidden)."""

stored = _function("stored")
"""(cell, states, t, sample, k, unit): entry k of R's ``store`` for one unit."""


def _number(name: str, what: str) -> Any:
    """A number or several of the cell, by the cell's field; not as literals, for which Numba would compile anew."""

    def number(typing: Any, cell: Any) -> Any:
        value = getattr(_of(cell.instance_class), name)
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
