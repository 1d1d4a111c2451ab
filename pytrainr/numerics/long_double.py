"""R's ``long double``: sums in the 80-bit format of the x87 unit where the processor has it.

R accumulates ``colMeans`` and ``sum`` in C's ``long double``. Numba has no such type, so this module teaches it one:
LLVM's ``x86_fp80``. Elsewhere the same names compute a compensated (Neumaier) sum in double precision, which
is close to R's, not equal to it.

    total = long_double(0.0)
    for value in values:
        total = add(total, value)
    mean = divided(total, n)
"""

from __future__ import annotations

import math
import platform
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from pytrainr.numerics.compiled_once import compiled_on_demand, compiled_once
from pytrainr.numerics.jit import intrinsic, strict, strict_part
from pytrainr.numerics.vectors import (
    Lanes,
    counted,
    fuses,
    lanes,
    lanes_of,
    load_some,
    masked,
    memory_of,
    moved,
    splat,
    store_some,
    strict_map,
)
from pytrainr.numerics.views import keep

__all__ = ["HAS_LONG_DOUBLE", "add", "add_column_means", "column_means", "divided", "long_double"]

HAS_LONG_DOUBLE = platform.machine().lower() in ("x86_64", "amd64", "i686", "i386")


class _X86Float(ir.Type):
    """LLVM's 80-bit float, which llvmlite does not name."""

    null = "0xK00000000000000000000"

    def __str__(self) -> str:
        return "x86_fp80"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _X86Float)

    def __hash__(self) -> int:
        return hash(_X86Float)


class LongDouble(types.Type):
    """Numba's view of an 80-bit float that lives in a register."""

    def __init__(self) -> None:
        super().__init__(name="LongDouble")


_LLVM_TYPE = _X86Float()
_LONG_DOUBLE = LongDouble()


@register_model(LongDouble)
class _LongDoubleModel(models.PrimitiveModel):
    def __init__(self, manager: Any, numba_type: Any) -> None:
        super().__init__(manager, numba_type, _LLVM_TYPE)


class Compensated(NamedTuple):
    """A running sum and what its roundings lost (Neumaier 1974)."""

    total: float
    lost: float


if HAS_LONG_DOUBLE:

    @intrinsic
    def long_double(typing: Any, value: Any) -> Any:
        """``value`` in extended precision."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.fpext(arguments[0], _LLVM_TYPE)

        return _LONG_DOUBLE(types.float64), generate

    @intrinsic
    def add(typing: Any, total: Any, value: Any) -> Any:
        """``total + value`` in extended precision."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.fadd(arguments[0], builder.fpext(arguments[1], _LLVM_TYPE))

        return _LONG_DOUBLE(_LONG_DOUBLE, types.float64), generate

    @intrinsic
    def divided(typing: Any, total: Any, divisor: Any) -> Any:
        """``total / divisor`` in extended precision, rounded to double."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            quotient = builder.fdiv(arguments[0], builder.fpext(arguments[1], _LLVM_TYPE))
            return builder.fptrunc(quotient, ir.DoubleType())

        return types.float64(_LONG_DOUBLE, types.float64), generate

else:

    @strict
    def long_double(value):
        """``value`` in extended precision."""
        return Compensated(value, 0.0)

    @strict
    def add(total, value):
        """``total + value`` in extended precision."""
        s = total.total + value
        if abs(total.total) >= abs(value):
            return Compensated(s, total.lost + ((total.total - s) + value))
        return Compensated(s, total.lost + ((value - s) + total.total))

    @strict
    def divided(total, divisor):
        """``total / divisor`` in extended precision, rounded to double."""
        return (total.total + total.lost) / divisor


@strict
def column_means(means, a):
    """``means[j]`` = the mean of column j of ``a`` (rows, columns), summed as R's ``colMeans`` sums."""
    for j in range(a.shape[1]):
        total = long_double(0.0)
        for i in range(a.shape[0]):
            total = add(total, a[i, j])
        means[j] = divided(total, float(a.shape[0]))


