"""The Jordan network (Jordan 1986): the hidden units hear the network's output of the step before.

In a stack only the last hidden layer hears the output; those below are Elman layers. The output is computed inside the
layer, step by step: it is the layer's ``projection``, with a bias and the output's activation.
"""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.exact.activations import activate, times_slope
from pytrainr.exact.cells import elman
from pytrainr.exact.gradients import add_plain_gradient
from pytrainr.exact.outputs import activate_output, output_slope
from pytrainr.exact.products import add_column_sums, add_product, product, transposed_product
from pytrainr.exact.shapes import flattened
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

GATES = ("hidden",)


class Jordan(NamedTuple):
    """h ← f(x W + y R [+ b]);  y ← out(h V [+ c])."""

    activation: int
    output: int
    use_bias: bool


Cell = Jordan


def widths(hidden: int, outputs: int) -> dict[str, int]:
    """``hidden`` on the tape is the output y; ``memory`` is h, ``memory_delta`` its gradient, ``gate_delta`` that of
    h V."""
    return {"memories": hidden, "memory_deltas": hidden, "gate_deltas": outputs}


@fast_part
def forward(cell, weights, tape, t):
    """h_t = f(x_t W + y_{t−1} R [+ b]);  y_t = out(h_t V [+ c])."""
    if weights.projection.shape[0] == 0:
        elman.forward(cell, weights, tape, t)
        return
    add_product(tape.gates[t], tape.context[t], weights.recurrent)
    activate(cell.activation, tape.memory[t], tape.gates[t])
    y = tape.hidden[t + 1]
    product(y, tape.memory[t], weights.projection)
    if cell.use_bias:
        add(y, weights.projection_bias)
    activate_output(cell.output, y)


@fast_part
def backward(cell, weights, transposed, tape, t):
    """δ_y = dy_t · out′;  δ_t = (δ_y Vᵀ) · f′;  dy_{t−1} = δ_t Rᵀ."""
    if weights.projection.shape[0] == 0:
        elman.backward(cell, weights, transposed, tape, t)
        return
    copy(tape.gate_delta[t], tape.upstream[t])
    output_slope(cell.output, tape.gate_delta[t], tape.hidden[t + 1])
    product(tape.delta[t], tape.gate_delta[t], transposed.projection)
    times_slope(cell.activation, tape.delta[t], tape.delta[t], tape.memory[t])
    if t > 0:
        product(tape.carried, tape.delta[t], transposed.recurrent)


@fast_part
def add_gradient(cell, gradient, weights, tape):
    """dR = Σ_t y_{t−1}ᵀ δ_t;  dV = Σ_t h_tᵀ δ_y."""
    add_plain_gradient(cell, gradient, weights, tape)
    if weights.projection.shape[0] > 0:
        delta = flattened(tape.gate_delta)
        transposed_product(gradient.projection, flattened(tape.memory), delta)
        fill(gradient.projection_bias, 0.0)
        add_column_sums(gradient.projection_bias, delta)
