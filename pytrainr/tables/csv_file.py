"""CSV files: how they are written is found out from the file; its cells come as they are, or as numbers where fast.

Read are commas, semicolons, tabs and bars as delimiters, an Excel line ``sep=;``, comments (``#``) before the header
and between rows, quoted cells with delimiters and line breaks in them, delimiters at the end of lines, and R's column
of row names. The large ones go to a library that reads faster (`fast_csv`), with the same results.
"""

from __future__ import annotations

import codecs
import csv
import os
import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from pytrainr.tables import fast_csv
from pytrainr.tables.values import decimal_mark, is_number

__all__ = ["CsvFile", "open_csv"]

DELIMITERS = ",;\t|"
HEAD = 1 << 20  # bytes that are looked at first
LOOKED_AT = 20  # rows from which the delimiter is told
_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_ROW_NAMES = ""  # the name of a column that the header does not name


class CsvFile(NamedTuple):
    """A file whose header has been read.

    Attributes:
        path: for messages.
        names: the columns, in order; "" for one without a name.
        data: the file, in UTF-8.
        start: where in it the first row begins.
        line: the line (from 1) of the file that it is.
        delimiter: between cells.
        decimal: the decimal mark, None where the numbers have to tell.
        named: how many columns the header itself names.
    """

    path: str
    names: list[str]
    data: bytes
    start: int
    line: int
    delimiter: str
    decimal: str | None
    named: int

    def read(self, number_places: Sequence[int], text_places: Sequence[int]) -> tuple[list[Any], list[Any], str]:
        """The columns that are to be numbers, those that are to stay as they are, and the decimal mark.

        A column of numbers is an array where all its cells are finite numbers, else a list of cells as written.
        """
        quick = fast_csv.read(self, number_places, text_places)
        if quick is not None:
            return *quick, "."
        cells = self._cells([*number_places, *text_places])
        as_numbers = cells[: len(number_places)]
        decimal = self.decimal or decimal_mark(
            {self.names[place]: column for place, column in zip(number_places, as_numbers, strict=True)}, self.delimiter
        )
        return as_numbers, cells[len(number_places) :], decimal

    def _cells(self, places: Sequence[int]) -> list[list[str]]:
        """The cells of some columns, read without any other library."""
        columns: list[list[str]] = [[] for _ in places]
        appends = [(column.append, place) for column, place in zip(columns, places, strict=True)]
        width = len(self.names)
        for cells in self._rows():
            for append, place in appends:
                append(cells[place])
        if width == self.named + 1:
            self._check_row_names()
        return columns

    def _rows(self) -> Iterator[list[str]]:
        """Every row, as long as ``names``. Raises ``ValueError`` with the line for one that is longer or shorter."""
        width = len(self.names)
        for line, cells in _records(self.data[self.start :].decode(), 0, self.delimiter, self.path, self.line):
            if len(cells) != width:
                if cells[0].startswith("#") or (len(cells) == 1 and not cells[0].strip()):
                    continue
                if len(cells) > width and not any(cell.strip() for cell in cells[width:]):
                    del cells[width:]
                elif len(cells) < width and not any(self.names[len(cells) :]):
                    cells += [""] * (width - len(cells))
                else:
                    raise ValueError(
                        f"{self.path}: line {line} has {len(cells)} cells between {self.delimiter!r}; the header names "
                        f"{self.named} columns."
                    )
            yield cells

    def _check_row_names(self) -> None:
        """Where rows have one cell more than the header, the first is to be a name or the number of the row."""
        for row, cells in enumerate(self._rows(), start=1):
            name = cells[0].strip()
            if is_number(name) and name != str(row):
                raise ValueError(
                    f"{self.path}: row {row} has {self.named + 1} cells between {self.delimiter!r}; the header names "
                    f"{self.named} columns."
                )


def open_csv(path: str | os.PathLike[str], encoding: str | None = None, decimal: str | None = None) -> CsvFile:
    """Read a file up to its header. Raises ``ValueError``, with the file and the line, for what is no table."""
    name = os.fspath(path)
    if decimal not in (None, ".", ","):
        raise ValueError(f"decimal is {decimal!r}; the decimal mark is '.' or ','.")
    data = _in_utf8(name, encoding)
    if not data or data.isspace():
        raise ValueError(f"{name} is empty; its first line is to name the columns.")
    if b"\0" in data:
        raise ValueError(f"{name} is no text (it has zero bytes); if it is UTF-16, say so: encoding='utf-16'.")
    lines_end = data.rfind(b"\n", 0, HEAD) + 1
    if len(data) > HEAD and lines_end:
        try:
            found = _looked_at(name, data[:lines_end].decode(), decimal)
        except ValueError:
            pass  # a quote that is closed later, if at all
        else:
            if found.start < lines_end:
                return found._replace(data=data)
    return _looked_at(name, data.decode(), decimal)._replace(data=data)


