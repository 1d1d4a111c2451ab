"""The compiled loops: groups → forward → backward → update, and the forward pass alone for prediction."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.numerics.by_address import memory_address
from pytrainr.numerics.compiled_once import compiled_on_demand, compiled_once
from pytrainr.numerics.crew import Crew, agreed, meet
from pytrainr.numerics.elementwise import copy
from pytrainr.numerics.jit import is_set, strict, strict_part
from pytrainr.numerics.linalg import pack, pack_transposed, product, transpose
from pytrainr.numerics.memory import LINE
from pytrainr.numerics.views import borrowed, boxed, columns, keep, read_ahead, unboxed, view
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
    begin_with_zero,
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
    "Forward",
    "Shared",
    "any_packed",
    "finish_update",
    "forward_pass",
    "pack_weights",
    "run_groups",
    "save_prediction",
    "workspace_for",
    "workspace_size",
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
    """Memory that a group's pass needs, the layers' states first, and where each other part begins."""

    memory: np.ndarray
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


class Forward(NamedTuple):
    """What the forward pass of every group needs, put in its place once."""

    table: Table
    weights: np.ndarray
    work: Workspace
    steps: int


class Backward(NamedTuple):
    """What the backward pass of every group needs, put in its place once."""

    table: Table
    state: State
    work: Workspace
    whole: Workspace
    crew: Crew
    steps: int


@strict_part
def parts_of_workspace(kept, gates, table, steps, rows, training):
    """Where the parts of a :class:`Workspace` for ``rows`` samples begin, from ``x`` on, and where the last ends."""
    layers = table.layers
    outputs = table.hidden_dim[layers]
    widest = 0
    for layer in range(layers):
        widest = max(widest, table.hidden_dim[layer])
    x = states_size(kept, steps, rows, table.below[layers])
    out = x + steps * rows * table.input_dim[0]
    target = out + steps * rows * outputs
    delta = target + steps * rows * outputs
    up = delta + steps * rows * outputs
    down = up + steps * rows * widest
    scratch = down + (steps * rows * widest if layers > 1 else 0)
    return x, out, target, delta, up, down, scratch, scratch + (3 + gates) * rows * widest if training else target


@strict_part
def workspace_for(kept, gates, table, steps, rows, shared, memory):
    """A workspace for ``rows`` samples at a time, in ``memory`` if that is as large."""
    parts = parts_of_workspace(kept, gates, table, steps, rows, shared.transposed.size > 0)
    x, out, target, delta, up, down, scratch, end = parts
    if memory.size < end:
        room = np.empty(end + LINE // 8)  # begins with a line of the cache, as ``aligned_zeros`` does
        memory = room[(LINE - memory_address(room) % LINE) // 8 :]
    return Workspace(memory, x, out, target, delta, up, down, scratch, shared.packed, shared.transposed)


@strict
def workspace_size(cell, places, steps, rows):
    """How many numbers it takes to train on ``rows`` samples at a time."""
    return parts_of_workspace(kept(cell), gates(cell), table_of(places), steps, rows, True)[7]


@strict_part
def any_packed(gates, table):
    """Whether a layer is worth packing."""
    found = False
    for layer in range(table.layers):
        found = found or is_packed(table.hidden_dim[layer], gates)
    return found


@compiled_on_demand
def pack_weights(gates, table, weights, packed):
    """Keep the recurrent weights of large layers packed as well, gate by gate."""
    for layer in range(table.layers):
        hidden = table.hidden_dim[layer]
        if is_packed(hidden, gates):
            w = layer_weights(weights, table, layer, gates)
            for gate in range(gates):
                panels = view(packed, table.recurrent[layer] + gate * hidden * hidden, (hidden * hidden,))
                pack(panels, columns(w.recurrent, gate * hidden, hidden))


@compiled_on_demand
def pack_transposed_weights(gates, table, layer, weights, transposed):
    """Pack the recurrent weights of ``layer`` transposed, gate by gate."""
    hidden = table.hidden_dim[layer]
    w = layer_weights(weights, table, layer, gates)
    for gate in range(gates):
        panels = view(transposed, table.recurrent[layer] + gate * hidden * hidden, (hidden * hidden,))
        pack_transposed(panels, columns(w.recurrent, gate * hidden, hidden))


@strict_part
def transpose_weights(gates, table, weights, transposed):
    """Keep each matrix transposed as well: the backward pass then reads both row by row, or packed."""
    layers = table.layers
    for layer in range(layers):
        w = layer_weights(weights, table, layer, gates)
        w_transposed = transposed_weights(transposed, table, layer, gates)
        if layer > 0:
            transpose(w_transposed.time, w.time)
        if w_transposed.packed.size > 0:
            pack_transposed_weights(gates, table, layer, weights, transposed)
        else:
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


@compiled_once
def forward_pass(cell, place, n, rows):
    """Every layer over all time steps, then the output layer: from the inputs in the memory to its states and outputs.

    ``place`` is that of a :class:`Forward`. This, the way back and what is around them are compiled at the same time.
    """
    given = unboxed(place)
    table, weights, work, steps = given.table, given.weights, given.work, given.steps
    layers = table.layers
    inputs = take(work.memory, work.x, steps, n, table.input_dim[0])
    for layer in range(layers):
        states = layer_states(kept(cell), table, work, layer, steps, n)
        begin_with_zero(states)
        forward(cell, packed_weights(weights, work.packed, table, layer, gates(cell)), inputs, states, rows)
        inputs = present(states.hidden)
    outputs = table.hidden_dim[layers]
    out = take(work.memory, work.out, steps, n, outputs)
    product(flattened(out), flattened(inputs), matrix(weights, table.time[layers], table.input_dim[layers], outputs))
    if cell.use_bias:
        bias = view(weights, table.bias[layers], (outputs,))
        for t in range(steps):
            add_recycled_bias(out[t], bias, rows)
    activate(cell, vector(out))


@strict_part
def layer_states(kept, table, work, layer, steps, n):
    """The states of ``layer`` for a group of ``n`` samples."""
    return states_of(
        kept, work.memory, states_size(kept, steps, n, table.below[layer]), steps, n, table.hidden_dim[layer]
    )


# What a crew's threads, which each have a copy of :class:`Backward`, put together in the memory for the whole group.


@strict_part
def put_rows(whole, rows, first):
    """Put some rows of (T, ·, variables) in their place among all."""
    for t in range(rows.shape[0]):
        copy(whole[t][first : first + rows.shape[1]], rows[t])


@compiled_on_demand
def share_forward(kept, place, first, mine, n):
    """Put what the forward pass of some samples left in its place among all ``n`` of the group."""
    given = unboxed(place)
    table, work, whole, steps = given.table, given.work, given.whole, given.steps
    inputs, outputs = table.input_dim[0], table.hidden_dim[table.layers]
    x, delta = take(work.memory, work.x, steps, mine, inputs), take(work.memory, work.delta, steps, mine, outputs)
    put_rows(take(whole.memory, whole.x, steps, n, inputs), x, first)
    put_rows(take(whole.memory, whole.delta, steps, n, outputs), delta, first)
    for layer in range(table.layers):
        from_states = layer_states(kept, table, work, layer, steps, mine)
        to_states = layer_states(kept, table, whole, layer, steps, n)
        put_rows(to_states.hidden, from_states.hidden, first)
        put_rows(to_states.extra, from_states.extra, first)


@compiled_on_demand
def share_output(place, first, mine, n):
    """Take one's own samples of what comes from the output layer."""
    given = unboxed(place)
    work, whole, steps = given.work, given.whole, given.steps
    hidden = given.table.input_dim[given.table.layers]
    my_up, all_up = take(work.memory, work.up, steps, mine, hidden), take(whole.memory, whole.up, steps, n, hidden)
    for t in range(steps):
        copy(my_up[t], all_up[t][first : first + mine])


