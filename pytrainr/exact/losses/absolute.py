"""The absolute error."""

from __future__ import annotations

from pytrainr.numerics.jit import fast_part

TARGETS = "any"
CANONICAL = None


@fast_part
def value(y, target, width):
    """Σ |y − target|."""
    total = 0.0
    for k in range(y.size):
        total += abs(y[k] - target[k])
    return total


@fast_part
def gradient(d, y, target, width):
    """The sign of y − target, 0 where they are equal."""
    for k in range(y.size):
        difference = y[k] - target[k]
        d[k] = 1.0 if difference > 0.0 else -1.0 if difference < 0.0 else difference  # so that NaN stays NaN
