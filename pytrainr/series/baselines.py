"""Forecasts that need no network: what a network has to beat before it is worth anything."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytrainr.series.windows import as_series

__all__ = ["Accuracy", "accuracy", "persistence", "seasonal"]


def persistence(values: ArrayLike, rows: ArrayLike, delay: int = 1) -> NDArray[np.float64]:
    """Tomorrow as today: the value ``delay`` rows before each of ``rows``.

    Args:
        values: (rows, variables) or (rows,).
        rows: (samples,), rows to forecast, as `Windows.rows`.
        delay: how many rows ahead the forecast is made.

    Returns:
        (samples, variables).

    Raises:
        ValueError: a row has no value that long before it.
    """
    return seasonal(values, rows, 1, delay)


def seasonal(values: ArrayLike, rows: ArrayLike, period: int, delay: int = 1) -> NDArray[np.float64]:
    """This month as the same month last year: the latest known value a whole number of periods before.

    Arguments, result and errors as in `persistence`; ``period`` is the season's length in rows, 12 for months.
    """
    series = as_series(values)
    if period < 1 or delay < 1:
        raise ValueError(f"period={period} and delay={delay} count rows and are at least 1.")
    back = period * -(-delay // period)
    wanted = np.asarray(rows, dtype=np.int64)
    if wanted.size and (wanted.min() < back or wanted.max() >= len(series)):
        raise ValueError(
            f"rows run from {wanted.min()} to {wanted.max()}; with {len(series)} values and {back} rows back they are "
            f"to lie in {back} to {len(series) - 1}."
        )
    return series[wanted - back]


class Accuracy(NamedTuple):
    """How far forecasts are off, in the units of the series."""

    mean_absolute_error: float
    root_mean_square_error: float


def accuracy(actual: ArrayLike, forecast: ArrayLike) -> Accuracy:
    """Compare forecasts to what came; both have the same number of values, in the same order."""
    truth, guess = np.asarray(actual, dtype=np.float64), np.asarray(forecast, dtype=np.float64)
    if truth.size != guess.size or truth.size == 0:
        raise ValueError(f"actual has shape {truth.shape} and forecast {guess.shape}; give the same number of values.")
    error = truth.ravel() - guess.ravel()
    return Accuracy(float(np.abs(error).mean()), float(np.sqrt(np.square(error).mean())))
