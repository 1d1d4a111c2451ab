"""Loops over contiguous arrays of the same shape, for compiled code.

NumPy's own ``a[:] = b`` would do, but Numba compiles a check of shapes with a formatted message into every use of it,
which costs more compilation than all the mathematics.
"""

from __future__ import annotations

from pytrainr.numerics.jit import fast_inline_part, viewed

__all__ = ["add", "copy", "dot", "fill", "flat", "largest", "multiply", "total"]


@fast_inline_part
def flat(array):
    """A contiguous array as a vector."""
    return viewed(array, 0, (array.size,))


@fast_inline_part
def fill(array, value):
    """``array = value``, everywhere."""
    values = flat(array)
    for k in range(values.size):
        values[k] = value


@fast_inline_part
def copy(to, source):
    """``to = source``."""
    values, given = flat(to), flat(source)
    for k in range(values.size):
        values[k] = given[k]


@fast_inline_part
def add(to, source):
    """``to = to + source``."""
    values, given = flat(to), flat(source)
    for k in range(values.size):
        values[k] += given[k]


@fast_inline_part
def multiply(to, source):
    """``to = to · source``, entry by entry."""
    values, given = flat(to), flat(source)
    for k in range(values.size):
        values[k] *= given[k]


@fast_inline_part
def dot(a, b):
    """Σ a·b for vectors."""
    result = a[0] * b[0]
    for k in range(1, a.size):
        result += a[k] * b[k]
    return result


@fast_inline_part
def total(a):
    """Σ a for a vector."""
    result = a[0]
    for k in range(1, a.size):
        result += a[k]
    return result


@fast_inline_part
def largest(a):
    """The largest entry of a vector."""
    result = a[0]
    for k in range(1, a.size):
        result = max(result, a[k])
    return result
