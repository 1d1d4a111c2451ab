"""Tables to arrays, and what is said about tables that do not fit."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrainr import RRandom, predictr, trainr
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
        ({"t": ["1", "2", "1", "2", "1", "soon"]}, "column 't' has 'soon' in row 6, which is no time"),
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
        ({"sample": ["id", "t"]}, r"sample is \['id', 't'\]; it is one column"),
        ({"time": ["id", "t"]}, r"time is \['id', 't'\]; it is one column"),
    ],
)
def test_unknown_columns_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        trainr_table(COMPLETE, **arguments, quiet=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty; its first line is to name the columns"),
        ("a,a\n1,2\n", r"x='a' names 2 columns of the table \(columns 1, 2\)"),
        ("a,b\n1,2\n3\n", "line 3 has 1 cells between ','; the header names 2 columns"),
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


# nullable columns, integer and repeated names -------------------------------------------------------------------------


def frames():
    """The same table by each library: id, t, a, b."""
    data = {"id": [1, 1, 2, 2], "t": [2, 1, 1, 2], "a": [1, 2, 3, 4], "b": [0.5, 1.5, 2.5, 3.5]}
    pandas, polars, pyarrow = map(pytest.importorskip, ("pandas", "polars", "pyarrow"))
    return {
        "pandas": pandas.DataFrame(data),
        "pandas, nullable": pandas.DataFrame(data).convert_dtypes(),
        "pandas, texts": pandas.DataFrame(data).astype(str),
        "pandas, strings": pandas.DataFrame(data).astype("string"),
        "pandas, objects": pandas.DataFrame(data).astype(object),
        "pandas, categories": pandas.DataFrame(data).astype("category"),
        "pandas, arrow": pandas.DataFrame(data).convert_dtypes(dtype_backend="pyarrow"),
        "polars": polars.DataFrame(data),
        "pyarrow": pyarrow.table(data),
    }


def test_every_data_frame_gives_the_same_arrays():
    """11.15: nullable and string types of pandas, polars and pyarrow are read as plain numbers are."""
    for kind, frame in frames().items():
        table = trainr_table(frame, y="b", x="a", sample="id", time="t", quiet=True)
        assert table.X[:, :, 0].tolist() == [[2, 1], [3, 4]], kind
        assert table.Y is not None
        assert table.Y[:, :, 0].tolist() == [[1.5, 0.5], [2.5, 3.5]], kind


@pytest.mark.parametrize("kind", ["Int64", "Float64", "string", "object", "boolean", "int64[pyarrow]", "category"])
def test_pandas_na_is_a_gap(kind):
    """11.15: ``pd.NA`` raised "boolean value of NA is ambiguous"; it is a gap with column and row as any other."""
    pandas = pytest.importorskip("pandas")
    if "pyarrow" in kind:
        pytest.importorskip("pyarrow")
    frame = pandas.DataFrame({"v": pandas.Series([1, 0, None, 1], dtype=kind), "w": [1, 2, 3, 4]})
    with pytest.raises(ValueError, match=r"column 'v' has (<NA>|nan|None|NaN) in row 3; fill the gap"):
        trainr_table(frame, x="v", quiet=True)
    for role in ("sample", "time"):
        with pytest.raises(ValueError, match="column 'v' has no value in row 3"):
            trainr_table(frame, x="w", quiet=True, **{role: "v"})


def test_gaps_of_polars_and_pyarrow():
    """11.15: the neighbours' null."""
    polars, pyarrow = map(pytest.importorskip, ("polars", "pyarrow"))
    for frame in (polars.DataFrame({"v": [1, None]}), pyarrow.table({"v": [1, None]})):
        with pytest.raises(ValueError, match=r"column 'v' has (nan|None) in row 2"):
            trainr_table(frame, quiet=True)


def test_masked_columns_are_gaps():
    """11.5: a masked entry of a column is a gap too."""
    with pytest.raises(ValueError, match="column 'v' has nan in row 2; fill the gap"):
        trainr_table({"v": np.ma.array([1.0, 1e20], mask=[False, True])}, quiet=True)


