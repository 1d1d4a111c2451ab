"""The compiled loops: groups → forward → backward → update, and the forward pass alone for prediction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.numerics.jit import is_set, strict, strict_part
from pytrainr.numerics.linalg import pack, product, transpose
from pytrainr.numerics.views import borrowed, columns, keep, view
from pytrainr.r.cells import activate, backward, forward, gates, kept, output_backward, stored, stored_arrays
from pytrainr.r.layers import (
    Gradient,
    Rows,
    add_recycled_bias,
    flattened,
    is_packed,
    layer_weights,
    matrix,
    packed_weights,
    states_of,
    states_size,
    take,
    transposed_weights,
    vector,
)
from pytrainr.r.output import output_errors
from pytrainr.r.update import any_nan, clip, scale, scaled_sgd, update

__all__ = ["Batch", "finish_update", "forward_pass", "pack_weights", "run_groups", "save_states", "workspace_for"]


class Batch(NamedTuple):
    """The samples to train on, in group order, and where each group begins.

    ``order`` (n,) are rows of ``X`` (samples, T, input) and ``Y`` (samples, T, output); ``starts`` (groups + 1,) are
    places in ``order``, and so are the rows of what is filled: ``error`` (n,), and ``record`` (n, size) with what R's
    ``store`` and ``last_layer_*`` keep of each sample, if it has columns. The first ``unused_steps`` time steps count
    in no error.
    """

    X: np.ndarray
    Y: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    error: np.ndarray
    record: np.ndarray
    unused_steps: int


class Scratch(NamedTuple):
    """Room for one time step of a backward pass: (n, hidden), for ``pre`` (n, gates·hidden)."""

    future: np.ndarray
    future_cell: np.ndarray
    product: np.ndarray
    pre: np.ndarray


class Workspace(NamedTuple):
    """Memory that a group's pass needs, and where each part begins; laid out anew for each group's size."""

    memory: np.ndarray
    states: np.ndarray  # offset of each layer's states
    x: int
    out: int
    target: int
    delta: int
    up: int
    down: int
    scratch: int
    packed: np.ndarray
    transposed: np.ndarray


@strict_part
def workspace_for(cell, table, steps, rows, training):
    """Memory for ``rows`` samples at a time."""
    layers = table.hidden_dim.size - 1
    outputs = table.hidden_dim[layers]
    places = np.empty(layers, np.int64)
    offset, widest = 0, 0
    for layer in range(layers):
        places[layer] = offset
        offset += states_size(kept(cell), steps, rows, table.hidden_dim[layer])
        widest = max(widest, table.hidden_dim[layer])
    x = offset
    out = x + steps * rows * table.input_dim[0]
    target = out + steps * rows * outputs
    weights = table.bias[layers] + outputs
    if not training:
        return Workspace(np.empty(target), places, x, out, 0, 0, 0, 0, 0, np.empty(weights), np.empty(0))
    delta = target + steps * rows * outputs
    up = delta + steps * rows * outputs
    down = up + steps * rows * widest
    scratch = down + (steps * rows * widest if layers > 1 else 0)
    end = scratch + (3 + gates(cell)) * rows * widest
    memory, packed, transposed = np.empty(end), np.empty(weights), np.empty(weights)
    return Workspace(memory, places, x, out, target, delta, up, down, scratch, packed, transposed)


@strict_part
def pack_weights(cell, table, weights, packed):
    """Keep the recurrent weights of large layers packed as well, gate by gate."""
    for layer in range(table.hidden_dim.size - 1):
        hidden = table.hidden_dim[layer]
        if is_packed(hidden, gates(cell)):
            w = layer_weights(weights, table, layer, gates(cell))
            for gate in range(gates(cell)):
                panels = view(packed, table.recurrent[layer] + gate * hidden * hidden, (hidden * hidden,))
                pack(panels, columns(w.recurrent, gate * hidden, hidden))


@strict_part
def transpose_weights(cell, table, weights, transposed):
    """Keep each matrix transposed as well: the backward pass then reads both row by row."""
    layers = table.hidden_dim.size - 1
    for layer in range(layers):
        w = layer_weights(weights, table, layer, gates(cell))
        w_transposed = transposed_weights(transposed, table, layer, gates(cell))
        if layer > 0:
            transpose(w_transposed.time, w.time)
        transpose(w_transposed.recurrent, w.recurrent)
    hidden, outputs = table.input_dim[layers], table.hidden_dim[layers]
    place = table.time[layers]
    transpose(matrix(transposed, place, outputs, hidden), matrix(weights, place, hidden, outputs))


@strict_part
def gather(to, samples, rows):
    """``to`` (T, n, variables) from the ``rows`` (n,) of ``samples`` (·, T, variables)."""
    steps, n, variables = to.shape
    for s in range(n):
        row = rows[s]
        for t in range(steps):
            for k in range(variables):
                to[t, s, k] = samples[row, t, k]


@strict_part
def forward_pass(cell, table, weights, x, out, work, rows):
    """Every layer over all time steps, then the output layer; fills the states in ``work``, ``out`` (T, n, output)."""
    steps, n = x.shape[0], x.shape[1]
    layers = table.hidden_dim.size - 1
    inputs = x
    for layer in range(layers):
        states = states_of(kept(cell), work.memory, work.states[layer], steps, n, table.hidden_dim[layer])
        forward(cell, packed_weights(weights, work.packed, table, layer, gates(cell)), inputs, states, rows)
        inputs = states.hidden[1:]
    outputs = table.hidden_dim[layers]
    product(flattened(out), flattened(inputs), matrix(weights, table.time[layers], table.input_dim[layers], outputs))
    if cell.use_bias:
        bias = view(weights, table.bias[layers], (outputs,))
        for t in range(steps):
            add_recycled_bias(out[t], bias, rows)
    activate(cell, vector(out))


@strict_part
def layer_states(cell, table, work, layer, steps, n):
    """The states that the forward pass left, untouched."""
    return states_of(kept(cell), work.memory, work.states[layer], steps, n, table.hidden_dim[layer])


@strict_part
def backward_pass(cell, table, state, x, delta, work):
    """Add what a group teaches to ``state.update``."""
    steps, n = x.shape[0], x.shape[1]
    layers = table.hidden_dim.size - 1
    hidden, outputs = table.input_dim[layers], table.hidden_dim[layers]
    place = table.time[layers]
    last = layer_states(cell, table, work, layers - 1, steps, n)
    up_at, down_at = work.up, work.down
    output_backward(
        cell,
        matrix(state.weights, place, hidden, outputs),
        matrix(work.transposed, place, outputs, hidden),
        matrix(state.update, place, hidden, outputs),
        view(state.update, table.bias[layers], (outputs,)),
        delta,
        last.hidden[1:],
        take(work.memory, up_at, steps, n, hidden),
    )
    for layer in range(layers - 1, -1, -1):
        hidden, inputs = table.hidden_dim[layer], table.input_dim[layer]
        first = layer == 0
        states = layer_states(cell, table, work, layer, steps, n)
        below = x if first else layer_states(cell, table, work, layer - 1, steps, n).hidden[1:]
        gradient = Gradient(
            take(work.memory, up_at, steps, n, hidden),
            take(work.memory, down_at, 0 if first else steps, n, inputs),
            first,
            layer == layers - 1,
        )
        at, block = work.scratch, n * hidden
        scratch = Scratch(
            matrix(work.memory, at, n, hidden),
            matrix(work.memory, at + block, n, hidden),
            matrix(work.memory, at + 2 * block, n, hidden),
            matrix(work.memory, at + 3 * block, n, gates(cell) * hidden),
        )
        backward(
            cell,
            layer_weights(state.weights, table, layer, gates(cell)),
            transposed_weights(work.transposed, table, layer, gates(cell)),
            layer_weights(state.update, table, layer, gates(cell)),
            below,
            states,
            gradient,
            scratch,
        )
        up_at, down_at = down_at, up_at


@strict_part
def save_states(cell, table, work, out, record, column):
    """Write the group's ``store`` into ``record`` (n, size) from ``column`` on, sample by sample; the next column."""
    steps, n = out.shape[0], out.shape[1]
    for layer in range(table.hidden_dim.size - 1):
        states = layer_states(cell, table, work, layer, steps, n)
        for s in range(n):
            at = column
            for t in range(steps):
                for unit in range(table.hidden_dim[layer]):
                    for k in range(stored_arrays(cell)):
                        record[s, at] = stored(cell, states, t, s, k, unit)
                        at += 1
        column += steps * table.hidden_dim[layer] * stored_arrays(cell)
    return save_steps(out, record, column)


