"""exp, tanh and the sigmoids over vectors and matrices, in place; and what NumPy's ``a[:] = b`` and the like do.

R calls the C library's exp and tanh, so R's arithmetic needs their very bits, and a call per element is most of a
small network's time. glibc computes exp from a table of 2^(k/128) and a short polynomial (S. Nagy, Arm), and tanh
from Sun's expm1; with fused multiply-adds where the processor has them. The same operations in the same order
on whole registers give the same bits. Whether libm has those on this machine is found out at first use by a digest of
some thousand values (``vector_bits_equal``); if not, and for arguments outside the formula's range, it is called.
"""

from __future__ import annotations

import hashlib
import math
import struct
from functools import cache, partial
from math import isqrt

import numpy as np

from pytrainr.numerics.compiled_once import compiled_on_demand, compiled_once
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.vectors import (
    Lanes,
    fast_map,
    lanes,
    memory_of,
    moved,
    registers,
    rows_of,
    strict_formula,
    strict_map,
)

__all__ = [
    "LIBM",
    "add",
    "add_times",
    "copy",
    "exp_",
    "fast_exp",
    "fast_exp_",
    "fast_logistic",
    "fast_logistic_",
    "fast_tanh",
    "fast_tanh_",
    "fill",
    "gompertz_",
    "libm",
    "logistic_",
    "multiply",
    "tanh_",
    "vector_bits_equal",
]

_x = float.fromhex

# --- exp --------------------------------------------------------------------------------------------------------------

_STEPS = 128


def _powers_of_two() -> tuple[list[int], list[int]]:
    """For k in 0..127, 2^(k/128) = h·(1 + tail): the bits of tail, and those of h less k's share of the exponent."""
    precision = 200
    root = 2 << 2 * precision  # 2^(1/128), from seven square roots in fixed point
    for _ in range(7):
        root = isqrt(root) << precision
    root >>= precision
    tails, scales, power = [], [], 1 << precision
    for k in range(_STEPS):
        head = power / (1 << precision)
        exact_head = int(head * 2.0**60) << (precision - 60)
        tail = (power - exact_head) / exact_head
        tails.append(struct.unpack("<q", struct.pack("<d", tail))[0])
        scales.append(struct.unpack("<q", struct.pack("<d", head))[0] - (k << 45))
        power = power * root >> precision
    return tails, scales


_TAILS, _SCALES = _powers_of_two()
_STEPS_PER_LN2 = _x("0x1.71547652b82fep0") * _STEPS
_LN2_STEP_HIGH, _LN2_STEP_LOW = _x("-0x1.62e42fefa0000p-8"), _x("-0x1.cf79abc9e3b39p-47")
_TO_INTEGER = _x("0x1.8p52")  # added to a small number, leaves its nearest integer in the low bits
_C2, _C3 = _x("0x1.ffffffffffdbdp-2"), _x("0x1.555555555543cp-3")
_C4, _C5 = _x("0x1.55555cf172b91p-5"), _x("0x1.1111167a4d017p-7")


def _exp_or_not(x: Lanes, far: bool = False) -> tuple[Lanes, Lanes]:
    """exp(x), and whether it is: not for NaN, and for 512 <= |x| < 746, where 2^(k/128) may be no double, if ``far``.

    x = k·ln2/128 + r, exp(x) = 2^(k/128)·exp(r); overflow and underflow are certain from 746 on.
    """
    shifted = x.constant(_STEPS_PER_LN2).fma(x, _TO_INTEGER)
    bits, k = shifted.as_bits(), shifted - _TO_INTEGER
    r = k.fma(_LN2_STEP_LOW, k.fma(_LN2_STEP_HIGH, x))
    index = bits & (_STEPS - 1)
    tail = index.look_up("pytrainr.exp.tail", _TAILS).as_float()
    scale_bits = index.look_up("pytrainr.exp.scale", _SCALES) + (bits << 45)
    r2 = r * r
    series = (r2 * r2).fma(r.fma(_C5, _C4), r2.fma(r.fma(_C3, _C2), tail + r))
    scale, size = scale_bits.as_float(), abs(x)
    result, right = scale.fma(series, scale), size < 512.0
    if far:
        beyond = (x > 0.0).where(_near_overflow(scale_bits, series), _near_underflow(scale_bits, series))
        result, right = right.where(result, beyond), size < 746.0
    certain = size >= 746.0
    result = certain.where((x > 0.0).where(x.constant(math.inf), 0.0), result)
    return result, right | certain


