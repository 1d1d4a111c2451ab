"""What the last bit of a result depends on beside the job: two machines that agree in this train to the same bits."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np

import pytrainr
from pytrainr.numerics.elementwise import libm

__all__ = ["Bits", "arithmetic", "bits", "difference"]


class Bits(NamedTuple):
    """A process's programs, and the arithmetic that it finds on its machine."""

    pytrainr: str
    numba: str
    libm: str
    """Which exp and tanh the C library has; with or without fused multiply-adds, which the processor decides."""
    long_double: str
    """In what R sums means."""


def bits() -> Bits:
    """Those of this process."""
    return Bits(
        pytrainr.__version__, numba.__version__, libm(), f"{np.finfo(np.longdouble).nmant + 1} bits of mantissa"
    )


def arithmetic() -> str:
    """What of these outlives an upgrade, and belongs to a job from its beginning to its end."""
    mine = bits()
    return f"exp and tanh of {mine.libm}, long double with {mine.long_double}"


def difference(mine: Bits, other: Bits) -> str:
    """In what the other differs, in words; empty where it trains to the same bits."""
    pairs = zip(Bits._fields, mine, other, strict=True)
    return ", ".join(f"{name} is {theirs}, here {ours}" for name, ours, theirs in pairs if ours != theirs)
