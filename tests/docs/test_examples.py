"""Issue 14, number 7: every example on every page runs; the few that cannot say why, where they stand."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from pytrainr_server.local import start_local_server

import pytrainr
from tests.docs.pages import PAGES, ROOT, blocks, pages_with

PRINTED = "127.0.0.1:7272"  # the pages' server


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with start_local_server(tmp_path_factory.mktemp("server")) as server:
        yield server.address


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a page's examples run: with the tables that they read."""
    for table in (ROOT / "pytrainr" / "data").glob("*.csv"):
        shutil.copy(table, tmp_path)
    rows = [(k, bit, (k >> bit) & 1, (k * 3 >> bit) & 1, (k * 4 >> bit) & 1) for k in range(20) for bit in range(8)]
    text = "id,bit,a,b,c\n" + "".join(",".join(map(str, row)) + "\n" for row in rows)
    for name in ("sums.csv", "new.csv"):
        (tmp_path / name).write_text(text)
    shutil.copy(tmp_path / "nottem.csv", tmp_path / "newer.csv")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    return tmp_path


@pytest.mark.parametrize("page", pages_with("python"))
def test_python(page: str, folder: Path, request: pytest.FixtureRequest) -> None:
    """The blocks of a page run one after another, as a reader types them."""
    names: dict[str, object] = {"__name__": "page"}
    pytrainr.set_seed(1)
    with contextlib.redirect_stdout(io.StringIO()):
        for block in blocks(ROOT / page, "python"):
            if block.why_not:
                continue
            code = block.code
            if PRINTED in code:
                code = code.replace(PRINTED, request.getfixturevalue("address"))
            exec(compile("\n" * (block.line - 1) + code, ROOT / page, "exec"), names)


@pytest.mark.parametrize("page", pages_with("sh"))
def test_shell(page: str, folder: Path) -> None:
    programs = folder / "bin"
    programs.mkdir()
    for name, module in (("pytrainr", "pytrainr"), ("pytrainr-server", "pytrainr_server"), ("python", "")):
        (programs / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" {f"-m {module}" if module else ""} "$@"\n')
        (programs / name).chmod(0o755)
    script = "\n".join(block.code for block in blocks(ROOT / page, "sh") if not block.why_not)
    environment = {**os.environ, "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": _paths()}
    run = subprocess.run(["bash", "-eu", "-c", script], cwd=folder, env=environment, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr


@pytest.mark.skipif(shutil.which("cc") is None, reason="a C compiler is missing: install gcc or clang")
@pytest.mark.parametrize("page", pages_with("c"))
def test_c(page: str, folder: Path) -> None:
    """Around the functions of a file that to_c has written."""
    random = np.random.default_rng(1)
    X, Y = random.random((5, 8, 2)), random.random((5, 8, 1))
    pytrainr.trainr(Y, X, learningrate=0.1, epoch_function=[]).to_c("adder.c")
    (folder / "page.c").write_text("\n".join(block.code for block in blocks(ROOT / page, "c") if not block.why_not))
    flags = ["-std=c99", "-Wall", "-Werror", "-Wno-unused-function", "-O2", "-ffp-contract=off"]
    subprocess.run(["cc", *flags, "page.c", "-o", "page", "-lm"], check=True)
    subprocess.run([folder / "page"], check=True)


def _paths() -> str:
    return os.pathsep.join(str(ROOT / part) for part in (".", "server", "client/python", "proto/python"))


def test_what_is_not_run_is_little() -> None:
    """No Python on the pages is left out, but for the parts of examples/own_cell.py, which runs as a whole
    (tests/exact/test_own_cell.py); elsewhere what would change the machine, serve for ever or take minutes."""
    pages = [page for page in PAGES if page.name != "own-cell.md"]
    left_out = [(page.name, block.why_not) for page in pages for block in blocks(page, "python") if block.why_not]
    assert left_out == []