def _near_overflow(scale_bits: Lanes, series: Lanes) -> Lanes:
    scale = (scale_bits - (1009 << 52)).as_float()
    return scale.fma(series, scale) * 2.0**1009


def _near_underflow(scale_bits: Lanes, series: Lanes) -> Lanes:
    """A result that is no normal number is rounded to the places it has while it is still one.

    As compiled into glibc, the product is rounded here.
    """
    scale = (scale_bits + (1022 << 52)).as_float()
    change = scale * series
    y = scale + change
    low, high = (scale - y) + change, 1.0 + y
    rounded = (high + ((1.0 - high + y) + low)) - 1.0
    return (y < 1.0).where(rounded, y) * 2.0**-1022


def _exp(x: Lanes, far: bool = False) -> tuple[Lanes, Lanes]:
    return _exp_or_not(x, far)


def _logistic(x: Lanes, far: bool = False) -> tuple[Lanes, Lanes]:
    power, right = _exp_or_not(-x, far)
    return 1.0 / (1.0 + power), right


def _gompertz(x: Lanes, far: bool = False) -> tuple[Lanes, Lanes]:
    power, right = _exp_or_not(-x, far)
    result, outer_right = _exp_or_not(-power, far)
    return result, right & outer_right


_near_exp, _far_exp = strict_formula(_exp), strict_formula(partial(_exp, far=True))
_near_logistic, _far_logistic = strict_formula(_logistic), strict_formula(partial(_logistic, far=True))
_near_gompertz, _far_gompertz = strict_formula(_gompertz), strict_formula(partial(_gompertz, far=True))

# --- tanh -------------------------------------------------------------------------------------------------------------

_LN2_HIGH, _LN2_LOW, _PER_LN2 = 6.93147180369123816490e-01, 1.90821492927058770002e-10, 1.44269504088896338700e00
_Q1, _Q2, _Q3 = -3.33333333333331316428e-02, 1.58730158725481460165e-03, -7.93650757867487942473e-05
_Q4, _Q5 = 4.00821782732936239552e-06, -2.01099218183624371326e-07
_ONE_BITS = 0x3FF0000000000000
_HALF_LN2 = _x("0x1.62e43p-2")  # Sun compares the upper half of the bits


def _expm1_for_tanh(size: Lanes, large: Lanes) -> Lanes:
    """exp(x) - 1 for x = 2·size where ``large``, else -2·size, as tanh needs it: x = k·ln2 + r + c, by cases of k.

    Sun's cases beyond -3 <= k <= 0 and 3 <= k <= 56 do not occur, as ``large`` is size >= 1, and 19.5 its bound.
    """
    double = size + size
    sign = large.where(0.0, double.constant(-0.0)).as_bits()
    k = double.fma(_PER_LN2, 0.5).truncated()
    k = (double < _HALF_LN2).where(0.0, k)
    x, k = (double.as_bits() ^ sign).as_float(), (k.as_bits() ^ sign).as_float()
    high, low = (-k).fma(_LN2_HIGH, x), k * _LN2_LOW  # k times the upper half is exact
    r = high - low
    c = (high - r) - low

    half = 0.5 * r
    square = r * half
    square2 = square * square
    series = (square2 * square2).fma(square.fma(_Q5, _Q4), square2.fma(square.fma(_Q3, _Q2), square.fma(_Q1, 1.0)))
    t = (-series).fma(half, 3.0)
    e = square * ((series - t) / (-r).fma(t, 6.0))
    if_zero = r - r.fma(e, -square)
    e = r.fma(e - c, -c) - square
    if_minus_one = 0.5 * (r - e) - 0.5
    exponent = (k + _TO_INTEGER).as_bits() << 52  # k where a double keeps its exponent
    minus_k = (exponent.constant(_ONE_BITS) - exponent).as_float()  # 2^-k
    less = e - r
    near_one = 1.0 - large.where(minus_k, 0.0)
    otherwise = ((near_one - less).as_bits() + exponent).as_float() - large.where(0.0, x.constant(1.0))
    up_to_56 = (((r - (e + minus_k)) + 1.0).as_bits() + exponent).as_float()
    result = (k < 20.0).where(otherwise, up_to_56)
    result = k.equals(-1.0).where(if_minus_one, result)
    return k.equals(0.0).where(if_zero, result)


