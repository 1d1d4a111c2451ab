"""From a table, one row per sample and time, to the 3-D arrays that `trainr` takes."""

from __future__ import annotations

import csv
import os
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Table", "read_columns", "trainr_table"]

MISSING = {"", "NA", "NaN", "nan", "None", "null"}


class Table(NamedTuple):
    """What `trainr_table` built; ``trainr(table.Y, table.X)`` trains on it.

    Attributes:
        Y: (samples, time, outputs) or None where no ``y`` was asked for.
        X: (samples, time, inputs).
        samples: the samples' names, in the order of the first dimension.
        times: the times of the first sample, in the order of the second dimension.
        y, x: the columns, in the order of the third dimension.
    """

    Y: NDArray[np.float64] | None
    X: NDArray[np.float64]
    samples: list[Any]
    times: list[Any]
    y: list[str]
    x: list[str]

    def __str__(self) -> str:
        lines = [f"X {self.X.shape}: {len(self.samples)} samples x {len(self.times)} times x {', '.join(self.x)}"]
        if self.Y is not None:
            lines.append(f"Y {self.Y.shape}: the same samples and times x {', '.join(self.y)}")
        lines.append(f"samples {_few(self.samples)}; times {_few(self.times)}")
        return "\n".join(lines)


def trainr_table(
    data: Any,
    y: str | Sequence[str] | None = None,
    x: str | Sequence[str] | None = None,
    sample: str | None = None,
    time: str | None = None,
    aligned: bool = True,
    quiet: bool = False,
) -> Table:
    """Build the arrays for `trainr` from a table with one row per sample and time, in any order of rows.

    It stands where other R functions have a formula: ``trainr_table(data, y="temp", x=["wind", "rain"],
    sample="station", time="day")``.

    Args:
        data: path of a CSV file, a pandas DataFrame, or a mapping from a column's name to its values.
        y: column or columns to learn; none for prediction.
        x: columns to learn from; every other column where not given.
        sample: column that says which sample a row belongs to; without it, all rows are one sample.
        time: column to sort each sample's rows by, numbers or ISO dates; without it, rows stay in their order.
        aligned: each sample must have the same times. With False only the number of rows must agree.
        quiet: do not say on the standard error what was built.

    Returns:
        `Table`; printing it says what was built.

    Raises:
        ValueError: an unknown column, a text or a gap where a number is needed, two rows for the same sample and time,
            or samples with different times; the message names column and row (1 is the first below the header).
    """
    columns = read_columns(data)
    outputs = _names(y)
    keys = [name for name in (sample, time) if name is not None]
    inputs = [name for name in columns if name and name not in [*outputs, *keys]] if x is None else _names(x)
    for role, names in (("y", outputs), ("x", inputs), ("sample", _names(sample)), ("time", _names(time))):
        for name in names:
            if name not in columns:
                raise ValueError(f"{role}={name!r} is not a column; the table has {', '.join(map(repr, columns))}.")
    if not inputs:
        raise ValueError("x is empty: name at least one column to learn from.")
    rows = len(columns[inputs[0]])
    for name, values in columns.items():
        if len(values) != rows:
            raise ValueError(f"column {name!r} has {len(values)} rows and column {inputs[0]!r} has {rows}.")
    if rows == 0:
        raise ValueError("the table has no rows.")

    owners = list(columns[sample]) if sample is not None else ["all"] * rows
    moments: NDArray[Any] = _moments(time, columns[time]) if time is not None else _place_within(owners)
    shown = columns[time] if time is not None else [int(place) + 1 for place in moments]
    members: dict[Any, list[int]] = {}
    for row, owner in enumerate(owners):
        if _is_missing(owner):
            raise ValueError(f"column {sample!r} has no value in row {row + 1}.")
        members.setdefault(owner, []).append(row)

    order = [sorted(members[name], key=moments.__getitem__) for name in members]
    _check_times(list(members), order, moments, shown, aligned)
    index = np.array(order)
    table = Table(
        Y=np.stack([_numbers(name, columns[name])[index] for name in outputs], axis=2) if outputs else None,
        X=np.stack([_numbers(name, columns[name])[index] for name in inputs], axis=2),
        samples=list(members),
        times=[shown[row] for row in order[0]],
        y=outputs,
        x=inputs,
    )
    if not quiet:
        print(f"trainr_table: {rows} rows became\n{table}", file=sys.stderr)
    return table


def read_columns(data: Any) -> dict[str, Sequence[Any]]:
    """A table's columns by name: of a CSV file (comma, semicolon or tab), a DataFrame or a mapping."""
    if isinstance(data, (str, os.PathLike)):
        return _read_csv(data)
    if isinstance(data, Mapping):
        return {str(name): list(values) for name, values in data.items()}
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):
        return {str(name): list(data[name]) for name in data.columns}
    raise TypeError(
        f"data is a {type(data).__name__}; give the path of a CSV file, a pandas DataFrame or a mapping from a "
        "column's name to its values."
    )


