"""Issue 15: the scripts in examples/r run, each by itself; what they promise they check themselves."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.r_client.r import ROOT, R, what_is_missing

SCRIPTS = [] if what_is_missing() else sorted(path.name for path in (ROOT / "examples" / "r").glob("*.R"))


@pytest.mark.parametrize("script", SCRIPTS)
def test_script(script: str, r: R, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRAINR_PYTHON", sys.executable)  # which trainr_server() takes
    code = f'setwd("{tmp_path}"); source("{ROOT / "examples" / "r" / script}"); cat("ran to its end")'
    assert r.run(code, seconds=300).endswith("ran to its end")


def test_every_script_is_in_the_list() -> None:
    listed = (ROOT / "examples" / "r" / "README.md").read_text()
    assert [script for script in SCRIPTS if f"`{script}`" not in listed] == []
