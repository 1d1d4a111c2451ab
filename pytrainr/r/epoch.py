"""The compiled loops: groups → forward → backward → update, and the forward pass alone for prediction."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pytrainr.numerics.compiled_once import compiled_on_demand, compiled_once
from pytrainr.numerics.crew import Crew, agreed, meet
from pytrainr.numerics.elementwise import copy
from pytrainr.numerics.jit import is_set, strict, strict_part
from pytrainr.numerics.linalg import pack, product, transpose
from pytrainr.numerics.vectors import memory_of
from pytrainr.numerics.views import boxed, columns, keep, read_ahead, unboxed, view
from pytrainr.r.cells import (
    activate,
    add_updates,
    backward,
    forward,
    gates,
    kept,
    output_backward,
    stored,
    stored_arrays,
)
from pytrainr.r.layers import (
    Gradient,
    Rows,
    Share,
    Table,
    add_recycled_bias,
    flattened,
    is_packed,
    layer_weights,
    matrix,
    packed_weights,
    part_of,
    present,
    states_of,
    states_size,
    table_of,
    take,
    transposed_weights,
    vector,
)
from pytrainr.r.output import output_errors
from pytrainr.r.update import State, any_nan, clip, scale, scaled_sgd, update

__all__ = [
    "Batch",
    "Shared",
    "finish_update",
    "forward_pass",
    "pack_weights",
    "run_groups",
    "save_states",
    "shared_memory",
    "workspace_for",
]


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
    states: Any  # offset of each layer's states
    x: int
    out: int
    target: int
    delta: int
    up: int
    down: int
    scratch: int
    packed: np.ndarray
    transposed: np.ndarray


class Shared(NamedTuple):
    """What the threads of a crew share: derived weights, and, if they are several, ``memory`` for a whole group.

    ``rows``: samples of the largest group. To predict, there are no transposed weights.
    """

    packed: np.ndarray
    transposed: np.ndarray
    memory: np.ndarray
    rows: int


class Backward(NamedTuple):
    """What the backward pass of every group needs, put in its place once."""

    table: Table
    state: State
    work: Workspace
    whole: Workspace
    crew: Crew
    steps: int


@strict_part
def workspace_for(kept, gates, table, steps, rows, shared):
    """Memory for ``rows`` samples at a time: ``shared.memory``, if that is as large."""
    layers = table.layers
    outputs = table.hidden_dim[layers]
    places = np.empty(layers, np.int64)
    offset, widest = 0, 0
    for layer in range(layers):
        places[layer] = offset
        offset += states_size(kept, steps, rows, table.hidden_dim[layer])
        widest = max(widest, table.hidden_dim[layer])
    x = offset
    out = x + steps * rows * table.input_dim[0]
    target = out + steps * rows * outputs
    delta = target + steps * rows * outputs
    up = delta + steps * rows * outputs
    down = up + steps * rows * widest
    scratch = down + (steps * rows * widest if layers > 1 else 0)
    end = scratch + (3 + gates) * rows * widest if shared.transposed.size > 0 else target
    memory = shared.memory if shared.memory.size >= end else np.empty(end)
    return Workspace(memory, places, x, out, target, delta, up, down, scratch, shared.packed, shared.transposed)


@strict_part
def viewed(work):
    """The same with views of its arrays, which must stay alive: not counted at every call."""
    return Workspace(
        vector(work.memory),
        memory_of(work.states),
        work.x,
        work.out,
        work.target,
        work.delta,
        work.up,
        work.down,
        work.scratch,
        vector(work.packed),
        vector(work.transposed),
    )


@strict
def shared_memory(cell, places, steps, shared):
    """Memory for all rows of a group that a crew computes."""
    return workspace_for(kept(cell), gates(cell), table_of(places), steps, shared.rows, shared).memory


@strict_part
def pack_weights(gates, table, weights, packed):
    """Keep the recurrent weights of large layers packed as well, gate by gate."""
    for layer in range(table.layers):
        hidden = table.hidden_dim[layer]
        if is_packed(hidden, gates):
            w = layer_weights(weights, table, layer, gates)
            for gate in range(gates):
                panels = view(packed, table.recurrent[layer] + gate * hidden * hidden, (hidden * hidden,))
                pack(panels, columns(w.recurrent, gate * hidden, hidden))


@strict_part
def transpose_weights(gates, table, weights, transposed):
    """Keep each matrix transposed as well: the backward pass then reads both row by row."""
    layers = table.layers
    for layer in range(layers):
        w = layer_weights(weights, table, layer, gates)
        w_transposed = transposed_weights(transposed, table, layer, gates)
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
def forward_pass(cell, table, weights, work, steps, n, rows):
    """Every layer over all time steps, then the output layer: from the inputs in ``work`` to its states and outputs.

    Part of its callers, as a call of a small network's would take as long as a twentieth of it; ``backward_pass`` is
    not, so that two processes can compile at a time.
    """
    layers = table.layers
    inputs = take(work.memory, work.x, steps, n, table.input_dim[0])
    out = take(work.memory, work.out, steps, n, table.hidden_dim[layers])
    for layer in range(layers):
        states = states_of(kept(cell), work.memory, work.states[layer], steps, n, table.hidden_dim[layer])
        forward(cell, packed_weights(weights, work.packed, table, layer, gates(cell)), inputs, states, rows)
        inputs = present(states.hidden)
    outputs = table.hidden_dim[layers]
    product(flattened(out), flattened(inputs), matrix(weights, table.time[layers], table.input_dim[layers], outputs))
    if cell.use_bias:
        bias = view(weights, table.bias[layers], (outputs,))
        for t in range(steps):
            add_recycled_bias(out[t], bias, rows)
    activate(cell, vector(out))


@strict_part
def layer_states(kept, table, work, layer, steps, n):
    """The states that the forward pass left, untouched."""
    return states_of(kept, work.memory, work.states[layer], steps, n, table.hidden_dim[layer])


@strict_part
def put_rows(whole, rows, first):
    """Put some rows of (T, ·, variables) in their place among all."""
    for t in range(rows.shape[0]):
        copy(whole[t][first : first + rows.shape[1]], rows[t])


@compiled_on_demand
def share_forward(kept, table, work, whole, first, mine, steps, n):
    """Put what the forward pass of some samples left in its place among all ``n`` of the group."""
    inputs, outputs = table.input_dim[0], table.hidden_dim[table.layers]
    x, delta = take(work.memory, work.x, steps, mine, inputs), take(work.memory, work.delta, steps, mine, outputs)
    put_rows(take(whole.memory, whole.x, steps, n, inputs), x, first)
    put_rows(take(whole.memory, whole.delta, steps, n, outputs), delta, first)
    for layer in range(table.layers):
        from_states = layer_states(kept, table, work, layer, steps, mine)
        to_states = layer_states(kept, table, whole, layer, steps, n)
        put_rows(to_states.hidden, from_states.hidden, first)
        put_rows(to_states.extra, from_states.extra, first)


@compiled_once
def backward_pass(cell, place, first, mine, n):
    """Add what a group teaches to ``state.update``; the crew's samples are those from ``first`` on of all ``n``.

    ``place`` is that of a :class:`Backward`.

    The way back goes sample by sample, each thread its own. The updates sum over all samples in R's order, so there
    each thread takes some of the sums, over all samples, which are in ``whole``; alone, ``work`` is that.
    """
    given = unboxed(place)
    table, state, work, whole, crew = given.table, given.state, given.work, given.whole, given.crew
    steps, layers = given.steps, table.layers
    hidden, outputs = table.input_dim[layers], table.hidden_dim[layers]
    at_output = table.time[layers]
    up_at, down_at = work.up, work.down
    if crew.are > 1:
        share_forward(kept(cell), table, work, whole, first, mine, steps, n)
        meet(crew)
    all_up = take(whole.memory, whole.up, steps, n, hidden)
    if crew.number == 0:
        output_backward(
            cell,
            matrix(state.weights, at_output, hidden, outputs),
            matrix(work.transposed, at_output, outputs, hidden),
            matrix(state.update, at_output, hidden, outputs),
            view(state.update, table.bias[layers], (outputs,)),
            take(whole.memory, whole.delta, steps, n, outputs),
            present(layer_states(kept(cell), table, whole, layers - 1, steps, n).hidden),
            all_up,
        )
    if crew.are > 1:
        meet(crew)
        my_up = take(work.memory, up_at, steps, mine, hidden)
        for t in range(steps):
            copy(my_up[t], all_up[t][first : first + mine])
        meet(crew)
    for layer in range(layers - 1, -1, -1):
        hidden, inputs = table.hidden_dim[layer], table.input_dim[layer]
        lowest = layer == 0
        states = layer_states(kept(cell), table, work, layer, steps, mine)
        gradient = Gradient(
            take(work.memory, up_at, steps, mine, hidden),
            take(work.memory, down_at, 0 if lowest else steps, mine, inputs),
            lowest,
            layer == layers - 1,
        )
        at, block = work.scratch, mine * hidden
        scratch = Scratch(
            matrix(work.memory, at, mine, hidden),
            matrix(work.memory, at + block, mine, hidden),
            matrix(work.memory, at + 2 * block, mine, hidden),
            matrix(work.memory, at + 3 * block, mine, gates(cell) * hidden),
        )
        weights = layer_weights(state.weights, table, layer, gates(cell))
        transposed = transposed_weights(work.transposed, table, layer, gates(cell))
        backward(cell, weights, transposed, states, gradient, scratch)
        all_states = layer_states(kept(cell), table, whole, layer, steps, n)
        all_up = take(whole.memory, up_at if crew.are == 1 else whole.up, steps, n, hidden)
        if crew.are > 1:
            put_rows(all_states.gates, states.gates, first)
            put_rows(all_up, gradient.up, first)
            meet(crew)
        if lowest:
            below = take(whole.memory, whole.x, steps, n, inputs)
        else:
            below = present(layer_states(kept(cell), table, whole, layer - 1, steps, n).hidden)
        updates = layer_weights(state.update, table, layer, gates(cell))
        add_updates(cell, updates, below, all_states, all_up, lowest, Share(crew.number, crew.are))
        meet(crew)
        up_at, down_at = down_at, up_at


@compiled_on_demand
def save_states(cell, table, work, out, record, column) -> int:
    """Write the group's ``store`` into ``record`` (n, size) from ``column`` on, sample by sample; the next column."""
    steps, n = out.shape[0], out.shape[1]
    for layer in range(table.layers):
        states = layer_states(kept(cell), table, work, layer, steps, n)
        for s in range(n):
            at = column
            for t in range(steps):
                for unit in range(table.hidden_dim[layer]):
                    for k in range(stored_arrays(cell)):
                        record[s, at] = stored(cell, states, t, s, k, unit)
                        at += 1
        column += steps * table.hidden_dim[layer] * stored_arrays(cell)
    return save_steps(out, record, column)


