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

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import models, register_model

from pytrainr.numerics.compiled_once import compiled_once
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
    """What is carried from row to row: the sum and what its roundings lost, Σ|partial sums|, the smallest summand."""

    sum: Lanes
    lost: Lanes
    sizes: Lanes
    smallest: Lanes

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

        Extended precision is at most 2^-64·Σ|partial sums| off, twice that after the division: where the mean and
        twice that more or less round to the same double, R's mean is that. And where all summands are of like size
        its sum is exact, as is the division by a power of two, and what is left is one rounding, ties to even.
        """
        share = 1.0 / rows
        quotient = self.sum * share
        rest = ((-quotient).fma(rows, self.sum) + self.lost) * share
        slack = self.sizes * (share * 2.0**-62)
        above, below = quotient + (rest + slack), quotient + (rest - slack)
        power_of_two = (rows.as_bits() & (1 << 52) - 1).equals(0)
        exact = power_of_two & (self.sizes <= self.smallest * 1024.0)
        normal = (abs(quotient) > 1e-280) | self.sizes.equals(0.0)
        mean = exact.where((self.sum + self.lost) * share, above)
        return mean, normal & (exact | above.equals(below)) & (abs(mean) < math.inf)


@intrinsic
def _add_certain_means(
    typing: Any, out: types.CPointer, a: types.CPointer, rows: Any, row_step: Any, count: Any
) -> Any:
    """Add the means of up to a register's worth of columns where they are certain; the other columns as bits."""
    number = lanes_of(64)

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        out_value, a_value, row_count, step, column_count = arguments
        vector, bits, i32 = ir.VectorType(ir.DoubleType(), number), ir.IntType(number), ir.IntType(32)
        zero = ir.Constant(vector, [0.0] * number)
        iota = ir.Constant(ir.VectorType(i32, number), list(range(number)))
        mask = builder.icmp_signed("<", iota, splat(builder, number, builder.trunc(column_count, i32)))
        first = [zero, zero, zero, ir.Constant(vector, [math.inf] * number)]
        slots = [cgutils.alloca_once_value(builder, value) for value in first]

        def sums() -> _Sums:
            return _Sums(*(Lanes(builder, builder.load(slot, typ=vector)) for slot in slots))

        size = row_count.type
        with counted(builder, ir.Constant(size, 0), row_count, ir.Constant(size, 1)) as row:
            at = builder.bitcast(builder.gep(a_value, [builder.mul(row, step)]), vector.as_pointer())
            x = Lanes(builder, masked(builder, "load", at, mask, zero))
            for slot, value in zip(slots, sums().plus(x), strict=True):
                builder.store(value.value, slot)
        rows_in_lanes = Lanes(builder, splat(builder, number, builder.sitofp(row_count, ir.DoubleType())))
        mean, certain = sums().mean(rows_in_lanes)
        certain = builder.and_(certain.value, mask)
        at = builder.bitcast(out_value, vector.as_pointer())
        whole = builder.icmp_signed(">=", column_count, ir.Constant(column_count.type, number))
        result = Lanes(builder, load_some(builder, at, mask, whole)) + mean
        all_certain = builder.icmp_unsigned("==", builder.bitcast(certain, bits), ir.Constant(bits, -1))
        store_some(builder, at, certain, all_certain, result.value)
        uncertain = builder.and_(builder.bitcast(mask, bits), builder.not_(builder.bitcast(certain, bits)))
        return builder.zext(uncertain, ir.IntType(64))

    return types.int64(out, a, types.int64, types.int64, types.int64), generate


@strict_map("out")
def _add_row(out, row):
    """A single row is its own mean; R's sum begins at +0."""
    return out + (row + 0.0)


@compiled_once
def _add_column_means(out, a, size, vectorised):
    steps, rows, columns, step, row_step = size
    for first in range(0, columns, lanes(out)):
        count = min(columns - first, lanes(out))
        to = moved(out, first)
        for t in range(steps - 1, -1, -1):
            values = moved(a, t * step + first)
            left = _add_certain_means(to, values, rows, row_step, count) if vectorised else -1
            for j in range(count if left else 0):
                if left >> j & 1:
                    total = long_double(0.0)
                    for i in range(rows):
                        total = add(total, values[i * row_step + j])
                    to[j] += divided(total, float(rows))


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
        _add_column_means(memory_of(out), memory_of(a), size, HAS_LONG_DOUBLE and fuses())
