"""Register tiles: the inner part of a matrix product, emitted as LLVM vector instructions.

A compiler that must keep the order of every addition cannot vectorise a sum, but it may compute many sums side by
side. A tile is a block of the result, a few rows by a few vectors, whose sums live in registers while ``l`` runs:

    for every segment s, from last to first:
        sum = Σ_l a[s, row, l] · b[s, l, column]          l ascending, product and sum rounded one after the other
        out[row, column] += sum

Each sum starts at 0 in R. Here it starts at its first product, and 0 is added to ``out`` instead: the bits are the
same, as a sum that includes +0 is never -0, and an addition per segment is saved.

A ``strict`` tile rounds product and sum separately; otherwise it uses fused multiply-adds. The last vector
of a tile may be partly masked, so that any width works. The host's registers decide the number of lanes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.core import cgutils

from pytrainr.numerics.jit import intrinsic
from pytrainr.numerics.vectors import fma, lanes_of, masked, no_unrolling, register_bytes, splat

__all__ = [
    "Fused",
    "Left",
    "Right",
    "Strict",
    "largest_tile",
    "panel_tile",
    "segments_tile",
    "single_tile",
    "transpose_square",
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


def _widths(segmented: bool) -> dict[int, int]:
    """The largest number of vectors in a tile of so many rows: sums, and with segments totals too, fit in registers."""
    if register_bytes() == 64:  # 32 registers
        return {1: 8, 2: 6, 3: 4, 4: 3} if segmented else {1: 8, 2: 8, 3: 4, 4: 4, 5: 4, 6: 4}
    return {1: 4, 2: 2, 3: 2, 4: 1} if segmented else {1: 6, 2: 4, 3: 3, 4: 2, 5: 2, 6: 2}


class _Tile:
    """Emits one function that computes a tile of ``rows`` by ``vectors``."""

    def __init__(self, element: Any, rows: int, vectors: int, *, segmented: bool, masked: bool, strict: bool) -> None:
        self.element, self.rows, self.vectors = element, rows, vectors
        self.segmented, self.masked, self.strict = segmented, masked, strict
        self.bytes = 8 if isinstance(element, ir.DoubleType) else 4
        self.lanes = register_bytes() // self.bytes
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
        self.a_row, self.a_term, self.b_term, self.terms = a_row, a_term, b_term, terms
        out_rows = [self._at(out, builder.mul(out_row, ir.Constant(_INDEX, i))) for i in range(self.rows)]
        if self.segmented:
            totals = self._initial(function, out_rows, accumulate)
            last = builder.sub(segments, _ONE)
            first_a = self._at(a, builder.mul(last, a_segment))
            first_b = self._at(b, builder.mul(last, b_segment))
            state = [segments, first_a, first_b, *totals]
            with self._loop(function, "segment", state) as (segment, current_a, current_b, *running):
                sums = self._sums(function, current_a, current_b)
                state[:] = [
                    self.builder.sub(segment, _ONE),
                    self._at(current_a, self.builder.neg(a_segment)),
                    self._at(current_b, self.builder.neg(b_segment)),
                    *(self.builder.fadd(total, value) for total, value in zip(running, sums, strict=True)),
                ]
            totals = state[3:]
        else:
            sums = self._sums(function, a, b)
            totals = self._initial(function, out_rows, accumulate)
            totals = [self.builder.fadd(total, value) for total, value in zip(totals, sums, strict=True)]
        for index, total in enumerate(totals):
            self._store(total, out_rows[index // self.vectors], index % self.vectors)
        self.builder.ret_void()

    def _initial(self, function: Any, out_rows: list, accumulate: Any) -> list:
        """What the sums are added to: ``out + 0``, or 0."""
        builder = self.builder
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        before = builder.block
        load, after = function.append_basic_block("load"), function.append_basic_block("loaded")
        builder.cbranch(builder.icmp_unsigned("!=", accumulate, _ZERO), load, after)
        builder.position_at_end(load)
        loaded = [builder.fadd(self._load(row, v), zero) for row in out_rows for v in range(self.vectors)]
        builder.branch(after)
        builder.position_at_end(after)
        totals = []
        for value in loaded:
            phi = builder.phi(self.vector)
            phi.add_incoming(zero, before)
            phi.add_incoming(value, load)
            totals.append(phi)
        return totals

    def _sums(self, function: Any, a: Any, b: Any) -> list:
        """Σ_l a[row, l] · b[l, column], from the first product on."""
        state = [self.terms, a, b, *self._products(a, b, None)]
        state[0] = self.builder.sub(self.terms, _ONE)
        state[1], state[2] = self._at(a, self.a_term), self._at(b, self.b_term)
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
            at = self._at(a, self.builder.mul(self.a_row, ir.Constant(_INDEX, row)))
            left = splat(self.builder, self.lanes, self.builder.load(at, align=self.bytes, typ=self.element))
            for v in range(self.vectors):
                if sums is None:
                    results.append(self.builder.fmul(left, right[v]))
                elif self.strict:
                    results.append(self.builder.fadd(sums[len(results)], self.builder.fmul(left, right[v])))
                else:
                    results.append(fma(self.builder, left, right[v], sums[len(results)]))
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
        zero = ir.Constant(self.vector, [0.0] * self.lanes)
        return masked(self.builder, "load", at, self.mask, zero)

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
    builder: Any, kinds: dict[int, int], make: Callable, sizes: tuple[Any, Any, int], arguments: list
) -> None:
    """Call the tile for ``sizes`` = (rows, columns, lanes), one of those in ``kinds``.

    Only the widest of a height, which does most of the work, comes without masks as well.
    """
    rows, columns, lane_count = sizes
    before_last = builder.udiv(builder.sub(columns, _ONE), ir.Constant(_INDEX, lane_count))
    last = builder.sub(columns, builder.mul(before_last, ir.Constant(_INDEX, lane_count)))
    is_whole = builder.zext(builder.icmp_unsigned("==", last, ir.Constant(_INDEX, lane_count)), _INDEX)
    key = builder.add(builder.shl(rows, ir.Constant(_INDEX, 4)), before_last)
    key = builder.add(builder.shl(key, _ONE), is_whole)
    done = builder.append_basic_block("tile.done")
    switch = builder.switch(key, done)
    for height, widest in kinds.items():
        for number in range(1, widest + 1):
            case = (height * 16 + number - 1) * 2
            with_masks, without = [case, case + 1], []
            if number == widest:
                with_masks, without = [case], [case + 1]
            for use_masks, cases in ((True, with_masks), (False, without)):
                if not cases:
                    continue
                block = builder.append_basic_block("tile")
                for value in cases:
                    switch.add_case(value, block)
                with builder.goto_block(block):
                    builder.call(make(height, number, use_masks).declare(builder.module), [*arguments, last])
                    builder.branch(done)
    builder.position_at_end(done)


def _panel_widths() -> dict[int, int]:
    """Of tiles in a panel, which is as wide as the tallest tile."""
    widths = _widths(False)
    return dict.fromkeys(widths, widths[max(widths)])


def _tile(widths: Callable[[], dict[int, int]], *, segmented: bool) -> Any:
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

            def make(height: int, number: int, masked: bool) -> _Tile:
                return _Tile(element, height, number, segmented=segmented, masked=masked, strict=strict)

            sizes = rows, columns, lanes_of(out.dtype.bitwidth)
            _emit_call(builder, widths(), make, sizes, call_arguments)
            return context.get_dummy_value()

        return types.void(arithmetic, size, out, out_row, a, left, b, right, add), generate

    return intrinsic(tile)


single_tile = _tile(lambda: _widths(False), segmented=False)
panel_tile = _tile(_panel_widths, segmented=False)
segments_tile = _tile(lambda: _widths(True), segmented=True)


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


@intrinsic
def largest_tile(typing: Any, rows: Any, segmented: Any) -> Any:
    """How many vectors wide a tile of ``rows`` rows can be; ``segmented`` is a literal."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        rows, segmented = arguments
        widest = ir.Constant(_INDEX, 0)
        for kind in (False, True):
            of_kind = ir.Constant(_INDEX, 0)
            for height, width in _widths(kind).items():
                same = builder.icmp_signed("==", rows, ir.Constant(_INDEX, height))
                of_kind = builder.select(same, ir.Constant(_INDEX, width), of_kind)
            widest = builder.select(builder.icmp_unsigned("==", segmented, segmented.type(kind)), of_kind, widest)
        return widest

    return types.int64(types.int64, types.boolean), generate
