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

import platform
from typing import Any, NamedTuple

from llvmlite import ir
from numba import types
from numba.extending import models, register_model

from pytrainr.numerics.jit import intrinsic, strict, strict_part

__all__ = ["HAS_LONG_DOUBLE", "add", "add_column_means", "column_means", "divided", "long_double"]

HAS_LONG_DOUBLE = platform.machine().lower() in ("x86_64", "amd64", "i686", "i386")


class _X86Float(ir.types._BaseFloatType):
    """LLVM's 80-bit float, which llvmlite does not name."""

    null = "0xK00000000000000000000"
    intrinsic_name = "f80"

    def __str__(self) -> str:
        return "x86_fp80"


class LongDouble(types.Type):
    """Numba's view of an 80-bit float that lives in a register."""

    def __init__(self) -> None:
        super().__init__(name="LongDouble")


_X86Float._create_instance()
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


@strict_part
def add_column_means(out, a):
    """``out[j] = out[j] + mean of column j of a``, summed as R's ``colMeans`` sums."""
    rows = a.shape[0]
    if rows == 1:
        for j in range(a.shape[1]):
            out[j] += a[0, j]
        return
    for j in range(a.shape[1]):
        total = long_double(0.0)
        for i in range(rows):
            total = add(total, a[i, j])
        out[j] += divided(total, float(rows))