@strict_formula
def _tanh(x: Lanes) -> tuple[Lanes, Lanes]:
    size = abs(x)
    size = (size < 19.5).where(size, 19.5)  # from there on it is 1
    large = size >= 1.0
    m = _expm1_for_tanh(size, large)
    quotient = large.where(x.constant(2.0), -m) / (m + 2.0)
    result = large.where(1.0 - quotient, quotient)
    return result.with_sign_of(x), x.equals(x)


# --- fast: nearly the same numbers in fewer operations, for float64 and float32 ---------------------------------------


def _polynomial(x: Lanes, coefficients: list[float]) -> Lanes:
    """Σ c_k x^k, split in halves so that many of its operations can run at once."""
    if len(coefficients) == 1:
        return x.constant(coefficients[0])
    if len(coefficients) == 2:
        return x.fma(coefficients[1], coefficients[0])
    half = 1 << (len(coefficients) - 1).bit_length() - 1
    power = x
    for _ in range(half.bit_length() - 1):
        power = power * power
    return power.fma(_polynomial(x, coefficients[half:]), _polynomial(x, coefficients[:half]))


def _split_exp(x: Lanes) -> tuple[Lanes, Lanes]:
    """k and exp(r) - 1, where exp(x) = 2^k·exp(r), k whole and |r| <= ln2 / 2: the series Σ r^n / n!."""
    double = x.bits == 64
    k = (x * _PER_LN2).rounded()
    high = 6.93147180369123816490e-01 if double else 0.693145751953125
    low = 1.90821492927058770002e-10 if double else 1.428606765330187e-06
    r = k.fma(-low, k.fma(-high, x))
    terms = 14 if double else 8
    return k, (r * r).fma(_polynomial(r, [1.0 / math.factorial(n) for n in range(2, terms)]), r)


def _two_to_the(k: Lanes) -> Lanes:
    """2^k for whole k in a normal number's range."""
    mantissa, bias = (52, 1023) if k.bits == 64 else (23, 127)
    return ((k.to_integer() + bias) << mantissa).as_float()


def _limited(x: Lanes, limit: float) -> Lanes:
    """x, or the limit on its side; NaN stays NaN."""
    x = (x > limit).where(x.constant(limit), x)
    return (x < -limit).where(x.constant(-limit), x)


def fast_exp(x: Lanes) -> Lanes:
    """exp(x)."""
    k, less_one = _split_exp(_limited(x, 1400.0 if x.bits == 64 else 170.0))
    half = (k * 0.5).floor()  # 2^k in two factors: k may be twice what one can hold
    return ((less_one + 1.0) * _two_to_the(half)) * _two_to_the(k - half)


def fast_logistic(x: Lanes) -> Lanes:
    """1 / (1 + exp(-x))."""
    k, less_one = _split_exp(_limited(-x, 708.0 if x.bits == 64 else 87.0))
    scale = _two_to_the(k)
    return 1.0 / (scale.fma(less_one, scale) + 1.0)


def fast_tanh(x: Lanes) -> Lanes:
    """tanh(x) = ±(exp(2|x|) - 1) / (exp(2|x|) + 1)."""
    k, less_one = _split_exp(_limited(2.0 * abs(x), 44.0))
    scale = _two_to_the(k)
    m = scale.fma(less_one, scale - 1.0)
    return (m / (m + 2.0)).with_sign_of(x)


# --- over vectors -----------------------------------------------------------------------------------------------------


# The C library's bits over an array: whole registers where the formulas hold, else one number after the other.


@compiled_once
def _exp_all(values, size, vectorised):
    rows, width, step = size
    for number in range(rows):
        row = moved(values, number * step)
        for start in range(0, width, lanes(values)):
            count = min(width - start, lanes(values))
            if not (vectorised and (_near_exp(row, start, count) or _far_exp(row, start, count))):
                for i in range(start, start + count):
                    row[i] = math.exp(row[i])


