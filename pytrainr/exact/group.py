"""The gradient of one group: gather, forward through the layers, output and loss, and all the way back."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import types
from numba.extending import overload

from pytrainr.exact.attention import attention_of, decoder_backward, decoder_forward
from pytrainr.exact.dropout import fill_mask, mixed
from pytrainr.exact.layer import Around, finish_gradient, layer_backward, layer_forward
from pytrainr.exact.outputs import activate_output, output_delta, output_loss
from pytrainr.exact.products import add_column_sums, product, transpose, transposed_product
from pytrainr.exact.shapes import block, flattened, matrix, tape_of, transposed_weights, vector, weights_of
from pytrainr.exact.wiring import arrange, gather, join, pooled_presence, return_gradient, split
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

__all__ = [
    "LEVEL",
    "READOUT",
    "Chunk",
    "Plan",
    "Room",
    "Wiring",
    "carry_states",
    "clear_states",
    "copy_outputs",
    "forward_pass",
    "group_gradient",
    "keep_states",
    "loss_of",
]

LEVEL = np.dtype([(name, np.int64) for name in ("width", "sequence", "gradient", "present")])
"""One row per sequence: X, the hidden states of each layer; places are per sample."""

READOUT = np.dtype(
    [
        *((name, np.int64) for name in ("inputs", "outputs", "activation", "loss", "canonical", "time", "bias")),
        *((name, np.int64) for name in ("x", "downstream", "mask", "y", "target", "delta", "steps")),
        ("width", np.float64),
    ]
)
"""The output layer: ``steps`` output steps, the last of the top sequence; ``width`` is Huber's."""


class Wiring(NamedTuple):
    """How the layers hang together."""

    directions: int
    pyramid: int
    attention: bool
    feeds_back: bool
    use_bias: bool
    padded: bool
    dropout: float
    recurrent_dropout: float


class Plan(NamedTuple):
    """A network as compiled code sees it: the cell, the tables of layers and sequences, output and wiring.

    ``attention`` is its table, or None: a kernel with attention is compiled only for networks that have it.
    """

    cell: Any
    layers: np.ndarray
    levels: np.ndarray
    readout: np.ndarray
    attention: np.ndarray | None
    wiring: Wiring


class Room(NamedTuple):
    """Where a group is computed: the gradient, the transposed weights, everything proportional to the group's size."""

    gradient: np.ndarray
    transposed: np.ndarray
    memory: np.ndarray


class Chunk(NamedTuple):
    """The samples of X and Y to compute, by their rows there; the time steps, of all of them; the dropout's key."""

    rows: np.ndarray
    first: int
    steps: int
    of: int
    key: np.uint64
    first_sample: int


@fast_part
def _depth(plan):
    return plan.levels.size - (2 if plan.wiring.attention else 1)


