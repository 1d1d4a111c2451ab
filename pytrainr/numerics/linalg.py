"""Matrix products.

R's come in R's order: a sum starts at 0 and adds ``a[i, l] * b[l, j]`` for ``l`` ascending, each step rounded. The
``fast_`` ones fuse each multiplication with its addition and work in float32 as well. All take
matrices whose columns lie side by side; the rows may lie apart.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import typeof, types
from numba.core import cgutils

from pytrainr.numerics.compiled_once import announce, called, compiled_on_demand, compiled_once
from pytrainr.numerics.jit import intrinsic, strict_part
from pytrainr.numerics.numba_internals import by_class
from pytrainr.numerics.tiles import (
    Fused,
    Left,
    Right,
    Strict,
    panel_tile,
    panel_vectors,
    segments_tile,
    single_tile,
    tallest_tile,
    transpose_square,
    widest_in_panel,
    widest_tile,
)
from pytrainr.numerics.vectors import lanes, memory_of, moved, same_memory
from pytrainr.numerics.views import keep

__all__ = [
    "add_packed_product",
    "add_product",
    "add_transposed_product",
    "add_transposed_products",
    "announce_products",
    "fast_add_product",
    "fast_add_transposed_product",
    "fast_product",
    "fast_transposed_product",
    "pack",
    "pack_transposed",
    "packed_product",
    "product",
    "transpose",
]

_STRICT, _FUSED = Strict(), Fused()
_LARGE_ROWS, _LARGE_TERMS, _LARGE_COLUMNS = 24, 32, 64  # from here on copying pays
_TERMS_IN_CACHE = 192
_TERMS_OF_STRETCH = 128


@strict_part
def _part(left, most):
    """The next of about equal parts of at most ``most`` that ``left`` is cut into."""
    if left <= most:
        return left
    return most if left >= 2 * most else (left + 1) // 2


@strict_part
def _copy(to, a, terms, width, term_step, step):
    """``width`` elements of each of ``terms`` rows side by side."""
    for term in range(terms):
        for k in range(width):
            to[term * width + k] = a[term * term_step + k * step]


@strict_part
def _panel(memory):
    """Columns of a panel."""
    return panel_vectors() * lanes(memory)


# The tiles stand in parts, which LLVM optimises once, not by themselves and again with what calls them.


class _Single(NamedTuple):
    """Tiles of a product."""


class _Segmented(NamedTuple):
    """Tiles of a sum of products."""


@strict_part
def _single(kind, arithmetic, size, out, out_row, a, left, b, right, accumulate):
    single_tile(arithmetic, size, out, out_row, a, left, b, right, accumulate)


@strict_part
def _segmented(kind, arithmetic, size, out, out_row, a, left, b, right, accumulate):
    segments_tile(arithmetic, size, out, out_row, a, left, b, right, accumulate)


_SINGLE, _SEGMENTED = _Single(), _Segmented()
_tile = by_class("tile", lambda kind: _single if kind is _Single else _segmented)


@strict_part
def _panel_of_tiles(arithmetic, size, out, out_row, a, left, b, right, accumulate):
    panel_tile(arithmetic, size, out, out_row, a, left, b, right, accumulate)


@compiled_once
def _multiply_panel(arithmetic, size, out, out_row, a, left, panel, accumulate):
    """:func:`_multiply` by one panel, in tiles as wide as their rows allow."""
    rows, columns, terms, _ = size
    right, row = Right(columns, 0), 0
    while row < rows:
        height = min(tallest_tile(False), rows - row)
        width, column = widest_in_panel(height) * lanes(out), 0
        while column < columns:
            tile_size = height, min(width, columns - column), terms, 1
            tile_out, tile_a = moved(out, row * out_row + column), moved(a, row * left.row)
            _panel_of_tiles(
                arithmetic, tile_size, tile_out, out_row, tile_a, left, moved(panel, column), right, accumulate
            )
            column += width
        row += height


@compiled_on_demand
def _multiply_large(arithmetic, size, out, out_row, a, left, b, right, accumulate):
    """:func:`_multiply` for matrices beyond the cache: what the tiles read again and again is first copied together.

    Rows that lie a power of two apart share few places in a cache and drive each other out. So a panel of ``b`` is
    copied and a transposed ``a``, in strips of a tile's height; several segments at a time, while a tile is at hand.
    """
    rows, columns, terms, segments = size
    tallest = tallest_tile(False)
    width_of_panel = widest_in_panel(tallest) * lanes(out)
    at_once = max(1, _TERMS_IN_CACHE // terms)
    strips = left.term != 1
    panel_room = np.empty(at_once * terms * width_of_panel, np.float64)  # of float32 it holds more than enough
    strip_room = np.empty(at_once * terms * rows if strips else 1, np.float64)
    panel, strip = same_memory(b, panel_room), same_memory(a, strip_room)
    end = segments
    while end > 0:
        begin = max(0, end - at_once)
        if strips:
            for s in range(begin, end):
                for row in range(0, rows, tallest):
                    place = moved(strip, ((s - begin) * rows + row) * terms)
                    source = moved(a, s * left.segment + row * left.row)
                    _copy(place, source, terms, min(tallest, rows - row), left.term, left.row)
        for column in range(0, columns, width_of_panel):
            width = min(width_of_panel, columns - column)
            for s in range(begin, end):
                place = moved(panel, (s - begin) * terms * width_of_panel)
                _copy(place, moved(b, s * right.segment + column), terms, width, right.term, 1)
            for row in range(0, rows, tallest):
                height = min(tallest, rows - row)
                rows_out = moved(out, row * out_row + column)
                for s in range(end - 1, begin - 1, -1):
                    rows_b = moved(panel, (s - begin) * terms * width_of_panel)
                    if strips:
                        rows_a, rows_left = moved(strip, ((s - begin) * rows + row) * terms), Left(1, height, 0)
                    else:
                        rows_a, rows_left = moved(a, s * left.segment + row * left.row), left
                    part = height, width, terms, 1
                    add = accumulate or s < segments - 1
                    _multiply_panel(arithmetic, part, rows_out, out_row, rows_a, rows_left, rows_b, add)
        end = begin
    keep(panel_room)
    keep(strip_room)


@strict_part
def _is_large(size):
    rows, columns, terms, _ = size
    return terms >= _LARGE_TERMS and rows >= _LARGE_ROWS and columns >= _LARGE_COLUMNS


@strict_part
def _multiply_tiles(kind, segmented, arithmetic, size, out, out_row, a, left, b, right, accumulate):
    """``out = Σ_s a[s] b[s]`` or ``out + Σ_s``, tile by tile: a panel of ``b`` stays in cache while the rows pass."""
    rows, columns, terms, segments = size
    if rows == 0 or terms == 0 or segments == 0:
        for row in range(rows):
            for column in range(columns):
                at = row * out_row + column
                out[at] = out[at] + 0.0 if accumulate else 0.0
        return
    tallest, widest = tallest_tile(segmented), widest_tile(rows, segmented)
    column = 0
    while column < columns:
        vectors = _part((columns - column + lanes(out) - 1) // lanes(out), widest)
        width = min(vectors * lanes(out), columns - column)
        row = 0
        while row < rows:
            height = _part(rows - row, tallest)
            tile_size = height, width, terms, segments
            tile_out, tile_a, tile_b = moved(out, row * out_row + column), moved(a, row * left.row), moved(b, column)
            _tile(kind, arithmetic, tile_size, tile_out, out_row, tile_a, left, tile_b, right, accumulate)
            row += height
        column += width


@compiled_once
def _multiply(arithmetic, size, out, out_row, a, left, b, right, accumulate):
    """``out = a b`` or ``out + a b``; with segments, see below, one sum that begins with what is in ``out``."""
    if size[3] == 1 and _is_large(size):
        _multiply_large(arithmetic, size, out, out_row, a, left, b, right, accumulate)
    else:
        _multiply_tiles(_SINGLE, False, arithmetic, size, out, out_row, a, left, b, right, accumulate)


@compiled_once
def _multiply_stretches(arithmetic, size, out, out_row, a, left, b, right, accumulate):
    """:func:`_multiply`, a stretch of terms at a time, which stays in the cache."""
    rows, columns, terms, _ = size
    first = min(terms, _TERMS_OF_STRETCH)
    _multiply(arithmetic, (rows, columns, first, 1), out, out_row, a, left, b, right, accumulate)
    for term in range(first, terms, _TERMS_OF_STRETCH):
        stretch = rows, columns, min(terms - term, _TERMS_OF_STRETCH), 1
        from_a, from_b = moved(a, term * left.term), moved(b, term * right.term)
        _multiply(arithmetic, stretch, out, out_row, from_a, left, from_b, right, True)


@compiled_once
def _multiply_segments(arithmetic, size, out, out_row, a, left, b, right, accumulate):
    """``out = Σ_s a[s] b[s]`` or ``out + Σ_s``."""
    if _is_large(size):
        _multiply_large(arithmetic, size, out, out_row, a, left, b, right, accumulate)
    elif size[3] == 1:
        _multiply(arithmetic, size, out, out_row, a, left, b, right, accumulate)
    elif size[2] == 1 and size[3] > 1 and accumulate:  # one sum that begins with what is in ``out``
        rows, columns, _, segments = size
        one_sum = rows, columns, segments, segments
        last_a, turned_left = moved(a, (segments - 1) * left.segment), Left(left.row, -left.segment, left.segment)
        last_b, turned_right = moved(b, (segments - 1) * right.segment), Right(-right.segment, right.segment)
        _multiply(arithmetic, one_sum, out, out_row, last_a, turned_left, last_b, turned_right, accumulate)
    else:
        _multiply_tiles(_SEGMENTED, True, arithmetic, size, out, out_row, a, left, b, right, accumulate)


def _kinds(arithmetic: NamedTuple, dtype: types.Type) -> tuple[types.Type, ...]:
    """The arguments of :func:`_multiply`."""
    memory, size = types.CPointer(dtype), types.UniTuple(types.int64, 4)
    left, right = typeof(Left(0, 0, 0)), typeof(Right(0, 0))
    return typeof(arithmetic), size, memory, types.int64, memory, left, memory, right, types.boolean


def announce_products() -> None:
    """Say that R's products will be needed, which are much to compile."""
    kinds = _kinds(_STRICT, types.float64)
    announce(_multiply, *kinds)
    announce(_multiply_segments, *kinds)


