"""The pyramid (Chan et al. 2016): steps joined into one, so that upper layers are short."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Presence, Steps
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, check_range
from pytrainr.numerics.elementwise import copy, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Pyramid"]


class Options(NamedTuple):
    size: int


class Tape(NamedTuple):
    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    y_present: Presence


@fast_part
def forward(layer, tape):
    """y_t = [x_{kt}, x_{kt+1}, …, x_{kt+k−1}], zeros after the end; there is an entry where any of them has one."""
    steps, n, width = tape.x.shape
    for t in range(tape.y.shape[0]):
        for s in range(n):
            for place in range(layer.size):
                to, source = tape.y[t, s, place * width : (place + 1) * width], t * layer.size + place
                if source < steps:
                    copy(to, tape.x[source, s])
                else:
                    fill(to, 0.0)
    for t in range(tape.y_present.shape[0]):
        for s in range(n):
            tape.y_present[t, s] = 0.0
            for source in range(t * layer.size, min((t + 1) * layer.size, steps)):
                tape.y_present[t, s] = max(tape.y_present[t, s], tape.present[source, s])


@fast_part
def backward(layer, tape):
    """The way back of the joining."""
    steps, n, width = tape.d_x.shape
    for source in range(steps):
        t, place = source // layer.size, source % layer.size
        for s in range(n):
            copy(tape.d_x[source, s], tape.d_y[t, s, place * width : (place + 1) * width])


@dataclass(frozen=True)
class Pyramid(Layer):
    """Joins ``size`` steps side by side into one; the last is filled with zeros."""

    size: int

    kernels = Kernels("Pyramid", forward, backward, options=Options, tape=Tape)
    causal: ClassVar[bool] = False

    def check(self) -> None:
        check_range(self, "size", self.size >= 1, "should be 1 or more")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return -(-steps // self.size), width * self.size

    def numbers(self) -> dict[str, float]:
        return {"size": self.size}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        y = plan.stream(*self.output_shape(x.steps, x.width), x)
        if x.present is not None:
            y = y.with_presence(plan.take(y.steps))
        return plan.row(self, x, path, y=y)
