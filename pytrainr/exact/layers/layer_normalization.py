"""Layer normalisation (Ba et al. 2016): the variables of each step brought to mean 0 and variance 1."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.arrays import Rows, Steps, Vector, flattened
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, Weight, check_range
from pytrainr.exact.reductions import dot, total
from pytrainr.numerics.elementwise import copy, fill
from pytrainr.numerics.jit import fast_part

__all__ = ["LayerNormalization"]


class Options(NamedTuple):
    epsilon: float


class Weights(NamedTuple):
    gamma: Vector
    beta: Vector


class Tape(NamedTuple):
    """``normal`` is x̂, ``scale`` (steps, n, 1) is 1/√(variance + ε); ``room`` (n, width)."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    normal: Steps
    scale: Steps
    room: Rows


@fast_part
def forward(layer, weights, tape):
    """x̂ = (x − mean)/√(variance + ε);  y = γ∘x̂ + β."""
    x, y, normal, scale = flattened(tape.x), flattened(tape.y), flattened(tape.normal), flattened(tape.scale)
    width = x.shape[1]
    for row in range(x.shape[0]):
        mean, centred = total(x[row]) / width, normal[row]
        for k in range(width):
            centred[k] = x[row, k] - mean
        factor = 1.0 / math.sqrt(dot(centred, centred) / width + layer.epsilon)
        for k in range(width):
            centred[k] *= factor
        scale[row, 0] = factor
        for k in range(width):
            scaled = centred[k] * weights.gamma[k] if weights.gamma.size > 0 else centred[k]
            y[row, k] = scaled + weights.beta[k] if weights.beta.size > 0 else scaled


@fast_part
def backward(weights, gradient, tape):
    """d = dy∘γ;  dx = (d − mean d − x̂·mean(d∘x̂))/√(variance + ε);  dγ = Σ dy∘x̂,  dβ = Σ dy."""
    d_y, normal, scale = flattened(tape.d_y), flattened(tape.normal), flattened(tape.scale)
    width, d = d_y.shape[1], tape.room[0]
    fill(gradient.gamma, 0.0)
    fill(gradient.beta, 0.0)
    for row in range(d_y.shape[0]):
        for k in range(gradient.gamma.size):
            gradient.gamma[k] += d_y[row, k] * normal[row, k]
        for k in range(gradient.beta.size):
            gradient.beta[k] += d_y[row, k]
    if tape.d_x.size > 0:
        d_x = flattened(tape.d_x)
        for row in range(d_y.shape[0]):
            copy(d, d_y[row])
            for k in range(weights.gamma.size):
                d[k] *= weights.gamma[k]
            mean, along = total(d) / width, dot(d, normal[row]) / width
            for k in range(width):
                d_x[row, k] = (d[k] - mean - normal[row, k] * along) * scale[row, 0]


@dataclass(frozen=True)
class LayerNormalization(Layer):
    """y = γ∘(x − mean)/√(variance + ε) + β, mean and variance over the variables of each step; ``center`` has β,
    ``scale`` has γ."""

    epsilon: float = 0.001
    center: bool = True
    scale: bool = True

    kernels = Kernels("LayerNormalization", forward, backward, options=Options, weights=Weights, tape=Tape)
    pointwise: ClassVar[bool] = True

    def check(self) -> None:
        check_range(self, "epsilon", self.epsilon > 0.0, "should be positive")

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        gamma = (Weight("gamma", (width,), "ones"),) if self.scale else ()
        beta = (Weight("beta", (width,), "zeros"),) if self.center else ()
        return gamma + beta

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        return {"normal": (steps, width), "scale": (steps, 1), "room": (width,)}

    def numbers(self) -> dict[str, float]:
        return {"epsilon": self.epsilon}
