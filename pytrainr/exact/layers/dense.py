"""The dense layer: the same product at every step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import Matrix, Steps, Vector, flattened
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, Weight, check_activation, check_range
from pytrainr.exact.products import add_column_sums, product, transpose, transposed_product
from pytrainr.numerics.elementwise import add, fill
from pytrainr.numerics.jit import fast_part

__all__ = ["Dense"]


class Options(NamedTuple):
    """``slope`` is the activation whose slope is taken on the way back: none where the loss has cancelled it."""

    activation: int
    slope: int


class Weights(NamedTuple):
    kernel: Matrix
    bias: Vector


class Tape(NamedTuple):
    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps


@fast_part
def forward(layer, weights, tape):
    """y_t = f(x_t W [+ b])."""
    y = flattened(tape.y)
    product(y, flattened(tape.x), weights.kernel)
    if weights.bias.size > 0:
        add(y, weights.bias)
    activate_rows(layer.activation, y, y)


@fast_part
def backward(layer, weights, transposed, gradient, tape):
    """δ = dy∘f′;  dW = Σ_t x_tᵀ δ_t,  db = Σ_t δ_t,  dx_t = δ_t Wᵀ."""
    delta = flattened(tape.d_y)
    slope_of_rows(layer.slope, delta, delta, flattened(tape.y))
    transposed_product(gradient.kernel, flattened(tape.x), delta)
    if gradient.bias.size > 0:
        fill(gradient.bias, 0.0)
        add_column_sums(gradient.bias, delta)
    if tape.d_x.size > 0:
        transpose(transposed.kernel, weights.kernel)
        product(flattened(tape.d_x), delta, transposed.kernel)


@dataclass(frozen=True)
class Dense(Layer):
    """y = f(x W + b), the same at every step; ``activation`` is one of ``activations.ACTIVATIONS``, None is linear."""

    units: int
    activation: str | None = None
    use_bias: bool = True

    kernels = Kernels("Dense", forward, backward, options=Options, weights=Weights, tape=Tape)
    pointwise: ClassVar[bool] = True

    def check(self) -> None:
        check_range(self, "units", self.units >= 1, "should be 1 or more")
        check_activation(self, "activation")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return steps, self.units

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        bias = (Weight("bias", (self.units,), "zeros"),) if self.use_bias else ()
        return Weight("kernel", (width, self.units), "glorot"), *bias

    def numbers(self) -> dict[str, float]:
        return {"activation": number_of(self.activation), "slope": number_of(self.activation)}
