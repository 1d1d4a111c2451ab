"""Register tiles: the inner part of a matrix product, emitted as LLVM vector instructions.

A compiler that must keep the order of every addition cannot vectorise a sum, but it may compute many sums side by
side. A tile is a block of the result, a few rows by a few vectors, whose sums live in registers while ``l`` runs:

    for every segment s, from last to first:
        sum = Σ_l a[s, row, l] · b[s, l, column]          l ascending, product and sum rounded one after the other
        out[row, column] += sum

Each sum starts at 0 in R. Here it starts at its first product, and 0 is added to ``out`` instead: the bits are the
same, as a sum that includes +0 is never -0, and an addition per segment is saved. Where each segment is a single term,
``out`` itself is the running sum, and the segments are the terms of a tile without segments.

A ``strict`` tile rounds product and sum separately; otherwise it uses fused multiply-adds. The last vector
of a tile may be partly masked, so that any width works. The host's registers decide the number of lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from pytrainr.numerics.jit import intrinsic
from pytrainr.numerics.vectors import Registers, lanes_of, masked, multiply_add, no_unrolling, registers, splat

__all__ = [
    "Fused",
    "Left",
    "Right",
    "Shapes",
    "Strict",
    "Tile",
    "panel_tile",
    "panel_vectors",
    "segments_tile",
    "shapes",
    "single_tile",
    "tallest_tile",
    "transpose_square",
    "widest_in_panel",
    "widest_tile",
]

_INDEX = ir.IntType(64)
_ONE = ir.Constant(_INDEX, 1)
_ZERO = ir.Constant(_INDEX, 0)


class Left(NamedTuple):
    """How a product's left factor lies in memory: elements from row to row, term to term, segment to segment."""

    row: int
    term: int
    segment: int


class Right(NamedTuple):
    """How a product's right factor lies in memory: elements from term to term, segment to segment."""

    term: int
    segment: int


class Shapes(NamedTuple):
    """The tiles there are. Entry k of each is the most vectors side by side in a tile of k + 1 rows.

    Loops over a product take as many rows at a time as there are, up to the tallest tile, and as many vectors as a
    tile of these rows may have; the last rows, which are fewer, must then have a tile as wide. ``panel`` is how many
    vectors a panel of a packed matrix is wide: so many sums at once that a single row is not slow. Tiles that are less
    wide take it in parts.
    """

    single: tuple[int, ...]
    segmented: tuple[int, ...]
    panel: int

    def widths(self, segmented: bool) -> tuple[int, ...]:
        return self.segmented if segmented else self.single

    @property
    def in_panel(self) -> tuple[int, ...]:
        """The same of tiles within a panel."""
        return tuple(min(self.panel, width) for width in self.single)

    def checked(self, registers: int) -> Shapes:
        """Itself, if every loop finds its tile, and every tile room in so many registers; else ``ValueError``."""
        for segmented in (False, True):
            widths = self.widths(segmented)
            if not widths or min(widths) < 1 or max(widths) > _MOST_VECTORS:
                raise ValueError(f"tiles should be 1 to {_MOST_VECTORS} vectors wide at every height, not {widths}")
            if list(widths) != sorted(widths, reverse=True):
                raise ValueError(f"a tile should not be wider than a lower one: {widths}")
            for rows, vectors in enumerate(widths, 1):
                needed = _registers_of_tile(rows, vectors)
                if needed > registers:
                    raise ValueError(f"a tile of {rows} x {vectors} vectors needs {needed} registers of {registers}")
        if not 1 <= self.panel <= self.single[0]:
            raise ValueError(f"a panel should be 1 to {self.single[0]} vectors wide, not {self.panel}")
        return self


def _registers_of_tile(rows: int, vectors: int) -> int:
    """Its sums, the vectors of the right factor that all rows need, and a product.

    The totals of segments, each needed once a segment, may wait in the first cache.
    """
    return rows * vectors + (vectors if rows > 1 else 1) + 1


