"""The time column as numbers or dates that sort as the times do, and where it leaves time out."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrainr.tables.values import is_missing, is_number

__all__ = ["moments", "skipped"]

_DATE = re.compile(
    r"\s*(?P<date>[+-]?\d{4,6}-\d\d(?:-\d\d(?:[T ]\d\d(?::?\d\d(?::?\d\d(?:[.,](?P<fraction>\d+))?)?)?)?)?)"
    r"\s*(?P<zone>Z|[+-]\d\d(?::?\d\d)?)?\s*"
)
_YEAR = re.compile(r"\s*\d{4}\s*")
_NANOSECOND_YEARS = (np.datetime64("1678-01-01"), np.datetime64("2262-01-01"))  # what 64 bits of them hold
_GAP = 1.5  # of the usual step: months, quarters and years vary by less


def moments(name: str, values: Sequence[Any] | NDArray[Any]) -> NDArray[Any]:
    """(rows,) int64, float64 or datetime64 that sort and differ as the times do.

    ``values`` are numbers, dates in ISO 8601 with or without time and zone, ``datetime`` or ``date`` objects, or an
    array of those. Raises ``ValueError`` with the row (from 1) of the first that is none.
    """
    if isinstance(values, np.ma.MaskedArray):
        _refuse_missing(name, np.ma.getmaskarray(values))
        values = values.data
    array = values if isinstance(values, np.ndarray) else np.array([*values, None], dtype=object)[:-1]
    if array.dtype.kind in "iufbmM":
        missing = np.isnat(array) if array.dtype.kind in "mM" else np.isnan(array)
        _refuse_missing(name, missing)
        return array.astype(np.int64) if array.dtype.kind == "b" else array
    _refuse_missing(name, [is_missing(value) for value in array])
    listed = array.tolist()
    numbers = _as_numbers(listed)
    if numbers is not None:
        if not np.isfinite(numbers).all():
            row = int(np.flatnonzero(~np.isfinite(numbers))[0])
            raise ValueError(f"column {name!r} has {listed[row]!r} in row {row + 1}, which is no time.")
        return numbers
    if all(isinstance(value, str) for value in listed):
        return _from_texts(name, listed)
    return _from_objects(name, listed)


def skipped(times: NDArray[Any]) -> NDArray[np.int64]:
    """The places in sorted ``times`` (as `moments` returns) before which time was left out.

    That is where a step is more than one and a half times the usual one, the median. Days from Monday to Friday alone
    are counted in working days.
    """
    if len(times) < 3:
        return np.empty(0, np.int64)
    times = _as_calendar(times)
    steps = _working_days(times) if times.dtype.kind == "M" else None
    if steps is None:
        steps = np.diff(times)
        steps = steps.astype(np.int64 if times.dtype.kind in "mM" else np.float64).astype(np.float64)
    return np.flatnonzero(steps > _GAP * np.median(steps)) + 1


def _as_calendar(times: NDArray[Any]) -> NDArray[Any]:
    """Whole numbers such as 20240531 or 202405 as days or months where they all can be; other times as they are."""
    if times.dtype.kind not in "iu":
        return times
    for digits, form in ((8, "{0}-{1:02}-{2:02}"), (6, "{0}-{1:02}")):
        if times.min() < 10 ** (digits - 1) or times.max() >= 10**digits:
            continue
        months = times if digits == 6 else times // 100
        parts = zip((months // 100).tolist(), (months % 100).tolist(), (times % 100).tolist(), strict=True)
        try:
            return np.array([form.format(*part) for part in parts], dtype="datetime64")
        except ValueError:
            continue
    return times


def _working_days(times: NDArray[Any]) -> NDArray[np.float64] | None:
    """The steps in working days, where the times are days and there is no weekend among them."""
    days = times.astype("datetime64[D]")
    if (days != times).any() or not np.is_busday(days).all():
        return None
    return np.busday_count(days[:-1], days[1:]).astype(np.float64)


def _refuse_missing(name: str, missing: Any) -> None:
    rows = np.flatnonzero(missing)
    if rows.size:
        raise ValueError(f"column {name!r} has no value in row {rows[0] + 1}.")


def _as_numbers(listed: list[Any]) -> NDArray[Any] | None:
    """The values as int64 where all are whole, else as float64; None where some are no numbers."""
    if any(isinstance(value, (datetime.date, np.datetime64)) for value in listed[:1]):
        return None
    for kind in (np.int64, np.float64):
        try:
            numbers = np.array(listed, dtype=kind)
        except (TypeError, ValueError, OverflowError):
            continue
        if kind is np.float64 or all(isinstance(value, (str, int, np.integer)) for value in listed):
            return numbers
    return None


def _from_texts(name: str, texts: list[str]) -> NDArray[Any]:
    """Dates in ISO 8601; one that several samples have is read once."""
    rows: dict[str, int] = {}
    for row, text in enumerate(texts):
        rows.setdefault(text, row)
    if len(rows) < len(texts):
        places = {text: place for place, text in enumerate(rows)}
        different = _from_different_texts(name, list(rows), list(rows.values()))
        return different[[places[text] for text in texts]]
    return _from_different_texts(name, texts, range(len(texts)))


def _from_different_texts(name: str, texts: list[str], rows: Sequence[int]) -> NDArray[Any]:
    """``rows`` are where the texts stand in the column."""
    found = [_DATE.fullmatch(text) or _YEAR.fullmatch(text) for text in texts]
    strange = [place for place, match in enumerate(found) if match is None]
    if strange:  # a number is strange only among dates
        place = next((place for place in strange if not is_number(texts[place])), strange[0])
        raise _no_time(name, texts[place], rows[place])
    parts = [match.groupdict() if match else {} for match in found]
    dates = [_plain(part.get("date") or text.strip()) for part, text in zip(parts, texts, strict=True)]
    zones = [part.get("zone") for part in parts]
    digits = max(len(part.get("fraction") or "") for part in parts)
    if any(zones) and not all(zones):
        place = zones.index(None)
        raise ValueError(
            f"column {name!r} has {texts[place]!r} in row {rows[place] + 1} without a time zone, others have one."
        )
    if digits > 9:
        raise ValueError(f"column {name!r} has times with {digits} digits after the seconds; at most 9 are read.")
    try:
        stamps = np.array(dates, dtype="datetime64[ns]" if digits > 6 else "datetime64[us]")
    except ValueError:
        place = next(place for place, date in enumerate(dates) if not _is_date(date))
        raise _no_time(name, texts[place], rows[place]) from None
    if digits > 6:
        _check_range(name, np.array(dates, dtype="datetime64[s]"), texts, rows)
    if any(zones):
        stamps = stamps - np.array([_minutes(str(zone)) for zone in zones], dtype="timedelta64[m]")
    return stamps


def _is_date(text: str) -> bool:
    try:
        np.datetime64(text, "s")
    except ValueError:
        return False
    return True


def _plain(date: str) -> str:
    return date.replace(",", ".")


def _minutes(zone: str) -> int:
    """How many minutes a zone such as ``+02:00`` is ahead of UTC."""
    if zone == "Z":
        return 0
    digits = zone[1:].replace(":", "").ljust(4, "0")
    return (-1 if zone[0] == "-" else 1) * (60 * int(digits[:2]) + int(digits[2:]))


def _from_objects(name: str, listed: list[Any]) -> NDArray[Any]:
    """Of ``datetime``, ``date``, ``numpy.datetime64`` and what gives one of itself, such as ``pandas.Timestamp``."""
    stamps = []
    for row, value in enumerate(listed):
        if isinstance(value, datetime.datetime) and value.tzinfo is not None:
            value = value.astimezone(datetime.timezone.utc).replace(tzinfo=None)
        if hasattr(value, "to_timestamp"):  # a pandas.Period
            value = value.to_timestamp()
        if hasattr(value, "to_datetime64"):
            value = value.to_datetime64()
        if isinstance(value, (datetime.datetime, datetime.date)):
            value = np.datetime64(value)
        if not isinstance(value, np.datetime64):
            raise _no_time(name, listed[row], row)
        stamps.append(value)
    fine = [np.datetime_data(stamp.dtype)[0] in ("ns", "ps", "fs", "as") for stamp in stamps]
    if any(fine) and not all(fine):
        _check_range(name, np.array([stamp.astype("datetime64[s]") for stamp in stamps]), listed, range(len(listed)))
    return np.array([stamp.astype("datetime64[ns]" if any(fine) else "datetime64[us]") for stamp in stamps])


def _check_range(name: str, seconds: NDArray[Any], shown: Sequence[Any], rows: Sequence[int]) -> None:
    """Refuse years that nanoseconds cannot hold beside times that need nanoseconds."""
    outside = np.flatnonzero((seconds < _NANOSECOND_YEARS[0]) | (seconds >= _NANOSECOND_YEARS[1]))
    if outside.size:
        place = int(outside[0])
        raise ValueError(
            f"column {name!r} has {shown[place]!r} in row {rows[place] + 1}, beside times finer than microseconds: "
            "together they can only be from 1678 to 2261."
        )


def _no_time(name: str, value: Any, row: int) -> ValueError:
    return ValueError(
        f"column {name!r} has {value!r} in row {row + 1}, which is no time: give numbers, or dates such as 2024-05-31 "
        "or 2024-05-31T14:30:00"
    )
