"""Matrix products.

R's come in R's order: a sum starts at 0 and adds ``a[i, l] * b[l, j]`` for ``l`` ascending, each step rounded. The
``fast_`` ones fuse each multiplication with its addition and work in float32 as well. All take
matrices whose columns lie side by side; the rows may lie apart.
"""

from __future__ import annotations

from pytrainr.numerics.jit import fast, strict
from pytrainr.numerics.tiles import Fused, Left, Out, Right, Strict, largest_tile, segments_tile, single_tile
from pytrainr.numerics.vectors import lanes, memory_of

__all__ = [
    "add_product",
    "add_transposed_product",
    "add_transposed_products",
    "fast_add_product",
    "fast_add_transposed_product",
    "fast_product",
    "product",
    "transpose",
]

_STRICT, _FUSED = Strict(), Fused()
_TALLEST, _TALLEST_SEGMENTED = 6, 4


@strict
def _part(left, most):
    """The next of about equal parts of at most ``most`` that ``left`` is cut into."""
    if left <= most:
        return left
    return most if left >= 2 * most else (left + 1) // 2


@strict
def _add_nothing(out, to, rows, columns, accumulate):
    """What a sum of no terms does to ``out``."""
    for row in range(rows):
        for column in range(columns):
            at = to.start + row * to.row + column
            out[at] = out[at] + 0.0 if accumulate else 0.0


@strict
def _one_product(arithmetic, out, to, a, left, b, right, size, accumulate):
    """``out = a b`` or ``out + (a b)``, tile by tile: a panel of ``b`` stays in cache while the rows of ``a`` pass."""
    rows, columns, terms = size
    if rows == 0 or terms == 0:
        _add_nothing(out, to, rows, columns, accumulate)
        return
    lane_count = lanes(out)
    widest = largest_tile(min(rows, _TALLEST), False) * lane_count
    column = 0
    while column < columns:
        width = columns - column
        if width > widest:
            width = min(_part((width + lane_count - 1) // lane_count, widest // lane_count) * lane_count, width)
        row = 0
        while row < rows:
            height = _part(rows - row, _TALLEST)
            single_tile(
                arithmetic,
                (height, width, terms, 1),
                out,
                Out(to.start + row * to.row + column, to.row),
                a,
                Left(left.start + row * left.row, left.row, left.term, 0),
                b,
                Right(right.start + column, right.term, 0),
                accumulate,
            )
            row += height
        column += width


@strict
def _sum_of_products(arithmetic, out, to, a, left, b, right, size, segments, accumulate):
    """``out = Σ_s a[s] b[s]`` or ``out + Σ_s``, from the last segment to the first, sum by sum in registers."""
    rows, columns, terms = size
    if rows == 0 or terms == 0:
        _add_nothing(out, to, rows, columns, accumulate)
        return
    lane_count = lanes(out)
    widest = largest_tile(min(rows, _TALLEST_SEGMENTED), True) * lane_count
    column = 0
    while column < columns:
        width = columns - column
        if width > widest:
            width = min(_part((width + lane_count - 1) // lane_count, widest // lane_count) * lane_count, width)
        row = 0
        while row < rows:
            height = _part(rows - row, _TALLEST_SEGMENTED)
            segments_tile(
                arithmetic,
                (height, width, terms, segments),
                out,
                Out(to.start + row * to.row + column, to.row),
                a,
                Left(left.start + row * left.row, left.row, left.term, left.segment),
                b,
                Right(right.start + column, right.term, right.segment),
                accumulate,
            )
            row += height
        column += width


@strict
def row_step(matrix):
    """Elements from one row to the next: more than the columns where the matrix is part of a wider one."""
    return matrix.strides[0] // matrix.itemsize


@strict
def product(out, a, b):
    """``out = a b``."""
    size = a.shape[0], b.shape[1], b.shape[0]
    to, left, right = Out(0, row_step(out)), Left(0, row_step(a), 1, 0), Right(0, row_step(b), 0)
    _one_product(_STRICT, memory_of(out), to, memory_of(a), left, memory_of(b), right, size, False)


@strict
def add_product(out, a, b):
    """``out = out + (a b)``, the product summed from 0 and then added once."""
    size = a.shape[0], b.shape[1], b.shape[0]
    to, left, right = Out(0, row_step(out)), Left(0, row_step(a), 1, 0), Right(0, row_step(b), 0)
    _one_product(_STRICT, memory_of(out), to, memory_of(a), left, memory_of(b), right, size, True)


@strict
def add_transposed_product(out, a, b):
    """``out = out + (aᵀ b)``, the product summed from 0 and then added once."""
    size = a.shape[1], b.shape[1], b.shape[0]
    to, left, right = Out(0, row_step(out)), Left(0, 1, row_step(a), 0), Right(0, row_step(b), 0)
    _one_product(_STRICT, memory_of(out), to, memory_of(a), left, memory_of(b), right, size, True)


@strict
def add_transposed_products(out, a, b):
    """``out = out + (a[t]ᵀ b[t])`` for the steps t of ``a`` (steps, n, K) and ``b`` (steps, n, M), last to first."""
    size = a.shape[2], b.shape[2], a.shape[1]
    to = Out(0, row_step(out))
    left = Left(0, 1, a.strides[1] // a.itemsize, a.strides[0] // a.itemsize)
    right = Right(0, b.strides[1] // b.itemsize, b.strides[0] // b.itemsize)
    _sum_of_products(_STRICT, memory_of(out), to, memory_of(a), left, memory_of(b), right, size, a.shape[0], True)


@fast
def fast_product(out, a, b):
    """``out = a b``, with fused multiply-adds."""
    size = a.shape[0], b.shape[1], b.shape[0]
    to, left, right = Out(0, row_step(out)), Left(0, row_step(a), 1, 0), Right(0, row_step(b), 0)
    _one_product(_FUSED, memory_of(out), to, memory_of(a), left, memory_of(b), right, size, False)


@fast
def fast_add_product(out, a, b):
    """``out = out + a b``, with fused multiply-adds."""
    size = a.shape[0], b.shape[1], b.shape[0]
    to, left, right = Out(0, row_step(out)), Left(0, row_step(a), 1, 0), Right(0, row_step(b), 0)
    _one_product(_FUSED, memory_of(out), to, memory_of(a), left, memory_of(b), right, size, True)


@fast
def fast_add_transposed_product(out, a, b):
    """``out = out + aᵀ b``, with fused multiply-adds."""
    size = a.shape[1], b.shape[1], b.shape[0]
    to, left, right = Out(0, row_step(out)), Left(0, 1, row_step(a), 0), Right(0, row_step(b), 0)
    _one_product(_FUSED, memory_of(out), to, memory_of(a), left, memory_of(b), right, size, True)


@strict
def transpose(out, a):
    """``out = aᵀ``."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[j, i] = a[i, j]
