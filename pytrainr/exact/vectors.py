"""Arrays as vectors, and what is summed over them, for compiled code."""

from __future__ import annotations

from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.views import view

__all__ = ["dot", "flat", "largest", "total"]


@fast_part
def flat(array):
    """A contiguous array as a vector."""
    return view(array, 0, (array.size,))


@fast_part
def dot(a, b):
    """Σ a·b for vectors."""
    result = a[0] * b[0]
    for k in range(1, a.size):
        result += a[k] * b[k]
    return result


@fast_part
def total(a):
    """Σ a for a vector."""
    result = a[0]
    for k in range(1, a.size):
        result += a[k]
    return result


@fast_part
def largest(a):
    """The largest entry of a vector."""
    result = a[0]
    for k in range(1, a.size):
        result = max(result, a[k])
    return result