@compiled_on_demand
def share_layer(kept, place, layer, up_at, first, mine, n):
    """Put what the way back through ``layer`` left in its place among all ``n``."""
    given = unboxed(place)
    table, work, whole, steps = given.table, given.work, given.whole, given.steps
    hidden = table.hidden_dim[layer]
    from_states = layer_states(kept, table, work, layer, steps, mine)
    put_rows(layer_states(kept, table, whole, layer, steps, n).gates, from_states.gates, first)
    my_up = take(work.memory, up_at, steps, mine, hidden)
    put_rows(take(whole.memory, whole.up, steps, n, hidden), my_up, first)


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
        share_forward(kept(cell), place, first, mine, n)
        meet(crew)
    if crew.number == 0:
        output_backward(
            cell,
            matrix(state.weights, at_output, hidden, outputs),
            matrix(work.transposed, at_output, outputs, hidden),
            matrix(state.update, at_output, hidden, outputs),
            view(state.update, table.bias[layers], (outputs,)),
            take(whole.memory, whole.delta, steps, n, outputs),
            present(layer_states(kept(cell), table, whole, layers - 1, steps, n).hidden),
            take(whole.memory, whole.up, steps, n, hidden),
        )
    if crew.are > 1:
        meet(crew)
        share_output(place, first, mine, n)
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
            share_layer(kept(cell), place, layer, up_at, first, mine, n)
            meet(crew)
        if lowest:
            below = take(whole.memory, whole.x, steps, n, inputs)
        else:
            below = present(layer_states(kept(cell), table, whole, layer - 1, steps, n).hidden)
        updates = layer_weights(state.update, table, layer, gates(cell))
        add_updates(cell, updates, below, all_states, all_up, lowest, Share(crew.number, crew.are))
        meet(crew)
        up_at, down_at = down_at, up_at


