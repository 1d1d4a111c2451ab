"""Numbers as R pastes them, and messages where R writes them."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

import numpy as np

__all__ = ["message", "number_text", "without_messages"]

_DIGITS = 15  # as.character() shows no more of a double
_TABLED_POWERS = 27  # R has a table of the powers of ten up to here, in double: those from 10²³ on are rounded
_HAS_LONG_DOUBLE = np.finfo(np.longdouble).nmant >= 63


def number_text(value: float) -> str:
    """``value`` as R's ``paste`` writes a double: with up to 15 significant digits, fixed or scientific.

    The shorter one is taken, fixed where both are as long: 0.333333333333333, 1e-04, 1e+05, 123456. An ``int`` stands
    for R's integer and is written in full: 100000.
    """
    if isinstance(value, int):
        return str(int(value))
    value = float(value)
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    if value == 0.0:
        return "0"
    significant = _significant_digits(abs(value))
    scientific = f"{value:.{significant - 1}e}"
    power = int(scientific.partition("e")[2])
    decimals = max(significant - 1 - power, 0)
    width = (value < 0) + max(power, 0) + 1 + (decimals > 0) + decimals
    if width <= len(scientific):
        return _without_zeros(f"{value:.{decimals}f}")
    mantissa, _, exponent = scientific.partition("e")
    return f"{_without_zeros(mantissa)}e{exponent}"


def _without_zeros(decimal: str) -> str:
    """``decimal`` without the zeros that end its fraction: the count below is now and then one digit too high."""
    return decimal.rstrip("0").rstrip(".") if "." in decimal else decimal


def _significant_digits(value: float) -> int:
    """How many of the 15 significant digits of a positive ``value`` are left without trailing zeros.

    R scales the value to 15 digits before the point in long double, and its roundings show in some numbers. Without
    a long double the digits of the correctly rounded decimal are counted.
    """
    if _HAS_LONG_DOUBLE:
        digits = str(int(np.rint(_scaled(value))))
    else:
        digits = f"{value:.{_DIGITS - 1}e}".partition("e")[0].replace(".", "")
    return len(digits.rstrip("0"))


def _scaled(value: float) -> np.longdouble:
    """``value`` times the power of ten that brings it to 10¹⁴..10¹⁵."""
    ten = np.longdouble(10)
    power = math.floor(math.log10(value)) - _DIGITS + 1
    scaled = np.longdouble(value)
    if abs(power) <= _TABLED_POWERS:
        factor = np.longdouble(float(10 ** abs(power)))
        scaled = scaled * factor if power < 0 else scaled / factor
    elif power <= -308:  # the power of ten itself would be too small
        scaled = scaled * np.longdouble(1e303) / ten ** (power + 303)
    else:
        scaled /= ten**power
    return scaled if scaled >= ten ** (_DIGITS - 1) else scaled * 10


_silent: ContextVar[bool] = ContextVar("silent", default=False)


def message(text: str) -> None:
    """Write a line to the standard error stream, as R's ``message``."""
    if not _silent.get():
        print(text, file=sys.stderr, flush=True)


@contextmanager
def without_messages() -> Iterator[None]:
    """Inside :func:`message` writes nothing in this thread, as R's ``suppressMessages``."""
    token = _silent.set(True)
    try:
        yield
    finally:
        _silent.reset(token)
