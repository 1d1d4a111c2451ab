"""The Elman network, R's ``rnn``: the hidden units hear themselves a step later."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.exact.activations import activate, times_slope
from pytrainr.exact.gradients import add_plain_gradient
from pytrainr.exact.products import add_product, product
from pytrainr.numerics.jit import fast_part

GATES = ("hidden",)


class Elman(NamedTuple):
    """h ← f(x W + h R [+ b])."""

    activation: int


Cell = Elman


def widths(hidden: int, outputs: int) -> dict[str, int]:
    """The cell needs no arrays of its own."""
    return {}


@fast_part
def forward(cell, weights, tape, t):
    """h_t = f(x_t W + h_{t−1} R [+ b])."""
    add_product(tape.gates[t], tape.context[t], weights.recurrent)
    activate(cell.activation, tape.hidden[t + 1], tape.gates[t])


@fast_part
def backward(cell, weights, transposed, tape, t):
    """δ_t = dh_t · f′;  dh_{t−1} = δ_t Rᵀ."""
    times_slope(cell.activation, tape.delta[t], tape.upstream[t], tape.hidden[t + 1])
    if t > 0:
        product(tape.carried, tape.delta[t], transposed.recurrent)


add_gradient = add_plain_gradient
