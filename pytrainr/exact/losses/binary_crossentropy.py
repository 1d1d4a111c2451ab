"""Binary cross-entropy: the negative log-likelihood of independent yes-or-no targets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.losses.loss import Loss, loss_kernels
from pytrainr.numerics.jit import fast_part

_SMALLEST = 1e-300  # keeps the logarithm of an output that rounded to 0 or 1 finite


class BinaryLikelihood(NamedTuple):
    """No options."""


@fast_part
def value(loss, y, target):
    """−Σ target·ln y + (1 − target)·ln(1 − y)."""
    total = 0.0
    for k in range(y.size):
        yes, no = max(float(y[k]), _SMALLEST), max(1.0 - y[k], _SMALLEST)
        total -= target[k] * math.log(yes) + (1.0 - target[k]) * math.log(no)
    return total


@fast_part
def gradient(loss, d, y, target):
    """(y − target) / (y·(1 − y))."""
    for k in range(y.size):
        d[k] = (y[k] - target[k]) / max(y[k] * (1.0 - y[k]), _SMALLEST)


@dataclass(frozen=True)
class BinaryCrossentropy(Loss):
    """Binary cross-entropy: the negative log-likelihood of independent yes-or-no targets."""

    kernels = loss_kernels("BinaryCrossentropy", BinaryLikelihood)
    canonical: ClassVar[str | None] = "logistic"
    targets: ClassVar[str] = "share"
