"""The absolute error."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from pytrainr.exact.losses.loss import Loss, loss_kernels
from pytrainr.numerics.jit import fast_part


class AbsoluteError(NamedTuple):
    """No options."""


@fast_part
def value(loss, y, target):
    """Σ |y − target|."""
    total = 0.0
    for k in range(y.size):
        total += abs(y[k] - target[k])
    return total


@fast_part
def gradient(loss, d, y, target):
    """The sign of y − target, 0 where they are equal."""
    for k in range(y.size):
        difference = y[k] - target[k]
        d[k] = 1.0 if difference > 0.0 else -1.0 if difference < 0.0 else difference  # so that NaN stays NaN


@dataclass(frozen=True)
class Absolute(Loss):
    """The absolute error."""

    kernels = loss_kernels("Absolute", AbsoluteError)
