"""A column's values as numbers, or the error that names the column and the row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrainr.arguments import unmasked

__all__ = ["MISSING", "decimal_mark", "is_missing", "is_number", "numbers"]

MISSING = frozenset(
    ("", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-NaN", "-nan", "NaT", "None", "NULL", "null")
)
"""Cells that mean "no value", those of R's and pandas' files."""

_DECIMAL_COMMA = re.compile(r"\s*[+-]?(?:\d+,\d*|,\d+)(?:[eE][+-]?\d+)?\s*")
_GROUPED = re.compile(r"\s*[+-]?[1-9]\d{0,2}(?:,\d{3})+\s*")


def is_missing(value: Any) -> bool:
    """Whether a cell has no value: an empty text or one of `MISSING`, None, NaN, NaT, ``pandas.NA``, a masked entry."""
    if isinstance(value, str):
        return value.strip() in MISSING
    if value is None or value is np.ma.masked or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, (float, np.floating, np.datetime64, np.timedelta64)):
        return bool(value != value)
    return False


def is_number(text: str) -> bool:
    """Whether a cell is a number, with a decimal point if any."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def numbers(name: str, values: Sequence[Any] | NDArray[Any], decimal: str = ".") -> NDArray[np.float64]:
    """The column as (rows,) float64; the error names the first row (from 1) that is no finite number."""
    values = unmasked(values)
    if isinstance(values, np.ndarray) and values.dtype.kind in "fiub":
        found = values.astype(np.float64)
    else:
        found = _converted(name, values, decimal)
    gaps = np.flatnonzero(~np.isfinite(found))
    if gaps.size:
        more = f" (and {gaps.size - 1} more)" if gaps.size > 1 else ""
        value = values[gaps[0]]
        shown = value.item() if isinstance(value, np.generic) else value
        raise ValueError(
            f"column {name!r} has {shown!r} in row {gaps[0] + 1}{more}; fill the gap or drop that row or sample."
        )
    return found


def _converted(name: str, values: Sequence[Any] | NDArray[Any], decimal: str) -> NDArray[np.float64]:
    if decimal == "." and not (isinstance(values, np.ndarray) and values.dtype.kind in "mMc"):
        try:
            return np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            pass  # some cells are no numbers: which?
    found = np.full(len(values), np.nan)
    for row, value in enumerate(values):
        if is_missing(value):
            continue
        try:
            found[row] = _number(value, decimal)
        except (TypeError, ValueError):
            hint = ""
            if decimal == "," and isinstance(value, str) and "." in value:
                hint = "; the table's numbers have decimal commas"
            elif isinstance(value, str) and _DECIMAL_COMMA.fullmatch(value):
                hint = "; if that is a decimal comma, say decimal=',' (--decimal ,)"
            raise ValueError(
                f"column {name!r} has {value!r} in row {row + 1}, which is no number{hint}; "
                "leave the column out of x and y or code it as numbers."
            ) from None
    return found


def _number(value: Any, decimal: str) -> float:
    if isinstance(value, (np.datetime64, np.timedelta64)):
        raise TypeError("a time is no number")
    if decimal == "," and isinstance(value, str):
        if "." in value:
            raise ValueError("a decimal point among decimal commas")
        return float(value.replace(",", "."))
    return float(value)


def decimal_mark(columns: dict[str, Sequence[Any]], delimiter: str) -> str:
    """``","`` where the cells of ``columns`` have decimal commas, else ``"."``.

    In a file that is separated by commas a comma is no decimal mark; in one that is separated by semicolons it is, as
    for R's ``read.csv2``. Raises ``ValueError`` where it may as well group thousands.
    """
    if delimiter == ",":
        return "."
    grouped = None
    for name, cells in columns.items():
        for row, cell in enumerate(cells):
            if isinstance(cell, str) and "," in cell and _DECIMAL_COMMA.fullmatch(cell):
                if delimiter == ";" or not _GROUPED.fullmatch(cell):
                    return ","
                grouped = grouped or (name, cell, row + 1)
    if grouped:
        name, cell, row = grouped
        raise ValueError(
            f"column {name!r} has {cell!r} in row {row}: is the comma a decimal mark, or does it group thousands? Say "
            "decimal=',' (--decimal ,) for the first, or write the number without it."
        )
    return "."
