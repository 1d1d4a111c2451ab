"""The examples on the pages: fenced blocks, what is set up for them, and which are not run, and why."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "client" / "r" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]

_PART = re.compile(
    r"<!-- setup (?P<for>\w+)\n(?P<setup>.*?)-->"
    r"|(?P<not><!-- not run: (?P<why>[^\n]+?) -->\n)?^[ ]*```(?P<language>\w+)\n(?P<code>.*?)^[ ]*```",
    re.DOTALL | re.MULTILINE,
)


class Block(NamedTuple):
    """One example, or a setup, which is written in a comment before the example that needs it."""

    language: str
    code: str
    line: int
    why_not: str = ""


def blocks(path: Path, language: str) -> list[Block]:
    """All of a page in one language, in order, setups among them."""
    text, found = path.read_text(encoding="utf-8"), []
    for part in _PART.finditer(text):
        if (part["for"] or part["language"]) == language:
            group = "setup" if part["for"] else "code"
            line = text.count("\n", 0, part.start(group)) + 1
            found.append(Block(language, part[group], line, part["why"] or ""))
    return found


def pages_with(language: str) -> list[str]:
    """The pages that have something to run."""
    with_code = [path for path in PAGES if any(not block.why_not for block in blocks(path, language))]
    return [path.relative_to(ROOT).as_posix() for path in with_code]
