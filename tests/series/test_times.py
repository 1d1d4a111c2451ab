"""Issue 11.3, 11.24: times sort as they are, at any year and step; where time is left out is found."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrainr.series import gaps, windows
from pytrainr.tables import trainr_table
from pytrainr.tables.times import moments

UTC = datetime.timezone.utc


def order(times: Any, **options: Any) -> list[float]:
    """The numbers 0, 1, 2, … beside ``times``, in the order that a table puts them in."""
    table = trainr_table({"t": times, "v": np.arange(len(times))}, x="v", time="t", quiet=True, **options)
    return table.X[0, :, 0].tolist()


@pytest.mark.parametrize(
    "times",
    [
        ["2024-01-01", "1500-06-01", "9999-12-31", "0001-01-01", "1677-01-01"],
        ["2024-01-01T10:00", "1500-06-01 23:59:59.5", "9999-12-31", "0001-01-01", "1677-01-01T00"],
        [datetime.datetime(year, 1, 1) for year in (2024, 1500, 9999, 1, 1677)],
        [datetime.date(year, 1, 1) for year in (2024, 1500, 9999, 1, 1677)],
        np.array(["2024-01-01", "1500-06-01", "9999-12-31", "0001-01-01", "1677-01-01"], "datetime64[s]"),
        list(np.array(["2024-01-01", "1500-06-01", "9999-12-31", "0001-01-01", "1677-01-01"], "datetime64[s]")),
        ["2024", "1500-06", "9999", "0001", "1677"],
    ],
)
def test_dates_outside_1678_to_2262(times: Any) -> None:
    """11.3: ``datetime64[ns]`` wraps there, and they were sorted in the wrong order."""
    assert order(times) == [3, 1, 4, 0, 2]


@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_dates_of_pandas_at_any_year(unit: str) -> None:
    """11.3: pandas' seconds were converted to nanoseconds."""
    pandas = pytest.importorskip("pandas")
    days = np.array(["2024-01-01", "1500-06-01", "9999-12-31", "0001-01-01", "1677-01-01"], f"datetime64[{unit}]")
    assert order(pandas.Series(days)) == [3, 1, 4, 0, 2]


def test_times_of_frames() -> None:
    """11.3: time zones, periods and nanoseconds of pandas; polars and pyarrow as they are."""
    pandas = pytest.importorskip("pandas")
    stamps = pandas.to_datetime(["2024-03-31 03:30", "2024-03-31 00:30", "2024-03-31 01:30"])
    assert order(pandas.Series(stamps.tz_localize("Europe/Berlin"))) == [1, 2, 0]
    assert order(pandas.Series(pandas.period_range("2024-01", periods=3, freq="M")[::-1])) == [2, 1, 0]
    fine = pandas.Series(pandas.date_range("2024-01-01", periods=3, freq="100ns")[::-1])
    assert order(fine) == [2, 1, 0]
    assert order(list(fine)) == [2, 1, 0]


def test_steps_of_nanoseconds_are_steps() -> None:
    """11.3: steps of 100 ns were refused as the same time twice; so would be whole numbers beyond 2**53."""
    texts = [f"2024-01-01T00:00:00.00000{k}00" for k in (3, 1, 2)]
    assert order(texts) == [1, 2, 0]
    assert order(np.array(texts, "datetime64[ns]")) == [1, 2, 0]
    assert order([2**60 + 2, 2**60, 2**60 + 1]) == [1, 2, 0]
    assert order([str(2**60 + 2), str(2**60), str(2**60 + 1)]) == [1, 2, 0]
    assert order([0.3, 0.1, 2]) == [1, 0, 2]


def test_time_zones() -> None:
    """11.3: an offset is part of the time; with and without one do not go together."""
    assert order(["2024-01-01T01:00:00+02:00", "2024-01-01T00:30:00Z", "2023-12-31T20:00:00-0330"]) == [0, 2, 1]
    moment = datetime.datetime(2024, 1, 1, tzinfo=UTC)
    assert order([moment, moment.astimezone(datetime.timezone(datetime.timedelta(hours=9))).replace(hour=1)]) == [1, 0]
    with pytest.raises(ValueError, match="'2024-01-01' in row 2 without a time zone, others have one"):
        order(["2024-01-01T00:00:00Z", "2024-01-01"])


@pytest.mark.parametrize(
    ("times", "message"),
    [
        (["2024-01-01", "NaT"], "column 't' has no value in row 2"),
        (["2024-01-01", "", "x"], "column 't' has no value in row 2"),
        (np.array(["2024-01-01", "NaT"], "datetime64[D]"), "column 't' has no value in row 2"),
        ([1.0, float("nan")], "column 't' has no value in row 2"),
        (np.ma.array([1, 2], mask=[0, 1]), "column 't' has no value in row 2"),
        (["2024-01-01", "2024-02-30"], "column 't' has '2024-02-30' in row 2, which is no time"),
        (["2024-01-01", "2024-01-01", "2024-02-30"], "column 't' has '2024-02-30' in row 3, which is no time"),
        (
            ["2024-01-01", "31.12.2024"],
            "column 't' has '31.12.2024' in row 2, which is no time: give numbers, or dates",
        ),
        (["2024-01-01", "now"], "column 't' has 'now' in row 2, which is no time"),
        (["1", "inf"], "column 't' has 'inf' in row 2, which is no time"),
        ([{}, 1], "column 't' has {} in row 1, which is no time"),
        (["0001-01-01", "2024-01-01T00:00:00.1234567"], "'0001-01-01' in row 1, beside times finer than microseconds"),
        (["2024-01-01T00:00:00.1234567891"], "10 digits after the seconds"),
    ],
)
def test_what_is_no_time_is_named(times: Sequence[Any], message: str) -> None:
    """11.3: "NaT" gave a message that contradicts itself; the row and the value are the ones that are wrong."""
    with pytest.raises(ValueError, match=message.replace("(", r"\(")):
        order(times)


