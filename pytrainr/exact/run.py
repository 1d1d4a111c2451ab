"""A program run over a chunk of samples: gather, forward, loss, and all the way back. It knows no layer by name."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from pytrainr.exact.kernels import AFTER_LAST, BEFORE_FIRST, Call
from pytrainr.exact.reductions import total
from pytrainr.numerics.by_address import call_at, memory_address
from pytrainr.numerics.compiled_once import compiled_on_demand, fast_compiled_once
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import memory_of, moved
from pytrainr.numerics.views import unboxed, view

__all__ = [
    "CALL_SIZE",
    "Chunk",
    "Pass",
    "Room",
    "add_stretches",
    "begin_states",
    "carry_states",
    "clear_states",
    "copy_outputs",
    "dense_stretches",
    "forward_pass",
    "keep_states",
    "loss_of",
    "train_chunk",
]

CALL_SIZE = len(Call._fields)
_WEIGHTS, _TRANSPOSED, _GRADIENT, _MEMORY, _SAMPLES, _KEY, _FIRST_SAMPLE, _BEGIN, _END = range(CALL_SIZE)


class Room(NamedTuple):
    """Where a group is computed: the gradient, transposed weights, everything proportional to the group's size, what
    the layers are called with, and ``stretches`` (·, 2) of the weights, first entry and size, that have a gradient."""

    gradient: np.ndarray
    transposed: np.ndarray
    memory: np.ndarray
    call: np.ndarray
    stretches: np.ndarray


class Chunk(NamedTuple):
    """The samples of X and Y to compute, by their rows there; the first time step; the dropout's key."""

    rows: np.ndarray
    first: int
    key: np.uint64
    first_sample: int


@fast_part
def _begin(weights, room, chunk):
    call = room.call
    call[_WEIGHTS], call[_MEMORY] = memory_address(weights), memory_address(room.memory)
    call[_TRANSPOSED], call[_GRADIENT] = memory_address(room.transposed), memory_address(room.gradient)
    call[_SAMPLES], call[_KEY], call[_FIRST_SAMPLE] = chunk.rows.size, np.int64(chunk.key), chunk.first_sample
    call[_BEGIN], call[_END] = BEFORE_FIRST, AFTER_LAST


@fast_part
def _run(program, number, way, call):
    """Call the function of one row, forward (0) or backward (1), if it has one."""
    address = program.functions[number, way]
    if address != 0:
        call_at(address, moved(memory_of(program.rows), program.starts[number]), memory_of(call))


@fast_part
def _block(memory, place, steps, n, width):
    return view(memory, place * n, (steps, n, width))


@fast_part
def _gather(program, memory, X, chunk):
    """``input[t, s] = X[rows[s], first + t]``; where sequences may end early, a step of NaN has no entry."""
    ends, n = program.ends, chunk.rows.size
    padded = ends.present >= 0
    sequence = _block(memory, ends.input, ends.steps, n, ends.width)
    present = view(memory, ends.present * n if padded else 0, (ends.steps if padded else 0, n))
    for t in range(sequence.shape[0]):
        for s in range(n):
            to, source = sequence[t, s], X[chunk.rows[s], chunk.first + t]
            for k in range(to.size):
                to[k] = source[k]
            if padded:
                there = source[0] == source[0]
                present[t, s] = 1.0 if there else 0.0
                if not there:
                    fill(to, 0.0)


@fast_part
def _one_hot(to, number):
    """The class of that number; NaN is none. It has been checked: no other number writes beyond the vector."""
    if number == number:
        fill(to, 0.0)
        to[min(max(int(number), 0), to.size - 1)] = 1.0
    else:
        fill(to, np.nan)


@compiled_on_demand
def _gather_labels(target, weight, Y, rows):
    """A sequence of labels for each sample, (output steps, n, 1), NaN after the last; and its ``weight`` if there is
    one."""
    for t in range(target.shape[0]):
        for s in range(rows.size):
            target[t, s, 0] = Y[rows[s], t, 0] if t < Y.shape[1] else np.nan
    for t in range(weight.shape[0]):
        for s in range(rows.size):
            weight[t, s] = Y[rows[s], 0, 1]