# column means in vectors ----------------------------------------------------------------------------------------------


class _Sums(NamedTuple):
    """What is carried from row to row: the sum and what its roundings lost, Σ|partial sums| from the second on (the
    first is not rounded), the smallest summand."""

    sum: Lanes
    lost: Lanes
    sizes: Lanes
    smallest: Lanes

    @classmethod
    def of(cls, x: Lanes) -> _Sums:
        """Of the first row; R's sum begins at +0."""
        zero = x.constant(0.0)
        return cls(x + 0.0, zero, zero, x.equals(0.0).where(math.inf, abs(x)))

    def plus(self, x: Lanes) -> _Sums:
        """With another summand (Knuth's TwoSum: sum + lost stays exact to 2^-106)."""
        after = self.sum + x
        added = after - self.sum
        lost = (self.sum - (after - added)) + (x - added)
        size = x.equals(0.0).where(self.smallest, abs(x))
        smallest = (size < self.smallest).where(size, self.smallest)
        return _Sums(after, self.lost + lost, self.sizes + abs(after), smallest)

    def mean(self, rows: Lanes) -> tuple[Lanes, Lanes]:
        """The mean as extended precision rounds it, and where that is certain.

        Each addition in extended precision is at most 2^-64 of the partial sum off, and the division 2^-64 of the mean:
        where the mean and that more or less (and a little, as partial sums are rounded here) round to the same
        double, R's mean is that. And where all summands are of like size its sum is exact, as is the division by a
        power of two, and what is left is one rounding, ties to even.
        """
        share = 1.0 / rows
        quotient = self.sum * share
        rest = ((-quotient).fma(rows, self.sum) + self.lost) * share
        slack = (self.sizes + abs(self.sum)) * (share * (2.0**-64 * 1.01))
        above, below = quotient + (rest + slack), quotient + (rest - slack)
        power_of_two = (rows.as_bits() & (1 << 52) - 1).equals(0)
        exact = power_of_two & (self.sizes <= self.smallest * 1024.0)
        normal = (abs(quotient) > 1e-280) | self.smallest.equals(math.inf)
        mean = exact.where((self.sum + self.lost) * share, above)
        return mean, normal & (exact | above.equals(below)) & (abs(mean) < math.inf)


def _certain_means(registers: int) -> Any:
    """A function that adds the means of so many registers' worth of columns, or less, where they are certain.

    It returns the other columns as bits.
    """

    def add_certain_means(
        typing: Any, out: types.CPointer, a: types.CPointer, rows: Any, row_step: Any, count: Any
    ) -> Any:
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return _emit_certain_means(builder, registers, *arguments)

        return types.int64(out, a, types.int64, types.int64, types.int64), generate

    return intrinsic(add_certain_means)


def _emit_certain_means(
    builder: Any, registers: int, out: Any, a: Any, row_count: Any, step: Any, column_count: Any
) -> Any:
    number = lanes_of(64)
    vector, bits, i32 = ir.VectorType(ir.DoubleType(), number), ir.IntType(number), ir.IntType(32)
    zero, columns = ir.Constant(vector, [0.0] * number), splat(builder, number, builder.trunc(column_count, i32))
    firsts = range(0, registers * number, number)
    places = [ir.Constant(ir.VectorType(i32, number), list(range(first, first + number))) for first in firsts]
    masks = [builder.icmp_signed("<", place, columns) for place in places]

    def at(start: Any) -> list[Any]:
        pointers = [builder.gep(start, [ir.Constant(step.type, first)]) for first in firsts]
        return [builder.bitcast(pointer, vector.as_pointer()) for pointer in pointers]

    def row_at(start: Any) -> list[Lanes]:
        return [
            Lanes(builder, masked(builder, "load", p, mask, zero)) for p, mask in zip(at(start), masks, strict=True)
        ]

    slots = [[cgutils.alloca_once_value(builder, x.value) for x in _Sums.of(values)] for values in row_at(a)]
    one = ir.Constant(row_count.type, 1)
    with counted(builder, one, row_count, one) as row:
        for x, of_register in zip(row_at(builder.gep(a, [builder.mul(row, step)])), slots, strict=True):
            for slot, value in zip(of_register, _loaded(builder, of_register).plus(x), strict=True):
                builder.store(value.value, slot)
    rows = Lanes(builder, splat(builder, number, builder.sitofp(row_count, ir.DoubleType())))
    left = ir.Constant(ir.IntType(64), 0)
    for first, to, mask, of_register in zip(firsts, at(out), masks, slots, strict=True):
        mean, known = _loaded(builder, of_register).mean(rows)
        certain = builder.and_(known.value, mask)
        all_certain = builder.icmp_unsigned("==", builder.bitcast(certain, bits), ir.Constant(bits, -1))
        result = Lanes(builder, load_some(builder, to, certain, all_certain)) + mean
        store_some(builder, to, certain, all_certain, result.value)
        uncertain = builder.and_(builder.bitcast(mask, bits), builder.not_(builder.bitcast(certain, bits)))
        wide = builder.zext(uncertain, left.type)
        left = builder.or_(left, builder.shl(wide, ir.Constant(left.type, first)))
    return left


