"""The time that leases, expiries and waits are reckoned in: a jump of the system's clock changes none of them.

It is the system's time when the process began, plus what has passed since; time asleep counts.
"""

from __future__ import annotations

import time

__all__ = ["jump", "now"]

_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC) if hasattr(time, "clock_gettime") else None


def _steady() -> float:
    return time.monotonic() if _CLOCK is None else time.clock_gettime(_CLOCK)


_offset = time.time() - _steady()


def now() -> float:
    """Seconds since 1970."""
    return _offset + _steady()


def jump() -> float:
    """How far the system's clock has moved away since the process began, in seconds."""
    return time.time() - now()
