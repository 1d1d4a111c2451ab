"""Matrix products of the exact arithmetic, on the register tiles of ``numerics``.

How a sum is split follows from the shapes alone, never from the number of threads. Matrices have contiguous rows; a
window of columns of a wider matrix will do.
"""

from __future__ import annotations

from pytrainr.numerics.elementwise import add
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.linalg import (
    fast_add_product,
    fast_add_transposed_product,
    fast_product,
    fast_transposed_product,
    transpose,
)

__all__ = [
    "add_column_sums",
    "add_product",
    "add_transposed_product",
    "product",
    "transpose",
    "transposed_product",
]

_ROWS_IN_CACHE = 128

product, add_product, add_transposed_product = fast_product, fast_add_product, fast_add_transposed_product


@fast_part
def transposed_product(out, a, b):
    """``out = aᵀ b`` for a (inner, rows) and b (inner, columns), a stretch of inner rows at a time."""
    inner = b.shape[0]
    fast_transposed_product(out, a[:_ROWS_IN_CACHE], b[:_ROWS_IN_CACHE])
    for first in range(_ROWS_IN_CACHE, inner, _ROWS_IN_CACHE):
        last = min(first + _ROWS_IN_CACHE, inner)
        fast_add_transposed_product(out, a[first:last], b[first:last])


@fast_part
def add_column_sums(out, a):
    """``out = out + Σ_rows a``."""
    for i in range(a.shape[0]):
        add(out, a[i])
