"""Categorical cross-entropy: the negative log-likelihood of one class among several, targets one-hot or
probabilities."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.losses.loss import Loss, loss_kernels
from pytrainr.numerics.jit import fast_part

_SMALLEST = 1e-300  # keeps the logarithm of an output that rounded to 0 finite


class CategoricalLikelihood(NamedTuple):
    """No options."""


@fast_part
def value(loss, y, target):
    """−Σ target·ln y."""
    total = 0.0
    for k in range(y.size):
        total -= target[k] * math.log(max(float(y[k]), _SMALLEST))
    return total


@fast_part
def gradient(loss, d, y, target):
    """−target / y."""
    for k in range(y.size):
        d[k] = -target[k] / max(float(y[k]), _SMALLEST)


@dataclass(frozen=True)
class CategoricalCrossentropy(Loss):
    """Categorical cross-entropy; Y has a variable for each class."""

    kernels = loss_kernels("CategoricalCrossentropy", CategoricalLikelihood)
    canonical: ClassVar[str | None] = "softmax"
    targets: ClassVar[str] = "probabilities"


@dataclass(frozen=True)
class SparseCategoricalCrossentropy(CategoricalCrossentropy):
    """The same, where Y has one variable, the number of the class: it is made one-hot for each group alone."""

    targets: ClassVar[str] = "class"
