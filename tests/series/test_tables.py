"""Tables to arrays, and what is said about tables that do not fit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrainr.tables import trainr_table


def long_table(cube, samples, times):
    """The table of ``cube`` (samples, time, variables) with a row per sample and time."""
    rows = [(s, t, *cube[i, j]) for i, s in enumerate(samples) for j, t in enumerate(times)]
    names = ["id", "t", *(f"v{k}" for k in range(cube.shape[2]))]
    return names, rows


@given(st.integers(1, 4), st.integers(1, 5), st.integers(2, 4), st.randoms(use_true_random=False))
def test_any_order_of_rows_gives_the_cube_back(samples, times, variables, random):
    cube = np.random.default_rng(7).normal(size=(samples, times, variables))
    names, rows = long_table(cube, [f"s{i}" for i in range(samples)], range(10, 10 + times))
    random.shuffle(rows)
    data = {name: [row[k] for row in rows] for k, name in enumerate(names)}
    table = trainr_table(data, y="v0", sample="id", time="t", quiet=True)
    place = [int(name[1:]) for name in table.samples]
    assert np.array_equal(table.X, cube[place][:, :, 1:])
    assert table.Y is not None
    assert np.array_equal(table.Y, cube[place][:, :, :1])
    assert table.x == [f"v{k}" for k in range(1, variables)]
    assert table.times == list(range(10, 10 + times))


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_csv_says_what_it_became(tmp_path, capsys, delimiter):
    path = tmp_path / "stations.csv"
    lines = [
        "station,day,temp,wind",
        "A,2024-01-02,2,20",
        "B,2024-01-01,3,30",
        "A,2024-01-01,1,10",
        "B,2024-01-02,4,40",
    ]
    path.write_text("\n".join(lines).replace(",", delimiter))
    table = trainr_table(path, y="temp", x=["wind"], sample="station", time="day")
    assert table.Y is not None
    assert np.array_equal(table.Y[:, :, 0], [[1, 2], [3, 4]])
    assert np.array_equal(table.X[:, :, 0], [[10, 20], [30, 40]])
    said = capsys.readouterr().err
    assert "4 rows became\nX (2, 2, 1): 2 samples x 2 times x wind" in said
    assert "samples A, B; times 2024-01-01, 2024-01-02" in said


def test_a_data_frame_equals_the_csv(tmp_path):
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(
        {"id": [1, 1, 2, 2], "t": pandas.to_datetime(["2024-01-02", "2024-01-01"] * 2), "a": range(4)}
    )
    frame.to_csv(tmp_path / "frame.csv", index=False)
    from_frame = trainr_table(frame, x="a", sample="id", time="t", quiet=True)
    from_file = trainr_table(tmp_path / "frame.csv", x="a", sample="id", time="t", quiet=True)
    assert np.array_equal(from_frame.X, from_file.X)
    assert from_frame.X[:, :, 0].tolist() == [[1, 0], [3, 2]]


def test_without_sample_and_time_the_rows_are_one_sample():
    table = trainr_table({"a": [3, 1, 2]}, quiet=True)
    assert table.X.shape == (1, 3, 1)
    assert table.X.ravel().tolist() == [3, 1, 2]
    assert table.Y is None


def test_times_of_their_own_when_asked_for():
    data = {"id": list("aabb"), "t": [1, 2, 6, 5], "v": [1, 2, 4, 3]}
    with pytest.raises(ValueError, match=r"sample 'b' has 2 rows.*aligned=False"):
        trainr_table(data, sample="id", time="t", quiet=True)
    table = trainr_table(data, sample="id", time="t", aligned=False, quiet=True)
    assert table.X[:, :, 0].tolist() == [[1, 2], [3, 4]]


COMPLETE: dict[str, list[object]] = {"id": list("aabbcc"), "t": [1, 2, 1, 2, 1, 2], "v": [1, 2, 3, 4, 5, 6]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"id": ["a", "a", "b", "b", "c", "b"], "t": [1, 2, 1, 2, 1, 3]},
            "sample 'a' has 2 rows, others have 3; it lacks time 3",
        ),
        ({"t": [1, 2, 1, 2, 1, 1]}, "sample 'c' has time 1 twice: rows 5 and 6"),
        ({"t": [1, 2, 1, 2, 1, 9]}, "sample 'c' has 2 rows, others have 2; it lacks time 2; only it has time 9"),
        ({"v": [1, 2, 3, "", 5, 6]}, "column 'v' has '' in row 4; fill"),
        ({"v": [1, 2, float("nan"), None, 5, 6]}, r"column 'v' has nan in row 3 \(and 1 more\)"),
        ({"v": [1, "warm", 3, 4, 5, 6]}, "column 'v' has 'warm' in row 2, which is no number"),
        ({"id": ["a", "a", "b", None, "c", "c"]}, "column 'id' has no value in row 4"),
        ({"t": ["1", "2", "1", "2", "1", "soon"]}, "column 't' has 'soon', which is no time"),
        ({"v": [1, 2, 3]}, "column 'v' has 3 rows|column 'id' has 6 rows"),
    ],
)
def test_what_does_not_fit_is_named(change, message):
    with pytest.raises(ValueError, match=message):
        trainr_table({**COMPLETE, **change}, sample="id", time="t", quiet=True)


def test_the_sample_that_lacks_a_row_is_named():
    short = {name: values[:-1] for name, values in COMPLETE.items()}
    with pytest.raises(ValueError, match="sample 'c' has 1 rows, others have 2; it lacks time 2"):
        trainr_table(short, sample="id", time="t", quiet=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"y": "temp"}, "y='temp' is not a column; the table has 'id', 't', 'v'"),
        ({"y": "v", "sample": "id", "time": "t"}, "x is empty"),
        ({"x": []}, "x is empty"),
    ],
)
def test_unknown_columns_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        trainr_table(COMPLETE, **arguments, quiet=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; its first line is to name the columns"),
        ("a,a\n1,2\n", "more than one column named 'a'"),
        ("a,b\n1,2\n3\n", "row 2 has 1 cells; the header names 2 columns"),
        ("a,b\n", "the table has no rows"),
    ],
)
def test_a_broken_csv_is_named(tmp_path, text, message):
    (tmp_path / "broken.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        trainr_table(tmp_path / "broken.csv", quiet=True)


def test_a_list_is_no_table():
    with pytest.raises(TypeError, match="data is a list; give the path of a CSV"):
        trainr_table([[1, 2]])


def test_pandas_is_not_imported():
    code = "import sys, pytrainr.tables as t; t.trainr_table({'a': [1]}, quiet=True); print('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "False\n"