def _loaded(builder: Any, slots: list[Any]) -> _Sums:
    return _Sums(*(Lanes(builder, builder.load(slot, typ=slot.type.pointee)) for slot in slots))


_add_one, _add_two = _certain_means(1), _certain_means(2)


@strict_map("out")
def _add_row(out, row):
    """A single row is its own mean; R's sum begins at +0."""
    return out + (row + 0.0)


_FEW_ROWS = 32  # of a single column: as quick one after the other


@compiled_once
def _add_column_means(out, a, size, vectorised):
    steps, rows, columns, step, row_step = size
    for t in range(steps - 1, -1, -1):
        for first in range(0, columns, 2 * lanes(out)):
            count = min(columns - first, 2 * lanes(out))
            to, values = moved(out, first), moved(a, t * step + first)
            left = -1
            if vectorised and count > lanes(out):
                left = _add_two(to, values, rows, row_step, count)
            elif vectorised and (count > 1 or rows > _FEW_ROWS):
                left = _add_one(to, values, rows, row_step, count)
            for j in range(count if left else 0):
                if left >> j & 1:
                    total = long_double(0.0)
                    for i in range(rows):
                        total = add(total, values[i * row_step + j])
                    to[j] += divided(total, float(rows))


_BLOCK = 64  # columns
_LARGE = 1 << 16  # numbers of a step, which the cache does not hold


@compiled_on_demand
def _add_large_means(out, a, size, vectorised):
    """:func:`_add_column_means` of rows that lie far apart: memory is read at full speed only along them."""
    steps, rows, columns, step, row_step = size
    room = np.empty(rows * _BLOCK)
    block = memory_of(room)
    for t in range(steps - 1, -1, -1):
        for first in range(0, columns, _BLOCK):
            width, values = min(_BLOCK, columns - first), moved(a, t * step + first)
            for i in range(rows):
                for j in range(width):
                    block[i * width + j] = values[i * row_step + j]
            _add_column_means(moved(out, first), block, (1, rows, width, 0, width), vectorised)
    keep(room)


@strict_part
def add_column_means(out, a):
    """``out = out + the mean of each column of a[t]`` for the steps t of ``a`` (steps, rows, columns), last to first.

    Summed as R's ``colMeans`` sums. ``out`` is a contiguous array of as many numbers as ``a`` has columns.
    """
    if a.shape[1] == 1:
        for t in range(a.shape[0] - 1, -1, -1):
            _add_row(out, a[t, 0])
    else:
        size = a.shape[0], a.shape[1], a.shape[2], a.strides[0] // a.itemsize, a.strides[1] // a.itemsize
        vectorised = HAS_LONG_DOUBLE and fuses()
        if a.shape[1] * a.strides[1] < 8 * _LARGE:
            _add_column_means(memory_of(out), memory_of(a), size, vectorised)
        else:
            _add_large_means(memory_of(out), memory_of(a), size, vectorised)
