"""Forecasts that need no network: what a network has to beat before it is worth anything."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytrainr.series.frames import indexed, shaped
from pytrainr.series.windows import as_series

__all__ = ["BASELINES", "Accuracy", "accuracy", "baseline", "baseline_after", "persistence", "seasonal"]

BASELINES = ("seasonal", "naive", "drift", "mean")


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


def baseline(x: Any, h: int, method: str = "seasonal", period: int | None = None) -> Any:
    """Forecast the ``h`` rows after a series without a network.

    Args:
        x: a pandas Series or DataFrame whose index has a frequency, or an array (rows, variables) or (rows,).
        h: how many rows.
        method: ``"seasonal"``, as one season before; ``"naive"``, as the last row; ``"drift"``, on the line from the
            first row to the last; ``"mean"``.
        period: rows in a season; that of the index, or 1, where not given.

    Returns:
        As the series came: a pandas object that goes on in time, or an array (h,) or (h, variables).

    Raises:
        ValueError: an unknown method, or a series shorter than one season.
    """
    values, names, index = indexed(x)
    season = index.season if period is None else period
    if h < 1 or season < 1:
        raise ValueError(f"h={h} and period={season} count rows and are at least 1.")
    said = baseline_after(values, np.array([len(values)]), h, method, season)[0]
    return shaped(said, names, index, len(values))


def baseline_after(
    values: NDArray[np.float64], known: NDArray[np.int64], h: int, method: str, period: int
) -> NDArray[np.float64]:
    """Forecasts of the ``h`` rows after each number of ``known`` rows of ``values``, (known, h, variables)."""
    steps = np.arange(h)
    if method == "seasonal":
        if known.min() < period:
            raise ValueError(f"the series has {known.min()} rows, less than one season of {period}.")
        return values[known[:, np.newaxis] - period + steps % period]
    last = values[known - 1][:, np.newaxis]
    if method == "naive":
        return np.repeat(last, h, axis=1)
    if method == "drift":
        slope = (last - values[0]) / np.maximum(known - 1, 1)[:, np.newaxis, np.newaxis]
        return last + slope * (steps + 1)[:, np.newaxis]
    if method == "mean":
        mean = np.array([values[:rows].mean(axis=0) for rows in known])
        return np.repeat(mean[:, np.newaxis], h, axis=1)
    raise ValueError(f"method is {method!r}; it is one of {', '.join(map(repr, BASELINES))}.")


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