def _product(function: Any, arithmetic: NamedTuple, *, turned: bool = False, add: bool = False) -> Any:
    """``function``, :func:`_multiply` or like it, as it is called with matrices: ``out = a b`` or, with ``add``,
    ``out + a b``; ``turned`` has aᵀ for a. As an intrinsic it costs no compilation for each layout of the three."""

    def product(typing: Any, out: Any, a: Any, b: Any) -> Any:
        kinds = _kinds(arithmetic, out.dtype)
        called_as, call = called(function, *kinds)

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            def shape_and_step(matrix: Any) -> tuple[Any, Any, Any]:
                step = cgutils.unpack_tuple(builder, matrix.strides)[0]
                return *cgutils.unpack_tuple(builder, matrix.shape), builder.sdiv(step, matrix.itemsize)

            def packed(place: int, *values: Any) -> Any:
                return context.make_tuple(builder, kinds[place], values)

            pairs = zip(signature.args, values, strict=True)
            to, left, right = (context.make_array(kind)(context, builder, value) for kind, value in pairs)
            *_, to_step = shape_and_step(to)
            rows, turned_rows, left_step = shape_and_step(left)
            terms, columns, right_step = shape_and_step(right)
            none, one = terms.type(0), terms.type(1)
            way = (left_step, one, none)
            if turned:
                rows, way = turned_rows, (one, left_step, none)
            given = [packed(0), packed(1, rows, columns, terms, one), to.data, to_step, left.data, packed(5, *way)]
            given += [right.data, packed(7, right_step, none), context.get_constant(types.boolean, add)]
            call(context, builder, called_as, given)
            return context.get_dummy_value()

        return types.void(out, a, b), generate

    return intrinsic(product)


