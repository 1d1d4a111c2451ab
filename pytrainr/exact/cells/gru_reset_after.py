"""The gated recurrent unit whose reset gate acts after the recurrent product, as in Keras and PyTorch."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.exact.arrays import flattened, past
from pytrainr.exact.cells.gradients import input_gradient, reaches_back
from pytrainr.exact.products import add_column_sums, product, transposed_product
from pytrainr.numerics.elementwise import add, copy, fast_logistic, fast_tanh, fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map
from pytrainr.numerics.views import columns, three_gates


class GruResetAfter(NamedTuple):
    """z, r = σ(x W + h R [+ b + c]);  g = tanh(x W_g [+ b_g] + r∘(h R_g [+ c_g]));  h ← (1 − z)∘h + z∘g."""


@fast_map("z, r")
def _gates(z, r, from_z, from_r):
    return fast_logistic(z + from_z), fast_logistic(r + from_r)


@fast_map("g, after")
def _next_state(g, z, r, inner, before):
    g = fast_tanh(g + r * inner)
    return g, before + z * (g - before)


@fast_part
def forward(cell, weights, tape, t):
    """p = h_{t−1} R [+ c];  z, r = σ(x_t W + p);  g = tanh(x_t W_g + r∘p_g);  h_t = (1 − z)∘h_{t−1} + z∘g."""
    z, r, g = three_gates(tape.gates[t])
    inner = tape.memory[t]
    product(inner, tape.context[t], weights.recurrent_kernel)
    if weights.recurrent_bias.size > 0:
        add(inner, weights.recurrent_bias)
    p_z, p_r, p_g = three_gates(inner)
    _gates(z, r, p_z, p_r)
    _next_state(tape.hidden[t + 1], g, z, r, p_g, tape.hidden[t])


@fast_map("delta_z, delta_r, delta_g, delta_p, direct")
def _back(d_h, before, z, r, g, inner):
    delta_g = d_h * z * (1.0 - g * g)
    delta_z, delta_r = d_h * (g - before) * (z * (1.0 - z)), delta_g * inner * (r * (1.0 - r))
    return delta_z, delta_r, delta_g, delta_g * r, d_h * (1.0 - z)


@fast_part
def backward(cell, weights, transposed, tape, t):
    """dz = dh∘(g − h_{t−1}), δ_g = dh∘z∘g′, dr = δ_g∘p_g, dp = [δ_z, δ_r, δ_g∘r];  dh_{t−1} = dh∘(1 − z) + dp Rᵀ."""
    z, r, g = three_gates(tape.gates[t])
    delta_z, delta_r, delta_g = three_gates(tape.delta[t])
    through_z, through_r, through_g = three_gates(tape.gate_delta[t])
    hidden = z.shape[1]
    inner = columns(tape.memory[t], 2 * hidden, hidden)
    _back(delta_z, delta_r, delta_g, through_g, tape.direct, tape.d_y[t], tape.hidden[t], z, r, g, inner)
    copy(through_z, delta_z)
    copy(through_r, delta_r)
    if reaches_back(weights, t):
        product(tape.carried, tape.gate_delta[t], transposed.recurrent_kernel)


@fast_part
def add_gradient(cell, gradient, weights, tape):
    """dR = Σ_t h_{t−1}ᵀ dp_t;  dc = Σ_t dp_t."""
    input_gradient(gradient, tape)
    through = flattened(tape.gate_delta)
    transposed_product(gradient.recurrent_kernel, flattened(past(tape.context)), through)
    if gradient.recurrent_bias.size > 0:
        fill(gradient.recurrent_bias, 0.0)
        add_column_sums(gradient.recurrent_bias, through)
