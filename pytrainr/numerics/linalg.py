"""Matrix products in R's order: sums start at 0 and add ``a[i, l] * b[l, j]`` for ``l`` ascending, each rounded."""

from __future__ import annotations

from pytrainr.numerics.jit import strict
from pytrainr.numerics.tiles import Left, Out, Right, largest_tile, strict_segments, strict_tile
from pytrainr.numerics.vectors import lanes, memory_of

__all__ = ["add_product", "add_transposed_product", "add_transposed_products", "product", "transpose"]

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
def _one_product(out, to, a, left, b, right, size, accumulate):
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
            strict_tile(
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
def _sum_of_products(out, to, a, left, b, right, size, segments, accumulate):
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
            strict_segments(
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
    """Elements from one row to the next: a matrix may be some columns of a wider one, its own columns lie side by side."""
    return matrix.strides[0] // matrix.itemsize


@strict
def product(out, a, b):
    """``out = a b``."""
    terms, columns = b.shape
    _one_product(
        memory_of(out),
        Out(0, row_step(out)),
        memory_of(a),
        Left(0, row_step(a), 1, 0),
        memory_of(b),
        Right(0, row_step(b), 0),
        (a.shape[0], columns, terms),
        False,
    )


@strict
def add_product(out, a, b):
    """``out = out + (a b)``, the product summed from 0 and then added once."""
    terms, columns = b.shape
    _one_product(
        memory_of(out),
        Out(0, row_step(out)),
        memory_of(a),
        Left(0, row_step(a), 1, 0),
        memory_of(b),
        Right(0, row_step(b), 0),
        (a.shape[0], columns, terms),
        True,
    )


@strict
def add_transposed_product(out, a, b):
    """``out = out + (aᵀ b)``, the product summed from 0 and then added once."""
    terms, columns = b.shape
    rows = a.shape[1]
    _one_product(
        memory_of(out),
        Out(0, row_step(out)),
        memory_of(a),
        Left(0, 1, row_step(a), 0),
        memory_of(b),
        Right(0, row_step(b), 0),
        (rows, columns, terms),
        True,
    )


@strict
def add_transposed_products(out, a, b):
    """``out = out + (a[t]ᵀ b[t])`` for the steps t of ``a`` (steps, n, K) and ``b`` (steps, n, M) from last to first."""
    steps, terms, columns = b.shape
    rows = a.shape[2]
    _sum_of_products(
        memory_of(out),
        Out(0, row_step(out)),
        memory_of(a),
        Left(0, 1, a.strides[1] // a.itemsize, a.strides[0] // a.itemsize),
        memory_of(b),
        Right(0, b.strides[1] // b.itemsize, b.strides[0] // b.itemsize),
        (rows, columns, terms),
        steps,
        True,
    )


@strict
def transpose(out, a):
    """``out = aᵀ``."""
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[j, i] = a[i, j]
