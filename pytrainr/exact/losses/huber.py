"""Huber's loss (1964): squared near the target, absolute further away than ``width``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pytrainr.exact.losses.loss import Loss, loss_kernels
from pytrainr.numerics.jit import fast_part


class HuberWidth(NamedTuple):
    """Where it bends."""

    width: float


@fast_part
def value(loss, y, target):
    """Σ ½e² where |e| ≤ width, width·(|e| − ½ width) beyond; e = y − target."""
    total = 0.0
    for k in range(y.size):
        distance = abs(y[k] - target[k])
        total += 0.5 * distance * distance if distance <= loss.width else loss.width * (distance - 0.5 * loss.width)
    return total


@fast_part
def gradient(loss, d, y, target):
    """e limited to ±width."""
    for k in range(y.size):
        difference = y[k] - target[k]
        d[k] = loss.width if difference > loss.width else -loss.width if difference < -loss.width else difference


@dataclass(frozen=True)
class Huber(Loss):
    """Huber's loss (1964): squared near the target, absolute further away than ``width``."""

    width: float = 1.0

    kernels = loss_kernels("Huber", HuberWidth)

    def numbers(self) -> dict[str, float]:
        return {"width": self.width}
