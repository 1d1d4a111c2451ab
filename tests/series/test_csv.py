"""Issue 11.15: CSV files as people have them, read alike with and without a library, or named with line and cure."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytrainr.tables import fast_csv, trainr_table

READERS = dict(fast_csv.LIBRARIES)
INSTALLED = [name for name in READERS if importlib.util.find_spec(name)]


@pytest.fixture(params=["built-in", *READERS])
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Every way to read a file in turn; the libraries are asked however small it is."""
    use_reader(request.param, monkeypatch)
    return request.param


def use_reader(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if name == "built-in":
        monkeypatch.setattr(fast_csv, "WORTH_IT", float("inf"))
        return
    if name not in INSTALLED:
        pytest.skip(f"{name} is not installed")
    monkeypatch.setattr(fast_csv, "WORTH_IT", 0)
    monkeypatch.setattr(fast_csv, "LIBRARIES", {name: READERS[name]})


def table(folder: Path, text: str | bytes, **options: Any) -> Any:
    path = folder / "t.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return trainr_table(path, quiet=True, **options)


def columns(found: Any) -> dict[str, list[float]]:
    return {name: found.X[0, :, k].tolist() for k, name in enumerate(found.x)}


READABLE: dict[str, tuple[str | bytes, dict[str, Any], dict[str, list[float]]]] = {
    "R's read.csv2": ("a;b\n1,5;2\n-,25;3e2\n", {}, {"a": [1.5, -0.25], "b": [2, 300]}),
    "R's read.delim2": ("a\tb\n1,5\t2\n2,25\t3\n", {}, {"a": [1.5, 2.25], "b": [2, 3]}),
    "decimal commas, said": ("a\tb\n1,500\t2\n", {"decimal": ","}, {"a": [1.5], "b": [2]}),
    "decimal points beside semicolons": ("a;b\n1.5;2\n", {}, {"a": [1.5], "b": [2]}),
    "Excel's sep=": ("sep=;\na;b\n1;2\n", {}, {"a": [1], "b": [2]}),
    "Excel's sep= with \\r\\n": ("SEP=|\r\na|b\r\n1|2\r\n", {}, {"a": [1], "b": [2]}),
    "bars": ("a|b\n1|2\n", {}, {"a": [1], "b": [2]}),
    "comments before the header": ("# made by\n#a,b,c\na,b\n1,2\n", {}, {"a": [1], "b": [2]}),
    "comments between rows": ("a,b\n1,2\n# broken\n#sensor, new, now\n3,4\n", {}, {"a": [1, 3], "b": [2, 4]}),
    "numpy.savetxt's header": ("# a,b\n1.0e+00,2.0e+00\n3,4\n", {}, {"a": [1, 3], "b": [2, 4]}),
    "a header that begins with #": ("#a,b\n1,2\n", {}, {"a": [1], "b": [2]}),
    "line breaks in a header": ('"a\nof x",b\n1,2\n3,4\n', {}, {"a\nof x": [1, 3], "b": [2, 4]}),
    "delimiters in a header": ('"temp, C";"b;c"\n1,5;2\n', {}, {"temp, C": [1.5], "b;c": [2]}),
    "quoted numbers": ('"a","b"\n"1","2"\n3,4\n', {}, {"a": [1, 3], "b": [2, 4]}),
    "trailing delimiters everywhere": ("a,b,\n1,2,\n3,4,\n", {}, {"a": [1, 3], "b": [2, 4]}),
    "trailing delimiters in rows": ("a,b\n1,2,\n3,4,,\n5,6\n", {}, {"a": [1, 3, 5], "b": [2, 4, 6]}),
    "a trailing delimiter in the header": ("a,b,\n1,2\n3,4\n", {}, {"a": [1, 3], "b": [2, 4]}),
    "R's row names": ('"a","b"\n"x",1,2\n"y",3,4\n', {}, {"a": [1, 3], "b": [2, 4]}),
    "R's row names without quotes": ("a,b\n1,1,2\n2,3,4\n", {}, {"a": [1, 3], "b": [2, 4]}),
    "write.csv's row names": ('"","a","b"\n"1",1,2\n"2",3,4\n', {}, {"a": [1, 3], "b": [2, 4]}),
    "blank lines": ("\n\na,b\n1,2\n\n   \n3,4\n\n", {}, {"a": [1, 3], "b": [2, 4]}),
    "no line end at the end": ("a,b\n1,2", {}, {"a": [1], "b": [2]}),
    "old Macintosh line ends": ("a,b\r1,2\r3,4\r", {}, {"a": [1, 3], "b": [2, 4]}),
    "spaces": ("a, b\n 1 , 2\n", {}, {"a": [1], " b": [2]}),
    "one column": ("a\n1\n2\n", {}, {"a": [1, 2]}),
    "UTF-8 with a mark": (b"\xef\xbb\xbfa,\xc2\xb0C\n1,2\n", {}, {"a": [1], "°C": [2]}),
    "UTF-16 of Excel": ("a\t°C\n1,5\t2\n".encode("utf-16"), {}, {"a": [1.5], "°C": [2]}),
    "cp1252": ("a,°C\n1,2\n".encode("cp1252"), {"encoding": "cp1252"}, {"a": [1], "°C": [2]}),
    "an unused column of texts": ("a,note\n1,warm\n2,cold\n", {"x": "a"}, {"a": [1, 2]}),
    "an unused column with gaps": ("a,b,c\n1,,2\n3,NA,\n", {"x": "a"}, {"a": [1, 3]}),
    "unused columns of one name": ("a,b,b\n1,2,3\n", {"x": "a"}, {"a": [1]}),
    "spaces around a name": ("id, a\n1,2\n", {"x": "a"}, {" a": [2]}),
    "digits that need rounding": (
        "a,b\n0.1000000000000000055511151231257827,1e-323\n9007199254740993,1.7976931348623157e308\n",
        {},
        {"a": [0.1, 9007199254740992.0], "b": [1e-323, 1.7976931348623157e308]},
    ),
}


@pytest.mark.parametrize("kind", READABLE)
def test_files_as_people_have_them(tmp_path: Path, reader: str, kind: str) -> None:
    """11.15: what pandas or R's ``read.csv2`` read is read, by every reader to the same bits."""
    text, options, expected = READABLE[kind]
    assert columns(table(tmp_path, text, **options)) == expected


NAMED: dict[str, tuple[str | bytes, dict[str, Any], str]] = {
    "an unclosed quote": ('a,b\n1,2\n3,"4\n5,6\n', {}, r'line 3 opens a quote \("\) that is never closed'),
    "an unclosed quote in the header": ('"a,b\n1,2\n', {}, r"line 1 opens a quote"),
    "an unclosed quote of a large file": ('a,b\n1,"2\n' + "3,4\n" * 50_000, {}, r"line 2 opens a quote"),
    "a lost quote": ('a,b\n1,"2\n3,"4"\n', {}, r"line 2 goes on after a closing quote"),
    "cp1252": ("a,b\n1,2\n°C,3\n".encode("cp1252"), {}, r"t\.csv: line 3 has the byte 0xb0.*encoding='cp1252'"),
    "a wrong encoding": ("a\n°\n".encode(), {"encoding": "ascii"}, r"line 2 has the byte 0xc2, which is no ascii\."),
    "an unknown encoding": ("a\n1\n", {"encoding": "latin-99"}, r"encoding is 'latin-99', which Python does not know"),
    "no text": (b"PK\x03\x04\0\0", {}, r"is no text"),
    "nothing": ("\n \n", {}, r"is empty; its first line"),
    "no rows": ("a,b\n", {}, r"the table has no rows"),
    "a short row": ("a,b\n1,2\n3\n", {}, r"line 3 has 1 cells between ','; the header names 2 columns"),
    "a short row of an unused column": ("a,b,c\n1,2,3\n3,4\n", {"x": "a"}, r"line 3 has 2 cells"),
    "a long row": ("a,b\n1,2\n3,4,5\n", {}, r"line 3 has 3 cells between ','; the header names 2 columns"),
    "a short and a long row": ("a,b,c\n1,2\n3,4,5,6\n", {"x": "a"}, r"line 2 has 2 cells"),
    "decimal commas between commas": ("a,b\n1,5,2,5\n", {}, r"line 2 has 4 cells"),
    "decimal commas in quotes": (
        'a,b\n"1,5",2\n',
        {},
        r"'1,5' in row 1, which is no number; if that is a decimal comma",
    ),
    "points among decimal commas": ("a;b\n1,5;1.234\n", {}, r"'1\.234' in row 1, .* numbers have decimal commas"),
    "thousands or decimals": ("a\tb\n1,234\t2\n", {}, r"is the comma a decimal mark, or does it group thousands"),
    "a wrong decimal mark": ("a\n1\n", {"decimal": ";"}, r"decimal is ';'"),
    "a gap": ("a,b\n1,2\n,4\nNA,6\n", {}, r"column 'a' has '' in row 2 \(and 1 more\)"),
    "infinity": ("a,b\n1,2\ninf,4\n", {}, r"column 'a' has 'inf' in row 2"),
    "a text": ("a,b\n1,2\nwarm,4\n", {}, r"column 'a' has 'warm' in row 2, which is no number"),
    "used columns of one name": ("a,b,b\n1,2,3\n", {"x": "b"}, r"x='b' names 2 columns .*columns 2, 3"),
    "all columns, some of one name": ("a,b,b\n1,2,3\n", {"y": "a"}, r"x='b' names 2 columns"),
}


@pytest.mark.parametrize("kind", NAMED)
def test_what_cannot_be_read_is_named_with_line_and_cure(tmp_path: Path, reader: str, kind: str) -> None:
    """11.15: an unclosed quote was a traceback; every reader finds the same words."""
    text, options, message = NAMED[kind]
    with pytest.raises(ValueError, match=message):
        table(tmp_path, text, **options)


def test_a_row_with_one_cell_more_is_not_taken_for_row_names(tmp_path: Path) -> None:
    """11.15: ``1,5,2`` is a decimal comma gone wrong, not a row called 1; R's row names are texts or 1, 2, 3, …"""
    with pytest.raises(ValueError, match="row 2 has 3 cells"):
        table(tmp_path, "a,b\n1,5,2\n1,7,2\n")


cell = st.one_of(
    st.floats(allow_nan=False, allow_infinity=False).map(repr),
    st.integers(-(10**20), 10**20).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map("{:.25e}".format),
    st.sampled_from(
        [
            "",
            "NA",
            " 1",
            "1 ",
            "+2",
            ".5",
            "5.",
            "1_0",
            "0x10",
            "1e400",
            "inf",
            "nan",
            "True",
            "x",
            '"1"',
            '"x"',
            '"1,5"',
            '"',
            '""',
            '2"',
            "1,5",
            "-0",
        ]
    ),
)


@st.composite
def files(draw: st.DrawFn) -> str:
    """A table, now and then with a cell, a row or a line end as it should not be."""
    delimiter = draw(st.sampled_from([",", ";", "\t"]))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    width = draw(st.integers(2, 4))
    clean = st.floats(-1e9, 1e9).map(repr)
    lines = [delimiter.join("abcd"[:width])]
    for _ in range(draw(st.integers(1, 6))):
        cells = draw(st.lists(st.one_of(clean, clean, clean, clean, cell), min_size=width, max_size=width))
        cells = cells[: draw(st.sampled_from([width] * 20 + [width - 1]))]
        lines.append(delimiter.join(cells))
        lines += draw(st.sampled_from([[]] * 8 + [[""], ["# note"], [delimiter * (width - 1)]]))
    return end.join(lines) + draw(st.sampled_from(["", end]))


def outcome(path: Path, name: str) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        use_reader(name, patch)
        try:
            found = trainr_table(path, x=["b", "a"], quiet=True)
        except ValueError as error:
            return str(error)
        return found.X.tobytes()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(files())
def test_every_reader_agrees(tmp_path: Path, text: str) -> None:
    """11.15: a library is a matter of speed: the same bits, or the same error."""
    path = tmp_path / "t.csv"
    path.write_bytes(text.encode())
    expected = outcome(path, "built-in")
    for name in INSTALLED:
        assert outcome(path, name) == expected, name


@pytest.mark.parametrize("name", READERS)
def test_a_clean_file_is_read_by_the_library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """11.15: the library's own result is used, with keys as texts; only columns that are used are asked for."""
    use_reader(name, monkeypatch)
    asked: list[tuple[list[int], list[int]]] = []

    def watched(*arguments: Any) -> Any:
        asked.append((list(arguments[4]), list(arguments[5])))
        found = READERS[name](*arguments)
        assert found is not None
        return found

    monkeypatch.setattr(fast_csv, "LIBRARIES", {name: watched})
    monkeypatch.setattr("pytrainr.tables.csv_file.CsvFile._cells", None)
    text = "id,day,note,a,b\n" + "".join(f"s{k % 3},2024-01-0{1 + k // 3},°{k},{k}.5,{k}e-3\n" for k in range(9))
    found = table(tmp_path, text, y="b", x="a", sample="id", time="day")
    assert asked == [([4, 3], [0, 1])]
    assert found.samples == ["s0", "s1", "s2"]
    assert found.times == ["2024-01-01", "2024-01-02", "2024-01-03"]
    assert found.X[:, :, 0].tolist() == [[0.5, 3.5, 6.5], [1.5, 4.5, 7.5], [2.5, 5.5, 8.5]]
    quoted = text.replace("id,day,note", '"id","day","note"').replace("2024-01-01", '"2024-01-01"')
    assert np.array_equal(table(tmp_path, quoted, y="b", x="a", sample="id", time="day").X, found.X)
    if name != "polars":
        text = text.replace(",", ";").replace(".", ",")
        assert np.array_equal(table(tmp_path, text, y="b", x="a", sample="id", time="day").X, found.X)


def test_a_column_may_be_a_key_and_a_number(tmp_path: Path, reader: str) -> None:
    """11.15: the same column as time and as input: the library is not asked, as it gives a column one type."""
    found = table(tmp_path, "t,v\n2,5\n1,4\n", x=["t", "v"], time="t")
    assert found.times == ["1", "2"]
    assert found.X[0].tolist() == [[1, 4], [2, 5]]


def test_small_files_import_no_library(tmp_path: Path) -> None:
    """11.15: importing a library takes longer than reading a small file."""
    (tmp_path / "t.csv").write_text("a\n1\n")
    code = (
        "import sys; from pytrainr.tables import trainr_table; trainr_table(sys.argv[1], quiet=True); "
        "print({'pandas', 'polars', 'pyarrow'} & set(sys.modules))"
    )
    said = subprocess.run([sys.executable, "-c", code, tmp_path / "t.csv"], capture_output=True, text=True, check=True)
    assert said.stdout == "set()\n"
