"""One step again and again: from an encoder's end to each step of a decoder."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Steps
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit, check_range
from pytrainr.numerics.elementwise import add, copy
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["RepeatVector"]


class Tape(NamedTuple):
    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps


@fast_part
def forward(tape):
    """y_t = x."""
    for t in range(tape.y.shape[0]):
        copy(tape.y[t], tape.x[0])


@fast_part
def backward(tape):
    """dx = Σ_t dy_t."""
    if tape.d_x.size > 0:
        copy(tape.d_x[0], tape.d_y[0])
        for t in range(1, tape.d_y.shape[0]):
            add(tape.d_x[0], tape.d_y[t])


@dataclass(frozen=True)
class RepeatVector(Layer):
    """The only step that comes in, ``n`` times."""

    n: int

    kernels = Kernels("RepeatVector", forward, backward, tape=Tape)
    causal: ClassVar[bool] = False

    def check(self) -> None:
        check_range(self, "n", self.n >= 1, "is the number of steps: 1 or more")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        if steps != 1:
            raise LayerDoesNotFit("it needs a single step, such as a recurrent layer without return_sequences gives")
        return self.n, width

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        if x.present is not None:
            raise LayerDoesNotFit("it repeats what every sequence has, so a mask cannot leave it out")
        return plan.row(self, x, path)
