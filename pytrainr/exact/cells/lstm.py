"""Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000), with peepholes and projection if wanted."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.exact.gradients import add_plain_gradient
from pytrainr.exact.products import product, transposed_product
from pytrainr.exact.scalars import logistic, tanh
from pytrainr.exact.shapes import flattened
from pytrainr.exact.vectors import copy, fill
from pytrainr.numerics.jit import fast_inline_part

GATES = ("forget", "input", "candidate", "output")


class Lstm(NamedTuple):
    """f, i, o = σ(x W + h R [+ b] [+ c∘p]);  g = tanh(…);  c ← f∘c + i∘g;  m = o∘tanh(c);  h ← m, or m P."""

    activation: int


Cell = Lstm


def widths(hidden: int, outputs: int) -> dict[str, int]:
    """``cell`` is c; ``memory`` is m; ``memory_delta`` is the gradient by m; ``gate_delta`` keeps tanh(c)."""
    return {"cells": hidden, "memories": hidden, "gate_deltas": hidden, "memory_deltas": hidden}


@fast_inline_part
def forward(cell, weights, tape, t):
    """f, i, o = σ(x_t W + h_{t−1} R + peepholes);  c_t = f∘c_{t−1} + i∘tanh(…);  h_t = (o∘tanh(c_t)) P.

    The forget and input gates see c_{t−1}, the output gate sees c_t.
    """
    n, hidden = tape.gates.shape[1], tape.cell.shape[2]
    peephole, projection = weights.peephole.shape[0] > 0, weights.projection.shape[0] > 0
    product(tape.product, tape.context[t], weights.recurrent)
    for s in range(n):
        gate, recurrent, before, after = tape.gates[t, s], tape.product[s], tape.cell[t, s], tape.cell[t + 1, s]
        f, i, g, o = gate[:hidden], gate[hidden : 2 * hidden], gate[2 * hidden : 3 * hidden], gate[3 * hidden :]
        for k in range(4 * hidden):
            gate[k] += recurrent[k]
        if peephole:
            p_f, p_i = weights.peephole[0], weights.peephole[1]
            for k in range(hidden):
                f[k] += before[k] * p_f[k]
                i[k] += before[k] * p_i[k]
        for k in range(2 * hidden):
            gate[k] = logistic(gate[k])
        for k in range(hidden):
            g[k] = tanh(g[k])
            after[k] = f[k] * before[k] + i[k] * g[k]
        if peephole:
            p_o = weights.peephole[2]
            for k in range(hidden):
                o[k] += after[k] * p_o[k]
        m, squashed = tape.memory[t, s], tape.gate_delta[t, s]
        for k in range(hidden):
            squashed[k] = tanh(after[k])
        for k in range(hidden):
            o[k] = logistic(o[k])
            m[k] = o[k] * squashed[k]
    if projection:
        product(tape.hidden[t + 1], tape.memory[t], weights.projection)
    else:
        copy(tape.hidden[t + 1], tape.memory[t])


@fast_inline_part
def backward(cell, weights, transposed, tape, t):
    """dm = dh Pᵀ;  δ_o = dm∘tanh(c)∘o′;  dc = dm∘o∘(1 − tanh²c) + dc_{t+1} [+ δ_o∘p_o];

    δ_f = dc∘c_{t−1}∘f′, δ_i = dc∘g∘i′, δ_g = dc∘i∘g′;
    dc_{t−1} = dc∘f [+ δ_f∘p_f + δ_i∘p_i];  dh_{t−1} = δ Rᵀ.
    """
    n, hidden = tape.gates.shape[1], tape.cell.shape[2]
    peephole, projection = weights.peephole.shape[0] > 0, weights.projection.shape[0] > 0
    if projection:
        product(tape.memory_delta[t], tape.upstream[t], transposed.projection)
    for s in range(n):
        gate, delta = tape.gates[t, s], tape.delta[t, s]
        f, i, g, o = gate[:hidden], gate[hidden : 2 * hidden], gate[2 * hidden : 3 * hidden], gate[3 * hidden :]
        delta_f, delta_i = delta[:hidden], delta[hidden : 2 * hidden]
        delta_g, delta_o = delta[2 * hidden : 3 * hidden], delta[3 * hidden :]
        d_m = tape.memory_delta[t, s] if projection else tape.upstream[t, s]
        before, squashed, d_c = tape.cell[t, s], tape.gate_delta[t, s], tape.carried_cell[s]
        for k in range(hidden):
            delta_o[k] = d_m[k] * squashed[k] * (o[k] * (1.0 - o[k]))
            d_c[k] += d_m[k] * o[k] * (1.0 - squashed[k] * squashed[k])
        if peephole:
            p_o = weights.peephole[2]
            for k in range(hidden):
                d_c[k] += delta_o[k] * p_o[k]
        for k in range(hidden):
            delta_f[k] = d_c[k] * before[k] * (f[k] * (1.0 - f[k]))
            delta_i[k] = d_c[k] * g[k] * (i[k] * (1.0 - i[k]))
        for k in range(hidden):
            delta_g[k] = d_c[k] * i[k] * (1.0 - g[k] * g[k])
            d_c[k] *= f[k]
        if peephole:
            p_f, p_i = weights.peephole[0], weights.peephole[1]
            for k in range(hidden):
                d_c[k] += delta_f[k] * p_f[k] + delta_i[k] * p_i[k]
    if t > 0:
        product(tape.carried, tape.delta[t], transposed.recurrent)


@fast_inline_part
def add_gradient(cell, gradient, weights, tape):
    """dR = Σ_t h_{t−1}ᵀ δ;  dp_f, dp_i = Σ_t δ∘c_{t−1}, dp_o = Σ_t δ_o∘c_t;  dP = Σ_t m_tᵀ dh_t."""
    add_plain_gradient(cell, gradient, weights, tape)
    hidden = tape.cell.shape[2]
    if weights.projection.shape[0] > 0:
        transposed_product(gradient.projection, flattened(tape.memory), flattened(tape.upstream))
    if weights.peephole.shape[0] > 0:
        fill(gradient.peephole, 0.0)
        for t in range(tape.delta.shape[0]):
            for s in range(tape.delta.shape[1]):
                delta, before, after = tape.delta[t, s], tape.cell[t, s], tape.cell[t + 1, s]
                for k in range(hidden):
                    gradient.peephole[0, k] += delta[k] * before[k]
                    gradient.peephole[1, k] += delta[hidden + k] * before[k]
                    gradient.peephole[2, k] += delta[3 * hidden + k] * after[k]
