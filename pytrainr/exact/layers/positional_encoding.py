"""Where a step stands in its sequence, as sines and cosines (Vaswani et al. 2017); attention looks at all alike."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytrainr.exact.arrays import Rows, Steps
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, check_range
from pytrainr.numerics.elementwise import add, copy
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["PositionalEncoding"]


class Options(NamedTuple):
    max_wavelength: float


class Tape(NamedTuple):
    """``position`` (2, n, 1): how many steps came before the first, and before what follows the last; ``code`` (n,
    width) is room for p."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    position: Steps
    code: Rows


@fast_part
def _encode(code, position, max_wavelength):
    """p_{2i} = sin(t/λ^{2i/d}),  p_{2i+1} = cos(t/λ^{2i/d})."""
    for k in range(code.size):
        angle = position * math.exp(-math.log(max_wavelength) * (k - k % 2) / code.size)
        code[k] = math.sin(angle) if k % 2 == 0 else math.cos(angle)


@fast_part
def forward(layer, tape):
    """y_t = x_t + p_t."""
    steps, n, _ = tape.x.shape
    copy(tape.y, tape.x)
    for t in range(steps):
        encoded = -1.0
        for s in range(n):
            position = tape.position[0, s, 0] + t
            if position != encoded:  # that of the sample before, as a rule
                _encode(tape.code[0], float(position), layer.max_wavelength)
                encoded = position
            add(tape.y[t, s], tape.code[0])
    for s in range(n):
        tape.position[1, s, 0] = tape.position[0, s, 0] + steps


@fast_part
def backward(tape):
    """dx_t = dy_t."""
    if tape.d_x.size > 0:
        copy(tape.d_x, tape.d_y)


@dataclass(frozen=True)
class PositionalEncoding(Layer):
    """y_t = x_t + p_t, t from 0 on: p_{t,2i} = sin(t/λ^{2i/d}), p_{t,2i+1} = cos(t/λ^{2i/d}) for d variables and λ =
    ``max_wavelength``."""

    max_wavelength: float = 10000.0

    kernels = Kernels("PositionalEncoding", forward, backward, options=Options, tape=Tape)

    def check(self) -> None:
        check_range(self, "max_wavelength", 1.0 <= self.max_wavelength < math.inf, "should be 1 or more")

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        return {"position": (2, 1), "code": (width,)}

    def numbers(self) -> dict[str, float]:
        return {"max_wavelength": self.max_wavelength}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        arrays = plan.arrays(self.memory(x.steps, x.width))
        place = arrays["position"][0]
        plan.keep_state(place, place + 1, 1)
        return plan.row(self, x, path, arrays=arrays)
