"""Whose bits R's arithmetic has here.

R's results hang on the C library's exp and tanh and on sums in 80-bit ``long double``. glibc has variants of exp and
tanh with fused multiply-adds and without, and takes the one that suits the processor: R itself, and this package,
which has the bits of that very library, then differ from other machines in the last place, and where a network
explodes in all of them.
"""

from __future__ import annotations

from functools import cache

from pytrainr.numerics.elementwise import libm
from pytrainr.numerics.long_double import HAS_LONG_DOUBLE
from pytrainr.r_text import message

__all__ = ["difference", "note_difference"]


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