@compiled_on_demand
def _gather_weights(weight, Y, rows, offset):
    """The weight of each target, Y's last variable; 0 where there is no target."""
    variables = Y.shape[2] - 1
    for t in range(weight.shape[0]):
        for s in range(rows.size):
            weight[t, s] = 0.0 if t < offset else Y[rows[s], t - offset, variables]


@fast_part
def _gather_targets(program, memory, Y, chunk):
    """The targets of the chunk (output steps, n, outputs): Y has the last steps of all, the others have none (NaN).

    Y's only variable may be the number of a class, and its last the weight of the target.
    """
    ends, n = program.ends, chunk.rows.size
    weighted = ends.weight >= 0
    weight = view(memory, ends.weight * n if weighted else 0, (ends.output_steps if weighted else 0, n))
    if ends.labels != 0:
        _gather_labels(_block(memory, ends.target, ends.output_steps, n, 1), weight, Y, chunk.rows)
        return
    target = _block(memory, ends.target, ends.output_steps, n, ends.outputs)
    offset = ends.whole_steps - Y.shape[1] - chunk.first
    variables = Y.shape[2] - (1 if weighted else 0)
    classes = variables != ends.outputs
    for t in range(target.shape[0]):
        for s in range(n):
            to = target[t, s]
            if t < offset:
                fill(to, np.nan)
            elif classes:
                _one_hot(to, Y[chunk.rows[s], t - offset, 0])
            else:
                source = Y[chunk.rows[s], t - offset]
                for k in range(to.size):
                    to[k] = source[k]
    if weighted:
        _gather_weights(weight, Y, chunk.rows, offset)


@fast_part
def _leave_out_targets(program, memory, n):
    """Where the layers have found that there is no entry, there is no target."""
    ends = program.ends
    if ends.output_present >= 0 and ends.labels == 0:
        target = _block(memory, ends.target, ends.output_steps, n, ends.outputs)
        present = view(memory, ends.output_present * n, (ends.output_steps, n))
        for t in range(target.shape[0]):
            for s in range(n):
                if present[t, s] == 0.0:
                    fill(target[t, s], np.nan)


@fast_part
def forward_pass(program, weights, room, X, chunk):
    """All layers over the chunk's samples; X (samples, time, variables)."""
    _gather(program, room.memory, X, chunk)
    _begin(weights, room, chunk)
    for number in range(program.starts.size - 1):
        _run(program, number, 0, room.call)


@fast_part
def loss_of(program, room, Y, chunk):
    """The loss of the outputs that the last forward pass left in the memory."""
    _gather_targets(program, room.memory, Y, chunk)
    _leave_out_targets(program, room.memory, chunk.rows.size)
    _run(program, program.starts.size - 1, 0, room.call)
    loss = total(view(room.memory, program.ends.value * chunk.rows.size, (chunk.rows.size,)))
    for place in program.costs:
        loss += total(view(room.memory, place * chunk.rows.size, (chunk.rows.size,)))
    return loss


@fast_part
def _add_errors(program, memory, error):
    """Add Σ|target − y|, over what has a target, to ``error`` (n); the loss, where a target is a sequence of labels."""
    ends, n = program.ends, error.size
    if ends.labels != 0:
        add(error, view(memory, ends.value * n, (n,)))
        return
    target = _block(memory, ends.target, ends.output_steps, n, ends.outputs)
    y = _block(memory, ends.output, ends.output_steps, n, ends.outputs)
    for t in range(target.shape[0]):
        for s in range(n):
            summed, computed, wanted = error[s], y[t, s], target[t, s]
            if wanted[0] == wanted[0]:
                for k in range(computed.size):
                    summed += abs(wanted[k] - computed[k])
            error[s] = summed


@fast_part
def chunk_gradient(program, weights, room, X, Y, chunk, error):
    """``room.gradient`` = the gradient of the summed loss of the chunk by all weights.

    X (samples, time, variables), Y (samples, output steps, outputs); ``error`` (n) is added to. The states before the
    first step lie in ``room.memory`` already.
    """
    _gather_targets(program, room.memory, Y, chunk)  # first, for a decoder that is fed them
    forward_pass(program, weights, room, X, chunk)
    _leave_out_targets(program, room.memory, chunk.rows.size)
    loss = program.starts.size - 1
    _run(program, loss, 1, room.call)
    _add_errors(program, room.memory, error)
    for number in range(loss - 1, -1, -1):
        _run(program, number, 1, room.call)