def test_integer_names():
    """11.15: columns named by numbers, as of ``DataFrame(array)``, are named by numbers or texts."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(np.arange(12).reshape(3, 4))
    for names in ({"y": 0, "x": [1, 2], "time": 3}, {"y": "0", "x": ["1", 2], "time": np.int64(3)}):
        table = trainr_table(frame, **names, quiet=True)
        assert table.X[0].tolist() == [[1, 2], [5, 6], [9, 10]]
        assert table.x == ["1", "2"]


def test_repeated_names():
    """11.15: a name of several columns is an error where it is used, and only there."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame([[1, 2, 3], [4, 5, 6]], columns=["a", "b", "b"])
    assert trainr_table(frame, x="a", quiet=True).X.ravel().tolist() == [1, 4]
    for options in ({"x": "b"}, {"y": "a"}):
        with pytest.raises(ValueError, match="x='b' names 2 columns of the table"):
            trainr_table(frame, **options, quiet=True)
    mixed = pandas.DataFrame([[1, 2]], columns=[0, "0"])
    with pytest.raises(ValueError, match="x='0' names 2 columns"):
        trainr_table(mixed, x=0, quiet=True)


def test_encoding_is_for_files():
    """11.15: what cannot be meant is refused."""
    with pytest.raises(ValueError, match="encoding and decimal are for CSV files"):
        trainr_table({"a": [1]}, encoding="cp1252", quiet=True)


# samples of unequal length --------------------------------------------------------------------------------------------


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.booleans(), st.randoms(use_true_random=False))
def test_samples_of_unequal_length_are_padded(lengths, aligned, random):
    """11.24: with ``pad=True`` X and Y are NaN where a sample has no row."""
    rows = [(f"s{i}", t, 10 * i + t) for i, length in enumerate(lengths) for t in range(length)]
    random.shuffle(rows)
    data = dict(zip(("id", "t", "v"), map(list, zip(*rows, strict=True)), strict=True))
    table = trainr_table({**data, "w": data["v"]}, y="w", sample="id", time="t", aligned=aligned, pad=True, quiet=True)
    assert table.times == list(range(max(lengths)))
    for place, name in enumerate(table.samples):
        i = int(name[1:])
        assert table.lengths[place] == lengths[i]
        assert table.X[place, : lengths[i], 0].tolist() == [10 * i + t for t in range(lengths[i])]
        assert np.isnan(table.X[place, lengths[i] :]).all()
        assert [data["t"][row] for row in table.rows[place, : lengths[i]]] == list(range(lengths[i]))
    assert np.array_equal(table.X, table.Y, equal_nan=True)


def test_a_time_that_one_sample_lacks_is_an_absent_step(capsys):
    """11.24: samples that share their times are padded where they lack one, others at their end."""
    data = {"id": list("aaabb"), "t": [1, 2, 4, 1, 4], "v": [1, 2, 3, 4, 5]}
    table = trainr_table(data, sample="id", time="t", pad=True)
    assert np.array_equal(table.X[:, :, 0], [[1, 2, 3], [4, np.nan, 5]], equal_nan=True)
    assert table.times == [1, 2, 4]
    assert "samples have 2 to 3 rows; where one has none X and Y are NaN" in capsys.readouterr().err
    table = trainr_table(data, sample="id", time="t", pad=True, aligned=False, quiet=True)
    assert np.array_equal(table.X[:, :, 0], [[1, 2, 3], [4, 5, np.nan]], equal_nan=True)
    with pytest.raises(ValueError, match="pad=True, --pad, for exact training"):
        trainr_table(data, sample="id", time="t", quiet=True)
    with pytest.raises(ValueError, match="column 'v' has nan in row 3; fill the gap or drop that row"):
        trainr_table({**data, "v": [1, 2, float("nan"), 4, 5]}, sample="id", time="t", pad=True, quiet=True)


def test_exact_training_on_a_padded_table():
    """11.24: what ``pad=True`` makes is what ``trainr(exact=True, mask="nan")`` takes."""
    generator = np.random.default_rng(3)
    data = {"id": list("aaabbcccc"), "v": generator.random(9), "w": generator.random(9)}
    table = trainr_table(data, y="w", sample="id", pad=True, quiet=True)
    model = trainr(table.Y, table.X, learningrate=0.1, exact=True, mask="nan", epoch_function=[], rng=RRandom(1))
    assert np.isnan(predictr(model, table.X)).sum(axis=1).tolist() == [1, 2, 0]
