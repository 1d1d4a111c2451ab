"""``pytrainr doctor`` (issue 10.8): what a bug report should have, and what to do where something is wrong."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytrainr import doctor, kernels
from tests.r_parity.golden import FOLDER

SOURCES = Path(doctor.__file__).parents[1]


def report(**environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytrainr", "doctor"],
        env=os.environ | environment,
        cwd=SOURCES,
        capture_output=True,
        text=True,
        timeout=600,
    )


def test_a_sound_machine_is_well_and_says_all_that_a_report_needs() -> None:
    done = report()
    assert done.returncode == 0, done.stdout
    assert done.stdout.splitlines()[-1] == "All is well."
    for word in (
        "processor",
        "registers of",
        "numba 0.",
        "numpy",
        "python",
        "R's bits",
        "threads",
        "kept in",
        "5 of 5",
    ):
        assert word in done.stdout
    assert "note:" not in done.stderr


def test_where_kernels_cannot_be_kept_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = report(NUMBA_CACHE_DIR=str(tmp_path / "file"), PYTRAINR_THREADS="none")
    assert done.returncode == 1
    assert "set NUMBA_CACHE_DIR to a folder that can be written to" in done.stdout
    assert "set PYTRAINR_THREADS to a whole number" in done.stdout
    assert "All is well" not in done.stdout


def lines(capture: list[str]) -> str:
    return "\n".join(capture)


def test_wrong_numbers_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that no longer is what is computed here: the report says so and the status is not 0."""
    from pytrainr.interop import crosscheck

    def read(path: Path):
        record = original(path)
        if path.name.startswith("clipping"):
            record["error"] = record["error"] + 1e-9
        return record

    original = crosscheck.read_record
    monkeypatch.setattr(crosscheck, "read_record", read)
    said: list[str] = []
    assert doctor.main([], said.append) == 1
    assert "4 of 5" in lines(said)
    assert "clipping_rnn: error up to" in lines(said)
    assert "report this output" in lines(said)


def test_a_part_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken():
        raise OSError("no such thing")

    monkeypatch.setattr(kernels, "folder", broken)
    said: list[str] = []
    assert doctor.main([], said.append) == 1
    assert "OSError: no such thing" in lines(said)
    assert "5 of 5" in lines(said)


def test_the_recorded_trainings_are_the_tests_own() -> None:
    names = sorted(path.name for path in doctor.GOLDEN.glob("*.json.gz"))
    assert len(names) == 5
    for name in names:
        assert (doctor.GOLDEN / name).read_bytes() == (FOLDER / name).read_bytes()