@fast_part
def _steps_at(plan, level, steps):
    """Steps of the sequence that comes out of hidden layer ``level`` (0 is the first)."""
    for _ in range(level):
        steps = -(-steps // plan.wiring.pyramid)
    return steps


@fast_part
def _sequence(plan, memory, level, steps, n):
    """The sequence that layer ``level`` reads, and the gradient by it."""
    row = plan.levels[level]
    return block(memory, row.sequence * n, steps, n, row.width), block(memory, row.gradient * n, steps, n, row.width)


@fast_part
def _presence(plan, memory, level, steps, n):
    """Where layer ``level`` has entries (steps, n); no rows if all sequences are whole."""
    return matrix(memory, plan.levels[level].present * n, steps if plan.wiring.padded else 0, n)


@fast_part
def _mask(memory, first, rate, n, width):
    return matrix(memory, first * n, n if rate > 0.0 else 0, width)


@fast_part
def _around(plan, layer, memory, present, n, backwards):
    return Around(
        plan.wiring.use_bias,
        backwards,
        present,
        _mask(memory, layer.recurrent_mask, plan.wiring.recurrent_dropout, n, layer.outputs),
        matrix(memory, layer.held * n, n, layer.outputs),
        matrix(memory, layer.held_cell * n, n, layer.cells),
    )


@fast_part
def _fill_masks(plan, memory, n, chunk):
    for number in range(plan.layers.size):
        layer = plan.layers[number]
        key = mixed(chunk.key, np.uint64(2 * number))
        if plan.wiring.dropout > 0.0:
            mask = _mask(memory, layer.input_mask, plan.wiring.dropout, n, layer.inputs)
            fill_mask(mask, plan.wiring.dropout, key, chunk.first_sample)
        if plan.wiring.recurrent_dropout > 0.0:
            mask = _mask(memory, layer.recurrent_mask, plan.wiring.recurrent_dropout, n, layer.outputs)
            fill_mask(mask, plan.wiring.recurrent_dropout, mixed(key, np.uint64(1)), chunk.first_sample)
    if plan.wiring.dropout > 0.0:
        readout = plan.readout[0]
        mask = _mask(memory, readout.mask, plan.wiring.dropout, n, readout.inputs)
        fill_mask(mask, plan.wiring.dropout, mixed(chunk.key, np.uint64(2 * plan.layers.size)), chunk.first_sample)


@fast_part
def transpose_weights(plan, weights, transposed):
    """The transposed weights that the way back multiplies by."""
    for number in range(plan.layers.size):
        layer = plan.layers[number]
        there, back = weights_of(layer, weights), transposed_weights(layer, transposed)
        transpose(back.time, there.time)
        transpose(back.recurrent, there.recurrent)
        transpose(back.projection, there.projection)
    readout = plan.readout[0]
    size = readout.inputs, readout.outputs
    if not plan.wiring.feeds_back:
        transpose(
            matrix(transposed, readout.time, size[1], size[0]),
            matrix(weights, readout.time, size[0], size[1]),
        )


@fast_part
def keep_states(plan, memory, n, steps, states, write):
    """Copy every layer's state from ``states`` (n, ·) to before the first step, or (``write``) after the last to
    ``states``."""
    place = 0
    for number in range(plan.layers.size):
        layer = plan.layers[number]
        tape = tape_of(layer, memory, _steps_at(plan, number // plan.wiring.directions, steps), n)
        for s in range(n):
            hidden = states[s, place : place + layer.outputs]
            cell = states[s, place + layer.outputs : place + layer.outputs + layer.cells]
            if write:
                copy(hidden, tape.hidden[-1, s])
                copy(cell, tape.cell[-1, s])
            else:
                copy(tape.hidden[0, s], hidden)
                copy(tape.cell[0, s], cell)
        place += layer.outputs + layer.cells


@fast_part
def clear_states(plan, memory, n, steps):
    """The state before the first step is 0."""
    for number in range(plan.layers.size):
        tape = tape_of(plan.layers[number], memory, _steps_at(plan, number // plan.wiring.directions, steps), n)
        fill(tape.hidden[0], 0.0)
        fill(tape.cell[0], 0.0)


@fast_part
def carry_states(plan, memory, n, steps):
    """The state after the last of ``steps`` steps becomes the state before the first: truncated back-propagation."""
    for number in range(plan.layers.size):
        tape = tape_of(plan.layers[number], memory, steps, n)
        copy(tape.hidden[0], tape.hidden[steps])
        copy(tape.cell[0], tape.cell[steps])


@fast_part
def copy_outputs(plan, memory, steps, out):
    """``out`` (n, output steps, outputs) from the last forward pass."""
    readout, n = plan.readout[0], out.shape[0]
    top = _top_steps(plan, steps)
    y = block(memory, readout.y * n, top, n, readout.outputs)
    for s in range(n):
        for t in range(out.shape[1]):
            copy(out[s, t], y[top - out.shape[1] + t, s])


@fast_part
def forward_pass(plan, weights, memory, X, chunk):
    """All layers and the output over the chunk's samples and steps; X (samples, time, variables)."""
    n, directions, pyramid = chunk.rows.size, plan.wiring.directions, plan.wiring.pyramid
    steps, depth = chunk.steps, _depth(plan)
    if plan.wiring.dropout > 0.0 or plan.wiring.recurrent_dropout > 0.0:
        _fill_masks(plan, memory, n, chunk)
    sequence, _ = _sequence(plan, memory, 0, steps, n)
    present = _presence(plan, memory, 0, steps, n)
    gather(sequence, present, X, chunk.rows, chunk.first)
    for level in range(depth):
        joined = pyramid if level > 0 else 1
        out_steps = _steps_at(plan, level, steps)
        if plan.wiring.padded and level > 0:
            below = present
            present = _presence(plan, memory, level, out_steps, n)
            pooled_presence(present, below, joined)
        above, _ = _sequence(plan, memory, level + 1, out_steps, n)
        for side in range(directions):
            layer = plan.layers[level * directions + side]
            tape = tape_of(layer, memory, out_steps, n)
            if layer.x != plan.levels[level].sequence:
                mask = _mask(memory, layer.input_mask, plan.wiring.dropout, n, layer.inputs)
                arrange(tape.x, sequence, mask, joined, side == 1)
            around = _around(plan, layer, memory, present, n, side == 1)
            layer_forward(plan.cell, around, weights_of(layer, weights), tape)
            if directions == 2:
                join(above, tape.hidden, side, side == 1 and not _ends_in_one(plan, level))
        sequence = above
    sequence = decode(plan.attention, plan, weights, memory, sequence, present)
    _read_out(plan, weights, memory, sequence, n)


def decode(attention, plan, weights, memory, sequence, present):
    """What the decoder makes of the encoder's ``sequence``, or that itself where there is none; compiled code only."""


def decode_backward(attention, plan, weights, room, steps, chunk, n):
    """The way back through the decoder, if there is one, to the gradient by the encoder's sequence."""


@overload(decode, jit_options={"forceinline": True})
def _decode(attention, plan, weights, memory, sequence, present):
    if not isinstance(attention, types.Array):
        return lambda attention, plan, weights, memory, sequence, present: sequence
    return _decode_with_attention


def _decode_with_attention(attention, plan, weights, memory, sequence, present):
    n, steps, layer = sequence.shape[1], plan.readout[0].steps, plan.layers[plan.layers.size - 1]
    looking = attention_of(attention[0], weights, memory, sequence.shape[0], steps, n)
    around = _around(plan, layer, memory, matrix(memory, 0, 0, n), n, False)
    tape = tape_of(layer, memory, steps, n)
    decoder_forward(plan.cell, around, weights_of(layer, weights), tape, looking, sequence, present)
    return _sequence(plan, memory, _depth(plan) + 1, steps, n)[0]


@overload(decode_backward, jit_options={"forceinline": True})
def _decode_backward(attention, plan, weights, room, steps, chunk, n):
    if not isinstance(attention, types.Array):
        return lambda attention, plan, weights, room, steps, chunk, n: None
    return _decode_backward_with_attention


def _decode_backward_with_attention(attention, plan, weights, room, steps, chunk, n):
    memory, depth = room.memory, _depth(plan)
    layer, encoder_steps = plan.layers[plan.layers.size - 1], _steps_at(plan, depth - 1, chunk.steps)
    encoder, d_encoder = _sequence(plan, memory, depth, encoder_steps, n)
    fill(d_encoder, 0.0)
    looking = attention_of(attention[0], weights, memory, encoder_steps, steps, n)
    gradient = attention_of(attention[0], room.gradient, memory, encoder_steps, steps, n)
    around = _around(plan, layer, memory, matrix(memory, 0, 0, n), n, False)
    tape, mine = tape_of(layer, memory, steps, n), weights_of(layer, weights)
    back = transposed_weights(layer, room.transposed)
    decoder_backward(plan.cell, around, mine, back, tape, looking, gradient, encoder, d_encoder)
    finish_gradient(plan.cell, around, weights_of(layer, room.gradient), mine, tape)


@fast_part
def _ends_in_one(plan, level):
    """Whether a single output step reads the layer's two directions: then each gives the state it ends in."""
    return plan.readout[0].steps == 1 and level + 1 == _depth(plan) and not plan.wiring.attention


@fast_part
def _read_out(plan, weights, memory, sequence, n):
    """y = f(h V [+ c]) at every step of the top sequence."""
    readout, steps = plan.readout[0], sequence.shape[0]
    y = block(memory, readout.y * n, steps, n, readout.outputs)
    if plan.wiring.feeds_back:
        copy(y, sequence)
        return
    x = block(memory, readout.x * n, steps, n, readout.inputs)
    if plan.wiring.dropout > 0.0:
        arrange(x, sequence, _mask(memory, readout.mask, plan.wiring.dropout, n, readout.inputs), 1, False)
    product(flattened(y), flattened(x), matrix(weights, readout.time, readout.inputs, readout.outputs))
    if plan.wiring.use_bias:
        add(flattened(y), vector(weights, readout.bias, readout.outputs))
    activate_output(readout.activation, flattened(y))


@fast_part
def _top_steps(plan, steps):
    """Steps of the sequence that the output layer reads."""
    return plan.readout[0].steps if plan.wiring.attention else _steps_at(plan, _depth(plan) - 1, steps)


@fast_part
def _targets(plan, memory, Y, chunk):
    """The targets of the chunk (steps, n, outputs), and which of its top steps is the first with a target."""
    readout, n = plan.readout[0], chunk.rows.size
    steps = _top_steps(plan, chunk.steps)
    offset = _top_steps(plan, chunk.of) - readout.steps  # outputs are the last steps of the whole sequence
    first = max(offset - chunk.first, 0)
    target = block(memory, readout.target * n, max(steps - first, 0), n, readout.outputs)
    for t in range(target.shape[0]):
        for s in range(n):
            to, source = target[t, s], Y[chunk.rows[s], chunk.first + first + t - offset]
            for k in range(to.size):
                to[k] = source[k]
    return target, min(first, steps)


@fast_part
def _output_gradient(plan, memory, Y, chunk, error):
    """Fill the output's delta (0 where there is no target) and add Σ|target − y| to ``error`` (n); give back the
    delta."""
    readout, n = plan.readout[0], chunk.rows.size
    steps = _top_steps(plan, chunk.steps)
    target, first = _targets(plan, memory, Y, chunk)
    y = block(memory, readout.y * n, steps, n, readout.outputs)
    delta = block(memory, readout.delta * n, steps, n, readout.outputs)
    fill(delta[:first], 0.0)
    for t in range(target.shape[0]):
        for s in range(n):
            total, computed, wanted = error[s], y[first + t, s], target[t, s]
            if wanted[0] == wanted[0] or not plan.wiring.padded:  # NaN is no target, where sequences may end early
                for k in range(computed.size):
                    total += abs(wanted[k] - computed[k])
            error[s] = total
    rows = flattened(delta[first:]), flattened(y[first:]), flattened(target)
    if plan.wiring.feeds_back:
        output_delta(1, readout.loss, False, readout.width, rows[0], rows[1], rows[2])
    else:
        output_delta(readout.activation, readout.loss, readout.canonical == 1, readout.width, rows[0], rows[1], rows[2])
    if plan.wiring.padded:
        for row in range(rows[2].shape[0]):
            if rows[2][row, 0] != rows[2][row, 0]:
                fill(rows[0][row], 0.0)
    return delta


@fast_part
def group_gradient(plan, weights, room, X, Y, chunk, error):
    """``room.gradient`` = the gradient of the summed loss of the chunk by all weights.

    X (samples, time, variables), Y (samples, output steps, outputs); ``error`` (n) is added to. The states before the
    first step lie in ``room.memory`` already.
    """
    memory, n = room.memory, chunk.rows.size
    directions, pyramid, depth = plan.wiring.directions, plan.wiring.pyramid, _depth(plan)
    forward_pass(plan, weights, memory, X, chunk)
    delta = _output_gradient(plan, memory, Y, chunk, error)
    transpose_weights(plan, weights, room.transposed)

    top = depth + (1 if plan.wiring.attention else 0)
    steps = _top_steps(plan, chunk.steps)
    _, d_sequence = _sequence(plan, memory, top, steps, n)
    _read_out_backward(plan, room, d_sequence, delta, n)

    decode_backward(plan.attention, plan, weights, room, steps, chunk, n)
    for level in range(depth - 1, -1, -1):
        out_steps = _steps_at(plan, level, chunk.steps)
        _, d_above = _sequence(plan, memory, level + 1, out_steps, n)
        in_steps = _steps_at(plan, max(level - 1, 0), chunk.steps)
        _, d_below = _sequence(plan, memory, level, in_steps, n)
        present = _presence(plan, memory, level, out_steps, n)
        for side in range(directions):
            layer = plan.layers[level * directions + side]
            tape = tape_of(layer, memory, out_steps, n)
            if directions == 2:
                split(tape.upstream, d_above, side, side == 1 and not _ends_in_one(plan, level))
            around = _around(plan, layer, memory, present, n, side == 1)
            gradient = weights_of(layer, room.gradient)
            back = transposed_weights(layer, room.transposed)
            layer_backward(plan.cell, around, gradient, weights_of(layer, weights), back, tape, level > 0)
            if level > 0 and layer.downstream != plan.levels[level].gradient:
                if side == 0:
                    fill(d_below, 0.0)
                mask = _mask(memory, layer.input_mask, plan.wiring.dropout, n, layer.inputs)
                return_gradient(d_below, tape.downstream, mask, pyramid, side == 1)


@fast_part
def _read_out_backward(plan, room, d_sequence, delta, n):
    """dV = Σ hᵀ δ,  dc = Σ δ,  dh = δ Vᵀ."""
    readout = plan.readout[0]
    if plan.wiring.feeds_back:
        copy(d_sequence, delta)
        return
    rows = flattened(delta)
    x = block(room.memory, readout.x * n, delta.shape[0], n, readout.inputs)
    transposed_product(matrix(room.gradient, readout.time, readout.inputs, readout.outputs), flattened(x), rows)
    bias = vector(room.gradient, readout.bias, readout.outputs)
    fill(bias, 0.0)
    if plan.wiring.use_bias:
        add_column_sums(bias, rows)
    back = matrix(room.transposed, readout.time, readout.outputs, readout.inputs)
    if plan.wiring.dropout == 0.0:
        product(flattened(d_sequence), rows, back)
        return
    downstream = block(room.memory, readout.downstream * n, delta.shape[0], n, readout.inputs)
    product(flattened(downstream), rows, back)
    fill(d_sequence, 0.0)
    mask = _mask(room.memory, readout.mask, plan.wiring.dropout, n, readout.inputs)
    return_gradient(d_sequence, downstream, mask, 1, False)


@fast_part
def loss_of(plan, memory, Y, chunk):
    """The loss of the outputs that the last forward pass left in ``memory``."""
    readout, n = plan.readout[0], chunk.rows.size
    target, first = _targets(plan, memory, Y, chunk)
    steps = _top_steps(plan, chunk.steps)
    y = block(memory, readout.y * n, steps, n, readout.outputs)
    return output_loss(readout.loss, readout.width, flattened(y[first:]), flattened(target))
