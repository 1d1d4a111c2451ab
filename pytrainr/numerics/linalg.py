"""Matrix products.

R's come in R's order: a sum starts at 0 and adds ``a[i, l] * b[l, j]`` for ``l`` ascending, each step rounded. The
``fast_`` ones fuse each multiplication with its addition and work in float32 as well. All take
matrices whose columns lie side by side; the rows may lie apart.
"""

from __future__ import annotations

from pytrainr.numerics.compiled_once import compiled_once
from pytrainr.numerics.jit import inline_part
from pytrainr.numerics.tiles import (
    Fused,
    Left,
    Right,
    Strict,
    largest_tile,
    segments_tile,
    single_tile,
    transpose_square,
)
from pytrainr.numerics.vectors import lanes, memory_of, moved

__all__ = [
    "add_product",
    "add_transposed_product",
    "add_transposed_products",
    "fast_add_product",
    "fast_add_transposed_product",
    "fast_product",
    "fast_transposed_product",
    "product",
    "transpose",
]

_STRICT, _FUSED = Strict(), Fused()
_TALLEST, _TALLEST_SEGMENTED = 6, 4


@inline_part
def _part(left, most):
    """The next of about equal parts of at most ``most`` that ``left`` is cut into."""
    if left <= most:
        return left
    return most if left >= 2 * most else (left + 1) // 2


@compiled_once
def _multiply(arithmetic, size, out, out_row, a, left, b, right, accumulate):
    """``out = Σ_s a[s] b[s]`` or ``out + Σ_s``, tile by tile: a panel of ``b`` stays in cache while the rows pass."""
    rows, columns, terms, segments = size
    if rows == 0 or terms == 0 or segments == 0:
        for row in range(rows):
            for column in range(columns):
                at = row * out_row + column
                out[at] = out[at] + 0.0 if accumulate else 0.0
        return
    segmented = segments > 1
    tallest = _TALLEST_SEGMENTED if segmented else _TALLEST
    widest = largest_tile(min(rows, tallest), segmented)
    column = 0
    while column < columns:
        vectors = _part((columns - column + lanes(out) - 1) // lanes(out), widest)
        width = min(vectors * lanes(out), columns - column)
        row = 0
        while row < rows:
            height = _part(rows - row, tallest)
            tile_size = height, width, terms, segments
            tile_out, tile_a, tile_b = moved(out, row * out_row + column), moved(a, row * left.row), moved(b, column)
            if segmented:
                segments_tile(arithmetic, tile_size, tile_out, out_row, tile_a, left, tile_b, right, accumulate)
            else:
                single_tile(arithmetic, tile_size, tile_out, out_row, tile_a, left, tile_b, right, accumulate)
            row += height
        column += width


@inline_part
def row_step(matrix):
    """Elements from one row to the next: more than the columns where the matrix is part of a wider one."""
    return matrix.strides[0] // matrix.itemsize


@inline_part
def product(out, a, b):
    """``out = a b``."""
    size = a.shape[0], b.shape[1], b.shape[0], 1
    left, right = Left(row_step(a), 1, 0), Right(row_step(b), 0)
    _multiply(_STRICT, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, False)


@inline_part
def add_product(out, a, b):
    """``out = out + (a b)``, the product summed from 0 and then added once."""
    size = a.shape[0], b.shape[1], b.shape[0], 1
    left, right = Left(row_step(a), 1, 0), Right(row_step(b), 0)
    _multiply(_STRICT, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, True)


@inline_part
def add_transposed_product(out, a, b):
    """``out = out + (aᵀ b)``, the product summed from 0 and then added once."""
    size = a.shape[1], b.shape[1], b.shape[0], 1
    left, right = Left(1, row_step(a), 0), Right(row_step(b), 0)
    _multiply(_STRICT, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, True)


@inline_part
def add_transposed_products(out, a, b):
    """``out = out + (a[t]ᵀ b[t])`` for the steps t of ``a`` (steps, n, K) and ``b`` (steps, n, M), last to first."""
    size = a.shape[2], b.shape[2], a.shape[1], a.shape[0]
    left = Left(1, a.strides[1] // a.itemsize, a.strides[0] // a.itemsize)
    right = Right(b.strides[1] // b.itemsize, b.strides[0] // b.itemsize)
    _multiply(_STRICT, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, True)


@inline_part
def fast_product(out, a, b):
    """``out = a b``, with fused multiply-adds."""
    size = a.shape[0], b.shape[1], b.shape[0], 1
    left, right = Left(row_step(a), 1, 0), Right(row_step(b), 0)
    _multiply(_FUSED, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, False)


@inline_part
def fast_add_product(out, a, b):
    """``out = out + a b``, with fused multiply-adds."""
    size = a.shape[0], b.shape[1], b.shape[0], 1
    left, right = Left(row_step(a), 1, 0), Right(row_step(b), 0)
    _multiply(_FUSED, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, True)


@inline_part
def fast_add_transposed_product(out, a, b):
    """``out = out + aᵀ b``, with fused multiply-adds."""
    size = a.shape[1], b.shape[1], b.shape[0], 1
    left, right = Left(1, row_step(a), 0), Right(row_step(b), 0)
    _multiply(_FUSED, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, True)


@inline_part
def fast_transposed_product(out, a, b):
    """``out = aᵀ b``, with fused multiply-adds."""
    size = a.shape[1], b.shape[1], b.shape[0], 1
    left, right = Left(1, row_step(a), 0), Right(row_step(b), 0)
    _multiply(_FUSED, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, False)


@inline_part
def transpose(out, a):
    """``out = aᵀ``."""
    _transpose(a.shape[0], a.shape[1], memory_of(out), row_step(out), memory_of(a), row_step(a))


@compiled_once
def _transpose(rows, columns, out, out_row, a, a_row):
    square = lanes(a)
    whole_rows, whole_columns = rows - rows % square, columns - columns % square
    for j in range(0, whole_columns, square):
        for i in range(0, whole_rows, square):
            transpose_square(moved(out, j * out_row + i), out_row, moved(a, i * a_row + j), a_row)
    for i in range(rows):
        for j in range(whole_columns if i < whole_rows else 0, columns):
            out[j * out_row + i] = a[i * a_row + j]