product = _product(_multiply, _STRICT)
"""``out = a b``."""

add_product = _product(_multiply, _STRICT, add=True)
"""``out = out + (a b)``, the product summed from 0 and then added once."""

add_transposed_product = _product(_multiply, _STRICT, turned=True, add=True)
"""``out = out + (aᵀ b)``, the product summed from 0 and then added once."""

fast_product = _product(_multiply, _FUSED)
"""``out = a b``, with fused multiply-adds."""

fast_add_product = _product(_multiply, _FUSED, add=True)
"""``out = out + a b``, with fused multiply-adds."""

fast_transposed_product = _product(_multiply_stretches, _FUSED, turned=True)
"""``out = aᵀ b``, with fused multiply-adds, a stretch of the inner rows at a time."""

fast_add_transposed_product = _product(_multiply, _FUSED, turned=True, add=True)
"""``out = out + aᵀ b``, with fused multiply-adds."""


@compiled_on_demand
def _pack(panels, size, b, b_row):
    rows, columns = size
    for column in range(0, columns, _panel(b)):
        width = min(_panel(b), columns - column)
        _copy(moved(panels, column * rows), moved(b, column), rows, width, b_row, 1)


@compiled_on_demand
def _pack_transposed(panels, size, b, b_row):
    columns, rows = size
    for column in range(0, columns, _panel(b)):
        width = min(_panel(b), columns - column)
        _transpose(width, rows, moved(panels, column * rows), width, moved(b, column * b_row), b_row)


