"""Activations: the function, and its slope by its result.

A new activation is its two functions, a line in each chain below, and one in ``ACTIVATIONS``.
"""

from __future__ import annotations

import math

from pytrainr.exact.arrays import flat
from pytrainr.exact.reductions import dot, largest, total
from pytrainr.exact.scalars import exp
from pytrainr.numerics.compiled_once import fast_compiled_once
from pytrainr.numerics.elementwise import fast_exp, fast_logistic, fast_tanh
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map

__all__ = [
    "ACTIVATIONS",
    "HIDDEN",
    "activate",
    "activate_rows",
    "known_as",
    "number_of",
    "slope_of_rows",
    "times_logistic_slope",
    "times_slope",
    "times_tanh_slope",
]

ACTIVATIONS = ("linear", "logistic", "tanh", "Gompertz", "relu", "softmax")
"""Names of the activations; compiled code knows each by its place."""

HIDDEN = ("logistic", "tanh", "Gompertz", "relu")
"""Those that hidden units of a recurrent cell may have."""

LINEAR, _LOGISTIC, _TANH, _GOMPERTZ, _RELU, _SOFTMAX = range(6)
_ALIASES = {None: "linear", "sigmoid": "logistic", "gompertz": "Gompertz"}


def known_as(activation: str | None) -> str:
    """An activation's name here: Keras's ``sigmoid`` is R's ``logistic``, None is ``linear``."""
    return str(_ALIASES.get(activation, activation))


def number_of(activation: str | None) -> int:
    """The place of an activation by its name."""
    return ACTIVATIONS.index(known_as(activation))


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
    """``y = f(x)`` for each number: 1/(1+e⁻ˣ), tanh x, exp(−e⁻ˣ) or max(x, 0)."""
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


@fast_compiled_once
def activate_rows(activation, y, x):
    """``y = f(x)`` for matrices, which may be the same; softmax over the columns of each row."""
    if activation == LINEAR:
        for row in range(y.shape[0]):
            for k in range(y.shape[1]):
                y[row, k] = x[row, k]
    elif activation == _SOFTMAX:
        for row in range(y.shape[0]):
            values, given = y[row], x[row]
            highest = largest(given)
            for k in range(values.size):
                values[k] = exp(given[k] - highest)
            mass = total(values)
            for k in range(values.size):
                values[k] /= mass
    else:
        activate(activation, y, x)


@fast_compiled_once
def slope_of_rows(activation, before, after, y):
    """``before`` = ``after · ∂y/∂x`` for matrices, which may be the same; for softmax y∘(d − Σ d∘y)."""
    if activation == LINEAR:
        for row in range(y.shape[0]):
            for k in range(y.shape[1]):
                before[row, k] = after[row, k]
    elif activation == _SOFTMAX:
        for row in range(y.shape[0]):
            d, given, values = before[row], after[row], y[row]
            inner = dot(given, values)
            for k in range(values.size):
                d[k] = values[k] * (given[k] - inner)
    else:
        times_slope(activation, before, after, y)
