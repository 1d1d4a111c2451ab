"""Activations of hidden units: the function, and its slope by its result."""

from __future__ import annotations

import math

from pytrainr.exact.vectors import flat
from pytrainr.numerics.elementwise import fast_exp, fast_logistic, fast_tanh
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map

__all__ = ["ACTIVATIONS", "activate", "times_logistic_slope", "times_slope", "times_tanh_slope"]

ACTIVATIONS = ("logistic", "tanh", "Gompertz", "relu")
"""Names of the activations; compiled code knows each by its place."""

_LOGISTIC, _TANH, _GOMPERTZ = range(3)


@fast_map("y")
def _logistic(x):
    return fast_logistic(x)


@fast_map("y")
def _tanh(x):
    return fast_tanh(x)


@fast_map("y")
def _gompertz(x):
    return fast_exp(-fast_exp(-x))


@fast_map("y")
def _relu(x):
    return (x < 0.0).where(0.0, x)  # so that NaN stays NaN


@fast_part
def activate(activation, y, x):
    """``y = f(x)``: 1/(1+e⁻ˣ), tanh x, exp(−e⁻ˣ) or max(x, 0)."""
    if activation == _LOGISTIC:
        _logistic(y, x)
    elif activation == _TANH:
        _tanh(y, x)
    elif activation == _GOMPERTZ:
        _gompertz(y, x)
    else:
        _relu(y, x)


@fast_map("before")
def times_logistic_slope(after, y):
    """``before = after · y (1 − y)``."""
    return after * (y * (1.0 - y))


@fast_map("before")
def times_tanh_slope(after, y):
    """``before = after · (1 − y²)``."""
    return after * (1.0 - y * y)


@fast_map("before")
def _times_relu_slope(after, y):
    return (y > 0.0).where(after, 0.0)


@fast_part
def times_slope(activation, before, after, y):
    """``before`` = the gradient before the activation, ``after · f′`` with f′ by y = f(x): y(1−y), 1−y², −y·ln y, or 1
    where y > 0."""
    if activation == _LOGISTIC:
        times_logistic_slope(before, after, y)
    elif activation == _TANH:
        times_tanh_slope(before, after, y)
    elif activation == _GOMPERTZ:
        result, given, values = flat(before), flat(after), flat(y)
        for i in range(values.size):
            result[i] = given[i] * -values[i] * math.log(values[i]) if values[i] > 0.0 else 0.0
    else:
        _times_relu_slope(before, after, y)
