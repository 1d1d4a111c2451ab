"""A forecast of a series with its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrainr.arguments import positive_integer
from pytrainr.model import Model
from pytrainr.series.frames import Index, indexed, numbers_of, shaped
from pytrainr.series.intervals import as_levels, half_widths, joint_scores
from pytrainr.series.series import Series, ahead_of

__all__ = ["Forecast", "errors_within", "forecast_of", "widths_at"]


@dataclass(frozen=True)
class Forecast:
    """Rows that have not come yet.

    Attributes:
        points: (h, targets), the forecasts.
        bounds: (2, h, targets, levels), the lower and the upper ends of the intervals.
        level: percents, one for each interval.
        names: (targets,), of the columns.
        index: where the series stands in time; `times` are those of the forecast.
        first: the row of the series that the forecast begins with.
    """

    points: NDArray[np.float64]
    bounds: NDArray[np.float64]
    level: list[float]
    names: list[str]
    index: Index
    first: int

    @property
    def times(self) -> Any:
        """The pandas index of the forecast, or of an array the numbers of its rows."""
        rows = range(self.first, self.first + len(self.points))
        return self.index.rows(rows.start, rows.stop) if self.index.kind else np.array(rows)

    @property
    def mean(self) -> Any:
        """The forecasts as the series came: a pandas Series or DataFrame, or an array (h,) or (h, targets)."""
        return shaped(self.points, self.names, self.index, self.first)

    @property
    def lower(self) -> Any:
        """The lower bounds: a DataFrame with a column for each level ("80%"), or an array (h, levels); for several
        targets a column for each target and level, or (h, targets, levels)."""
        return self._bound(0)

    @property
    def upper(self) -> Any:
        """The upper bounds, as `lower`."""
        return self._bound(1)

    def to_frame(self) -> Any:
        """One pandas table: ``forecast``, ``lower80``, ``upper80``, …; for several targets below the target's name."""
        import pandas

        columns = {}
        for column, name in enumerate(self.names):
            columns[name, "forecast"] = self.points[:, column]
            for place, level in enumerate(self.level):
                columns[name, f"lower{level}"] = self.bounds[0, :, column, place]
                columns[name, f"upper{level}"] = self.bounds[1, :, column, place]
        table = pandas.DataFrame(columns, self.times)
        return table if len(self.names) > 1 else table[self.names[0]]

    def _bound(self, side: int) -> Any:
        values = self.bounds[side]
        if not self.index.kind:
            return values[:, 0] if len(self.names) == 1 else values
        import pandas

        labels = [f"{level}%" for level in self.level]
        columns = labels if len(self.names) == 1 else pandas.MultiIndex.from_product([self.names, labels])
        return pandas.DataFrame(values.reshape(len(values), -1), self.times, columns)

    def __str__(self) -> str:
        head = ["time", *(["target"] if len(self.names) > 1 else []), "forecast"]
        lines = [[*head, *(f"{level} %" for level in self.level)]]
        for row, time in enumerate(self.times):
            for column, name in enumerate(self.names):
                ends = self.bounds[:, row, column].T
                numbers = [f"{self.points[row, column]:.5g}", *(f"{low:.5g} to {high:.5g}" for low, high in ends)]
                lines.append([str(time), *([name] if len(self.names) > 1 else []), *numbers])
        return aligned(lines)


def aligned(lines: list[list[str]]) -> str:
    """Columns of text, the first to the left, the others to the right."""
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(
            [line[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(line[1:], widths[1:], strict=True))]
        )
        for line in lines
    )


