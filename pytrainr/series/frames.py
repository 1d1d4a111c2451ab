"""A series with its index: pandas' frequency in, the same frequency out. Nothing here needs pandas to be installed."""

from __future__ import annotations

import re
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytrainr.arguments import unmasked
from pytrainr.series.windows import as_series

__all__ = ["Index", "Indexed", "indexed", "numbers_of", "shaped"]

# How many rows a season has, by the first part of pandas' frequency: months of a year, days of a week, hours of a day.
_FREQUENCY = re.compile(r"(\d*)(.*)")
_SEASONS = {
    **dict.fromkeys(("M", "ME", "MS", "BME", "BMS"), 12),
    **dict.fromkeys(("Q", "QE", "QS", "BQE", "BQS"), 4),
    **{"W": 52, "D": 7, "B": 5, "h": 24, "H": 24, "min": 1440, "T": 1440},
}


class Index(NamedTuple):
    """Where a series stands in time, as plain values, so that a model file can keep it.

    Attributes:
        kind: ``"datetime"``, ``"period"`` or ``"range"`` of pandas; ``""`` for an array, which has no index.
        start: the first entry, as text (``"range"``: a whole number).
        frequency: pandas' name of it, such as ``"MS"`` (``"range"``: the step).
        zone: the time zone, or ``""``.
        name: the name of the index, or ``""``.
    """

    kind: str = ""
    start: str = ""
    frequency: str = ""
    zone: str = ""
    name: str = ""

    @classmethod
    def of(cls, index: Any) -> Index:
        """Of a pandas index. Raises ``ValueError`` where it has no frequency that goes on after its end."""
        import pandas

        name = "" if index.name is None else str(index.name)
        if isinstance(index, pandas.PeriodIndex):
            _follow(index, pandas.period_range(index[0], periods=len(index), freq=index.freq))
            return cls("period", str(index[0]), index.freqstr, "", name)
        if isinstance(index, pandas.DatetimeIndex):
            frequency = index.freq
            if frequency is None and len(index) > 2 and index.is_monotonic_increasing and index.is_unique:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # text today, an offset in pandas 4: both are understood below
                    frequency = pandas.infer_freq(index)
            if frequency is None:
                raise ValueError(
                    "x has an index of times without a frequency (rows are missing, repeated or out of order); "
                    "x.asfreq('D'), or 'MS', 'h', ..., makes one, and x.interpolate() fills what it left open."
                )
            zone = "" if index.tz is None else str(index.tz)
            return cls(
                "datetime", index[0].isoformat(), pandas.tseries.frequencies.to_offset(frequency).freqstr, zone, name
            )
        if pandas.api.types.is_integer_dtype(index.dtype):
            steps = np.unique(np.diff(np.asarray(index))) if len(index) > 1 else np.array([1])
            if len(steps) != 1 or steps[0] < 1:
                raise ValueError(
                    "x has an index of whole numbers that do not increase in equal steps; sort it and fill it in."
                )
            return cls("range", str(int(index[0])), str(int(steps[0])), "", name)
        raise ValueError(
            f"x has an index of {index.dtype}; a series has a DatetimeIndex, a PeriodIndex or whole numbers."
        )

    def rows(self, first: int, stop: int) -> Any:
        """The pandas index of the rows ``first`` to ``stop - 1``, beyond the end of the series too."""
        import pandas

        name = self.name or None
        if self.kind == "period":
            return pandas.period_range(self.start, periods=stop, freq=self.frequency, name=name)[first:]
        if self.kind == "datetime":
            start = pandas.Timestamp(self.start)
            if self.zone:
                start = start.tz_convert(self.zone)
            return pandas.date_range(start, periods=stop, freq=self.frequency, name=name)[first:]
        begin, step = int(self.start or 0), int(self.frequency or 1)
        return pandas.RangeIndex(begin + first * step, begin + stop * step, step, name=name)

    @property
    def season(self) -> int:
        """How many rows a season has: 12 of monthly values; 1 where that is not known."""
        count, letters = _FREQUENCY.fullmatch(self.frequency.partition("-")[0]).groups()  # type: ignore[union-attr]
        season, rows = _SEASONS.get(letters, 1), int(count or 1)
        return season // rows if self.kind in ("datetime", "period") and season % rows == 0 else 1


def _follow(index: Any, expected: Any) -> None:
    if not index.equals(expected):
        raise ValueError(
            "x has an index of periods that do not follow each other; sort it and fill in what is missing."
        )


class Indexed(NamedTuple):
    """A series as numbers, with what its table said of it.

    Attributes:
        values: (rows, variables), finite.
        names: (variables,), of the columns; ``x1``, ``x2``, ... where there are none.
        times: where it stands in time.
    """

    values: NDArray[np.float64]
    names: list[str]
    times: Index


def indexed(x: Any, name: str = "x") -> Indexed:
    """``x`` as numbers: a pandas Series or DataFrame, or an array (rows, variables) or (rows,).

    Raises:
        ValueError: no numbers, missing or infinite ones, or an index without a frequency.
    """
    values = numbers_of(x, name)
    wrong = np.flatnonzero(~np.isfinite(values).all(axis=1))
    if wrong.size:
        raise ValueError(
            f"{name} has {wrong.size} rows with missing or infinite values, the first is row {wrong[0]} (from 0); "
            "fill them in."
        )
    index = Index.of(x.index) if _is_pandas(x) else Index()
    return Indexed(values, _names(x, values.shape[1]), index)


def shaped(values: NDArray[np.float64], names: list[str], index: Index, first: int) -> Any:
    """(rows, variables) as the series came: a pandas object that begins at its row ``first``, or an array.

    One variable is a Series, or an array (rows,).
    """
    if not index.kind:
        return values[:, 0] if values.shape[1] == 1 else values
    import pandas

    times = index.rows(first, first + len(values))
    if values.shape[1] == 1:
        return pandas.Series(values[:, 0], times, name=names[0])
    return pandas.DataFrame(values, times, names)


def numbers_of(x: Any, name: str) -> NDArray[np.float64]:
    """``x`` as (rows, variables) float64, whatever it holds them in."""
    try:
        return as_series(np.asarray(unmasked(x), dtype=np.float64), name)
    except (TypeError, ValueError) as problem:
        if "is (rows, variables)" in str(problem):
            raise
        raise ValueError(f"{name} is to be a series of numbers: {problem}") from None


def _is_pandas(x: Any) -> bool:
    return type(x).__module__.partition(".")[0] == "pandas"


def _names(x: Any, count: int) -> list[str]:
    if hasattr(x, "columns"):
        return [str(column) for column in x.columns]
    if count == 1 and getattr(x, "name", None) is not None:
        return [str(x.name)]
    return [f"x{k + 1}" for k in range(count)]
