"""The Jordan network (Jordan 1986): the hidden units hear the network's output of the step before.

The output is computed inside the layer, step by step: it is the layer's ``projection``, with a bias and an activation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pytrainr.exact.activations import HIDDEN, activate, activate_rows, number_of, slope_of_rows, times_slope
from pytrainr.exact.arrays import flattened
from pytrainr.exact.cells.gradients import add_plain_gradient, reaches_back
from pytrainr.exact.layers.layer import Weight, check_activation, check_range
from pytrainr.exact.layers.recurrent import Recurrent, recurrent_kernels
from pytrainr.exact.products import add_column_sums, add_product, product, transposed_product
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part


class OutputFedBack(NamedTuple):
    """h ← f(x W + y R [+ b]);  y ← out(h V [+ c])."""

    activation: int
    output: int


@fast_part
def forward(cell, weights, tape, t):
    """h_t = f(x_t W + y_{t−1} R [+ b]);  y_t = out(h_t V [+ c])."""
    add_product(tape.gates[t], tape.context[t], weights.recurrent_kernel)
    activate(cell.activation, tape.memory[t], tape.gates[t])
    y = tape.hidden[t + 1]
    product(y, tape.memory[t], weights.projection)
    if weights.projection_bias.size > 0:
        add(y, weights.projection_bias)
    activate_rows(cell.output, y, y)


@fast_part
def backward(cell, weights, transposed, tape, t):
    """δ_y = dy_t · out′;  δ_t = (δ_y Vᵀ) · f′;  dy_{t−1} = δ_t Rᵀ."""
    copy(tape.gate_delta[t], tape.d_y[t])
    slope_of_rows(cell.output, tape.gate_delta[t], tape.gate_delta[t], tape.hidden[t + 1])
    product(tape.delta[t], tape.gate_delta[t], transposed.projection)
    times_slope(cell.activation, tape.delta[t], tape.delta[t], tape.memory[t])
    if reaches_back(weights, t):
        product(tape.carried, tape.delta[t], transposed.recurrent_kernel)


@fast_part
def add_gradient(cell, gradient, weights, tape):
    """dR = Σ_t y_{t−1}ᵀ δ_t;  dV = Σ_t h_tᵀ δ_y."""
    add_plain_gradient(cell, gradient, weights, tape)
    delta = flattened(tape.gate_delta)
    transposed_product(gradient.projection, flattened(tape.memory), delta)
    if gradient.projection_bias.size > 0:
        fill(gradient.projection_bias, 0.0)
        add_column_sums(gradient.projection_bias, delta)


@dataclass(frozen=True)
class Jordan(Recurrent):
    """h_t = f(x_t W + y_{t−1} R + b);  y_t = out(h_t V + c): ``outputs`` numbers y come out, f is ``activation``."""

    outputs: int = 1  # type: ignore[assignment]
    activation: str = "tanh"
    output_activation: str | None = "logistic"

    kernels = recurrent_kernels("Jordan", OutputFedBack)

    def widths(self) -> dict[str, int]:
        """``hidden`` on the tape is the output y; ``memory`` is h, ``gate_delta`` the gradient of h V."""
        return {"memory": self.units, "gate_delta": self.outputs}

    def cell_weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        bias = (Weight("projection_bias", (self.outputs,), "zeros"),) if self.use_bias else ()
        projection = Weight("projection", (self.units, self.outputs), "glorot")
        return (*super().cell_weights(steps, width), projection, *bias)

    def check(self) -> None:
        super().check()
        check_activation(self, "activation", HIDDEN)
        check_activation(self, "output_activation")
        check_range(self, "outputs", self.outputs >= 1, "should be 1 or more")

    def numbers(self) -> dict[str, float]:
        return {"activation": number_of(self.activation), "output": number_of(self.output_activation)}

    def recorded(self) -> list[tuple[str, int]]:
        return [("memory", 1)]
