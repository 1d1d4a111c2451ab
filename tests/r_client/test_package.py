"""``R CMD check --as-cran``: the package is one that R accepts, with its manual pages, its own tests, its vignettes."""

from __future__ import annotations

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.r_client.r import PACKAGE, R, has_package, what_is_missing

HERE = [] if what_is_missing() else ["here"]
# Without knitr, rmarkdown and pandoc the vignette stays unbuilt, and a check without it is not said to be clean.
VIGNETTE = all(has_package(name) for name in ("knitr", "rmarkdown")) and shutil.which("pandoc") if HERE else False


@pytest.mark.parametrize("r_is", HERE)
def test_r_cmd_check_as_cran_is_clean(r_is: str, r: R, tmp_path: Path) -> None:
    """Issue 15, number 8; the vignettes are built with what a server answers."""
    without = {} if VIGNETTE else {"build": ["--no-build-vignettes"], "check": ["--ignore-vignettes"]}
    environment = {
        **r.settings(),
        "_R_CHECK_FORCE_SUGGESTS_": "false",
        "_R_CHECK_CRAN_INCOMING_": "false",
        "_R_CHECK_SYSTEM_CLOCK_": "false",
        **_empty_cran(tmp_path / "cran"),  # no look-ups
    }
    _run(["R", "CMD", "build", *without.get("build", []), str(PACKAGE)], tmp_path, environment)
    archive = next(tmp_path.glob("rnnremote_*.tar.gz"))
    command = ["R", "CMD", "check", "--as-cran", "--no-manual", *without.get("check", []), archive.name]
    printed = _run(command, tmp_path, environment)
    notes = re.findall(r"^\* (.+) (?:NOTE|WARNING|ERROR)$", printed, re.MULTILINE)
    # Packages with which results are compared or which are helped need not be here; R notes that and nothing else.
    allowed = [] if all(map(has_package, ("rnn", "forecast"))) else ["checking package dependencies ..."]
    assert [note for note in notes if note not in allowed] == [], printed
    others = re.findall(r"^ (?:NOTE|WARNING|ERROR)\n(.+)", printed, re.MULTILINE)
    allowed = ["Packages suggested but not", "Package suggested but not"]
    allowed += [] if shutil.which("qpdf") else ["‘qpdf’ is needed"]
    assert [other for other in others if not other.startswith(tuple(allowed))] == [], printed
    assert "* checking tests" in printed
    if VIGNETTE:
        # --as-cran runs their code by building them again.
        assert "* checking re-building of vignette outputs" in printed
        with tarfile.open(archive) as files:
            names = ("first-minutes", "series", "rnnremote")
            pages = {name: files.extractfile(f"rnnremote/inst/doc/{name}.html") for name in names}
            text = {name: page.read().decode() for name, page in pages.items() if page is not None}
        assert "Total params: 130" in text["first-minutes"]
        assert "MAE / seasonal" in text["first-minutes"]
        assert "wrong bits in the test set: 0" in text["rnnremote"]
        assert re.search(r"<strong>[1-9][0-9]? % less</strong>", text["series"])


def _empty_cran(folder: Path) -> dict[str, str]:
    """The environment that makes R look at an empty repository instead of the network."""
    (folder / "src" / "contrib").mkdir(parents=True)
    (folder / "src" / "contrib" / "PACKAGES").touch()
    (folder / "web" / "packages").mkdir(parents=True)
    columns = ["Package", "Version", "Depends", "Imports", "LinkingTo", "Suggests", "Enhances", "Maintainer"]
    code = f"saveRDS(data.frame({', '.join(f'{name} = character()' for name in columns)}), commandArgs(TRUE)[1])"
    subprocess.run(["Rscript", "-e", code, str(folder / "web" / "packages" / "packages.rds")], check=True)
    return {"R_CRAN_WEB": folder.as_uri(), "_R_CHECK_XREFS_REPOSITORIES_": folder.as_uri()}


def _run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=1800)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout
