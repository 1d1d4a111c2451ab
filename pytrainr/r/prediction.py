"""The compiled forward pass alone: many samples at once for ``predictr``, one time step at a time for a stepper."""

from __future__ import annotations

import numpy as np

from pytrainr.numerics.jit import strict, strict_part
from pytrainr.numerics.linalg import product
from pytrainr.numerics.scaling import all_finite, normalise, raw
from pytrainr.numerics.views import borrowed, boxed, keep, view
from pytrainr.r.cells import activate, forward, gates, kept
from pytrainr.r.epoch import (
    Forward,
    Shared,
    any_packed,
    forward_pass,
    pack_weights,
    save_prediction,
    workspace_for,
)
from pytrainr.r.layers import (
    Rows,
    add_recycled_bias,
    flattened,
    layer_weights,
    matrix,
    states_of,
    states_size,
    table_of,
    take,
    vector,
)

__all__ = ["predict_rows", "step"]


@strict
def predict_rows(cell, places, weights, X, first, total, at_once, out, record):
    """The forward pass of ``X`` (n, T, input), from row ``first`` of ``total`` on that R computes at once.

    Fills ``out`` (n, T′, output); zeros follow X where T′ > T. ``places`` (6, layers + 1) becomes the ``Table``.
    ``at_once`` samples are computed together, which changes no bit: as many as a cache holds. ``record`` (n, size) is
    filled with R's ``store`` unless it has no columns.
    """
    table = table_of(places)
    most = min(at_once, X.shape[0])
    nothing = np.empty(0)
    derived = Shared(np.empty(weights.size), nothing, nothing, most)
    work = workspace_for(kept(cell), gates(cell), table, out.shape[1], most, derived, nothing)
    rows = Rows(first, total)
    predict_in(cell, table, vector(weights), X, rows, at_once, out, record, borrowed(work))
    keep(places)
    keep(weights)
    keep(work)


@strict_part
def predict_in(cell, table, weights, X, rows, at_once, out, record, work):
    """:func:`predict_rows` in the memory that it made."""
    given, steps, inputs, outputs = X.shape[1], out.shape[1], X.shape[2], out.shape[2]
    if any_packed(gates(cell), table):
        pack_weights(gates(cell), table, weights, work.packed)
    place = boxed(Forward(table, weights, work, steps))
    for begin in range(0, X.shape[0], at_once):
        n = min(at_once, X.shape[0] - begin)
        x = take(work.memory, work.x, steps, n, inputs)
        y = take(work.memory, work.out, steps, n, outputs)
        for s in range(n):
            for t in range(steps):
                for k in range(inputs):
                    x[t, s, k] = X[begin + s, t, k] if t < given else 0.0
        forward_pass(cell, place, n, Rows(rows.first + begin, rows.total))
        for s in range(n):
            for t in range(steps):
                for k in range(outputs):
                    out[begin + s, t, k] = y[t, s, k]
        if record.shape[1] > 0:
            save_prediction(cell, place, matrix(record, begin * record.shape[1], n, record.shape[1]))


@strict
def step(cell, places, weights, scales, state, x, out):
    """One time step of samples of their own: ``out`` (n, output) for ``x`` (n, input), both raw.

    ``scales`` are those of input and output; ``state`` (n, ·), each layer's
    hidden and cell state, is replaced by the state after the step. Returns whether ``x`` is finite; if not, nothing is
    changed.
    """
    if not all_finite(x):
        return False
    table = table_of(places)
    layers = table.layers
    at_once = 1 if cell.use_bias else x.shape[0]  # as alone, each sample is the first of those recycled over
    size = at_once * (table.input_dim[0] + table.hidden_dim[layers])
    for layer in range(layers):
        size += states_size(kept(cell), 1, at_once, table.hidden_dim[layer])
    memory = np.empty(size)
    step_in(cell, table, vector(weights), scales[0], scales[1], vector(memory), at_once, state, x, out)
    keep(places)
    keep(weights)
    keep(memory)
    return True


@strict_part
def step_in(cell, table, weights, input_scale, output_scale, memory, at_once, state, x, out):
    """:func:`step` in the memory that it made."""
    cells = kept(cell)[0]
    layers = table.layers
    width, outputs = table.input_dim[0], table.hidden_dim[layers]
    hidden_width = table.input_dim[layers]
    for begin in range(0, x.shape[0], at_once):
        inputs = take(memory, 0, 1, at_once, width)
        y = take(memory, at_once * width, 1, at_once, outputs)
        offset, column = at_once * (width + outputs), 0
        normalise(inputs[0], x[begin : begin + at_once], input_scale)
        for layer in range(layers):
            hidden = table.hidden_dim[layer]
            states = states_of(kept(cell), memory, offset, 1, at_once, hidden)
            for s in range(at_once):
                for k in range(hidden):
                    states.hidden[0, s, k] = state[begin + s, column + k]
                    if cells:
                        states.cell[0, s, k] = state[begin + s, column + hidden + k]
            forward(cell, layer_weights(weights, table, layer, gates(cell)), inputs, states, Rows(0, 1))
            for s in range(at_once):
                for k in range(hidden):
                    state[begin + s, column + k] = states.hidden[1, s, k]
                    if cells:
                        state[begin + s, column + hidden + k] = states.cell[1, s, k]
            inputs = states.hidden[1:]
            offset += states_size(kept(cell), 1, at_once, hidden)
            column += (1 + cells) * hidden
        product(flattened(y), flattened(inputs), matrix(weights, table.time[layers], hidden_width, outputs))
        if cell.use_bias:
            add_recycled_bias(y[0], view(weights, table.bias[layers], (outputs,)), Rows(0, 1))
        activate(cell, vector(y))
        raw(out[begin : begin + at_once], y[0], output_scale)
