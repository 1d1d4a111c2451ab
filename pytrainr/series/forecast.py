"""A forecast of many steps from a network that forecasts one, by feeding back what it says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytrainr.series.windows import as_delays, as_series

__all__ = ["forecast"]


def forecast(
    model: Any,
    history: ArrayLike,
    steps: int,
    lookback: int,
    step: int = 1,
    target: int | Sequence[int] = 0,
    future: ArrayLike | None = None,
    delay: int | Sequence[int] = 1,
    predict: Callable[..., Any] | None = None,
) -> NDArray[np.float64]:
    """Forecast ``steps`` rows after ``history``: each forecast becomes the newest row that the network sees.

    For a network trained on `windows` with the same ``lookback``, ``step``, ``target`` and ``delay``: 1, or [1, 2, 3]
    for one that forecasts three rows at once, which are then fed back together. The error of each row enters the
    next, so far rows are much less certain than the first.

    Args:
        model: from `trainr`. One that keeps its normalisation takes and gives raw numbers, as in `predictr`.
        history: (rows, variables) or (rows,), at least ``lookback - step + 1`` rows, the newest last.
        steps: how many rows to forecast.
        future: (steps, variables), the coming rows, needed when some variables are not forecast; only those are used.
        delay: 1, or all whole numbers from 1 to as many rows as the network forecasts at once.
        predict: `predictr` or a remote one.

    Returns:
        (steps, targets).

    Raises:
        ValueError: the history or the future is too short, or there is none and it is needed.
    """
    if predict is None:
        from pytrainr.prediction import predictr

        predict = predictr
    known = as_series(history, "history")
    columns = [target] if isinstance(target, int) else list(target)
    if steps < 1 or step < 1 or lookback < 1 or lookback % step:
        raise ValueError(f"steps={steps}, lookback={lookback} and step={step} are at least 1, lookback % step is 0.")
    delays = as_delays(delay)
    if delays != list(range(1, len(delays) + 1)):
        raise ValueError(
            f"delay={delay}: rows are fed back one after the other, so a forecast needs delay=1, or [1, 2, ...] "
            "without a gap; predictr gives what this network forecasts."
        )
    reach = lookback - step
    if len(known) <= reach:
        raise ValueError(f"history has {len(known)} rows; lookback={lookback} with step={step} needs {reach + 1}.")

    coming = np.full((steps, known.shape[1]), np.nan)
    given = [column for column in range(known.shape[1]) if column not in columns]
    if given:
        if future is None:
            raise ValueError(
                f"future is missing: columns {given} are not forecast, so their next {steps} rows are to be given."
            )
        rows = as_series(future, "future")
        if rows.shape[0] < steps or rows.shape[1] != known.shape[1]:
            raise ValueError(f"future has shape {rows.shape}; it needs ({steps}, {known.shape[1]}).")
        coming[:, given] = rows[:steps, given]

    values = np.concatenate([known[len(known) - reach - 1 :], coming])
    for row in range(0, steps, len(delays)):
        window = values[row : row + reach + 1 : step]
        output = np.asarray(predict(model, window[np.newaxis])).reshape(-1, len(delays), len(columns))[-1]
        count = min(len(delays), steps - row)
        newest = reach + 1 + row
        values[newest : newest + count, columns] = output[:count]
    return values[reach + 1 :, columns]
