"""What the cells share: a layer's weights and states as compiled code sees them, and R's recycled bias."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.numerics.jit import inline_part, strict_part
from pytrainr.numerics.views import view

__all__ = ["Gradient", "Rows", "States", "Table", "Weights", "add_recycled_bias", "layer_weights", "states_of", "take"]


class Table(NamedTuple):
    """Sizes of the layers and where their weights begin in the flat vector; the last entry is the output layer."""

    input_dim: np.ndarray
    hidden_dim: np.ndarray
    time: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray


class Weights(NamedTuple):
    """One layer: ``time`` (input, gates·hidden), ``recurrent`` (hidden, gates·hidden), ``bias`` (gates, hidden)."""

    time: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray


class States(NamedTuple):
    """What one layer remembers of n samples over T steps.

    ``hidden`` and ``cell`` (T + 1, n, hidden), entry 0 the state before the first step; ``gates`` (T, n, gates·hidden);
    ``extra`` (T, n, hidden), a cell's own intermediate. A cell that needs less has empty arrays.
    """

    hidden: np.ndarray
    cell: np.ndarray
    gates: np.ndarray
    extra: np.ndarray


class Gradient(NamedTuple):
    """What a layer's backward pass gets and gives.

    ``up`` (T, n, hidden): from the layer above, used up by the pass; ``down`` (T, n, input): for the layer below.
    ``first`` and ``last`` say whether the layer is the lowest and the highest: R treats them differently.
    """

    up: np.ndarray
    down: np.ndarray
    first: bool
    last: bool


class Rows(NamedTuple):
    """The rows being computed: the first one's place among ``total`` rows that R would compute at once."""

    first: int
    total: int


@inline_part
def matrix(flat, offset, rows, columns):
    """``flat`` from ``offset`` on as a (rows, columns) matrix."""
    return view(flat, offset, (rows, columns))


@inline_part
def layer_weights(flat, table, layer, gates):
    """The weights (or pending updates) of ``layer`` in the flat vector."""
    inputs, hidden = table.input_dim[layer], table.hidden_dim[layer]
    return Weights(
        matrix(flat, table.time[layer], inputs, gates * hidden),
        matrix(flat, table.recurrent[layer], hidden, gates * hidden),
        matrix(flat, table.bias[layer], gates, hidden),
    )


@inline_part
def transposed_weights(flat, table, layer, gates):
    """The same places holding each matrix transposed; the bias as it is."""
    inputs, hidden = table.input_dim[layer], table.hidden_dim[layer]
    return Weights(
        matrix(flat, table.time[layer], gates * hidden, inputs),
        matrix(flat, table.recurrent[layer], gates * hidden, hidden),
        matrix(flat, table.bias[layer], gates, hidden),
    )


@inline_part
def take(memory, offset, steps, rows, columns):
    """``memory`` from ``offset`` on as (steps, rows, columns)."""
    return view(memory, offset, (steps, rows, columns))


@inline_part
def states_size(kept, steps, rows, hidden):
    """How many numbers :func:`states_of` takes."""
    cells, gates, extras = kept
    return ((1 + cells) * (steps + 1) + (gates + extras) * steps) * rows * hidden


@inline_part
def states_of(kept, memory, offset, steps, rows, hidden):
    """States of a layer in ``memory`` from ``offset`` on, with the first hidden state and cell 0.

    ``kept`` = (1 or 0 for the cell, gates to keep, 1 or 0 for the extra array).
    """
    cells, gates, extras = kept
    block = rows * hidden
    hidden_states = take(memory, offset, steps + 1, rows, hidden)
    offset += (steps + 1) * block
    memories = take(memory, offset, cells * (steps + 1), rows, hidden)
    offset += cells * (steps + 1) * block
    hidden_states[0] = 0.0
    if cells:
        memories[0] = 0.0
    return States(
        hidden_states,
        memories,
        take(memory, offset, steps, rows, gates * hidden),
        take(memory, offset + gates * steps * block, extras * steps, rows, hidden),
    )


@inline_part
def flattened(a):
    """(steps, rows, columns) as (steps·rows, columns)."""
    return view(a, 0, (a.shape[0] * a.shape[1], a.shape[2]))


@inline_part
def vector(a):
    """All elements of a contiguous array in one row."""
    return view(a, 0, (a.size,))


@strict_part
def add_recycled_bias(s, bias, rows):
    """Add the bias as R does, recycled down the columns of the matrix: row r, unit k gets bias[(r + k·n) mod hidden].

    That is the bias of unit k only where one sample is computed at a time.
    """
    hidden = bias.size
    for r in range(s.shape[0]):
        for k in range(hidden):
            s[r, k] += bias[(rows.first + r + k * rows.total) % hidden]
