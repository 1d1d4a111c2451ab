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

product, add_product = fast_product, fast_add_product
transposed_product, add_transposed_product = fast_transposed_product, fast_add_transposed_product


@fast_part
def add_column_sums(out, a):
    """``out = out + Σ_rows a``."""
    for i in range(a.shape[0]):
        add(out, a[i])
