"""Activity 9.2 (issue 13): a cell in a file of the user's own, as its page shows it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "examples" / "own_cell.py"


def run(script: Path) -> tuple[float, float, float]:
    """Largest difference of its gradient from central differences, its error, that of guessing."""
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    gradient, error, guessing = map(float, re.findall(r"[\d.]+(?:e-?\d+)?(?=[;\n])", done.stdout))
    return gradient, error, guessing


def test_the_cell_has_the_right_gradient_and_learns() -> None:
    gradient, error, guessing = run(SCRIPT)
    assert gradient < 1e-5
    assert error < 0.5 * guessing


def test_an_edit_of_the_file_is_compiled_anew(tmp_path: Path) -> None:
    """A kernel on disk is not used for another version of the same cell; the check finds a wrong sign."""
    copy, text = tmp_path / "own_cell.py", SCRIPT.read_text(encoding="utf-8")
    text = text.replace("Path(__file__).parents[1]", f"Path({str(ROOT)!r})")
    copy.write_text(text, encoding="utf-8")
    assert run(copy)[0] < 1e-5
    copy.write_text(text.replace("* z * (1.0 - g * g)", "* z * (1.0 + g * g)"), encoding="utf-8")
    assert run(copy)[0] > 1e-3


def test_the_page_shows_the_file() -> None:
    """Each block of the page stands in the file, but for its indentation."""
    page = (ROOT / "docs" / "own-cell.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    lines = [line.strip() for line in SCRIPT.read_text(encoding="utf-8").splitlines()]
    whole = "\n".join(lines)
    assert len(blocks) == 6
    for block in blocks:
        assert "\n".join(line.strip() for line in block.strip().splitlines()) in whole
