"""Where a series leaves time out: a window across such a place would take what is not the next row for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrainr.tables.times import moments, skipped

__all__ = ["gaps"]


def gaps(times: Sequence[Any] | NDArray[Any]) -> NDArray[np.int64]:
    """The rows (from 0) before which time was left out: what `windows` takes as ``breaks``.

    That is where a step is more than one and a half times the usual one, the median; so months and years, which vary,
    are no gaps. Days from Monday to Friday alone are counted in working days.

    Args:
        times: (rows,), increasing: numbers, dates in ISO 8601, ``datetime`` objects or ``numpy.datetime64``.

    Raises:
        ValueError: something is no time, or times do not increase.
    """
    found = moments("times", times)
    back = np.flatnonzero(found[1:] <= found[:-1])
    if back.size:
        raise ValueError(
            f"times has {times[back[0] + 1]} after {times[back[0]]} in row {back[0] + 2}; sort them first."
        )
    return skipped(found)