@compiled_on_demand
def save_steps(values, record, column) -> int:
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
def run_groups(cell, places, state, rule, batch, first, updating, stop, crew, shared):
    """Train on the groups from ``first`` on; how many groups are done, and whether the last lacks its update.

    Ends early where ``stop`` is set, or before the update of a group: after each one with ``updating`` false (the
    caller's own loss function comes then), or where clipping must replace NaN by random numbers (the caller draws).
    Each thread of a crew calls this with the same arrays.
    """
    mine = -(-shared.rows // crew.are)
    own = Shared(shared.packed, shared.transposed, np.empty(0), mine)
    steps, table = batch.X.shape[1], table_of(places)
    whole = work = workspace_for(kept(cell), gates(cell), table, steps, mine, own)
    if crew.are > 1:
        whole = workspace_for(kept(cell), gates(cell), table, steps, shared.rows, shared)
    views = State(vector(state.weights), vector(state.update), vector(state.update_old))
    together = Crew(crew.number, crew.are, vector(crew.meeting))
    result = groups_in(cell, table, views, rule, batch, first, updating, stop, viewed(work), viewed(whole), together)
    keep(places)
    keep(state)
    keep(crew)
    keep(shared)
    keep(work)
    keep(whole)
    return result


@strict_part
def groups_in(cell, table, state, rule, batch, first, updating, stop, work, whole, crew):
    """:func:`run_groups` in the memory that it made."""
    steps = batch.X.shape[1]
    groups = batch.starts.size - 1
    inputs, outputs = batch.X.shape[2], batch.Y.shape[2]
    place = boxed(Backward(table, state, work, whole, crew, steps))
    for g in range(first, groups):
        if agreed(crew, is_set(stop)):
            return g, False
        size = batch.starts[g + 1] - batch.starts[g]
        first_row, n = part_of(size, Share(crew.number, crew.are))
        begin = batch.starts[g] + first_row
        end = begin + n
        x = take(work.memory, work.x, steps, n, inputs)
        out = take(work.memory, work.out, steps, n, outputs)
        target = take(work.memory, work.target, steps, n, outputs)
        delta = take(work.memory, work.delta, steps, n, outputs)
        read_ahead(batch.X, batch.order, begin, end)
        read_ahead(batch.Y, batch.order, begin, end)
        gather(x, batch.X, batch.order[begin:end])
        gather(target, batch.Y, batch.order[begin:end])
        if crew.number == 0:
            pack_weights(gates(cell), table, state.weights, work.packed)
            transpose_weights(gates(cell), table, state.weights, work.transposed)
        meet(crew)
        forward_pass(cell, table, state.weights, work, steps, n, Rows(first_row, size))
        output_errors(out, target, delta, batch.error[begin:end], batch.unused_steps)
        if batch.record.shape[1] > 0:
            column = save_states(cell, table, work, out, batch.record[begin:end], 0)
            column = save_steps(target, batch.record[begin:end], column)
            save_steps(delta, batch.record[begin:end], column)
        backward_pass(cell, place, first_row, n, size)
        if not updating:
            return g + 1, True
        lacks_update = False
        if crew.number == 0:
            lacks_update = not finish_group(state, table, rule)
        if agreed(crew, lacks_update):
            return g + 1, True
    return groups, False


@strict_part
def finish_group(state, table, rule):
    """The loss's scale, clipping and the update; False, and no update, where clipping must replace NaN first."""
    if rule.scaled and rule.clipping == np.inf:
        scaled_sgd(state.weights, state.update, rule.learningrate, rule.momentum)
        return True
    return clipped_update(state, table, rule) == 1


@compiled_on_demand
def clipped_update(state, table, rule) -> int:
    """:func:`finish_group` in all other cases; 1 or 0."""
    if rule.scaled:
        scale(state.update, rule.learningrate)
    if rule.clipping < np.inf:
        if any_nan(state.update):
            return 0
        clip(state.update, rule.clipping)
    update(state, table, rule)
    return 1


@strict
def finish_update(state, places, rule):
    """Clip and update: what :func:`run_groups` left to do."""
    if rule.clipping < np.inf:
        clip(state.update, rule.clipping)
    update(state, table_of(places), rule)
