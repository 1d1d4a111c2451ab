"""Huber's loss (1964): squared near the target, absolute further away than ``width``."""

from __future__ import annotations

from pytrainr.numerics.jit import fast_part

TARGETS = "any"
CANONICAL = None


@fast_part
def value(y, target, width):
    """Σ ½e² where |e| ≤ width, width·(|e| − ½ width) beyond; e = y − target."""
    total = 0.0
    for k in range(y.size):
        distance = abs(y[k] - target[k])
        total += 0.5 * distance * distance if distance <= width else width * (distance - 0.5 * width)
    return total


@fast_part
def gradient(d, y, target, width):
    """e limited to ±width."""
    for k in range(y.size):
        difference = y[k] - target[k]
        d[k] = width if difference > width else -width if difference < -width else difference