@strict_part
def save_steps(values, record, column):
    """Write ``values`` (T, n, variables) into ``record`` (n, size) from ``column`` on; the next column."""
    steps, n, variables = values.shape
    for s in range(n):
        at = column
        for t in range(steps):
            for k in range(variables):
                record[s, at] = values[t, s, k]
                at += 1
    return column + steps * variables


@strict
def run_groups(cell, table, state, rule, batch, first, updating, stop):
    """Train on the groups from ``first`` on; how many groups are done, and whether the last lacks its update.

    Ends early where ``stop`` is set, or before the update of a group: after each one with ``updating`` false (the
    caller's own loss function comes then), or where clipping must replace NaN by random numbers (the caller draws).
    """
    largest = 0
    for g in range(batch.starts.size - 1):
        largest = max(largest, batch.starts[g + 1] - batch.starts[g])
    work = workspace_for(cell, table, batch.X.shape[1], largest, True)
    result = groups_in(
        cell, borrowed(table), borrowed(state), rule, borrowed(batch), first, updating, borrowed(stop), borrowed(work)
    )
    keep(work)
    return result


@strict_part
def groups_in(cell, table, state, rule, batch, first, updating, stop, work):
    """:func:`run_groups` with all its arrays borrowed."""
    steps = batch.X.shape[1]
    groups = batch.starts.size - 1
    inputs, outputs = batch.X.shape[2], batch.Y.shape[2]
    for g in range(first, groups):
        if is_set(stop):
            return g, False
        begin, end = batch.starts[g], batch.starts[g + 1]
        n, rows = end - begin, batch.order[begin:end]
        x = take(work.memory, work.x, steps, n, inputs)
        out = take(work.memory, work.out, steps, n, outputs)
        target = take(work.memory, work.target, steps, n, outputs)
        delta = take(work.memory, work.delta, steps, n, outputs)
        gather(x, batch.X, rows)
        gather(target, batch.Y, rows)
        pack_weights(cell, table, state.weights, work.packed)
        transpose_weights(cell, table, state.weights, work.transposed)
        forward_pass(cell, table, state.weights, x, out, work, Rows(0, n))
        output_errors(out, target, delta, batch.error[begin:end], batch.unused_steps)
        if batch.record.shape[1] > 0:
            column = save_states(cell, table, work, out, batch.record[begin:end], 0)
            column = save_steps(target, batch.record[begin:end], column)
            save_steps(delta, batch.record[begin:end], column)
        backward_pass(cell, table, state, x, delta, work)
        if not updating:
            return g + 1, True
        if rule.scaled and rule.clipping == np.inf:
            scaled_sgd(state.weights, state.update, rule.learningrate, rule.momentum)
            continue
        if rule.scaled:
            scale(state.update, rule.learningrate)
        if rule.clipping < np.inf:
            if any_nan(state.update):
                return g + 1, True
            clip(state.update, rule.clipping)
        update(state, table, rule)
    return groups, False


@strict
def finish_update(state, table, rule):
    """Clip and update: what :func:`run_groups` left to do."""
    if rule.clipping < np.inf:
        clip(state.update, rule.clipping)
    update(state, table, rule)
