"""The columns of a table by name, wherever it comes from: a CSV file, a data frame, a mapping."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pytrainr.tables.csv_file import open_csv

__all__ = ["Columns", "open_columns"]


class Columns:
    """A table of which nothing but the names has been read.

    ``names`` are the columns in order. ``read(number_places, text_places)`` returns the columns that are to be numbers,
    those that are to stay as they are, and the decimal mark of the former.
    """

    def __init__(self, names: Sequence[str], read: Callable[[Sequence[int], Sequence[int]], tuple[list, list, str]]):
        self.names = list(names)
        self.read = read

    def find(self, role: str, wanted: Any) -> list[int]:
        """The places of the columns that the argument ``role`` names, one or several.

        A name is looked for as it is written, and if there is none, without the spaces around it. Raises
        ``ValueError`` for one that no column or more than one has.
        """
        return [self._place(role, name) for name in listed(wanted)]

    def find_one(self, role: str, wanted: Any) -> int | None:
        """The place of the one column that ``role`` names, None where it names none."""
        places = self.find(role, wanted)
        if len(places) > 1:
            raise ValueError(f"{role} is {listed(wanted)}; it is one column.")
        return places[0] if places else None

    def others(self, taken: Sequence[int]) -> list[int]:
        """Every column with a name that is not among ``taken``."""
        places = [place for place, name in enumerate(self.names) if name and place not in taken]
        for place in places:
            self._place("x", self.names[place])
        return places

    def _place(self, role: str, name: str) -> int:
        places = [place for place, known in enumerate(self.names) if known == name]
        if not places:
            places = [place for place, known in enumerate(self.names) if known.strip() == name.strip()]
        if not places:
            known = ", ".join(repr(known) for known in self.names if known)
            raise ValueError(f"{role}={name!r} is not a column; the table has {known}.")
        if len(places) > 1:
            raise ValueError(
                f"{role}={name!r} names {len(places)} columns of the table (columns {_one_based(places)}); rename "
                "them, each to a name of its own."
            )
        return places[0]


def _one_based(places: Sequence[int]) -> str:
    return ", ".join(str(place + 1) for place in places)


def listed(wanted: Any) -> list[str]:
    """Names of columns as texts: none, one, or a list of them; names may be numbers, as in data frames."""
    if wanted is None:
        return []
    several = isinstance(wanted, (list, tuple, set, frozenset, np.ndarray)) or hasattr(wanted, "tolist")
    return [str(name) for name in wanted] if several and np.ndim(wanted) else [str(wanted)]


def open_columns(data: Any, encoding: str | None = None, decimal: str | None = None) -> Columns:
    """The columns of a CSV file's path, of a data frame (pandas, polars, pyarrow) or of a mapping."""
    if isinstance(data, Columns):
        return data
    if isinstance(data, (str, os.PathLike)):
        file = open_csv(data, encoding, decimal)
        return Columns(file.names, file.read)
    if encoding is not None or decimal is not None:
        raise ValueError("encoding and decimal are for CSV files; this table has been read already.")
    if isinstance(data, Mapping):
        names, values = [str(name) for name in data], [_values(column) for column in data.values()]
        for name, column in zip(names, values, strict=True):
            if len(column) != len(values[0]):
                raise ValueError(
                    f"column {name!r} has {len(column)} rows and column {names[0]!r} has {len(values[0])}."
                )
        return _in_memory(names, values.__getitem__)
    if hasattr(data, "column_names") and hasattr(data, "column"):  # a pyarrow.Table
        return _in_memory([str(name) for name in data.column_names], lambda place: _values(data.column(place)))
    if hasattr(data, "iloc") and hasattr(data, "columns"):  # a pandas.DataFrame, whose names may come twice
        return _in_memory([str(name) for name in data.columns], lambda place: _values(data.iloc[:, place]))
    if hasattr(data, "columns") and hasattr(data, "__getitem__"):  # a polars.DataFrame
        names = list(data.columns)
        return _in_memory([str(name) for name in names], lambda place: _values(data[names[place]]))
    raise TypeError(
        f"data is a {type(data).__name__}; give the path of a CSV file, a data frame or a mapping from a column's name "
        "to its values."
    )


def _in_memory(names: list[str], column: Callable[[int], Any]) -> Columns:
    def read(number_places: Sequence[int], text_places: Sequence[int]) -> tuple[list, list, str]:
        return [column(place) for place in number_places], [column(place) for place in text_places], "."

    return Columns(names, read)


def _values(column: Any) -> Any:
    """A column as an array of numbers or times where its library has one, else as a list; gaps stay gaps."""
    if isinstance(column, (list, tuple, np.ma.MaskedArray)):
        return column
    kind = getattr(column, "dtype", None)
    if getattr(kind, "tz", None) is not None and hasattr(column, "dt"):
        column = column.dt.tz_convert("UTC").dt.tz_localize(None)
    if hasattr(column, "to_numpy"):
        array = column.to_numpy()
        return array if array.dtype.kind in "iufbmM" else list(column)
    if isinstance(column, np.ndarray) and column.dtype.kind in "iufbmM":
        return column
    return list(column)