def _read_csv(path: str | os.PathLike[str]) -> dict[str, Sequence[Any]]:
    with open(path, newline="", encoding="utf-8-sig") as file:
        header = file.readline()
        if not header.strip():
            raise ValueError(f"{os.fspath(path)} is empty; its first line is to name the columns.")
        delimiter = max(",;\t", key=header.count)
        names = next(csv.reader([header], delimiter=delimiter))
        repeated = sorted({name for name in names if names.count(name) > 1})
        if repeated:
            raise ValueError(f"{os.fspath(path)} has more than one column named {', '.join(map(repr, repeated))}.")
        columns: dict[str, list[str]] = {name: [] for name in names}
        for row, cells in enumerate(csv.reader(file, delimiter=delimiter), start=1):
            if not cells:
                continue
            if len(cells) != len(names):
                raise ValueError(
                    f"{os.fspath(path)}: row {row} has {len(cells)} cells; the header names {len(names)} columns."
                )
            for name, cell in zip(names, cells, strict=True):
                columns[name].append(cell)
    return dict(columns)


def _names(columns: str | Sequence[str] | None) -> list[str]:
    if columns is None:
        return []
    return [columns] if isinstance(columns, str) else [str(name) for name in columns]


def _is_missing(value: Any) -> bool:
    if isinstance(value, str):
        return value.strip() in MISSING
    return value is None or value != value


def _numbers(name: str, values: Sequence[Any]) -> NDArray[np.float64]:
    """The column as numbers; the error names the first row that is none."""
    try:
        numbers = np.array(values, dtype=np.float64)
    except (TypeError, ValueError):
        numbers = np.full(len(values), np.nan)
        for row, value in enumerate(values):
            if _is_missing(value):
                continue
            try:
                numbers[row] = float(value)
            except (TypeError, ValueError):
                raise ValueError(
                    f"column {name!r} has {value!r} in row {row + 1}, which is no number; "
                    "leave the column out of x and y or code it as numbers."
                ) from None
    gaps = np.flatnonzero(~np.isfinite(numbers))
    if gaps.size:
        more = f" (and {gaps.size - 1} more)" if gaps.size > 1 else ""
        raise ValueError(
            f"column {name!r} has {values[gaps[0]]!r} in row {gaps[0] + 1}{more}; fill the gap or drop that sample."
        )
    return numbers


def _moments(name: str, values: Sequence[Any]) -> NDArray[Any]:
    """The time column as something that sorts: numbers, or dates."""
    for row, value in enumerate(values):
        if _is_missing(value):
            raise ValueError(f"column {name!r} has no value in row {row + 1}.")
    for kind in (np.float64, "datetime64[ns]"):
        try:
            return np.array(values, dtype=kind)
        except (TypeError, ValueError):
            continue
    strange = next(value for value in values if not _is_number(value))
    raise ValueError(f"column {name!r} has {strange!r}, which is no time; give numbers or dates such as 2024-05-31.")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _place_within(owners: list[Any]) -> NDArray[np.int64]:
    """For each row its place, from 0, among the rows of its sample."""
    seen: dict[Any, int] = {}
    places = []
    for owner in owners:
        seen[owner] = seen.get(owner, -1) + 1
        places.append(seen[owner])
    return np.array(places)


def _check_times(
    samples: list[Any], order: list[list[int]], moments: NDArray[Any], shown: Sequence[Any], aligned: bool
) -> None:
    """Refuse rows that repeat a sample's time, and samples whose times are not those of the others."""
    for name, rows in zip(samples, order, strict=True):
        for first, second in pairwise(rows):
            if moments[first] == moments[second]:
                raise ValueError(f"sample {name!r} has time {shown[second]} twice: rows {first + 1} and {second + 1}.")
    counts = Counter(len(rows) for rows in order)
    usual = max(counts, key=lambda count: (counts[count], count))
    pattern = next(rows for rows in order if len(rows) == usual)
    expected = {moments[row]: shown[row] for row in pattern}
    for name, rows in zip(samples, order, strict=True):
        here = {moments[row]: shown[row] for row in rows}
        absent = [expected[moment] for moment in expected if moment not in here]
        beyond = [here[moment] for moment in here if moment not in expected]
        if len(rows) != usual or (aligned and (absent or beyond)):
            lacks = f"; it lacks time {_few(absent)}" if absent else ""
            has = f"; only it has time {_few(beyond)}" if beyond else ""
            hint = "" if len(rows) != usual else " (aligned=False if each sample has times of its own)"
            raise ValueError(
                f"sample {name!r} has {len(rows)} rows, others have {usual}{lacks}{has}. Every sample needs the same "
                f"times{hint}."
            )


def _few(items: Sequence[Any]) -> str:
    texts = [str(item) for item in items]
    return ", ".join(texts) if len(texts) <= 4 else f"{texts[0]}, {texts[1]}, ..., {texts[-1]}"
