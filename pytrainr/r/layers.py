"""What the cells share: a layer's weights and states as compiled code sees them, and R's recycled bias."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pytrainr.numerics.elementwise import fill
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.linalg import (
    add_packed_product,
    add_product,
    add_transposed_products,
    packed_product,
    product,
)
from pytrainr.numerics.long_double import add_column_means
from pytrainr.numerics.vectors import memory_of, moved, strict_map
from pytrainr.numerics.views import columns, view

__all__ = [
    "Gradient",
    "Rows",
    "Share",
    "States",
    "Table",
    "Weights",
    "add_recurrent_product",
    "add_recycled_bias",
    "add_share_of_means",
    "add_share_of_products",
    "add_through_recurrent",
    "begin_with_zero",
    "flattened",
    "gate_rows",
    "is_packed",
    "layer_weights",
    "matrix",
    "packed_weights",
    "part_of",
    "past",
    "present",
    "states_of",
    "states_size",
    "table_of",
    "take",
    "through_recurrent",
    "times_logistic_slope",
    "transposed_weights",
    "vector",
]


class Table(NamedTuple):
    """Sizes of the layers and where their weights begin in the flat vector; the last entry is the output layer.

    ``layers`` counts the recurrent ones, ``below`` the units of those below each. All but ``layers`` are pointers: an
    array costs a dozen words at each call.
    """

    layers: int
    input_dim: Any
    hidden_dim: Any
    below: Any
    time: Any
    recurrent: Any
    bias: Any


class Weights(NamedTuple):
    """One layer: ``time`` (input, gates·hidden), ``recurrent`` (hidden, gates·hidden), ``bias`` (gates, hidden).

    ``packed`` has the recurrent weights of each gate packed, one after the other, or is empty. Where it has those of
    transposed weights, ``recurrent`` has not.
    """

    time: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    packed: np.ndarray


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


class Share(NamedTuple):
    """Share ``number`` (from 0) ``of`` so many."""

    number: int
    of: int


@strict_part
def table_of(places):
    """The table in ``places`` (6, layers + 1), which must stay alive."""
    size, first = places.shape[1], memory_of(places)
    return Table(
        size - 1,
        first,
        moved(first, size),
        moved(first, 2 * size),
        moved(first, 3 * size),
        moved(first, 4 * size),
        moved(first, 5 * size),
    )


@strict_part
def matrix(flat, offset, rows, columns):
    """``flat`` from ``offset`` on as a (rows, columns) matrix."""
    return view(flat, offset, (rows, columns))


@strict_part
def layer_weights(flat, table, layer, gates):
    """The weights (or pending updates) of ``layer`` in the flat vector."""
    inputs, hidden = table.input_dim[layer], table.hidden_dim[layer]
    return Weights(
        matrix(flat, table.time[layer], inputs, gates * hidden),
        matrix(flat, table.recurrent[layer], hidden, gates * hidden),
        matrix(flat, table.bias[layer], gates, hidden),
        view(flat, 0, (0,)),
    )


@strict_part
def is_packed(hidden, gates):
    """Whether a layer's recurrent weights are worth packing: not in the first cache, nor in one panel."""
    return gates * hidden > 64 and gates * hidden * hidden > 4096


@strict_part
def goes_back_packed(hidden, gates):
    """Whether the transposed ones are: only where the second cache does not hold them, as few rows do not gain."""
    return gates * hidden * hidden > 1 << 16


@strict_part
def packed_weights(flat, packed, table, layer, gates):
    """The weights of ``layer``, with the recurrent ones packed as well if they are in ``packed``, laid out alike."""
    weights, hidden = layer_weights(flat, table, layer, gates), table.hidden_dim[layer]
    size = gates * hidden * hidden if is_packed(hidden, gates) else 0
    return Weights(weights.time, weights.recurrent, weights.bias, view(packed, table.recurrent[layer], (size,)))


@strict_part
def add_recurrent_product(out, h, weights, first, count):
    """``out = out + (h R)`` for ``count`` gates from ``first`` on."""
    hidden = h.shape[1]
    if weights.packed.size > 0:
        for gate in range(count):
            panels = view(weights.packed, (first + gate) * hidden * hidden, (hidden * hidden,))
            add_packed_product(columns(out, gate * hidden, hidden), h, panels)
    else:
        add_product(out, h, columns(weights.recurrent, first * hidden, count * hidden))


@strict_part
def transposed_weights(flat, table, layer, gates):
    """The same places holding each matrix transposed, large recurrent ones packed; the bias as it is."""
    inputs, hidden = table.input_dim[layer], table.hidden_dim[layer]
    size = gates * hidden * hidden if goes_back_packed(hidden, gates) else 0
    return Weights(
        matrix(flat, table.time[layer], gates * hidden, inputs),
        matrix(flat, table.recurrent[layer], gates * hidden, hidden),
        matrix(flat, table.bias[layer], gates, hidden),
        view(flat, table.recurrent[layer], (size,)),
    )