@given(st.lists(st.datetimes(), min_size=1, max_size=20, unique=True), st.sampled_from(["objects", "texts", "numpy"]))
def test_any_times_sort_as_python_sorts_them(times: list[datetime.datetime], form: str) -> None:
    """11.3: ``datetime`` is the judge, from year 1 to 9999, to the microsecond."""
    given_as: dict[str, Any] = {
        "objects": times,
        "texts": [time.isoformat() for time in times],
        "numpy": np.array(times, "datetime64[us]"),
    }
    assert order(given_as[form]) == sorted(range(len(times)), key=times.__getitem__)


# gaps -----------------------------------------------------------------------------------------------------------------


def days(first: str, last: str, every: str = "D") -> list[Any]:
    return list(np.arange(first, last, dtype=f"datetime64[{every}]"))


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        (days("2024-01-01", "2024-02-01"), []),
        (days("2024-01-01", "2024-01-11") + days("2024-01-12", "2024-01-21"), [10]),
        (days("2020-01", "2024-01", "M"), []),
        (days("2020-01", "2021-02", "M") + days("2021-03", "2022-01", "M"), [13]),
        (days("1990", "2020", "Y"), []),
        ([day for day in days("2024-01-01", "2024-03-01") if np.is_busday(day)], []),
        (
            [
                day
                for day in days("2024-01-01", "2024-03-01")
                if np.is_busday(day) and day != np.datetime64("2024-02-07")
            ],
            [27],
        ),
        (days("2024-01-01T00", "2024-01-03T00", "h") + days("2024-01-03T02", "2024-01-04T00", "h"), [48]),
        (["1500-01-01", "1500-01-02", "1500-01-03", "1600-01-01"], [3]),
        ([1, 2, 3, 5, 6], [3]),
        ([20240130, 20240131, 20240201, 20240203], [3]),
        ([202311, 202312, 202401, 202402, 202404], [4]),
        ([99999998, 99999999, 100000000, 100000002], [3]),
        ([100098, 100099, 100100, 100103], [3]),
        ([0.1, 0.2, 0.30000001, 0.4], []),
        ([1, 100], []),
    ],
)
def test_gaps(times: list[Any], expected: list[int]) -> None:
    """11.24: months and years vary and are no gaps, nor are weekends where there are no weekends at all."""
    assert gaps(times).tolist() == expected
    assert gaps([str(time) for time in times]).tolist() == expected


def test_gaps_of_times_that_do_not_increase() -> None:
    """11.24: sorting is the caller's, who has the values beside them."""
    with pytest.raises(ValueError, match="has 1 after 2 in row 3; sort them first"):
        gaps([1, 2, 1])


@given(
    st.lists(st.integers(1, 8), min_size=1, max_size=5),
    st.integers(1, 4),
    st.lists(st.integers(1, 3), min_size=1, max_size=3, unique=True),
    st.booleans(),
)
def test_no_window_crosses_a_break(lengths: list[int], lookback: int, delays: list[int], every_step: bool) -> None:
    """11.24: the windows of a series with breaks are the windows of its stretches."""
    values = np.random.default_rng(1).random((sum(lengths), 2))
    begins = np.cumsum([0, *lengths])
    apart = []
    for first, last in pairwise(begins):
        if last - first >= lookback + max(delays):
            apart.append(windows(values[first:last], lookback, delay=delays, target=[1, 0], every_step=every_step))
            apart[-1] = apart[-1]._replace(rows=apart[-1].rows + first)
    arguments: dict[str, Any] = {"delay": delays, "target": [1, 0], "every_step": every_step, "breaks": begins[1:-1]}
    if not apart:
        with pytest.raises(ValueError, match="no window fits"):
            windows(values, lookback, **arguments)
        return
    cut = windows(values, lookback, **arguments)
    for k in range(3):
        assert np.array_equal(cut[k], np.concatenate([part[k] for part in apart]))
    assert not cut.X.flags.writeable
    assert not cut.Y.flags.writeable


def test_a_table_says_where_time_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """11.24: a gap in the dates is said, and given as what ``windows`` takes."""
    times = days("2024-01-01", "2024-01-11") + days("2024-01-13", "2024-01-21")
    table = trainr_table({"day": times, "v": np.arange(len(times))}, time="day")
    assert "time is left out 1 time, first between 2024-01-10 and 2024-01-13" in capsys.readouterr().err
    assert table.breaks.tolist() == gaps(table.times).tolist() == [10]
    assert len(windows(table.X[0], 4, breaks=table.breaks).rows) == len(times) - 8
    assert moments("t", table.times).dtype.kind == "M"
