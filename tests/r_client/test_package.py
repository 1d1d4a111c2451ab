"""``R CMD check``: the package is one that R accepts, with its manual pages, its own tests and its vignette."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.r_client.r import PACKAGE, has_package, what_is_missing

HERE = [] if what_is_missing() else ["here"]
# Without knitr, rmarkdown and pandoc the vignette stays unbuilt, and a check without it is not said to be clean.
VIGNETTE = all(has_package(name) for name in ("knitr", "rmarkdown")) and shutil.which("pandoc") if HERE else False


@pytest.mark.parametrize("r_is", HERE)
def test_r_cmd_check_is_clean(r_is: str, tmp_path: Path) -> None:
    without = {} if VIGNETTE else {"build": ["--no-build-vignettes"], "check": ["--ignore-vignettes"]}
    environment = {
        **os.environ,
        "_R_CHECK_FORCE_SUGGESTS_": "false",
        "_R_CHECK_CRAN_INCOMING_": "false",
        "R_CRAN_WEB": "file:///nowhere",  # no look-ups
        "NOT_CRAN": "true",
    }
    _run(["R", "CMD", "build", *without.get("build", []), str(PACKAGE)], tmp_path, environment)
    archive = next(tmp_path.glob("rnnremote_*.tar.gz"))
    printed = _run(["R", "CMD", "check", "--no-manual", *without.get("check", []), archive.name], tmp_path, environment)
    notes = re.findall(r"^\* (.+) (?:NOTE|WARNING|ERROR)$", printed, re.MULTILINE)
    # The package rnn, with which results are compared, need not be here; R notes that and nothing else.
    allowed = [] if has_package("rnn") else ["checking package dependencies ..."]
    assert [note for note in notes if note not in allowed] == [], printed
    assert "* checking tests" in printed
    if VIGNETTE:
        assert "* checking running R code from vignettes" in printed


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