class Pass(NamedTuple):
    """What the passes of all chunks need, put in its place once: X (samples, time, variables), Y (samples, output
    steps, outputs)."""

    program: Any
    weights: np.ndarray
    room: Room
    X: np.ndarray
    Y: np.ndarray


@fast_compiled_once
def train_chunk(place, rows, first, key, first_sample, error):
    """:func:`chunk_gradient` of what is at ``place``, compiled beside the loop that calls it."""
    given = unboxed(place)
    chunk = Chunk(rows, first, key, first_sample)
    chunk_gradient(given.program, given.weights, given.room, given.X, given.Y, chunk, error)


@fast_part
def copy_outputs(program, memory, out):
    """``out`` (n, output steps, outputs), the last of them, from the last forward pass; NaN where there is no entry."""
    ends, n = program.ends, out.shape[0]
    y = _block(memory, ends.output, ends.output_steps, n, ends.outputs)
    masked = ends.output_present >= 0
    present = view(memory, ends.output_present * n if masked else 0, (ends.output_steps if masked else 0, n))
    for s in range(n):
        for t in range(out.shape[1]):
            step = ends.output_steps - out.shape[1] + t
            if masked and present[step, s] == 0.0:
                fill(out[s, t], np.nan)
            else:
                copy(out[s, t], y[step, s])


@fast_part
def dense_stretches(program, room):
    """The stretches of the weights that every gradient is of, to ``room.stretches``."""
    for number in range(program.dense.shape[0]):
        for k in range(2):
            room.stretches[number, k] = program.dense[number, k]


@compiled_on_demand
def add_stretches(place, n) -> int:
    """Those that the last gradient is of beside them; how many there are of both."""
    given = unboxed(place)
    program, room = given.program, given.room
    stretches, count = room.stretches, program.dense.shape[0]
    for number in range(program.sparse.shape[0]):
        first, columns = program.sparse[number, 0], program.sparse[number, 1]
        touched, counted = program.sparse[number, 2] * n, program.sparse[number, 3] * n
        for k in range(int(room.memory[counted])):
            stretches[count, 0], stretches[count, 1] = first + int(room.memory[touched + k]) * columns, columns
            count += 1
    return count


# states ---------------------------------------------------------------------------------------------------------------


@fast_part
def _state(memory, place, n, width):
    return view(memory, place * n, (n, width))


@fast_part
def clear_states(program, memory, n):
    """The state before the first step is 0."""
    for number in range(program.states.shape[0]):
        before, width = program.states[number, 0], program.states[number, 2]
        fill(_state(memory, before, n, width), 0.0)


@fast_part
def begin_states(program, memory, states, rows):
    """The states before the first step: those of the samples ``rows`` in ``states`` (samples, ·), or 0 where it has no
    rows."""
    if states.shape[0] == 0:
        clear_states(program, memory, rows.size)
    else:
        _take_states(program.states, memory, states, rows)


@compiled_on_demand
def _take_states(places, memory, states, rows):
    first = 0
    for number in range(places.shape[0]):
        before, width = places[number, 0], places[number, 2]
        state = _state(memory, before, rows.size, width)
        for s in range(rows.size):
            for k in range(width):
                state[s, k] = states[rows[s], first + k]
        first += width


@compiled_on_demand
def carry_states(place, n):
    """The state after the last step becomes the state before the first: truncated back-propagation."""
    given = unboxed(place)
    program, memory = given.program, given.room.memory
    for number in range(program.states.shape[0]):
        before, after, width = program.states[number, 0], program.states[number, 1], program.states[number, 2]
        copy(_state(memory, before, n, width), _state(memory, after, n, width))


@fast_part
def keep_states(program, memory, states, write):
    """Copy every state from ``states`` (n, ·) to before the first step, or (``write``) after the last to ``states``."""
    first, n = 0, states.shape[0]
    for number in range(program.states.shape[0]):
        before, after, width = program.states[number, 0], program.states[number, 1], program.states[number, 2]
        state = _state(memory, after if write else before, n, width)
        for s in range(n):
            outside = states[s, first : first + width]
            if write:
                copy(outside, state[s])
            else:
                copy(state[s], outside)
        first += width
