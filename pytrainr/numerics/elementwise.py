"""exp, tanh and the sigmoids over contiguous vectors, in place, with the bits of the C library (R's)."""

from __future__ import annotations

import math

from pytrainr.numerics.jit import strict

__all__ = ["exp_", "gompertz_", "logistic_", "tanh_", "vector_bits_equal"]


def vector_bits_equal() -> bool:
    """Whether the vectorised exp and tanh have the C library's bits here: the flag to pass to the functions below."""
    return False


@strict
def exp_(values, vectorised):
    """``values = exp(values)``."""
    for i in range(values.size):
        values[i] = math.exp(values[i])


@strict
def tanh_(values, vectorised):
    """``values = tanh(values)``."""
    for i in range(values.size):
        values[i] = math.tanh(values[i])


@strict
def logistic_(values, vectorised):
    """``values = 1 / (1 + exp(-values))``."""
    for i in range(values.size):
        values[i] = 1.0 / (1.0 + math.exp(-values[i]))


@strict
def gompertz_(values, vectorised):
    """``values = exp(-exp(-values))``."""
    for i in range(values.size):
        values[i] = math.exp(-math.exp(-values[i]))
