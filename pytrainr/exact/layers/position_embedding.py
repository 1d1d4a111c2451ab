"""Where a step stands in its sequence, as a learnt vector for each place (Gehring et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.arrays import Matrix, Steps
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit, Weight, check_range
from pytrainr.exact.products import add_column_sums
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

__all__ = ["PositionEmbedding"]


class Weights(NamedTuple):
    embeddings: Matrix


class Tape(NamedTuple):
    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps


@fast_part
def forward(weights, tape):
    """y_t = x_t + P[t]."""
    copy(tape.y, tape.x)
    for t in range(tape.y.shape[0]):
        add(tape.y[t], weights.embeddings[t])


@fast_part
def backward(gradient, tape):
    """dP[t] = Σ dy_t over the samples, 0 for the places that no step has;  dx_t = dy_t."""
    fill(gradient.embeddings, 0.0)
    for t in range(tape.d_y.shape[0]):
        add_column_sums(gradient.embeddings[t], tape.d_y[t])
    if tape.d_x.size > 0:
        copy(tape.d_x, tape.d_y)


@dataclass(frozen=True)
class PositionEmbedding(Layer):
    """y_t = x_t + P[t], P (``sequence_length``, variables): sequences have at most so many steps."""

    sequence_length: int

    kernels = Kernels("PositionEmbedding", forward, backward, weights=Weights, tape=Tape)
    causal: ClassVar[bool] = False  # which place a single step has it cannot know

    def check(self) -> None:
        check_range(self, "sequence_length", self.sequence_length >= 1, "should be 1 or more")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        if steps > self.sequence_length:
            raise LayerDoesNotFit(f"it has places for {self.sequence_length} steps")
        return steps, width

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        return (Weight("embeddings", (self.sequence_length, width), "uniform"),)
