"""Issue 14, number 7: the pages' examples in R run against a server; scripts of rnn with the one line changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import ROOT, blocks, pages_with
from tests.r_client.r import R, what_is_missing

REFERENCE = "docs/r/"  # R CMD check runs the examples of the manual pages, which these are
PAGES = [] if what_is_missing() else [page for page in pages_with("r") if not page.startswith(REFERENCE)]


@pytest.mark.parametrize("page", PAGES)
def test_page(page: str, r: R, tmp_path: Path) -> None:
    code = "\n".join(block.code for block in blocks(ROOT / page, "r") if not block.why_not)
    code = code.replace("library(rnn)\n", "library(rnnremote)\n")
    ended = r.run(f'setwd("{tmp_path}"); pdf(NULL)\n{code}\ncat("ran to its end")', seconds=300)
    assert ended.endswith("ran to its end")
