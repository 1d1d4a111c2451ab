"""exp and tanh of one number as straight-line arithmetic, so that loops over them become vector code.

exp(x) = 2^k · exp(r) with k = round(x / ln 2) and |r| ≤ ln 2 / 2; exp(r) − 1 is its Taylor polynomial, of degree 13 in
double and 7 in single precision, which is exact to the last place or two. tanh goes through exp(2x) − 1, so that it
keeps its relative accuracy near 0. NaN stays NaN: a comparison that clips is false for it.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload

from pytrainr.numerics.jit import strict
from pytrainr.numerics.vectors import multiply_add

__all__ = ["exp", "tanh"]


@intrinsic
def _fma(typing: Any, a: Any, b: Any, c: Any) -> Any:
    """a·b + c, rounded once where the processor can."""
    return a(a, a, a), lambda context, builder, signature, values: multiply_add(builder, *values)


@intrinsic
def _power_of_two(typing: Any, k: Any) -> Any:
    """2^k for a whole number k within the exponent's range, as a number of k's type."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        double = signature.return_type == types.float64
        bits, shift, bias = (64, 52, 1023) if double else (32, 23, 127)
        integer = ir.IntType(bits)
        # through 32 bits: vector units without AVX-512 convert doubles only to those
        whole = builder.fptosi(values[0], ir.IntType(32))
        exponent = builder.sext(whole, integer) if double else whole
        exponent = builder.add(exponent, ir.Constant(integer, bias))
        shifted = builder.shl(exponent, ir.Constant(integer, shift))
        return builder.bitcast(shifted, values[0].type)

    return k(k), generate


_INVERSE_LN2 = 1.0 / math.log(2.0)
_LN2_HIGH, _LN2_LOW = float.fromhex("0x1.62e42fefa0000p-1"), float.fromhex("0x1.cf79abc9e3b39p-40")
_LN2_HIGH_SINGLE, _LN2_LOW_SINGLE = float.fromhex("0x1.62e400p-1"), float.fromhex("0x1.7f7d1cp-20")
_C2, _C3, _C4, _C5, _C6, _C7, _C8, _C9, _C10, _C11, _C12, _C13 = (1.0 / math.factorial(n) for n in range(2, 14))


@strict
def _expm1_double(r):
    """exp(r) − 1 for |r| ≤ ln 2 / 2: Estrin's scheme, whose short chains suit vector units."""
    r2 = r * r
    r4 = r2 * r2
    low = _fma(_fma(r, _C5, _C4), r2, _fma(r, _C3, _C2))
    middle = _fma(_fma(r, _C9, _C8), r2, _fma(r, _C7, _C6))
    high = _fma(_fma(r, _C13, _C12), r2, _fma(r, _C11, _C10))
    return _fma(_fma(_fma(high, r4, middle), r4, low), r2, r)


@strict
def _expm1_single(r):
    f = types.float32
    r2 = r * r
    low = _fma(_fma(r, f(_C5), f(_C4)), r2, _fma(r, f(_C3), f(_C2)))
    return _fma(_fma(_fma(r, f(_C7), f(_C6)), r2 * r2, low), r2, r)


@strict
def _exp_double(x):
    x = 709.0 if x > 709.0 else x
    x = -708.0 if x < -708.0 else x
    k = np.floor(_fma(x, _INVERSE_LN2, 0.5))
    r = _fma(k, -_LN2_LOW, _fma(k, -_LN2_HIGH, x))
    power = _power_of_two(k)
    return _fma(power, _expm1_double(r), power)


@strict
def _exp_single(x):
    f = types.float32
    x = f(88.0) if x > f(88.0) else x
    x = f(-87.0) if x < f(-87.0) else x
    k = f(np.floor(_fma(x, f(_INVERSE_LN2), f(0.5))))
    r = _fma(k, f(-_LN2_LOW_SINGLE), _fma(k, f(-_LN2_HIGH_SINGLE), x))
    power = _power_of_two(k)
    return _fma(power, _expm1_single(r), power)


@strict
def _tanh_double(x):
    """m / (m + 2) with m = exp(2|x|) − 1; from 20 on tanh is 1 in double precision."""
    a = 2.0 * abs(x)
    a = 40.0 if a > 40.0 else a
    k = np.floor(_fma(a, _INVERSE_LN2, 0.5))
    r = _fma(k, -_LN2_LOW, _fma(k, -_LN2_HIGH, a))
    power = _power_of_two(k)
    m = _fma(power, _expm1_double(r), power - 1.0)
    return math.copysign(m / (m + 2.0), x)


@strict
def _tanh_single(x):
    f = types.float32
    a = f(2.0) * abs(x)
    a = f(20.0) if a > f(20.0) else a
    k = f(np.floor(_fma(a, f(_INVERSE_LN2), f(0.5))))
    r = _fma(k, f(-_LN2_LOW_SINGLE), _fma(k, f(-_LN2_HIGH_SINGLE), a))
    power = _power_of_two(k)
    m = _fma(power, _expm1_single(r), power - f(1.0))
    y = m / (m + f(2.0))
    return -y if x < f(0.0) else y


def exp(x):
    """e^x."""
    raise TypeError("exp is for compiled code")


def tanh(x):
    """The hyperbolic tangent."""
    raise TypeError("tanh is for compiled code")


@overload(exp, inline="never")
def _exp(x):
    return (lambda x: _exp_single(x)) if x == types.float32 else (lambda x: _exp_double(x))


@overload(tanh, inline="never")
def _tanh(x):
    return (lambda x: _tanh_single(x)) if x == types.float32 else (lambda x: _tanh_double(x))