@strict_part
def save_states(cell, table, work, steps, n, record, column):
    """Write the group's ``store`` into ``record`` (n, size) from ``column`` on, sample by sample; the next column."""
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
    return save_steps(take(work.memory, work.out, steps, n, table.hidden_dim[table.layers]), record, column)


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


@compiled_on_demand
def save_prediction(cell, place, record):
    """Write R's ``store`` into ``record`` (n, size); ``place`` is that of a :class:`Forward`."""
    given = unboxed(place)
    save_states(cell, given.table, given.work, given.steps, record.shape[0], record, 0)


@compiled_on_demand
def save_group(cell, place, record):
    """Write ``store`` and ``last_layer_*`` into ``record`` (n, size); ``place`` is that of a :class:`Forward`."""
    given = unboxed(place)
    table, work, steps, n = given.table, given.work, given.steps, record.shape[0]
    outputs = table.hidden_dim[table.layers]
    column = save_states(cell, table, work, steps, n, record, 0)
    column = save_steps(take(work.memory, work.target, steps, n, outputs), record, column)
    save_steps(take(work.memory, work.delta, steps, n, outputs), record, column)


@strict
def run_groups(cell, places, state, rule, batch, first, updating, stop, crew, shared, own):
    """Train on the groups from ``first`` on; how many groups are done, and whether the last lacks its update.

    Ends early where ``stop`` is set, or before the update of a group: after each one with ``updating`` false (the
    caller's own loss function comes then), or where clipping must replace NaN by random numbers (the caller draws).
    Each thread of a crew calls this with the same arrays, and memory of its ``own``.
    """
    mine = -(-shared.rows // crew.are)
    steps, table = batch.X.shape[1], table_of(places)
    whole = work = workspace_for(kept(cell), gates(cell), table, steps, mine, shared, own)
    if crew.are > 1:
        whole = workspace_for(kept(cell), gates(cell), table, steps, shared.rows, shared, shared.memory)
    result = groups_in(
        cell,
        table,
        borrowed(state),
        rule,
        borrowed(batch),
        first,
        updating,
        borrowed(stop),
        borrowed(work),
        borrowed(whole),
        borrowed(crew),
    )
    keep(places)
    keep(batch)
    keep(stop)
    keep(state)
    keep(crew)
    keep(shared)
    keep(own)
    keep(work)
    keep(whole)
    return result


@strict_part
def groups_in(cell, table, state, rule, batch, first, updating, stop, work, whole, crew):
    """:func:`run_groups` in the memory that it made."""
    steps = batch.X.shape[1]
    groups = batch.starts.size - 1
    inputs, outputs = batch.X.shape[2], batch.Y.shape[2]
    recorded, packs = batch.record.shape[1], any_packed(gates(cell), table)
    forth = boxed(Forward(table, state.weights, work, steps))
    back = boxed(Backward(table, state, work, whole, crew, steps))
    for g in range(first, groups):
        if agreed(crew, is_set(stop)):
            return g, False
        size = batch.starts[g + 1] - batch.starts[g]
        first_row, n = part_of(size, Share(crew.number, crew.are))
        begin = batch.starts[g] + first_row
        order = view(batch.order, begin, (n,))
        target = take(work.memory, work.target, steps, n, outputs)
        read_ahead(batch.X, batch.order, begin, begin + n)
        read_ahead(batch.Y, batch.order, begin, begin + n)
        gather(take(work.memory, work.x, steps, n, inputs), batch.X, order)
        gather(target, batch.Y, order)
        if crew.number == 0:
            if packs:
                pack_weights(gates(cell), table, state.weights, work.packed)
            transpose_weights(gates(cell), table, state.weights, work.transposed)
        meet(crew)
        forward_pass(cell, forth, n, Rows(first_row, size))
        output_errors(
            take(work.memory, work.out, steps, n, outputs),
            target,
            take(work.memory, work.delta, steps, n, outputs),
            view(batch.error, begin, (n,)),
            batch.unused_steps,
        )
        if recorded > 0:
            save_group(cell, forth, matrix(batch.record, begin * recorded, n, recorded))
        backward_pass(cell, back, first_row, n, size)
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
