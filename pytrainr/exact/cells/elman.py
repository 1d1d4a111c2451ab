"""The Elman network, R's ``rnn``: the hidden units hear themselves a step later."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pytrainr.exact.activations import HIDDEN, activate, number_of, times_slope
from pytrainr.exact.cells.gradients import add_plain_gradient, reaches_back
from pytrainr.exact.layers.layer import check_activation
from pytrainr.exact.layers.recurrent import Recurrent, recurrent_kernels
from pytrainr.exact.products import add_product, product
from pytrainr.numerics.jit import fast_part


class Elman(NamedTuple):
    """h ← f(x W + h R [+ b])."""

    activation: int


@fast_part
def forward(cell, weights, tape, t):
    """h_t = f(x_t W + h_{t−1} R [+ b])."""
    add_product(tape.gates[t], tape.context[t], weights.recurrent_kernel)
    activate(cell.activation, tape.hidden[t + 1], tape.gates[t])


@fast_part
def backward(cell, weights, transposed, tape, t):
    """δ_t = dh_t · f′;  dh_{t−1} = δ_t Rᵀ."""
    times_slope(cell.activation, tape.delta[t], tape.d_y[t], tape.hidden[t + 1])
    if reaches_back(weights, t):
        product(tape.carried, tape.delta[t], transposed.recurrent_kernel)


add_gradient = add_plain_gradient


@dataclass(frozen=True)
class SimpleRNN(Recurrent):
    """h_t = f(x_t W + h_{t−1} R + b)."""

    activation: str = "tanh"

    kernels = recurrent_kernels("SimpleRNN", Elman)

    def check(self) -> None:
        super().check()
        check_activation(self, "activation", HIDDEN)

    def numbers(self) -> dict[str, float]:
        return {"activation": number_of(self.activation)}
