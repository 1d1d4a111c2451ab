"""One process among others (issue 10.6, 11.11): after threads were used a forked child works, and its parent does."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

import pytrainr
from pytrainr import RRandom, trainr
from pytrainr.r import network as r_network
from pytrainr.threads import together

ROOT = Path(__file__).resolve().parents[2]
SCENARIOS = re.findall(r"^def scenario_(\w+)", (ROOT / "tests/machines/forking.py").read_text(encoding="utf-8"), re.M)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_child_has_whole_threads_locks_and_pools(tmp_path, scenario):
    if scenario.startswith("joblib"):
        pytest.importorskip("joblib")
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-m", "tests.machines.forking", scenario]
    with open(tmp_path / "log", "w+b") as log:  # a pipe would stay open as long as any child hangs
        run = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, start_new_session=True)
        try:
            status = run.wait(600)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
            run.wait()
    assert status == 0, (tmp_path / "log").read_text(encoding="utf-8")


# a crew of threads that wait for each other ---------------------------------------------------------------------------


@pytest.fixture
def two_threads():
    pytrainr.set_threads(2)
    yield
    pytrainr.set_threads(None)


def train_in_crew():
    X = RRandom(1).unif_rand(2000 * 10).reshape(2000, 10, 1)
    return trainr(X, X, learningrate=0.01, hidden_dim=16, batch_size=1000, epoch_function=[], rng=RRandom(1))


@pytest.mark.parametrize("failing", [0, 1])
def test_where_one_of_a_crew_gets_no_memory_the_others_do_not_wait_for_it(monkeypatch, two_threads, failing):
    whole, made = r_network.run_groups, []

    def without_memory(*arguments):
        crew = arguments[8]
        made.append(crew.are)
        if crew.number == failing:
            raise MemoryError("none left")
        return whole(*arguments)

    without_memory.py_func = whole.py_func
    before = train_in_crew()
    monkeypatch.setattr(r_network, "run_groups", without_memory)
    with pytest.raises(MemoryError, match="none left"):
        train_in_crew()
    assert made == [2, 2]
    monkeypatch.undo()
    assert np.array_equal(train_in_crew().error, before.error)


def test_where_no_thread_can_be_started_those_that_were_do_not_wait(monkeypatch, two_threads):
    start, count = threading.Thread.start, 0

    def full(thread):
        nonlocal count
        count += thread.name.startswith("pytrainr-")
        if count == 2:
            raise RuntimeError("can't start new thread")
        start(thread)

    pytrainr.set_threads(3)
    monkeypatch.setattr(threading.Thread, "start", full)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        train_in_crew()


def test_an_error_in_any_part_reaches_the_caller_and_the_others_are_told():
    told = threading.Event()

    def part(number):
        if number == 2:
            raise ZeroDivisionError
        assert told.wait(60)

    with pytest.raises(ZeroDivisionError):
        together(part, 3, told.set)
