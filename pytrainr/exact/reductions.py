"""What is summed over vectors, for compiled code."""

from __future__ import annotations

from pytrainr.numerics.jit import fast_part

__all__ = ["dot", "largest", "total"]


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
