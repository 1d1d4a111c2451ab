"""Whose bits R's arithmetic has here.

R's results hang on the C library's exp and tanh and on sums in 80-bit ``long double``. glibc has variants of exp and
tanh with fused multiply-adds and without, and takes the one that suits the processor: R itself, and this package,
which has the bits of that very library, then differ from other machines in the last place, and where a network
explodes in all of them.
"""

from __future__ import annotations

import hashlib
import math
from functools import cache

import numpy as np

from pytrainr.numerics.long_double import HAS_LONG_DOUBLE
from pytrainr.r_text import message

__all__ = ["LIBM", "difference", "libm", "note_difference"]

LIBM = {"6e6894de6dbece4b": "glibc, fused", "1e82bbf7c2b363ab": "glibc, not fused"}
"""Variants of exp and tanh by the digest of some of their values: where R recorded ``tests/golden``, and the other."""


@cache
def libm() -> str:
    """Which exp and tanh the C library has here: one of ``LIBM``, or "another"."""
    spread = np.modf(np.arange(1.0, 513.0) * 0.6180339887498949)[0] - 0.5  # evenly spread, the same every time
    arguments = [x for width in (0.2, 2.0, 20.0, 200.0) for x in (spread * width).tolist()]
    values = np.array([function(x) for function in (math.exp, math.tanh) for x in arguments], dtype="<f8")
    return LIBM.get(hashlib.sha256(values.tobytes()).hexdigest()[:16], "another")


def difference() -> str | None:
    """Why results here differ from those of R on most machines, in words; None where they do not."""
    if not HAS_LONG_DOUBLE:
        return "this processor has no 80-bit sums as R has elsewhere"
    if libm() == "glibc, not fused":
        return "this processor has no fused multiply-adds, and R's exp and tanh other last bits"
    if libm() == "another":
        return "this C library's exp or tanh, which R uses as well, has other last bits than those compared with R"
    return None


@cache
def note_difference() -> None:
    """Say so, once a process."""
    if why := difference():
        message(f"note: results agree with those of R on other machines to about 1e-10, not to the bit: {why}")
