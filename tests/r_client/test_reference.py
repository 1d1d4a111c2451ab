"""Issue 15, number 8: docs/r is the reference of the R package, with every function and its examples."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.r_client.r import PACKAGE, ROOT, what_is_missing

PAGES = ROOT / "docs" / "r"


@pytest.mark.parametrize("r_is", [] if what_is_missing() else ["here"])
def test_the_reference_is_current_and_complete(r_is: str) -> None:
    """It is what ``make r-reference`` makes of the manual pages; each function has a page, each page examples."""
    command = ["Rscript", str(PACKAGE / "reference.R"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_its_links_lead_somewhere() -> None:
    """Also without R here: every page that another names is there, and nothing of Rd is left."""
    for page in PAGES.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        for link in re.findall(r"\]\(([^)]+)\)", text):
            assert link.startswith("http") or (PAGES / link).exists(), f"{page.name}: {link}"
        prose = re.sub(r"```.*?```|`[^`\n]*`", "", text, flags=re.DOTALL)
        assert not re.search(r"\\[a-z]+\{", prose), page.name
