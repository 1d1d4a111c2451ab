"""Over arrays of the same shape, for compiled code: what NumPy's ``a[:] = b`` and the like would do.

But Numba compiles a check of shapes with a formatted message into every use of these, which costs more compilation
than all the mathematics.
"""

from __future__ import annotations

from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map
from pytrainr.numerics.views import view

__all__ = ["add", "copy", "dot", "fill", "flat", "largest", "multiply", "total"]


@fast_part
def flat(array):
    """A contiguous array as a vector."""
    return view(array, 0, (array.size,))


@fast_map("array")
def fill(value):
    """``array = value``, everywhere."""
    return value


@fast_map("to")
def copy(source):
    """``to = source``."""
    return source


@fast_map("to")
def add(to, source):
    """``to = to + source``."""
    return to + source


@fast_map("to")
def multiply(to, source):
    """``to = to · source``, entry by entry."""
    return to * source


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
