"""Matrix products of the exact arithmetic: BLAS for large ones, loops of our own for small ones.

Which of the two computes follows from the shapes alone, so that the same call gives the same bits whatever the number
of threads. Matrices are two-dimensional with contiguous rows; a window of columns of a larger matrix will do.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from pytrainr.exact.vectors import fill
from pytrainr.numerics.jit import part

__all__ = ["add_column_sums", "product", "transpose", "transposed_product"]

_LARGE = 1 << 15  # multiplications from which a BLAS call is worth its overhead


@intrinsic
def _gemm(typing: Any, out: Any, a: Any, b: Any, transposed: Any) -> Any:
    """``out = a b``, or ``aᵀ b``, by the BLAS that SciPy brings; Numba's own ``np.dot`` refuses windows of columns."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pointer, char, size = cgutils.voidptr_t, ir.IntType(8), cgutils.intp_t
        double = signature.args[0].dtype == types.float64
        matrices = [context.make_array(signature.args[i])(context, builder, arguments[i]) for i in range(3)]
        out, a, b = matrices
        item = ir.Constant(size, 8 if double else 4)

        def row_step(matrix: Any) -> Any:
            return builder.sdiv(builder.extract_value(matrix.strides, 0), item)

        def number(value: float) -> Any:
            kind = ir.DoubleType() if double else ir.FloatType()
            return builder.bitcast(cgutils.alloca_once_value(builder, ir.Constant(kind, value)), pointer)

        rows, columns = cgutils.unpack_tuple(builder, out.shape)
        inner = builder.extract_value(b.shape, 0)
        kinds = [char, char, char, size, size, size, pointer, pointer, size, pointer, size, pointer, pointer, size]
        gemm = cgutils.get_or_insert_function(builder.module, ir.FunctionType(ir.IntType(32), kinds), "numba_xxgemm")
        kind = ir.Constant(char, ord("d" if double else "s"))
        plain, flipped = ir.Constant(char, ord("n")), ir.Constant(char, ord("t"))
        # BLAS counts by columns, so it sees every matrix transposed: outᵀ = bᵀ aᵀ
        of_a = builder.select(arguments[3], flipped, plain)
        datas = [builder.bitcast(matrix.data, pointer) for matrix in matrices]
        builder.call(
            gemm,
            [kind, plain, of_a, columns, rows, inner, number(1.0)]
            + [datas[2], row_step(b), datas[1], row_step(a), number(0.0), datas[0], row_step(out)],
        )
        return context.get_dummy_value()

    return types.void(out, a, b, transposed), generate


@part
def product(out, a, b):
    """``out = a b`` for a (rows, inner) and b (inner, columns)."""
    rows, columns = out.shape
    inner = b.shape[0]
    if rows * columns * inner >= _LARGE and rows > 1:
        _gemm(out, a, b, False)
        return
    for i in range(rows):
        to, left = out[i], a[i]
        fill(to, 0.0)
        for l in range(inner):
            factor, right = left[l], b[l]
            for j in range(columns):
                to[j] += factor * right[j]


@part
def transposed_product(out, a, b):
    """``out = aᵀ b`` for a (inner, rows) and b (inner, columns)."""
    rows, columns = out.shape
    inner = b.shape[0]
    if rows * columns * inner >= _LARGE:
        _gemm(out, a, b, True)
        return
    for i in range(rows):
        to = out[i]
        fill(to, 0.0)
        for l in range(inner):
            factor, right = a[l, i], b[l]
            for j in range(columns):
                to[j] += factor * right[j]


@part
def add_column_sums(out, a):
    """``out = out + Σ_rows a``."""
    for i in range(a.shape[0]):
        row = a[i]
        for j in range(a.shape[1]):
            out[j] += row[j]


@part
def transpose(out, a):
    """``out = aᵀ``, in tiles that fit the cache."""
    for first in range(0, a.shape[0], 16):
        for second in range(0, a.shape[1], 16):
            for i in range(first, min(first + 16, a.shape[0])):
                for j in range(second, min(second + 16, a.shape[1])):
                    out[j, i] = a[i, j]
