"""From a table, one row per sample and time, to the 3-D arrays that `trainr` takes."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytrainr.tables.columns import open_columns
from pytrainr.tables.times import moments, skipped
from pytrainr.tables.values import is_missing, numbers

__all__ = ["Table", "trainr_table"]

ABSENT = -1


class Table(NamedTuple):
    """What `trainr_table` built; ``trainr(table.Y, table.X)`` trains on it.

    Attributes:
        Y: (samples, time, outputs) or None where no ``y`` was asked for.
        X: (samples, time, inputs).
        samples: the samples' names, in the order of the first dimension.
        times: the times of the second dimension; those of the first of the longest samples where each has its own.
        y, x: the columns, in the order of the third dimension.
        rows: (samples, time), the table's row (from 0) of each step; -1 where a sample has none, and X and Y are NaN.
        breaks: places in ``times`` before which time was left out; for `pytrainr.series.windows`.
        row_times: the time of each row of the table, as written there.
    """

    Y: NDArray[np.float64] | None
    X: NDArray[np.float64]
    samples: list[Any]
    times: list[Any]
    y: list[str]
    x: list[str]
    rows: NDArray[np.int64]
    breaks: NDArray[np.int64]
    row_times: Sequence[Any]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """(samples,), how many rows each sample has."""
        return (self.rows != ABSENT).sum(axis=1)

    def __str__(self) -> str:
        lines = [f"X {self.X.shape}: {len(self.samples)} samples x {len(self.times)} times x {', '.join(self.x)}"]
        if self.Y is not None:
            lines.append(f"Y {self.Y.shape}: the same samples and times x {', '.join(self.y)}")
        lines.append(f"samples {_few(self.samples)}; times {_few(self.times)}")
        if (self.rows == ABSENT).any():
            shortest, longest = self.lengths.min(), self.lengths.max()
            lines.append(
                f"samples have {shortest} to {longest} rows; where one has none X and Y are NaN, for "
                "trainr(exact=True, mask='nan')"
            )
        if self.breaks.size:
            count, first = self.breaks.size, self.breaks[0]
            lines.append(
                f"time is left out {count} time{'s' * (count > 1)}, first between {self.times[first - 1]} and "
                f"{self.times[first]}"
            )
        return "\n".join(lines)


def trainr_table(
    data: Any,
    y: Any = None,
    x: Any = None,
    sample: Any = None,
    time: Any = None,
    aligned: bool = True,
    quiet: bool = False,
    pad: bool = False,
    encoding: str | None = None,
    decimal: str | None = None,
) -> Table:
    """Build the arrays for `trainr` from a table with one row per sample and time, in any order of rows.

    It stands where other R functions have a formula: ``trainr_table(data, y="temp", x=["wind", "rain"],
    sample="station", time="day")``.

    Args:
        data: path of a CSV file, a data frame (pandas, polars, pyarrow), or a mapping from a column's name to its
            values. Of a file, delimiter, decimal commas (beside semicolons) and comments are found out; a large one is
            read by pyarrow, polars or pandas where one is installed, with the same result.
        y: column or columns to learn; none for prediction.
        x: columns to learn from; every other column where not given. No other columns are read.
        sample: column that says which sample a row belongs to; without it, all rows are one sample.
        time: column to sort each sample's rows by, numbers or ISO dates; without it, rows stay in their order.
        aligned: each sample must have the same times. With False only the number of rows must agree.
        quiet: do not say on the standard error what was built.
        pad: samples may have different numbers of rows, for ``trainr(exact=True, mask="nan")``: where a sample has no
            row for a time (with ``aligned=False``: after its last row) X and Y are NaN.
        encoding: of a file that is not UTF-8, such as ``"cp1252"``.
        decimal: the decimal mark of a file, ``"."`` or ``","``, where it cannot be told.

    Returns:
        `Table`; printing it says what was built.

    Raises:
        ValueError: an unknown column, a text or a gap where a number is needed, two rows for the same sample and time,
            or samples with different times; the message names column and row (1 is the first below the header).
    """
    columns = open_columns(data, encoding, decimal)
    outputs = columns.find("y", y)
    sample_place, time_place = columns.find_one("sample", sample), columns.find_one("time", time)
    key_places = [place for place in (sample_place, time_place) if place is not None]
    inputs = columns.others([*outputs, *key_places]) if x is None else columns.find("x", x)
    if not inputs:
        raise ValueError("x is empty: name at least one column to learn from.")
    number_places = list(dict.fromkeys([*outputs, *inputs]))
    read, key_columns, mark = columns.read(number_places, key_places)
    rows = len(read[0])
    if rows == 0:
        raise ValueError("the table has no rows.")
    found = {
        place: numbers(columns.names[place], values, mark) for place, values in zip(number_places, read, strict=True)
    }
    key_values = dict(zip(key_places, key_columns, strict=True))
    samples: list[Any] = ["all"]
    owners = np.zeros(rows, np.int64)
    if sample_place is not None:
        samples, owners = _samples(columns.names[sample_place], key_values[sample_place])
    places = _places_within(owners)
    when: NDArray[Any] = places
    row_times: Sequence[Any] = (places + 1).tolist()
    if time_place is not None:
        when = moments(columns.names[time_place], key_values[time_place])
        row_times = _shown(key_values[time_place])
    index = _arrange(samples, owners, when, row_times, aligned, pad)

    complete = index.max(axis=0) if aligned else index[int(np.argmax((index != ABSENT).sum(axis=1)))]
    table = Table(
        Y=_cube([found[place] for place in outputs], index) if outputs else None,
        X=_cube([found[place] for place in inputs], index),
        samples=samples,
        times=list(map(row_times.__getitem__, complete.tolist())),
        y=[columns.names[place] for place in outputs],
        x=[columns.names[place] for place in inputs],
        rows=index,
        breaks=skipped(when[complete]) if time_place is not None else np.empty(0, np.int64),
        row_times=row_times,
    )
    if not quiet:
        print(f"trainr_table: {rows} rows became\n{table}", file=sys.stderr)
    return table


def _cube(columns: list[NDArray[np.float64]], index: NDArray[np.int64]) -> NDArray[np.float64]:
    """(samples, time, variables) of the columns' rows, NaN where there is none."""
    cube = np.stack([column[index] for column in columns], axis=2)
    cube[index == ABSENT] = np.nan
    return cube


