"""The last steps of a sequence: many to one, or to a few."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Steps
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, check_range
from pytrainr.numerics.elementwise import fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["LastSteps"]


class Tape(NamedTuple):
    """``y`` and ``d_y`` are the ends of ``x`` and ``d_x``, where they lie."""

    d_x: Steps
    d_y: Steps


@fast_part
def backward(tape):
    """dx_t = 0 for the steps before; the others are there already."""
    for t in range(tape.d_x.shape[0] - tape.d_y.shape[0]):
        fill(tape.d_x[t], 0.0)


@dataclass(frozen=True)
class LastSteps(Layer):
    """The last ``steps`` of the sequence. Trained piece by piece, it leaves to the loss which steps have a target."""

    steps: int = 1

    kernels = Kernels("LastSteps", None, backward, tape=Tape)
    causal: ClassVar[bool] = True  # one step is the last of one
    stateful: ClassVar[bool] = False

    def check(self) -> None:
        check_range(self, "steps", self.steps >= 1, "should be 1 or more")

    def shortens(self) -> bool:
        return True

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return min(self.steps, steps), width

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        if plan.in_pieces or x.steps <= self.steps:
            return x
        before = x.steps - self.steps
        gradient = None if x.gradient is None else x.gradient + before * x.width
        present = None if x.present is None or self.steps == 1 else x.present + before
        y = plan.stream(self.steps, x.width, x, place=x.place + before * x.width, gradient=gradient, present=present)
        return plan.row(self, x, path, y=y)
