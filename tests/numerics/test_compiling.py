"""Kernels compiled side by side (issue 10): whatever the machine allows, the same results; and a line that says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba import types
from numba.core.errors import TypingError

from pytrainr.numerics import compiling, jit, kernel_cache

TRAIN = """
import numpy as np, pytrainr
X = np.linspace(0, 1, 12).reshape(2, 3, 2)
def train():
    model = pytrainr.trainr(X[:, :, :1], X, learningrate=0.1, hidden_dim=2, epoch_function=[], rng=pytrainr.RRandom(1))
    return float(model.error.sum())
"""
COUNT_HELPERS = """
from pytrainr.numerics import compiling
started, start = [], compiling._start
compiling._start = lambda: started.append(1) or start()
"""
FORK = """
import os
if (child := os.fork()) == 0:
    print(train(), len(started), flush=True)
    os._exit(0)
os.waitpid(child, 0)
"""
DYING_HELPER = """
from pytrainr.numerics import compiling
compiling._HELPER = "import os; os._exit(1)"
compiling.helper_count = lambda: 1
"""


def run(script: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"NUMBA_CACHE_DIR": str(folder)} | environment,
        capture_output=True,
        text=True,
        check=True,
        timeout=600,
    )


@pytest.fixture(scope="module")
def cold(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder of kernels that a training filled from nothing, with a helper, and what it said."""
    folder = tmp_path_factory.mktemp("kernels")
    script = f"{COUNT_HELPERS}{TRAIN}compiling.helper_count = lambda: 1\nprint(train(), len(started))"
    done = run(script, folder)
    error, helpers = done.stdout.split()
    assert helpers == "1"
    assert "compiling" in done.stderr
    assert " of " in done.stderr
    assert len(done.stderr.splitlines()) == 1
    return folder, error


def test_the_next_process_compiles_nothing_and_says_nothing(cold: tuple[Path, str]) -> None:
    folder, error = cold
    done = run(f"{COUNT_HELPERS}{TRAIN}print(train(), len(started))", folder)
    assert done.stdout.split() == [error, "0"]
    assert done.stderr == ""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_compiles_alone_and_the_same(cold: tuple[Path, str], tmp_path: Path) -> None:
    _, error = cold
    done = run(f"{COUNT_HELPERS}{TRAIN}{FORK}print(train(), len(started))", tmp_path)
    assert done.stdout.split() == [error, "0", error, "0"]


def test_one_thread_asked_for_is_one_process(cold: tuple[Path, str]) -> None:
    folder, _ = cold
    script = "from pytrainr.numerics import compiling\nprint(compiling.helper_count())"
    assert run(script, folder, PYTRAINR_THREADS="1").stdout.strip() == "0"


def test_a_helper_that_dies_is_done_without(cold: tuple[Path, str], tmp_path: Path) -> None:
    _, error = cold
    assert run(f"{TRAIN}{DYING_HELPER}print(train())", tmp_path).stdout.split() == [error]


def test_another_programs_python_is_not_started(monkeypatch: pytest.MonkeyPatch) -> None:
    """Embedded, ``sys.executable`` is no Python: R, a web server; started, it would do something else."""
    monkeypatch.setattr(compiling, "helper_count", lambda: 1)
    monkeypatch.setattr(sys, "executable", "/usr/lib/R/bin/exec/R")
    assert not compiling._can_help()
    monkeypatch.setattr(sys, "executable", "/usr/bin/python3.11")
    assert compiling._can_help()


def test_listeners_hear_what_is_compiled_and_that_nothing_is(monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[compiling.Progress | None] = []
    monkeypatch.setattr(compiling, "_listener", heard.append)
    monkeypatch.setattr(compiling, "_list", compiling._List())
    monkeypatch.setattr(compiling._list, "may_start", False)
    one, two = (compiling.Task("m", f"pytrainr.m.{name}", ()) for name in ("one", "two"))
    compiling.begin(one)
    compiling.begin(two)
    compiling.end(two)
    compiling.end(one)
    assert [None if now is None else tuple(now) for now in heard] == [
        ("m.one", 1, 1),
        ("m.two", 1, 2),
        ("m.one", 2, 2),
        None,
    ]


def test_a_kernel_that_cannot_be_compiled_is_not_under_way_for_ever() -> None:
    @jit.strict
    def wrong(x):
        return x.no_such_thing

    with pytest.raises(TypingError):
        compiling.compile_here(compiling.Task(__name__, kernel_cache.KernelCache(wrong.py_func).name, (types.int64,)))
    assert compiling.now_compiling() is None