@compiled_on_demand
def _multiply_panels(arithmetic, size, out, out_row, a, left, panels, accumulate):
    """:func:`_multiply` by a packed matrix."""
    rows, columns, terms, _ = size
    for column in range(0, columns, _panel(out)):
        width = min(_panel(out), columns - column)
        part, panel = (rows, width, terms, 1), moved(panels, column * terms)
        _multiply_panel(arithmetic, part, moved(out, column), out_row, a, left, panel, accumulate)


@strict_part
def row_step(matrix):
    """Elements from one row to the next: more than the columns where the matrix is part of a wider one."""
    return matrix.strides[0] // matrix.itemsize


@strict_part
def pack(panels, b):
    """``panels`` = the numbers of ``b`` in the order in which products by ``b`` read them: panel by panel.

    Memory is read at full speed only one line after the other, and in small groups that is most of the time.
    """
    _pack(memory_of(panels), b.shape, memory_of(b), row_step(b))


@strict_part
def pack_transposed(panels, b):
    """:func:`pack` of ``bᵀ``."""
    _pack_transposed(memory_of(panels), b.shape, memory_of(b), row_step(b))


@strict_part
def packed_product(out, a, panels):
    """``out = a b`` for a packed b."""
    size = a.shape[0], out.shape[1], a.shape[1], 1
    left = Left(row_step(a), 1, 0)
    _multiply_panels(_STRICT, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(panels), False)


@strict_part
def add_packed_product(out, a, panels):
    """``out = out + (a b)`` for a packed b."""
    size = a.shape[0], out.shape[1], a.shape[1], 1
    left = Left(row_step(a), 1, 0)
    _multiply_panels(_STRICT, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(panels), True)


@strict_part
def add_transposed_products(out, a, b):
    """``out = out + (a[t]ᵀ b[t])`` for the steps t of ``a`` (steps, n, K) and ``b`` (steps, n, M), last to first."""
    size = a.shape[2], b.shape[2], a.shape[1], a.shape[0]
    left = Left(1, a.strides[1] // a.itemsize, a.strides[0] // a.itemsize)
    right = Right(b.strides[1] // b.itemsize, b.strides[0] // b.itemsize)
    _multiply_segments(_STRICT, size, memory_of(out), row_step(out), memory_of(a), left, memory_of(b), right, True)


@strict_part
def transpose(out, a):
    """``out = aᵀ``."""
    _transpose(a.shape[0], a.shape[1], memory_of(out), row_step(out), memory_of(a), row_step(a))


@compiled_once
def _transpose(rows, columns, out, out_row, a, a_row):
    square = lanes(a)
    whole_rows, whole_columns = rows - rows % square, columns - columns % square
    at_once = _LARGE_COLUMNS if columns <= _LARGE_COLUMNS else 2 * square  # a line of the cache is read once
    for first in range(0, whole_columns, at_once):
        for i in range(0, whole_rows, square):
            for j in range(first, min(first + at_once, whole_columns), square):
                transpose_square(moved(out, j * out_row + i), out_row, moved(a, i * a_row + j), a_row)
    for i in range(rows):
        for j in range(whole_columns if i < whole_rows else 0, columns):
            out[j * out_row + i] = a[i * a_row + j]
