"""The gated recurrent unit in R's formulation (Cho et al. 2014): the reset gate acts before the matrix product."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.exact.gradients import input_gradient
from pytrainr.exact.products import product, transposed_product
from pytrainr.exact.scalars import logistic, tanh
from pytrainr.exact.shapes import flattened
from pytrainr.exact.vectors import copy
from pytrainr.numerics.jit import fast_inline_part

GATES = ("update", "reset", "candidate")


class Gru(NamedTuple):
    """z, r = σ(x W + h R [+ b]);  g = tanh(x W_g + (h∘r) R_g [+ b_g]);  h ← (1 − z)∘h + z∘g."""

    activation: int


Cell = Gru


def widths(hidden: int, outputs: int) -> dict[str, int]:
    """``memory`` is h∘r; the gates' deltas are kept apart, z and r from g, as their recurrent products differ."""
    return {"memories": hidden, "gate_deltas": 2 * hidden, "memory_deltas": hidden}


@fast_inline_part
def forward(cell, weights, tape, t):
    """z, r = σ(x_t W + h_{t−1} R);  g = tanh(x_t W_g + (h_{t−1}∘r) R_g);  h_t = (1 − z)∘h_{t−1} + z∘g."""
    n, hidden = tape.gates.shape[1], tape.carried.shape[1]
    product(tape.product[:, : 2 * hidden], tape.context[t], weights.recurrent[:, : 2 * hidden])
    for s in range(n):
        gate, recurrent = tape.gates[t, s, : 2 * hidden], tape.product[s, : 2 * hidden]
        for k in range(2 * hidden):
            gate[k] = logistic(gate[k] + recurrent[k])
        r, context, reset = gate[hidden:], tape.context[t, s], tape.memory[t, s]
        for k in range(hidden):
            reset[k] = context[k] * r[k]
    product(tape.product[:, 2 * hidden :], tape.memory[t], weights.recurrent[:, 2 * hidden :])
    for s in range(n):
        z, g, recurrent = tape.gates[t, s, :hidden], tape.gates[t, s, 2 * hidden :], tape.product[s, 2 * hidden :]
        before, after = tape.hidden[t, s], tape.hidden[t + 1, s]
        for k in range(hidden):
            g[k] = tanh(g[k] + recurrent[k])
            after[k] = before[k] + z[k] * (g[k] - before[k])


@fast_inline_part
def backward(cell, weights, transposed, tape, t):
    """dz = dh∘(g − h_{t−1}), dg = dh∘z, d(h∘r) = δ_g R_gᵀ, dr = d(h∘r)∘h_{t−1};  δ = d∘f′;

    dh_{t−1} = dh∘(1 − z) + d(h∘r)∘r + δ_{z,r} R_{z,r}ᵀ.
    """
    n, hidden = tape.gates.shape[1], tape.carried.shape[1]
    for s in range(n):
        z, g, d_h = tape.gates[t, s, :hidden], tape.gates[t, s, 2 * hidden :], tape.upstream[t, s]
        delta_z, delta_g, direct = tape.gate_delta[t, s, :hidden], tape.memory_delta[t, s], tape.direct[s]
        before = tape.hidden[t, s]
        for k in range(hidden):
            delta_g[k] = d_h[k] * z[k] * (1.0 - g[k] * g[k])
            delta_z[k] = d_h[k] * (g[k] - before[k]) * (z[k] * (1.0 - z[k]))
            direct[k] = d_h[k] * (1.0 - z[k])
    d_reset = tape.product[:, 2 * hidden :]
    product(d_reset, tape.memory_delta[t], transposed.recurrent[2 * hidden :])
    for s in range(n):
        r, context, d_memory = tape.gates[t, s, hidden : 2 * hidden], tape.context[t, s], d_reset[s]
        delta_r = tape.gate_delta[t, s, hidden:]
        for k in range(hidden):
            delta_r[k] = d_memory[k] * context[k] * (r[k] * (1.0 - r[k]))
        copy(tape.delta[t, s, : 2 * hidden], tape.gate_delta[t, s])
        copy(tape.delta[t, s, 2 * hidden :], tape.memory_delta[t, s])
    if t > 0:
        product(tape.carried, tape.gate_delta[t], transposed.recurrent[: 2 * hidden])
        for s in range(n):
            r, d_memory, carried = tape.gates[t, s, hidden : 2 * hidden], d_reset[s], tape.carried[s]
            for k in range(hidden):
                carried[k] += d_memory[k] * r[k]


@fast_inline_part
def add_gradient(cell, gradient, weights, tape):
    """dR_{z,r} = Σ_t h_{t−1}ᵀ δ_{z,r},  dR_g = Σ_t (h_{t−1}∘r)ᵀ δ_g."""
    hidden = tape.carried.shape[1]
    input_gradient(gradient, tape)
    context, reset = flattened(tape.context[:-1]), flattened(tape.memory)
    transposed_product(gradient.recurrent[:, : 2 * hidden], context, flattened(tape.gate_delta))
    transposed_product(gradient.recurrent[:, 2 * hidden :], reset, flattened(tape.memory_delta))