def _samples(name: str, values: Sequence[Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """The samples in the order in which they appear, and each row's place among them."""
    listed = values.tolist() if isinstance(values, np.ndarray) else list(values)
    places: dict[Any, int] = {}
    try:
        owners = np.array([places.setdefault(value, len(places)) for value in listed], dtype=np.int64)
    except TypeError:
        strange = next(value for value in listed if value.__hash__ is None)
        raise ValueError(f"column {name!r} has {strange!r}, which is no name of a sample.") from None
    missing = [place for value, place in places.items() if is_missing(value)]
    if missing:
        row = int(np.flatnonzero(np.isin(owners, missing))[0])
        raise ValueError(f"column {name!r} has no value in row {row + 1}.")
    return list(places), owners


def _places_within(owners: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each row its place, from 0, among the rows of its sample."""
    order = np.argsort(owners, kind="stable")
    counts = np.bincount(owners)
    places = np.empty(len(owners), np.int64)
    places[order] = np.arange(len(owners)) - np.repeat(np.cumsum(counts) - counts, counts)
    return places


def _shown(values: Sequence[Any]) -> Sequence[Any]:
    """Times as one would write them: dates without the time of day where all are at midnight."""
    if isinstance(values, np.ndarray) and values.dtype.kind == "M":
        days = values.astype("datetime64[D]")
        return np.datetime_as_string(days if (days == values).all() else values).tolist()
    return values.tolist() if isinstance(values, np.ndarray) else values


def _arrange(
    samples: list[Any],
    owners: NDArray[np.int64],
    when: NDArray[Any],
    shown: Sequence[Any],
    aligned: bool,
    pad: bool,
) -> NDArray[np.int64]:
    """(samples, time), the row of each, `ABSENT` where there is none.

    Raises ``ValueError`` for rows that repeat a sample's time, and without ``pad`` for samples whose times are not
    those of the others.
    """
    order = np.lexsort((when, owners))
    same = (owners[order][1:] == owners[order][:-1]) & (when[order][1:] == when[order][:-1])
    if same.any():
        first = int(np.flatnonzero(same)[0])
        one, other = sorted((int(order[first]), int(order[first + 1])))
        raise ValueError(
            f"sample {samples[owners[one]]!r} has time {shown[other]} twice: rows {one + 1} and {other + 1}."
        )
    counts = np.bincount(owners)
    sorted_owners = owners[order]
    places = np.arange(len(order)) - np.repeat(np.cumsum(counts) - counts, counts)
    if pad and aligned:
        places = np.unique(when, return_inverse=True)[1].reshape(-1)[order]
    index = np.full((len(samples), int(places.max()) + 1), ABSENT, np.int64)
    index[sorted_owners, places] = order
    if not pad and ((counts != counts[0]).any() or (aligned and (when[index] != when[index[0]]).any())):
        raise _unlike(samples, np.split(order, np.cumsum(counts)[:-1]), when, shown, aligned)
    return index


def _unlike(
    samples: list[Any], order: Sequence[NDArray[np.int64]], when: NDArray[Any], shown: Sequence[Any], aligned: bool
) -> ValueError:
    """The first sample whose times are not those of most others, and how they differ."""
    counts = Counter(len(rows) for rows in order)
    usual = max(counts, key=lambda count: (counts[count], count))
    pattern = next(rows for rows in order if len(rows) == usual)
    expected = {when[row]: shown[row] for row in pattern}
    for name, rows in zip(samples, order, strict=True):  # noqa: B007 - the one at which the loop ends is named below
        here = {when[row]: shown[row] for row in rows}
        absent = [expected[moment] for moment in expected if moment not in here]
        beyond = [here[moment] for moment in here if moment not in expected]
        if len(rows) != usual or (aligned and (absent or beyond)):
            break
    lacks = f"; it lacks time {_few(absent)}" if absent else ""
    has = f"; only it has time {_few(beyond)}" if beyond else ""
    hints = ["" if len(rows) != usual else "aligned=False if each sample has times of its own"]
    hints.append("pad=True, --pad, for exact training on samples of different length")
    return ValueError(
        f"sample {name!r} has {len(rows)} rows, others have {usual}{lacks}{has}. Every sample needs the same "
        f"times ({'; '.join(filter(None, hints))})."
    )


def _few(items: Sequence[Any]) -> str:
    texts = [str(item) for item in items]
    return ", ".join(texts) if len(texts) <= 4 else f"{texts[0]}, {texts[1]}, ..., {texts[-1]}"
