"""Matrix products of the exact arithmetic, on the register tiles of ``numerics``.

How a sum is split follows from the shapes alone, never from the number of threads. Matrices have contiguous rows; a
window
of columns of a wider matrix will do.
"""

from __future__ import annotations

from pytrainr.numerics.jit import fast_inline_part, part
from pytrainr.numerics.linalg import fast_add_transposed_product, fast_product, fast_transposed_product

__all__ = ["add_column_sums", "product", "transpose", "transposed_product"]

_ROWS_IN_CACHE = 128


@fast_inline_part
def product(out, a, b):
    """``out = a b`` for a (rows, inner) and b (inner, columns)."""
    fast_product(out, a, b)


@fast_inline_part
def transposed_product(out, a, b):
    """``out = aᵀ b`` for a (inner, rows) and b (inner, columns), a stretch of inner rows at a time."""
    inner = b.shape[0]
    fast_transposed_product(out, a[:_ROWS_IN_CACHE], b[:_ROWS_IN_CACHE])
    for first in range(_ROWS_IN_CACHE, inner, _ROWS_IN_CACHE):
        last = min(first + _ROWS_IN_CACHE, inner)
        fast_add_transposed_product(out, a[first:last], b[first:last])


@part
def add_column_sums(out, a):
    """``out = out + Σ_rows a``."""
    for i in range(a.shape[0]):
        row = a[i]
        for j in range(a.shape[1]):
            out[j] += row[j]


@part
def transpose(out, a):
    """``out = aᵀ``, in tiles that fit the cache."""
    for first in range(0, a.shape[0], 16):
        for second in range(0, a.shape[1], 16):
            for i in range(first, min(first + 16, a.shape[0])):
                for j in range(second, min(second + 16, a.shape[1])):
                    out[j, i] = a[i, j]
