"""The echo state network (Jaeger 2001): a fixed, sparse, leaky reservoir; only the readout is fitted, by ridge
regression."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple

from pytrainr.exact.cells.gradients import add_plain_gradient, reaches_back
from pytrainr.exact.initial import reservoir
from pytrainr.exact.layers.layer import Weight, check_range
from pytrainr.exact.layers.recurrent import Recurrent, recurrent_kernels
from pytrainr.exact.products import add_product, product
from pytrainr.numerics.elementwise import fast_tanh
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map


class LeakyReservoir(NamedTuple):
    """h ← (1 − a)·h + a·tanh(x W + h R [+ b]), leak a."""

    leak: float


@fast_map("m, after")
def _next_state(s, before, leak):
    m = fast_tanh(s)
    return m, before + leak * (m - before)


@fast_part
def forward(cell, weights, tape, t):
    """h_t = h_{t−1} + a·(tanh(x_t W + h_{t−1} R [+ b]) − h_{t−1})."""
    add_product(tape.gates[t], tape.context[t], weights.recurrent_kernel)
    _next_state(tape.memory[t], tape.hidden[t + 1], tape.gates[t], tape.hidden[t], cell.leak)


@fast_map("delta, direct")
def _back(d_h, m, leak):
    return leak * d_h * (1.0 - m * m), (1.0 - leak) * d_h


@fast_part
def backward(cell, weights, transposed, tape, t):
    """δ_t = a·dh_t·(1 − tanh²);  dh_{t−1} = (1 − a)·dh_t + δ_t Rᵀ."""
    _back(tape.delta[t], tape.direct, tape.d_y[t], tape.memory[t], cell.leak)
    if reaches_back(weights, t):
        product(tape.carried, tape.delta[t], transposed.recurrent_kernel)


add_gradient = add_plain_gradient


@dataclass(frozen=True)
class EchoState(Recurrent):
    """h_t = (1 − a)·h_{t−1} + a·tanh(x_t W + h_{t−1} R [+ b]) with fixed weights: a share ``density`` of R's
    connections, scaled to the ``spectral_radius``; a is ``leak``."""

    leak: float = 1.0
    spectral_radius: float = 0.9
    density: float = 0.1

    kernels = recurrent_kernels("EchoState", LeakyReservoir)
    trainable: ClassVar[bool] = False

    def check(self) -> None:
        super().check()
        check_range(self, "leak", 0.0 < self.leak <= 1.0, "should be above 0 and at most 1")
        check_range(self, "spectral_radius", self.spectral_radius >= 0.0, "should be 0 or more")
        connected = "is the share of connections in the reservoir: 0 < density <= 1"
        check_range(self, "density", 0.0 < self.density <= 1.0, connected)

    def cell_weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        kernel, recurrent_kernel, *bias = super().cell_weights(steps, width)
        fixed = partial(reservoir, density=self.density, spectral_radius=self.spectral_radius)
        return (
            kernel._replace(initial="wide"),
            recurrent_kernel._replace(initial=fixed),
            *(weight._replace(initial="narrow") for weight in bias),
        )

    def widths(self) -> dict[str, int]:
        """``memory`` is the tanh."""
        return {"memory": self.units}

    def numbers(self) -> dict[str, float]:
        return {"leak": self.leak}
