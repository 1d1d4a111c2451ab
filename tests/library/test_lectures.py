"""The lectures (issue 13): each runs, small, as its command does, and its page shows what the command makes."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples.lectures.__main__ import LECTURES

ROOT = Path(__file__).parents[2]
NAMES = [name for names in LECTURES for name in names]


@pytest.mark.parametrize("name", NAMES)
def test_a_lecture_runs(name: str, tmp_path: Path) -> None:
    """Every row and every picture of it, with --quick; the last line of a row's own command is the row."""
    script = ROOT / "examples" / "lectures" / f"{name}.py"
    run = [sys.executable, script, "--quick"]
    done = subprocess.run([*run, "--again"], capture_output=True, text=True, check=False)
    if "no network?" in done.stderr:
        pytest.skip(f"{name} reads data that pip fetches: {done.stderr[done.stderr.index('no network?') :]:.300}")
    assert done.returncode == 0, done.stderr
    lecture = importlib.import_module(f"examples.lectures.{name}").lecture
    kept = ROOT / "build" / "lectures" / "quick" / name
    assert len(list(kept.glob("*.md"))) == sum(len(table.rows) for table in lecture.tables.values())
    assert {file.name for file in kept.glob("*.png")} == {f"{name}_{picture}.png" for picture in lecture.pictures}
    row = next(iter(next(iter(lecture.tables.values())).rows))
    alone = subprocess.run([*run, row], capture_output=True, text=True, check=True).stdout.splitlines()
    assert alone[-1] in done.stdout.splitlines()


@pytest.mark.parametrize("name", NAMES)
def test_a_page_shows_every_row_and_picture(name: str) -> None:
    lecture = importlib.import_module(f"examples.lectures.{name}").lecture
    page = (ROOT / "docs" / "lectures" / f"{name}.md").read_text()
    for table, rows in lecture.tables.items():
        shown = re.search(rf"<!-- table: {table} -->\n(.*?)<!-- end -->", page, re.DOTALL)
        assert shown, table
        assert [line.split("|")[1].strip() for line in shown[1].splitlines()[2:]] == list(rows.rows)
    for picture in lecture.pictures:
        assert f"({name}_{picture}.png)" in page
        assert (ROOT / "docs" / "lectures" / f"{name}_{picture}.png").stat().st_size > 0
