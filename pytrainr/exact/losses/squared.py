"""Half the squared error, R's loss."""

from __future__ import annotations

from pytrainr.numerics.jit import fast_part

TARGETS = "any"
CANONICAL = "linear"


@fast_part
def value(y, target, width):
    """½ Σ (y − target)²."""
    total = 0.0
    for k in range(y.size):
        total += 0.5 * (y[k] - target[k]) ** 2
    return total


@fast_part
def gradient(d, y, target, width):
    """y − target."""
    for k in range(y.size):
        d[k] = y[k] - target[k]
