"""An activation by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import Steps, flattened
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, check_activation
from pytrainr.numerics.jit import fast_part

__all__ = ["Activation"]


class Options(NamedTuple):
    """``slope`` is the activation whose slope is taken on the way back: none where the loss has cancelled it."""

    activation: int
    slope: int


class Tape(NamedTuple):
    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps


@fast_part
def forward(layer, tape):
    """y_t = f(x_t)."""
    activate_rows(layer.activation, flattened(tape.y), flattened(tape.x))


@fast_part
def backward(layer, tape):
    """dx_t = dy_t∘f′(x_t), by y_t."""
    slope_of_rows(layer.slope, flattened(tape.d_x), flattened(tape.d_y), flattened(tape.y))


@dataclass(frozen=True)
class Activation(Layer):
    """y = f(x) for one of ``activations.ACTIVATIONS``."""

    activation: str

    kernels = Kernels("Activation", forward, backward, options=Options, tape=Tape)
    pointwise: ClassVar[bool] = True

    def check(self) -> None:
        check_activation(self, "activation")

    def numbers(self) -> dict[str, float]:
        return {"activation": number_of(self.activation), "slope": number_of(self.activation)}
