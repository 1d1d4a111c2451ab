"""Issue 15, number 7: docs/classroom.md: one server, many students, tokens from a CSV file."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pytrainr_server.local import start_local_server

from tests.r_client.conftest import tls_flags
from tests.r_client.r import ROOT, R, what_is_missing

HERE = [] if what_is_missing() else ["here"]


def _tokens(students: Path, data_dir: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """What examples/r/tokens.sh does with this list."""
    program = folder / "pytrainr-server"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pytrainr_server "$@"\n')
    program.chmod(0o755)
    environment = {
        **os.environ,
        "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}",
        "PYTRAINR_SERVER_DATA_DIR": str(data_dir),
    }
    command = [str(ROOT / "examples" / "r" / "tokens.sh"), str(students), "120"]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


@pytest.mark.parametrize("r_is", HERE)
def test_tokens_from_a_csv_let_each_student_see_their_own(
    r_is: str, r_library: Path, certificates: Path, tmp_path: Path
) -> None:
    students = tmp_path / "students.csv"
    students.write_text('number,student\r\n1,"ada"\r\n\r\n2,"grace h."\r\n')
    data_dir = tmp_path / "data"
    made = _tokens(students, data_dir, tmp_path)
    assert made.returncode == 0, made.stderr
    rows = [line.split(",") for line in made.stdout.splitlines()]
    assert [row[0] for row in rows] == ["student", "ada", "grace h."]
    with start_local_server(data_dir, flags=[*tls_flags(certificates), "--max-jobs", "20"]) as server:
        ada, grace = (R(r_library, server.address, row[1], certificates / "authority.pem") for row in rows[1:])
        train = """
        library(rnnremote)
        X <- matrix((1:20) / 21, 5)
        suppressMessages({
          stored <- model_store(trainr(X, X, learningrate = 0.1), "mine")
          seen <- nrow(model_list())
        })
        cat("result", stored, seen, rnnremote:::server_info(trainr_connect())$max_jobs)
        """
        for student in (ada, grace):
            assert student.run(train).split()[-4:] == ["result", "models/mine@1", "1", "20"]
        nobody = R(r_library, server.address, "", certificates / "authority.pem")
        asked = "library(rnnremote); tryCatch(model_list(), rnnremote_unauthenticated = function(e) cat('refused'))"
        assert "refused" in nobody.run(asked)


@pytest.mark.parametrize("r_is", HERE)
def test_a_list_without_the_column_is_refused(r_is: str, tmp_path: Path) -> None:
    students = tmp_path / "students.csv"
    students.write_text("name\nada\n")
    made = _tokens(students, tmp_path / "data", tmp_path)
    assert made.returncode == 1
    assert "no column student" in made.stderr
    students.write_text("student\n")
    assert "no students" in _tokens(students, tmp_path / "data", tmp_path).stderr