def forecast_of(
    model: Model, made: Series, h: int | None, level: Any, x: Any, future: Any, joint: bool, adapt: float
) -> Forecast:
    """See `pytrainr.series.series_model.SeriesModel.forecast`."""
    h = positive_integer(max(made.period, made.ahead) if h is None else h, "h")
    levels = as_levels(level)
    given = indexed(x) if x is not None else None
    values, index = (made.values, made.times) if given is None else (given.values, given.times)
    if values.shape[1] != made.values.shape[1]:
        raise ValueError(f"x has {values.shape[1]} columns; the series of the training had {made.values.shape[1]}.")
    if len(values) < made.lookback:
        raise ValueError(f"x has {len(values)} rows; the network looks at the last {made.lookback}.")
    coming = _coming(made, h, future)
    points = ahead_of(model, made, values, np.array([len(values)]), h, coming)[0]
    if not levels:
        return Forecast(points, np.empty((2, *points.shape, 0)), [], made.target_names, index, len(values))
    history = made.values
    same = min(len(values), len(history))
    known = len(history)
    if np.array_equal(values[:same], history[:same]):  # a shorter or a longer piece of the same history
        known = len(values)
        history = values if len(values) > len(history) else history
    calibrated = made.parts.validation.stop
    if adapt == 0:
        history = history[:calibrated]
    origins, errors = errors_within(model, made, history, h)
    half = widths_at(made, origins, errors, [max(known, calibrated)], levels, joint=joint, adapt=adapt)[0]
    bounds = np.stack([points[..., np.newaxis] - half, points[..., np.newaxis] + half])
    return Forecast(points, bounds, levels, made.target_names, index, len(values))


def errors_within(
    model: Model, made: Series, values: NDArray[np.float64], h: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How many rows were known at each origin from the validation part on, and its errors, (origins, h, targets).

    An error of a row that ``values`` does not have is NaN; it is known later than anything that asks.
    """
    first = max(made.parts.validation.start, made.lookback)
    if made.parts.validation.stop - h < first:
        part = made.parts.validation
        raise ValueError(
            f"the validation part of {part.stop - part.start} rows is too short for forecasts of {h} rows; take a "
            "smaller h, a larger part, or level=None."
        )
    origins = np.arange(first, len(values))
    return origins, actual_after(made, values, origins, h) - ahead_of(model, made, values, origins, h)


def actual_after(made: Series, values: NDArray[np.float64], origins: NDArray[np.int64], h: int) -> NDArray[np.float64]:
    """What came in the ``h`` rows after each origin, (origins, h, targets); NaN where it has not come yet."""
    padded = np.concatenate([values[:, made.target], np.full((h, len(made.target)), np.nan)])
    return padded[origins[:, np.newaxis] + np.arange(h)]


def widths_at(
    made: Series,
    origins: NDArray[np.int64],
    errors: NDArray[np.float64],
    at: Sequence[int] | NDArray[np.int64],
    level: Sequence[float],
    joint: bool,
    adapt: float,
) -> NDArray[np.float64]:
    """Half widths of forecasts made when ``at`` rows were known, (at, h, targets, levels)."""
    if not 0 <= adapt < 1:
        raise ValueError(f"adapt is {adapt!r}; it is at least 0 (not at all) and less than 1.")
    h, calibrated = errors.shape[1], made.parts.validation.stop
    size = np.abs(errors)
    if not joint:
        return half_widths(size, range(1, h + 1), origins, calibrated, at, level, adapt)
    scores, usual = joint_scores(size, slice(0, calibrated - h - int(origins[0]) + 1))
    return half_widths(scores, [h], origins, calibrated, at, level, adapt) * usual[..., np.newaxis]


def _coming(made: Series, h: int, future: Any) -> NDArray[np.float64]:
    """The next ``h`` rows as far as they are known: NaN where they are forecast."""
    coming = np.full((h, made.values.shape[1]), np.nan)
    given = [column for column in range(made.values.shape[1]) if column not in made.target]
    if not given:
        return coming
    names = [made.names[column] for column in given]
    if future is None:
        raise ValueError(f"future is missing: {', '.join(names)} are not forecast, so their next {h} rows are needed.")
    columns = [str(column) for column in future.columns] if hasattr(future, "columns") else None
    if columns is not None and set(names) <= set(columns):
        rows = numbers_of(future.iloc[:, [columns.index(name) for name in names]], "future")
    else:
        rows = numbers_of(future, "future")
        if rows.shape[1] == made.values.shape[1]:
            rows = rows[:, given]
    if rows.shape[1] != len(given) or len(rows) < h:
        raise ValueError(
            f"future has {len(rows)} rows and {rows.shape[1]} columns; it is to have {h} rows of {', '.join(names)}, "
            "or of all columns of the series."
        )
    wrong = np.flatnonzero(~np.isfinite(rows[:h]).all(axis=1))
    if wrong.size:
        raise ValueError(f"future has missing or infinite values in row {wrong[0]} (from 0).")
    coming[:, given] = rows[:h]
    return coming
