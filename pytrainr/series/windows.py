"""Windows of a long series: the samples for `trainr`, sharing the memory of the series.

A window of ``lookback`` rows, taken every ``step`` rows, ends at row e; its target is row e + delay:

    X[j] = values[e - lookback + step : e + 1 : step]        Y[j] = values[e + delay, target]

With several delays the targets of the first are followed by those of the second, and so on.

The arrangement is the data generator of Chollet & Allaire, *Deep Learning with R* (2018), section 6.3, except that
``delay`` counts from the last row the network sees: ``delay=1`` is the next row.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import ArrayLike, NDArray

from pytrainr.arguments import unmasked
from pytrainr.r_random import RRandom, default_stream

__all__ = ["Split", "Windows", "as_delays", "as_series", "split", "windows"]


class Split(NamedTuple):
    """Rows of a series, in order of time: what is trained on, what is chosen by, what is measured on."""

    train: slice
    validation: slice
    test: slice


def split(rows: int, train: float = 0.6, validation: float = 0.2) -> Split:
    """Cut ``rows`` rows into three ranges, in order of time; the test range takes what is left.

    Args:
        rows: length of the series.
        train: share of the rows, from 0 to 1.
        validation: likewise; together at most 1.

    Raises:
        ValueError: a share is outside 0 to 1, or both together exceed 1.
    """
    if rows < 1:
        raise ValueError(f"rows is {rows}; a series has at least one row.")
    if not (0 <= train <= 1 and 0 <= validation <= 1 and train + validation <= 1 + 1e-12):
        raise ValueError(
            f"train={train} and validation={validation} are shares of the rows: each 0 to 1, together at most 1."
        )
    first = round(rows * train)
    second = min(rows, round(rows * (train + validation)))
    return Split(slice(0, first), slice(first, second), slice(second, rows))


class Windows(NamedTuple):
    """Samples cut from a series; `X` and `Y` are read-only, views that overlap in memory where no break is crossed.

    Attributes:
        X: (samples, lookback / step, variables), what the network sees.
        Y: (samples, 1, delays * targets), or (samples, lookback / step, delays * targets) with ``every_step``.
        rows: (samples,), the row of the series that each sample's last target is.
    """

    X: NDArray[np.float64]
    Y: NDArray[np.float64]
    rows: NDArray[np.int64]

    def batches(
        self, batch_size: int, shuffle: bool = False, rng: RRandom | None = None
    ) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
        """Yield ``(Y, X)`` for ``batch_size`` samples at a time, each sample once; only these are copied.

        Args:
            batch_size: samples per batch; the last batch may be smaller.
            shuffle: in random order instead of the order of time, drawn as R's ``sample(samples)``.
            rng: the random stream of the shuffle; the module's own stream otherwise.
        """
        if batch_size < 1:
            raise ValueError(f"batch_size is {batch_size}; a batch has at least one sample.")
        samples = len(self.rows)
        stream = default_stream() if rng is None else rng
        order = np.asarray(stream.sample(samples)) - 1 if shuffle else np.arange(samples)
        for first in range(0, samples, batch_size):
            chosen = order[first : first + batch_size]
            yield self.Y[chosen], self.X[chosen]


def as_series(values: ArrayLike, name: str = "values") -> NDArray[np.float64]:
    """``values`` as (rows, variables) float64, NaN where masked; one variable may lack the second dimension."""
    series = np.asarray(unmasked(values), dtype=np.float64)
    if series.ndim == 1:
        series = series[:, np.newaxis]
    if series.ndim != 2 or series.size == 0:
        raise ValueError(
            f"{name} has shape {np.shape(values)}; a series is (rows, variables), or (rows,) for one variable."
        )
    return series


def windows(
    values: ArrayLike,
    lookback: int,
    step: int = 1,
    delay: int | Sequence[int] = 1,
    target: int | Sequence[int] = 0,
    within: slice | None = None,
    every_step: bool = False,
    breaks: ArrayLike = (),
) -> Windows:
    """Cut a series into overlapping samples without copying it.

    The samples of a range are those whose last target lies in it. Their inputs may reach back before the range (at
    the time of the forecast that past is known), never beyond the targets, so nothing leaks from a later range.

    Args:
        values: (rows, variables) or (rows,), in order of time.
        lookback: how many rows back a window reaches; a multiple of ``step``.
        step: the window takes every ``step``-th row.
        delay: how many rows after the window's last row the target is; 1 is the next row, [1, 2, 3] the next three.
        target: column or columns to forecast.
        within: rows that the last targets may have, as `split` makes them; all rows otherwise.
        every_step: a target for every time step of the window (``Y[j, t]`` is ``delay`` rows after ``X[j, t]``)
            rather than one after the last, for which `trainr` is called with ``seq_to_seq_unsync=True``.
        breaks: rows that do not follow from the row before, as `gaps` finds them; no sample reaches across one.

    Raises:
        ValueError: a number is out of range, or the range or every stretch between breaks is too short for one window.
    """
    series = as_series(values)
    delays = as_delays(delay)
    for name, number in (("lookback", lookback), ("step", step)):
        if number < 1:
            raise ValueError(f"{name} is {number}; it counts rows and is at least 1.")
    if lookback % step:
        raise ValueError(f"lookback={lookback} is not a multiple of step={step}.")
    wanted = series[:, [target] if isinstance(target, int) else list(target)]

    reach, far = lookback - step, max(delays)  # rows from the window's first row to its last, and to its last target
    first, stop, stride = (within or slice(None)).indices(len(series))
    if stride != 1:
        raise ValueError(f"within={within} has a stride; it is a range of consecutive rows.")
    first = max(first, reach + far)
    if first >= stop:
        raise ValueError(
            f"no window fits: lookback={lookback}, step={step} and delay={delay} need {reach + far} rows before a "
            f"target, and the targets are to lie in rows {within or slice(0, len(series))} of {len(series)}."
        )
    # Row e of the targets is what the network is to say after row e of the series.
    shifted = [wanted[number : len(wanted) - far + number] for number in delays]
    targets = shifted[0] if len(shifted) == 1 else np.concatenate(shifted, axis=1)

    def view(columns: NDArray[np.float64], first_row: int, last_row: int) -> NDArray[np.float64]:
        cut = sliding_window_view(columns[first_row : last_row + 1], reach + 1, axis=0)
        return cut[:, :, ::step].transpose(0, 2, 1)

    start, end = first - far, stop - 1 - far  # the last rows that the first and the last window see
    X = view(series, start - reach, end)
    Y = view(targets, start - reach, end) if every_step else targets[start : end + 1, np.newaxis, :]
    rows = np.arange(first, stop)
    whole = _within_stretches(rows, reach + far, breaks)
    if not whole.all():
        if not whole.any():
            raise ValueError(
                f"no window fits between the breaks: each needs {reach + far + 1} rows without a gap "
                f"(lookback={lookback}, step={step}, delay={delay})."
            )
        X, Y, rows = X[whole], Y[whole], rows[whole]
    X.flags.writeable = Y.flags.writeable = False
    return Windows(X, Y, rows)


def as_delays(delay: int | Sequence[int]) -> list[int]:
    """How many rows ahead the targets are, checked: one number or several different ones, each at least 1."""
    delays = np.atleast_1d(np.asarray(delay)).ravel().tolist()
    whole = all(isinstance(number, int) and not isinstance(number, bool) and number >= 1 for number in delays)
    if not delays or not whole or len(set(delays)) < len(delays):
        raise ValueError(f"delay is {delay}; it counts rows: a whole number of at least 1, or several different ones.")
    return delays


def _within_stretches(rows: NDArray[np.int64], back: int, breaks: ArrayLike) -> NDArray[np.bool_]:
    """Whether no break lies between each of ``rows`` and the row ``back`` rows before it."""
    begins = np.sort(np.asarray(breaks, dtype=np.int64).ravel())
    return np.searchsorted(begins, rows, side="right") == np.searchsorted(begins, rows - back, side="right")