_MOST_VECTORS = 16
_SHAPES = {  # by bytes and number of registers
    # measured by benchmarks/tiles.py: AVX-512 and AVX2
    (64, 32): Shapes(single=(8, 8, 4, 4, 4, 4), segmented=(8, 6, 4, 3), panel=4),
    (32, 16): Shapes(single=(8, 4, 3, 2, 2, 2), segmented=(6, 4, 2, 2), panel=4),
    # the widest that LLVM compiles without spills: SSE and NEON
    (16, 16): Shapes(single=(6, 4, 3, 2, 2, 2), segmented=(6, 3, 2), panel=6),
    (16, 32): Shapes(single=(8, 6, 4, 4, 3, 3), segmented=(8, 4, 3, 2), panel=6),
}


@cache
def shapes(target: Registers) -> Shapes:
    """The tiles for a processor."""
    return _SHAPES[target.bytes, target.number].checked(target.number)


def _shapes() -> Shapes:
    return shapes(registers())


class Tile:
    """Emits one function that computes a tile of ``rows`` by ``vectors``."""

    def __init__(
        self, target: Registers, element: Any, rows: int, vectors: int, *, segmented: bool, masked: bool, strict: bool
    ) -> None:
        self.target, self.element, self.rows, self.vectors = target, element, rows, vectors
        self.segmented, self.masked, self.strict = segmented, masked, strict
        self.bytes = 8 if isinstance(element, ir.DoubleType) else 4
        self.lanes = target.bytes // self.bytes
        self.vector = ir.VectorType(element, self.lanes)
        pointer = element.as_pointer()
        self.type = ir.FunctionType(
            ir.VoidType(),
            [pointer, _INDEX, *[pointer, _INDEX, _INDEX, _INDEX], *[pointer, _INDEX, _INDEX], *[_INDEX] * 4],
        )

    @property
    def name(self) -> str:
        kind = f"{'strict' if self.strict else 'fused'}.{'segments' if self.segmented else 'single'}"
        size = f"f{8 * self.bytes}x{self.lanes}.{self.rows}x{self.vectors}"
        return f"pytrainr.tile.{size}.{kind}{'.masked' if self.masked else ''}"

    def declare(self, module: Any) -> Any:
        """The function in ``module``, emitted there on first use."""
        if self.name in module.globals:
            return module.globals[self.name]
        function = ir.Function(module, self.type, self.name)
        function.linkage = "linkonce_odr"
        for attribute in ("noinline", "nounwind"):
            function.attributes.add(attribute)
        self._emit(function)
        return function

    def _emit(self, function: Any) -> None:
        out, out_row, a, a_row, a_term, a_segment, b, b_term, b_segment, terms, segments, accumulate, last = (
            function.args
        )
        out.add_attribute("noalias")
        builder = self.builder = ir.IRBuilder(function.append_basic_block("entry"))
        if self.masked:
            iota = ir.Constant(ir.VectorType(ir.IntType(32), self.lanes), list(range(self.lanes)))
            limit = splat(builder, self.lanes, builder.trunc(last, ir.IntType(32)))
            self.mask = builder.icmp_unsigned("<", iota, limit)
        self.a_rows = [builder.mul(a_row, ir.Constant(_INDEX, row)) for row in range(self.rows)]
        self.a_term, self.b_term, self.terms = a_term, b_term, terms
        self.out, self.out_row = out, out_row
        if self.segmented:
            zeros = [self._zero()] * (self.rows * self.vectors)
            accumulates = builder.icmp_unsigned("!=", accumulate, _ZERO)
            totals = self._either(function, accumulates, self._all_loaded, zeros)
            last = builder.sub(segments, _ONE)
            first_a = self._at(a, builder.mul(last, a_segment))
            first_b = self._at(b, builder.mul(last, b_segment))
            state = [segments, first_a, first_b, *totals]
            with self._loop(function, "segment", state) as (segment, current_a, current_b, *running):
                sums = self._sums(function, current_a, current_b, self._products(current_a, current_b, None))
                state[:] = [
                    self.builder.sub(segment, _ONE),
                    self._at(current_a, self.builder.neg(a_segment)),
                    self._at(current_b, self.builder.neg(b_segment)),
                    *self._added(running, sums),
                ]
            self._store_all(state[3:])
        else:
            first = self._products(a, b, None)
            if self.strict:
                runs = builder.icmp_unsigned(">", segments, _ONE)
                first = self._either(function, runs, lambda: self._added(self._all_loaded(), first), first)
                accumulate = self.builder.select(runs, _ZERO, accumulate)
            sums = self._sums(function, a, b, first)
            # In two copies: what is loaded at once, and joined by a branch, needs as many registers as the sums.
            with self.builder.if_else(self.builder.icmp_unsigned("!=", accumulate, _ZERO)) as (added, alone):
                with added:
                    self._store_all(sums, self._loaded)
                with alone:
                    self._store_all(sums, self._zero)
        self.builder.ret_void()

    def _zero(self, row: Any = None, index: int = 0) -> Any:
        return ir.Constant(self.vector, [0.0] * self.lanes)

    def _loaded(self, row: Any, index: int) -> Any:
        """``out + 0``."""
        return self.builder.fadd(self._load(row, index), self._zero())

    def _all_loaded(self) -> list:
        return [self._loaded(self._row_of_out(i), v) for i in range(self.rows) for v in range(self.vectors)]

    def _row_of_out(self, number: int) -> Any:
        """Where a row begins; found anew where it is needed, as the loop over terms needs the registers."""
        return self._at(self.out, self.builder.mul(self.out_row, ir.Constant(_INDEX, number)))

    def _added(self, values: list, others: list) -> list:
        return [self.builder.fadd(value, other) for value, other in zip(values, others, strict=True)]

    def _either(self, function: Any, condition: Any, emit: Callable[[], list], otherwise: list) -> list:
        """What ``emit`` computes where ``condition`` holds, else ``otherwise``."""
        builder = self.builder
        before = builder.block
        chosen, after = function.append_basic_block("chosen"), function.append_basic_block("either")
        builder.cbranch(condition, chosen, after)
        builder.position_at_end(chosen)
        values = emit()
        builder.branch(after)
        builder.position_at_end(after)
        results = []
        for value, other in zip(values, otherwise, strict=True):
            phi = builder.phi(self.vector)
            phi.add_incoming(other, before)
            phi.add_incoming(value, chosen)
            results.append(phi)
        return results

    def _store_all(self, values: list, initial: Callable | None = None) -> None:
        """Store all, each added to what ``initial`` makes of its place."""
        for number, value in enumerate(values):
            row, index = self._row_of_out(number // self.vectors), number % self.vectors
            self._store(value if initial is None else self.builder.fadd(initial(row, index), value), row, index)

    def _sums(self, function: Any, a: Any, b: Any, first: list) -> list:
        """Σ_l a[row, l] · b[l, column], from the ``first`` products on."""
        state = [self.builder.sub(self.terms, _ONE), self._at(a, self.a_term), self._at(b, self.b_term), *first]
        with self._loop(function, "term", state, at_least_once=False) as (left, current_a, current_b, *sums):
            state[:] = [
                self.builder.sub(left, _ONE),
                self._at(current_a, self.a_term),
                self._at(current_b, self.b_term),
                *self._products(current_a, current_b, sums),
            ]
        return state[3:]

    def _products(self, a: Any, b: Any, sums: list | None) -> list:
        right = [self._load(b, v) for v in range(self.vectors)]
        results = []
        for row in range(self.rows):
            at = self._at(a, self.a_rows[row])
            left = splat(self.builder, self.lanes, self.builder.load(at, align=self.bytes, typ=self.element))
            for v in range(self.vectors):
                if sums is None:
                    results.append(self.builder.fmul(left, right[v]))
                elif self.strict:
                    results.append(self.builder.fadd(sums[len(results)], self.builder.fmul(left, right[v])))
                else:
                    fused = self.target.fused
                    results.append(multiply_add(self.builder, left, right[v], sums[len(results)], fused))
        return results

    @contextmanager
    def _loop(self, function: Any, name: str, state: list, at_least_once: bool = True) -> Iterator[list]:
        """A loop that carries ``state`` in registers while its first entry is not zero; leaves the last state in it."""
        builder = self.builder
        before = builder.block
        body, after = function.append_basic_block(name), function.append_basic_block(name + ".end")
        if at_least_once:
            builder.branch(body)
        else:
            builder.cbranch(builder.icmp_unsigned("!=", state[0], _ZERO), body, after)
        initial = list(state)
        builder.position_at_end(body)
        carried = [builder.phi(value.type) for value in initial]
        for phi, value in zip(carried, initial, strict=True):
            phi.add_incoming(value, before)
        yield carried
        end = builder.block
        for phi, value in zip(carried, state, strict=True):
            phi.add_incoming(value, end)
        branch = builder.cbranch(builder.icmp_unsigned("!=", state[0], _ZERO), body, after)
        branch.set_metadata("llvm.loop", no_unrolling(builder.module))
        builder.position_at_end(after)
        if not at_least_once:
            results = []
            for value, first in zip(state, initial, strict=True):
                phi = builder.phi(value.type)
                phi.add_incoming(first, before)
                phi.add_incoming(value, end)
                results.append(phi)
            state[:] = results

    def _at(self, pointer: Any, offset: Any) -> Any:
        return self.builder.gep(pointer, [offset])

    def _vector_at(self, row: Any, index: int) -> Any:
        at = self._at(row, ir.Constant(_INDEX, index * self.lanes))
        return self.builder.bitcast(at, self.vector.as_pointer())

    def _is_masked(self, index: int) -> bool:
        return self.masked and index == self.vectors - 1

    def _load(self, row: Any, index: int) -> Any:
        at = self._vector_at(row, index)
        if not self._is_masked(index):
            return self.builder.load(at, align=self.bytes, typ=self.vector)
        return masked(self.builder, "load", at, self.mask, self._zero())

    def _store(self, value: Any, row: Any, index: int) -> None:
        at = self._vector_at(row, index)
        if not self._is_masked(index):
            self.builder.store(value, at, align=self.bytes)
            return
        masked(self.builder, "store", at, self.mask, value)


class Strict(NamedTuple):
    """Products and sums rounded one after the other."""


class Fused(NamedTuple):
    """Fused multiply-adds."""


def _emit_call(
    builder: Any, widths: Sequence[int], make: Callable, sizes: tuple[Any, Any, int], arguments: list
) -> None:
    """Call the tile for ``sizes`` = (rows, columns, lanes), one of those of 1, 2, … rows and up to ``widths`` vectors.

    Only the widest of a height, which does most of the work, comes without masks as well, and the half of it where
    these are slow, which is all but AVX-512.
    """
    rows, columns, lane_count = sizes
    before_last = builder.udiv(builder.sub(columns, _ONE), ir.Constant(_INDEX, lane_count))
    last = builder.sub(columns, builder.mul(before_last, ir.Constant(_INDEX, lane_count)))
    is_whole = builder.zext(builder.icmp_unsigned("==", last, ir.Constant(_INDEX, lane_count)), _INDEX)
    of_height = 2 * max(widths)
    tiles: list[Tile] = []
    for height, widest in enumerate(widths, 1):
        unmasked = (widest,) if registers().bytes == 64 else (widest, widest // 2)
        for number in range(1, widest + 1):
            tiles += [make(height, number, True), make(height, number, number not in unmasked)]
        tiles += tiles[-1:] * (of_height - 2 * widest)  # to be found, never called
    place = builder.add(builder.mul(builder.sub(rows, _ONE), ir.Constant(_INDEX, of_height)), is_whole)
    place = builder.add(place, builder.shl(before_last, _ONE))
    at = builder.gep(_table(builder.module, tiles, widths), [_ZERO, place])
    builder.call(builder.load(at, typ=tiles[0].type.as_pointer()), [*arguments, last])


def _table(module: Any, tiles: Sequence[Tile], widths: Sequence[int]) -> Any:
    """Where these tiles' functions are, one after the other."""
    name = f"{tiles[0].name}.and.{'.'.join(map(str, widths))}"
    if name not in module.globals:
        kind = ir.ArrayType(tiles[0].type.as_pointer(), len(tiles))
        table = ir.GlobalVariable(module, kind, name)
        table.linkage, table.global_constant = "internal", True
        table.initializer = ir.Constant(kind, [tile.declare(module) for tile in tiles])
    return module.globals[name]


def _tile(widths: Callable[[], Sequence[int]], *, segmented: bool) -> Any:
    """The function for compiled code that computes one tile."""

    def tile(
        typing: Any, arithmetic: Any, size: Any, out: Any, out_row: Any, a: Any, left: Any, b: Any, right: Any, add: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            _, size, out_value, out_row, a_value, left, b_value, right, accumulate = arguments
            rows, columns, terms, segments = cgutils.unpack_tuple(builder, size)
            call_arguments = [out_value, out_row, a_value, *cgutils.unpack_tuple(builder, left)]
            call_arguments += [b_value, *cgutils.unpack_tuple(builder, right)]
            call_arguments += [terms, segments, builder.zext(accumulate, _INDEX)]
            element, strict = context.get_data_type(out.dtype), arithmetic.instance_class is Strict

            def make(height: int, number: int, masked: bool) -> Tile:
                kind = {"segmented": segmented, "masked": masked, "strict": strict}
                return Tile(registers(), element, height, number, **kind)

            sizes = rows, columns, lanes_of(out.dtype.bitwidth)
            _emit_call(builder, widths(), make, sizes, call_arguments)
            return context.get_dummy_value()

        return types.void(arithmetic, size, out, out_row, a, left, b, right, add), generate

    return intrinsic(tile)


single_tile = _tile(lambda: _shapes().single, segmented=False)
panel_tile = _tile(lambda: _shapes().in_panel, segmented=False)
segments_tile = _tile(lambda: _shapes().segmented, segmented=True)


@intrinsic
def transpose_square(typing: Any, out: types.CPointer, out_row: Any, a: types.CPointer, a_row: Any) -> Any:
    """A square of as many rows as a register has lanes, transposed by log2(lanes) rounds of shuffles."""
    size = lanes_of(a.dtype.bitwidth)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out_memory, out_step, memory, step = arguments
        element = context.get_data_type(a.dtype)
        vector, align = ir.VectorType(element, size), a.dtype.bitwidth // 8

        def row(start: Any, row_step: Any, number: int) -> Any:
            at = builder.gep(start, [builder.mul(row_step, ir.Constant(_INDEX, number))])
            return builder.bitcast(at, vector.as_pointer())

        def shuffled(first: Any, second: Any, chosen: list[int]) -> Any:
            return builder.shuffle_vector(first, second, ir.Constant(ir.VectorType(ir.IntType(32), size), chosen))

        rows = [builder.load(row(memory, step, i), align=align, typ=vector) for i in range(size)]
        distance = 1
        while distance < size:  # exchange the off-diagonal blocks of each square of 2·distance rows
            upper = [k if k & distance == 0 else size + k - distance for k in range(size)]
            lower = [k + distance if k & distance == 0 else size + k for k in range(size)]
            for i in range(size):
                if i & distance == 0:
                    first, second = rows[i], rows[i + distance]
                    rows[i], rows[i + distance] = shuffled(first, second, upper), shuffled(first, second, lower)
            distance *= 2
        for i, value in enumerate(rows):
            builder.store(value, row(out_memory, out_step, i), align=align)
        return context.get_dummy_value()

    return types.void(out, types.int64, a, types.int64), generate


def _of_kind(builder: Any, segmented: Any, number: Callable[[bool], Any]) -> Any:
    """``number`` of the tiles with segments, or of those without."""
    return builder.select(segmented, number(True), number(False))


def _width_at(builder: Any, rows: Any, widths: Sequence[int]) -> Any:
    """The entry of ``widths`` for so many rows."""
    *lower, chosen = (ir.Constant(_INDEX, width) for width in widths)
    for height, width in enumerate(lower, 1):
        same = builder.icmp_signed("==", rows, ir.Constant(_INDEX, height))
        chosen = builder.select(same, width, chosen)
    return chosen


@intrinsic
def tallest_tile(typing: Any, segmented: Any) -> Any:
    """How many rows a tile can have."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _of_kind(builder, arguments[0], lambda kind: ir.Constant(_INDEX, len(_shapes().widths(kind))))

    return types.int64(types.boolean), generate


@intrinsic
def widest_tile(typing: Any, rows: Any, segmented: Any) -> Any:
    """How many vectors a tile of so many rows can have; of more rows, the tallest tile."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, segmented = arguments
        return _of_kind(builder, segmented, lambda kind: _width_at(builder, rows, _shapes().widths(kind)))

    return types.int64(types.int64, types.boolean), generate


@intrinsic
def widest_in_panel(typing: Any, rows: Any) -> Any:
    """The same of tiles within a panel."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _width_at(builder, arguments[0], _shapes().in_panel)

    return types.int64(types.int64), generate


@intrinsic
def panel_vectors(typing: Any) -> Any:
    """How many vectors a panel is wide."""
    return types.int64(), lambda context, builder, signature, arguments: ir.Constant(_INDEX, _shapes().panel)
