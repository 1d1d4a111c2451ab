"""The echo state network (Jaeger 2001): a fixed, sparse, leaky reservoir; only the readout is fitted, by ridge
regression."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.exact.gradients import add_plain_gradient
from pytrainr.exact.products import product
from pytrainr.exact.scalars import tanh
from pytrainr.exact.vectors import flat
from pytrainr.numerics.jit import fast_inline_part

GATES = ("hidden",)


class EchoState(NamedTuple):
    """h ← (1 − a)·h + a·tanh(x W + h R [+ b]), leak a."""

    activation: int
    leak: float


Cell = EchoState


def widths(hidden: int, outputs: int) -> dict[str, int]:
    """``memory`` is the tanh."""
    return {"memories": hidden}


@fast_inline_part
def forward(cell, weights, tape, t):
    """h_t = h_{t−1} + a·(tanh(x_t W + h_{t−1} R [+ b]) − h_{t−1})."""
    product(tape.product, tape.context[t], weights.recurrent)
    s, recurrent, m = flat(tape.gates[t]), flat(tape.product), flat(tape.memory[t])
    before, after = flat(tape.hidden[t]), flat(tape.hidden[t + 1])
    for k in range(m.size):
        m[k] = tanh(s[k] + recurrent[k])
        after[k] = before[k] + cell.leak * (m[k] - before[k])


@fast_inline_part
def backward(cell, weights, transposed, tape, t):
    """δ_t = a·dh_t·(1 − tanh²);  dh_{t−1} = (1 − a)·dh_t + δ_t Rᵀ."""
    delta, d_h, m = flat(tape.delta[t]), flat(tape.upstream[t]), flat(tape.memory[t])
    direct = flat(tape.direct)
    for k in range(m.size):
        delta[k] = cell.leak * d_h[k] * (1.0 - m[k] * m[k])
        direct[k] = (1.0 - cell.leak) * d_h[k]
    if t > 0:
        product(tape.carried, tape.delta[t], transposed.recurrent)


add_gradient = add_plain_gradient
