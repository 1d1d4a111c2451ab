"""Activations of hidden units, over contiguous vectors in place: the function, and its slope by its result."""

from __future__ import annotations

import math

from pytrainr.exact.scalars import exp, logistic, tanh
from pytrainr.numerics.jit import part

__all__ = ["ACTIVATIONS", "activate", "times_slope"]

ACTIVATIONS = ("logistic", "tanh", "Gompertz", "relu")
"""Names of the activations; compiled code knows each by its place."""

_LOGISTIC, _TANH, _GOMPERTZ = range(3)


@part
def activate(activation, values):
    """``values = f(values)``: 1/(1+e⁻ˣ), tanh x, exp(−e⁻ˣ) or max(x, 0)."""
    if activation == _LOGISTIC:
        for i in range(values.size):
            values[i] = logistic(values[i])
    elif activation == _TANH:
        for i in range(values.size):
            values[i] = tanh(values[i])
    elif activation == _GOMPERTZ:
        for i in range(values.size):
            values[i] = exp(-exp(-values[i]))
    else:
        for i in range(values.size):
            x = values[i]
            values[i] = 0.0 if x < 0.0 else x  # so that NaN stays NaN


@part
def times_slope(activation, gradient, y):
    """``gradient = gradient · f′`` with f′ by y = f(x): y(1−y), 1−y², −y·ln y, or 1 where y > 0."""
    if activation == _LOGISTIC:
        for i in range(y.size):
            gradient[i] *= y[i] * (1.0 - y[i])
    elif activation == _TANH:
        for i in range(y.size):
            gradient[i] *= 1.0 - y[i] * y[i]
    elif activation == _GOMPERTZ:
        for i in range(y.size):
            gradient[i] *= -y[i] * math.log(y[i]) if y[i] > 0.0 else 0.0
    else:
        for i in range(y.size):
            gradient[i] *= 1.0 if y[i] > 0.0 else 0.0