def _looked_at(name: str, text: str, decimal: str | None) -> CsvFile:
    """The names, the delimiter and the place of the first row, from the beginning of a file; without its data."""
    start, line, delimiter, comment = _before_header(text)
    candidates = [delimiter] if delimiter else list(DELIMITERS)
    looked = {mark: _first_records(text, start, mark, name, line) for mark in candidates}
    delimiter = max(candidates, key=lambda mark: _plausible(looked[mark]))
    records = looked[delimiter]
    header = records[0]
    if comment is not None and len(records) and all(map(is_number, header)):
        titles = next(csv.reader([comment.lstrip("# ").rstrip("\r\n")], delimiter=delimiter), [])
        if len(titles) == len(header):  # as numpy.savetxt writes it
            names = [title.strip() for title in titles]
            return CsvFile(name, names, b"", len(text[:start].encode()), line, delimiter, decimal, len(names))
    length, lines = _length_of_header(text, start, delimiter, name, line)
    names, named = list(header), len(header)
    first = records[1] if len(records) > 1 else header
    if len(first) == named + 1 and named > 1 and first[-1].strip():
        names.insert(0, _ROW_NAMES)
    begin = len(text[: start + length].encode())
    return CsvFile(name, names, b"", begin, line + lines, delimiter, decimal, named)


def _in_utf8(name: str, encoding: str | None) -> bytes:
    """The file's bytes as they are where they are UTF-8, else in it."""
    with open(name, "rb") as file:
        data = file.read()
    marked = next((kind for mark, kind in _BYTE_ORDER_MARKS if data.startswith(mark)), None)
    chosen = marked or encoding or "utf-8"
    try:
        if chosen == "utf-8" and data.isascii():
            return data
        text = data.decode(chosen)
        return data if chosen == "utf-8" else text.encode()
    except LookupError:
        raise ValueError(f"encoding is {encoding!r}, which Python does not know; it is one such as 'cp1252'.") from None
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        cure = "" if encoding else "; if the file is from Windows, try encoding='cp1252' (--encoding cp1252)"
        raise ValueError(
            f"{name}: line {line} has the byte 0x{data[error.start]:02x}, which is no {chosen}{cure}."
        ) from None


def _before_header(text: str) -> tuple[int, int, str | None, str | None]:
    """Where the header begins, its line, the delimiter where ``sep=`` names one, and the last comment before it."""
    start, line, delimiter, comment = 0, 1, None, None
    for part in _lines(text, 0):
        bare = part.strip("\r\n")
        if line == 1 and bare[:4].lower() == "sep=" and len(bare) == 5:
            delimiter = bare[4]
        elif bare.startswith("#"):
            comment = bare
        elif bare.strip():
            break
        start, line = start + len(part), line + 1
    if comment is not None and start >= len(text):  # nothing but lines that begin with #: then these are the table
        return 0, 1, delimiter, None
    return start, line, delimiter, comment


def _lines(text: str, start: int) -> Iterator[str]:
    """The lines from a place on, with what ends them; each of \\n, \\r\\n and \\r does."""
    return (found.group() for found in _LINE.finditer(text, start))


def _first_records(text: str, start: int, delimiter: str, name: str, line: int) -> list[list[str]]:
    """The header and the first rows, comments left out; for a wrong delimiter it need not make sense."""
    found: list[list[str]] = []
    try:
        for _, cells in _records(text, start, delimiter, name, line):
            if not found or not (cells[0].startswith("#") and len(cells) != len(found[0])):
                found.append(cells)
            if len(found) > LOOKED_AT:
                break
    except ValueError:
        if not found:
            return [[]]
    return found


def _plausible(records: list[list[str]]) -> tuple[bool, int]:
    """How well a delimiter fits: if rows are as long as the header (or one longer, or blank there), and its width."""
    width = len(records[0])
    fits = all(
        len(cells) == width or (width > 1 and len(cells) == width + 1) or not any(map(str.strip, cells[width:]))
        for cells in records[1:]
    )
    return fits and width > 1, width


def _length_of_header(text: str, start: int, delimiter: str, name: str, line: int) -> tuple[int, int]:
    """How many characters and lines the header takes; a quoted name may have line breaks in it."""
    taken = [0, 0]

    def parts() -> Iterator[str]:
        for part in _lines(text, start):
            taken[0] += len(part)
            taken[1] += 1
            yield part

    _next_record(csv.reader(parts(), delimiter=delimiter, strict=True), name, line)
    return taken[0], taken[1]


def _records(text: str, start: int, delimiter: str, name: str, line: int) -> Iterator[tuple[int, list[str]]]:
    """Every record that is not blank, with the line that it begins in."""
    reader = csv.reader(_lines(text, start), delimiter=delimiter, strict=True)
    while True:
        begins = line + reader.line_num
        cells = _next_record(reader, name, begins)
        if cells is None:
            return
        if cells:
            yield begins, cells


def _next_record(reader: Any, name: str, line: int) -> list[str] | None:
    try:
        return next(reader, None)
    except csv.Error as error:
        text = str(error)
        if "unexpected end" in text or "field limit" in text:
            raise ValueError(f'{name}: line {line} opens a quote (") that is never closed.') from None
        if "expected after" in text:
            raise ValueError(
                f'{name}: line {line} goes on after a closing quote ("); either an earlier quote is missing, or a '
                'quote inside quotes is to be written twice ("").'
            ) from None
        raise ValueError(f"{name}: line {line} is no CSV ({text}).") from None
