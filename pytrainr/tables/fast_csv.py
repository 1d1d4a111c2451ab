"""Large CSV files by pyarrow, polars or pandas, where one is installed: a matter of speed alone.

A library is asked only where it reads the file as the built-in reader would; whatever it stumbles over (a gap, a text
where a number should be, a row too short) is left to the built-in reader, which then finds the words for it.
"""

from __future__ import annotations

import importlib.util
import io
import re
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

__all__ = ["LIBRARIES", "read"]

WORTH_IT = 4_000_000  # bytes; below, importing a library takes longer than reading
Columns = tuple[list[Any], list[Any]]


class File(Protocol):
    """What it needs to know of a file; see ``csv_file.CsvFile``."""

    @property
    def data(self) -> bytes: ...
    @property
    def start(self) -> int: ...
    @property
    def names(self) -> list[str]: ...
    @property
    def named(self) -> int: ...
    @property
    def delimiter(self) -> str: ...
    @property
    def decimal(self) -> str | None: ...


def read(file: File, number_places: Sequence[int], text_places: Sequence[int]) -> Columns | None:
    """The columns of numbers as arrays and the others as lists of texts, or None: read it without a library."""
    if len(file.data) - file.start < WORTH_IT or len(file.names) != file.named:
        return None
    if set(number_places) & set(text_places):
        return None  # a library gives a column one type
    data = _without_quotes(file.data[file.start :], file)
    # Comments, quotes and lone carriage returns are where readers differ.
    if b'"' in data or (b"#" in data and re.search(rb"^#", data, re.MULTILINE)):
        return None
    if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
        return None
    name = next((name for name in LIBRARIES if name in sys.modules), None)
    name = name or next((name for name in LIBRARIES if importlib.util.find_spec(name)), None)
    if name is None:
        return None
    marks = [file.decimal] if file.decimal else [".", ","] if file.delimiter == ";" else ["."]
    for mark in marks:
        try:
            found = LIBRARIES[name](data, file.delimiter, mark, len(file.names), number_places, text_places)
        except Exception:  # each library has errors of its own; whatever it is, the built-in reader looks into it
            continue
        if found is not None and _is_whole(found, data, file):
            return found
    return None


def _without_quotes(data: bytes, file: File) -> bytes:
    """The data without quotes around cells that mean the same without, as R's ``write.csv`` puts them around texts."""
    if b'"' not in data or len(file.names) == 1:  # of one column, an empty cell would become a blank line
        return data
    mark = re.escape(file.delimiter.encode())
    quoted = rb'(?:(?<=[%b\r\n])|\A)"([^"\r\n%b]*)"(?=[%b\r\n]|\Z)' % (mark, mark, mark)
    return re.sub(quoted, rb"\1", data)


def _is_whole(found: Columns, data: bytes, file: File) -> bool:
    """Whether all numbers are finite and no row was longer or shorter than the others."""
    arrays, texts = found
    rows = len((arrays + texts)[0])
    return (
        data.count(file.delimiter.encode()) == rows * (len(file.names) - 1)
        and all(len(column) == rows for column in arrays + texts)
        and all(array.dtype == np.float64 and bool(np.isfinite(array).all()) for array in arrays)
        and not any(None in column for column in texts)
    )


def _by_pyarrow(
    data: bytes, delimiter: str, decimal: str, width: int, number_places: Sequence[int], text_places: Sequence[int]
) -> Columns:
    import pyarrow
    from pyarrow import csv

    names = [str(place) for place in range(width)]
    numbers, texts = [names[place] for place in number_places], [names[place] for place in text_places]
    table = csv.read_csv(
        pyarrow.BufferReader(data),
        read_options=csv.ReadOptions(column_names=names),
        parse_options=csv.ParseOptions(delimiter=delimiter),
        convert_options=csv.ConvertOptions(
            column_types={**dict.fromkeys(numbers, pyarrow.float64()), **dict.fromkeys(texts, pyarrow.string())},
            include_columns=list(dict.fromkeys(numbers + texts)),
            null_values=[],
            decimal_point=decimal,
        ),
    )
    return [table[name].to_numpy() for name in numbers], [table[name].to_pylist() for name in texts]


def _by_polars(
    data: bytes, delimiter: str, decimal: str, width: int, number_places: Sequence[int], text_places: Sequence[int]
) -> Columns | None:
    import polars

    if decimal != ".":
        return None
    names = [str(place) for place in range(width)]
    numbers, texts = [names[place] for place in number_places], [names[place] for place in text_places]
    frame = polars.read_csv(
        io.BytesIO(data),
        has_header=False,
        separator=delimiter,
        schema={name: polars.Float64 if name in numbers else polars.String for name in names},
        columns=sorted({*number_places, *text_places}),
    )
    return [frame[name].to_numpy() for name in numbers], [frame[name].to_list() for name in texts]


def _by_pandas(
    data: bytes, delimiter: str, decimal: str, width: int, number_places: Sequence[int], text_places: Sequence[int]
) -> Columns | None:
    import pandas

    last = width - 1
    places = sorted({*number_places, *text_places, last})
    kinds = {place: "float64" if place in number_places else "object" for place in places}

    def frame(kind: str) -> Any:
        return pandas.read_csv(
            io.BytesIO(data),
            header=None,
            names=list(range(width)),
            index_col=False,
            usecols=places,
            sep=delimiter,
            decimal=decimal,
            dtype={**kinds, last: kind},
            keep_default_na=False,
            na_filter=False,
            float_precision="round_trip",
        )

    # pandas does not say where a row is too short. Where the last column has no blank none is, and by the number of
    # delimiters none is too long either.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # float_precision is deprecated where the default has become exact
        try:
            found = frame(kinds[last] if last in text_places else "float64")
        except ValueError:
            found = frame(kinds[last])
    if found[last].dtype != "float64" and (found[last].isna() | (found[last] == "")).any():
        return None
    return [found[place].to_numpy() for place in number_places], [found[place].tolist() for place in text_places]


LIBRARIES: dict[str, Callable[..., Columns | None]] = {
    "pyarrow": _by_pyarrow,
    "polars": _by_polars,
    "pandas": _by_pandas,
}
"""The readers, the fastest first; one that is imported already is preferred."""
