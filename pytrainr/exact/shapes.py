"""How compiled code sees one layer: its sizes, its weights as views of the flat vector, what it remembers for the way
back.

A layer here is one direction of one hidden layer. All arrays of a group are proportional to its number of samples n,
so a place in the workspace is kept per sample and multiplied by n. Time comes first: (steps, n, width).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.views import view

__all__ = [
    "LAYER",
    "Tape",
    "Weights",
    "block",
    "flattened",
    "matrix",
    "past",
    "rows",
    "tape_of",
    "transposed_weights",
    "vector",
    "weights_of",
]

LAYER = np.dtype(
    [
        (name, np.int64)
        for name in (
            # widths: what comes in, units, what goes out (fewer than the units with a projection), the cell's own
            # arrays
            *("inputs", "hidden", "outputs", "gates", "cells", "memories", "gate_deltas", "memory_deltas"),
            *("peepholes", "projected", "output_biases"),  # rows of those weights, 0 where there are none
            # first entries in the flat weight vector
            *("time", "recurrent", "bias", "peephole", "projection", "projection_bias"),
            # first entries in the workspace, per sample
            *("x", "gate", "delta", "state", "context", "cell", "memory", "gate_delta", "memory_delta"),
            *("upstream", "downstream", "product", "carried", "direct", "carried_cell", "held", "held_cell"),
            *("input_mask", "recurrent_mask"),
        )
    ]
)
"""One row of the table of layers."""


class Weights(NamedTuple):
    """One layer's weights, or their gradient; all gates of a matrix stand side by side.

    ``time`` (inputs, gates·hidden), ``recurrent`` (outputs, gates·hidden), ``bias`` (gates·hidden),
    and, empty where the layer has none, ``peephole`` (3, hidden), ``projection`` (hidden, outputs) and
    ``projection_bias`` (outputs): what the layer gives out is then its hidden units times the projection.
    """

    time: np.ndarray
    recurrent: np.ndarray
    bias: np.ndarray
    peephole: np.ndarray
    projection: np.ndarray
    projection_bias: np.ndarray


class Tape(NamedTuple):
    """What one layer computes of n samples, kept for the way back.

    x               (steps, n, inputs)         the input
    gates           (steps, n, gates·hidden)   x·W + b, then activated
    delta           (steps, n, gates·hidden)   gradient by the gates before their activation
    hidden          (steps + 1, n, outputs)    what the layer gives out; entry 0 is the state before the first step
    context         (steps + 1, n, outputs)    what enters the recurrent product: hidden, after recurrent dropout if any
    cell            (steps + 1, n, ·)          lstm's cell state
    memory          (steps, n, ·)              a cell's own: gru h∘r, lstm o∘tanh(c), jordan's hidden units
    gate_delta, memory_delta                   a cell's own, on the way back
    upstream        (steps, n, outputs)        gradient by ``hidden``, from above and, once added, from later steps
    downstream      (steps, n, inputs)         gradient by ``x``
    product         (n, gates·hidden)          room for a product
    carried, direct (n, outputs)               gradient by the state before: through the product, and past it
    carried_cell    (n, ·)                     gradient by the cell state before
    """

    x: np.ndarray
    gates: np.ndarray
    delta: np.ndarray
    hidden: np.ndarray
    context: np.ndarray
    cell: np.ndarray
    memory: np.ndarray
    gate_delta: np.ndarray
    memory_delta: np.ndarray
    upstream: np.ndarray
    downstream: np.ndarray
    product: np.ndarray
    carried: np.ndarray
    direct: np.ndarray
    carried_cell: np.ndarray


@fast_part
def block(memory, first, steps, n, width):
    """``memory`` from ``first`` on as (steps, n, width)."""
    return view(memory, first, (steps, n, width))


@fast_part
def matrix(flat, first, rows, columns):
    """``flat`` from ``first`` on as (rows, columns)."""
    return view(flat, first, (rows, columns))


@fast_part
def flattened(a):
    """(steps, n, width) as (steps·n, width)."""
    return view(a, 0, (a.shape[0] * a.shape[1], a.shape[2]))


@fast_part
def rows(a, first, count):
    """``count`` rows of a matrix from ``first`` on."""
    return view(a, first * a.shape[1], (count, a.shape[1]))


@fast_part
def past(states):
    """Of (steps + 1, n, width) the state before each step (steps, n, width)."""
    return view(states, 0, (states.shape[0] - 1, states.shape[1], states.shape[2]))


@fast_part
def vector(flat, first, size):
    """``flat`` from ``first`` on as a vector."""
    return view(flat, first, (size,))


@fast_part
def weights_of(layer, flat):
    """The layer's weights in the flat vector."""
    wide = layer.gates * layer.hidden
    return Weights(
        matrix(flat, layer.time, layer.inputs, wide),
        matrix(flat, layer.recurrent, layer.outputs, wide),
        vector(flat, layer.bias, wide),
        matrix(flat, layer.peephole, layer.peepholes, layer.hidden),
        matrix(flat, layer.projection, layer.projected, layer.outputs),
        vector(flat, layer.projection_bias, layer.output_biases),
    )


@fast_part
def transposed_weights(layer, flat):
    """The same places of a vector that holds each matrix transposed."""
    wide = layer.gates * layer.hidden
    return Weights(
        matrix(flat, layer.time, wide, layer.inputs),
        matrix(flat, layer.recurrent, wide, layer.outputs),
        vector(flat, layer.bias, wide),
        matrix(flat, layer.peephole, layer.peepholes, layer.hidden),
        matrix(flat, layer.projection, layer.outputs, layer.projected),
        vector(flat, layer.projection_bias, layer.output_biases),
    )


@fast_part
def tape_of(layer, memory, steps, n):
    """The layer's arrays in the workspace for n samples."""
    wide = layer.gates * layer.hidden
    return Tape(
        block(memory, layer.x * n, steps, n, layer.inputs),
        block(memory, layer.gate * n, steps, n, wide),
        block(memory, layer.delta * n, steps, n, wide),
        block(memory, layer.state * n, steps + 1, n, layer.outputs),
        block(memory, layer.context * n, steps + 1, n, layer.outputs),
        block(memory, layer.cell * n, steps + 1, n, layer.cells),
        block(memory, layer.memory * n, steps, n, layer.memories),
        block(memory, layer.gate_delta * n, steps, n, layer.gate_deltas),
        block(memory, layer.memory_delta * n, steps, n, layer.memory_deltas),
        block(memory, layer.upstream * n, steps, n, layer.outputs),
        block(memory, layer.downstream * n, steps, n, layer.inputs),
        matrix(memory, layer.product * n, n, wide),
        matrix(memory, layer.carried * n, n, layer.outputs),
        matrix(memory, layer.direct * n, n, layer.outputs),
        matrix(memory, layer.carried_cell * n, n, layer.cells),
    )
