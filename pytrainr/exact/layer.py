"""One layer over all its time steps: what surrounds the cell's equations, whatever the cell.

The input's share of all gates is one product over all time steps. Then, step by step, recurrent dropout, the cell,
and, for
sequences of different length, holding the state where a sample has no entry.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.exact.cells import add_gradient, backward, forward
from pytrainr.exact.products import add_column_sums, product
from pytrainr.exact.shapes import flattened
from pytrainr.numerics.elementwise import add, copy, fill, multiply
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map

__all__ = ["Around", "finish_gradient", "layer_backward", "layer_forward", "step_backward", "step_forward"]


class Around(NamedTuple):
    """What surrounds a layer's cell.

    ``present`` (steps, n) is 0 where a sample has no entry, and has no rows where all are whole; ``mask`` (n, outputs)
    is the recurrent dropout and has no rows where there is none; ``held`` and ``held_cell`` are room for gradients.
    """

    use_bias: bool
    backwards: bool
    present: np.ndarray
    mask: np.ndarray
    held: np.ndarray
    held_cell: np.ndarray


@fast_map("d_hidden, direct")
def _add_later(d_hidden, carried, direct):
    return d_hidden + (carried + direct), direct.constant(0.0)


@fast_map("context")
def _masked(hidden, mask):
    return hidden * mask


@fast_part
def _is_absent(around, t, s):
    step = around.present.shape[0] - 1 - t if around.backwards else t
    return around.present[step, s] == 0.0


@fast_part
def step_forward(cell, around, weights, tape, t):
    """One time step: dropout of the state, the cell's equations, the state held where there is no entry."""
    n = tape.hidden.shape[1]
    if around.mask.shape[0] > 0:
        _masked(tape.context[t], tape.hidden[t], around.mask)
    forward(cell, weights, tape, t)
    if around.present.shape[0] > 0:
        for s in range(n):
            if _is_absent(around, t, s):
                copy(tape.hidden[t + 1, s], tape.hidden[t, s])
                copy(tape.cell[t + 1, s], tape.cell[t, s])


@fast_part
def step_backward(cell, around, weights, transposed, tape, t):
    """One time step back. A held state passes its gradient on as it is; the cell sees none of it."""
    n = tape.hidden.shape[1]
    padded = around.present.shape[0] > 0
    if t + 1 < tape.x.shape[0]:
        _add_later(tape.upstream[t], tape.carried, tape.direct)
    if padded:
        for s in range(n):
            if _is_absent(around, t, s):
                copy(around.held[s], tape.upstream[t, s])
                copy(around.held_cell[s], tape.carried_cell[s])
                fill(tape.upstream[t, s], 0.0)
                fill(tape.carried_cell[s], 0.0)
    backward(cell, weights, transposed, tape, t)
    if around.mask.shape[0] > 0:
        multiply(tape.carried, around.mask)
    if padded:
        for s in range(n):
            if _is_absent(around, t, s):
                copy(tape.direct[s], around.held[s])
                copy(tape.carried_cell[s], around.held_cell[s])


@fast_part
def layer_forward(cell, around, weights, tape):
    """Fill ``tape.hidden[1:]`` from ``tape.x`` and the state ``tape.hidden[0]``, ``tape.cell[0]``."""
    gates = flattened(tape.gates)
    product(gates, flattened(tape.x), weights.time)
    if around.use_bias:
        add(gates, weights.bias)
    for t in range(tape.x.shape[0]):
        step_forward(cell, around, weights, tape, t)


@fast_part
def finish_gradient(cell, around, gradient, weights, tape):
    """The weights' gradient once all steps back are taken."""
    add_gradient(cell, gradient, weights, tape)
    fill(gradient.bias, 0.0)
    if around.use_bias:
        add_column_sums(gradient.bias, flattened(tape.delta))
    else:
        fill(gradient.projection_bias, 0.0)


@fast_part
def layer_backward(cell, around, gradient, weights, transposed, tape, to_input):
    """From ``tape.upstream`` to the weights' gradient and, if ``to_input``, ``tape.downstream``."""
    fill(tape.direct, 0.0)
    fill(tape.carried_cell, 0.0)
    for t in range(tape.x.shape[0] - 1, -1, -1):
        step_backward(cell, around, weights, transposed, tape, t)
    finish_gradient(cell, around, gradient, weights, tape)
    if to_input:
        product(flattened(tape.downstream), flattened(tape.delta), transposed.time)