@strict_part
def exp_(values, vectorised):
    """``values = exp(values)``."""
    _exp_all(memory_of(values), rows_of(values), vectorised)


@compiled_once
def _tanh_all(values, size, vectorised):
    rows, width, step = size
    for number in range(rows):
        row = moved(values, number * step)
        for start in range(0, width, lanes(values)):
            count = min(width - start, lanes(values))
            if not (vectorised and _tanh(row, start, count)):
                for i in range(start, start + count):
                    row[i] = math.tanh(row[i])


@strict_part
def tanh_(values, vectorised):
    """``values = tanh(values)``."""
    _tanh_all(memory_of(values), rows_of(values), vectorised)


@compiled_once
def _logistic_all(values, size, vectorised):
    rows, width, step = size
    for number in range(rows):
        row = moved(values, number * step)
        for start in range(0, width, lanes(values)):
            count = min(width - start, lanes(values))
            if not (vectorised and (_near_logistic(row, start, count) or _far_logistic(row, start, count))):
                for i in range(start, start + count):
                    row[i] = 1.0 / (1.0 + math.exp(-row[i]))


@strict_part
def logistic_(values, vectorised):
    """``values = 1 / (1 + exp(-values))``."""
    _logistic_all(memory_of(values), rows_of(values), vectorised)


@compiled_on_demand
def _gompertz_all(values, size, vectorised):
    rows, width, step = size
    for number in range(rows):
        row = moved(values, number * step)
        for start in range(0, width, lanes(values)):
            count = min(width - start, lanes(values))
            if not (vectorised and (_near_gompertz(row, start, count) or _far_gompertz(row, start, count))):
                for i in range(start, start + count):
                    row[i] = math.exp(-math.exp(-row[i]))


@strict_part
def gompertz_(values, vectorised):
    """``values = exp(-exp(-values))``."""
    _gompertz_all(memory_of(values), rows_of(values), vectorised)


LIBM = {"6e6894de6dbece4b": "glibc, fused", "1e82bbf7c2b363ab": "glibc, not fused"}
"""Variants of exp and tanh by the digest of some of their values: where R recorded ``tests/golden``, and the other."""


@cache
def libm() -> str:
    """Which exp and tanh the C library has here: one of ``LIBM``, or "another"."""
    spread = np.modf(np.arange(1.0, 513.0) * 0.6180339887498949)[0] - 0.5  # evenly spread, the same every time
    arguments = [x for width in (0.2, 2.0, 20.0, 200.0) for x in (spread * width).tolist()]
    values = np.array([function(x) for function in (math.exp, math.tanh) for x in arguments], dtype="<f8")
    return LIBM.get(hashlib.sha256(values.tobytes()).hexdigest()[:16], "another")


def vector_bits_equal() -> bool:
    """Whether the vectorised exp and tanh have libm's bits here: the flag that the functions above expect.

    The formulas are those of both of glibc's variants, with fused multiply-adds or without as the processor has them.
    """
    return libm() == ("glibc, fused" if registers().fused else "glibc, not fused")


@fast_map("values")
def fast_exp_(values):
    """``values = exp(values)``, to about one unit in the last place."""
    return fast_exp(values)


@fast_map("values")
def fast_logistic_(values):
    """``values = 1 / (1 + exp(-values))``, to about three units in the last place, at least the smallest normal."""
    return fast_logistic(values)


@fast_map("values")
def fast_tanh_(values):
    """``values = tanh(values)``, to about three units in the last place."""
    return fast_tanh(values)


# --- and simply ------------------------------------------------------------------------------------------------------


@strict_map("array")
def fill(value):
    """``array = value``, everywhere."""
    return value


@strict_map("to")
def copy(source):
    """``to = source``."""
    return source


@strict_map("to")
def add(to, source):
    """``to = to + source``."""
    return to + source


@fast_map("to")
def add_times(to, factor, source):
    """``to = to + factor · source`` for a number ``factor``."""
    return to + factor * source


@strict_map("to")
def multiply(to, source):
    """``to = to · source``, entry by entry."""
    return to * source
