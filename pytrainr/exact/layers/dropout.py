"""Dropout: of single numbers, or of whole variables, one mask per sequence, the same at all its time steps."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Rows, Steps
from pytrainr.exact.dropout import fill_mask, input_key, mixed
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, check_range
from pytrainr.numerics.elementwise import copy, multiply
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Dropout", "SpatialDropout1D"]


class Options(NamedTuple):
    rate: float
    number: int


class Tape(NamedTuple):
    """``mask`` (n, width) is 0, or 1/(1 − rate)."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    mask: Rows


@fast_part
def forward(layer, tape, call):
    """y_t = x_t ∘ m."""
    fill_mask(tape.mask, layer.rate, input_key(call.key, layer.number), call.first_sample)
    copy(tape.y, tape.x)
    for t in range(tape.y.shape[0]):
        multiply(tape.y[t], tape.mask)


@fast_part
def backward(tape):
    """dx_t = dy_t ∘ m."""
    if tape.d_x.size > 0:
        copy(tape.d_x, tape.d_y)
        for t in range(tape.d_x.shape[0]):
            multiply(tape.d_x[t], tape.mask)


class AllTape(NamedTuple):
    """``masks`` (steps, n, width): a mask for each step."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    masks: Steps


@fast_part
def forward_all(layer, tape, call):
    """y_t = x_t ∘ m_t."""
    key = input_key(call.key, layer.number)
    for t in range(tape.y.shape[0]):
        fill_mask(tape.masks[t], layer.rate, mixed(key, t), call.first_sample)
    copy(tape.y, tape.x)
    multiply(tape.y, tape.masks)


@fast_part
def backward_all(tape):
    """dx_t = dy_t ∘ m_t."""
    if tape.d_x.size > 0:
        copy(tape.d_x, tape.d_y)
        multiply(tape.d_x, tape.masks)


@dataclass(frozen=True)
class Dropout(Layer):
    """Leaves each number out with probability ``rate``, in training; the others are multiplied by 1/(1 − rate)."""

    rate: float

    kernels = Kernels("Dropout", forward_all, backward_all, options=Options, tape=AllTape)
    pointwise: ClassVar[bool] = True

    def check(self) -> None:
        check_range(self, "rate", 0.0 <= self.rate < 1.0, "is the share left out: 0 <= rate < 1")

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        return {"masks": (steps, width)}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        if not plan.training or not self.rate:
            return x
        return plan.row(self, x, path, options={"rate": self.rate, "number": plan.next_number()})


@dataclass(frozen=True)
class SpatialDropout1D(Layer):
    """Leaves each variable of a sequence out with probability ``rate``, in training."""

    rate: float

    kernels = Kernels("SpatialDropout1D", forward, backward, options=Options, tape=Tape)
    stateful: ClassVar[bool] = False

    def check(self) -> None:
        check_range(self, "rate", 0.0 <= self.rate < 1.0, "is the share left out: 0 <= rate < 1")

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        return {"mask": (width,)}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        return self.lay_numbered(plan, x, path, plan.next_number())

    def lay_numbered(self, plan: Planner, x: Stream, path: Path, number: int) -> Stream:
        """With the mask of the given number: a recurrent layer's own input has the layer's."""
        if not plan.training or not self.rate:
            return x
        return plan.row(self, x, path, options={"rate": self.rate, "number": number})