@strict_part
def through_recurrent(out, pre, transposed, gate):
    """``out = pre R_gateᵀ``."""
    hidden = out.shape[1]
    if transposed.packed.size > 0:
        packed_product(out, pre, view(transposed.packed, gate * hidden * hidden, (hidden * hidden,)))
    else:
        product(out, pre, gate_rows(transposed.recurrent, gate, hidden))


@strict_part
def add_through_recurrent(out, pre, transposed, gate):
    """``out = out + (pre R_gateᵀ)``."""
    hidden = out.shape[1]
    if transposed.packed.size > 0:
        add_packed_product(out, pre, view(transposed.packed, gate * hidden * hidden, (hidden * hidden,)))
    else:
        add_product(out, pre, gate_rows(transposed.recurrent, gate, hidden))


@strict_part
def take(memory, offset, steps, rows, columns):
    """``memory`` from ``offset`` on as (steps, rows, columns)."""
    return view(memory, offset, (steps, rows, columns))


@strict_part
def states_size(kept, steps, rows, hidden):
    """How many numbers :func:`states_of` takes."""
    cells, gates, extras = kept
    return ((1 + cells) * (steps + 1) + (gates + extras) * steps) * rows * hidden


@strict_part
def states_of(kept, memory, offset, steps, rows, hidden):
    """States of a layer in ``memory`` from ``offset`` on.

    ``kept`` = (1 or 0 for the cell, gates to keep, 1 or 0 for the extra array).
    """
    cells, gates, extras = kept
    block = rows * hidden
    hidden_states = take(memory, offset, steps + 1, rows, hidden)
    offset += (steps + 1) * block
    memories = take(memory, offset, cells * (steps + 1), rows, hidden)
    offset += cells * (steps + 1) * block
    return States(
        hidden_states,
        memories,
        take(memory, offset, steps, rows, gates * hidden),
        take(memory, offset + gates * steps * block, extras * steps, rows, hidden),
    )


@strict_part
def begin_with_zero(states):
    """Make 0 the hidden state and the cell before the first step."""
    size = states.hidden.shape[1] * states.hidden.shape[2]
    fill(view(states.hidden, 0, (size,)), 0.0)
    fill(view(states.cell, 0, (min(size, states.cell.size),)), 0.0)


@strict_part
def flattened(a):
    """(steps, rows, columns) as (steps·rows, columns)."""
    return view(a, 0, (a.shape[0] * a.shape[1], a.shape[2]))


@strict_part
def vector(a):
    """All elements of a contiguous array in one row."""
    return view(a, 0, (a.size,))


@strict_part
def past(states):
    """Of (T + 1, n, hidden) the state before each step (T, n, hidden)."""
    return view(states, 0, (states.shape[0] - 1, states.shape[1], states.shape[2]))


@strict_part
def present(states):
    """Of (T + 1, n, hidden) the state after each step (T, n, hidden)."""
    first = states.shape[1] * states.shape[2]
    return view(states, first, (states.shape[0] - 1, states.shape[1], states.shape[2]))


@strict_part
def gate_rows(transposed, gate, hidden):
    """The rows of one gate of a transposed matrix (gates·hidden, ·)."""
    return view(transposed, gate * hidden * transposed.shape[1], (hidden, transposed.shape[1]))


@strict_part
def part_of(size, share):
    """The first and the number of those of ``size`` things that fall to a share."""
    first = size * share.number // share.of
    return first, size * (share.number + 1) // share.of - first


@strict_part
def add_share_of_products(out, a, b, share):
    """A share of the rows of ``out = out + (a[t]ᵀ b[t])``, t from last to first."""
    first, count = part_of(a.shape[2], share)
    add_transposed_products(out[first : first + count], columns(a, first, count), b)


@strict_part
def add_share_of_means(out, a, share):
    """A share of ``out = out + the column means of a[t]``, t from last to first."""
    first, count = part_of(out.size, share)
    add_column_means(view(out, first, (count,)), columns(a, first, count))


@strict_map("gradient")
def times_logistic_slope(gradient, y):
    """``gradient = gradient · (y (1 − y))``."""
    return gradient * (y * (1.0 - y))


@strict_part
def add_recycled_bias(s, bias, rows):
    """Add the bias as R does, recycled down the columns of the matrix: row r, unit k gets bias[(r + k·n) mod hidden].

    That is the bias of unit k only where one sample is computed at a time.
    """
    hidden = bias.size
    step = rows.total % hidden
    for r in range(s.shape[0]):
        place = (rows.first + r) % hidden
        for k in range(hidden):
            s[r, k] += bias[place]
            place += step
            if place >= hidden:
                place -= hidden
