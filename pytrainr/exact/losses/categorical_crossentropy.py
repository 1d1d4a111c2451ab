"""Categorical cross-entropy: the negative log-likelihood of one class among several, targets one-hot or
probabilities."""

from __future__ import annotations

import math

from pytrainr.numerics.jit import fast_part

TARGETS = "probabilities"
CANONICAL = "softmax"
_SMALLEST = 1e-300  # keeps the logarithm of an output that rounded to 0 finite


@fast_part
def value(y, target, width):
    """−Σ target·ln y."""
    total = 0.0
    for k in range(y.size):
        total -= target[k] * math.log(max(float(y[k]), _SMALLEST))
    return total


@fast_part
def gradient(d, y, target, width):
    """−target / y."""
    for k in range(y.size):
        d[k] = -target[k] / max(float(y[k]), _SMALLEST)
