"""Half the squared error, R's loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.losses.loss import Loss, loss_kernels
from pytrainr.numerics.jit import fast_part


class HalfSquares(NamedTuple):
    """No options."""


@fast_part
def value(loss, y, target):
    """½ Σ (y − target)²."""
    total = 0.0
    for k in range(y.size):
        total += 0.5 * (y[k] - target[k]) ** 2
    return total


@fast_part
def gradient(loss, d, y, target):
    """y − target."""
    for k in range(y.size):
        d[k] = y[k] - target[k]


@dataclass(frozen=True)
class Squared(Loss):
    """Half the squared error, R's loss."""

    kernels = loss_kernels("Squared", HalfSquares)
    canonical: ClassVar[str | None] = "linear"
