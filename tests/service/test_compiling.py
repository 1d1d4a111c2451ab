"""While a server compiles, its progress says so, and the clients show it (issue 10.7); and nobody waits for another's
kernels (issue 18.5)."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytrainr_client import connect
from pytrainr_server.jobs import compilers
from pytrainr_server.jobs.compilers import Compilers, on_behalf_of
from pytrainr_server.local import start_local_server
from trainr import wire
from trainr.v1 import prediction_pb2

import pytrainr
from pytrainr import RRandom, kernels
from tests.service.conftest import create_token

X = np.linspace(0.0, 1.0, 12).reshape(2, 3, 2)


def test_a_server_without_kernels_says_what_it_compiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        start_local_server(environment={"NUMBA_CACHE_DIR": str(tmp_path)}) as server,
        connect(server.address) as client,
    ):
        model = client.trainr(
            X[:, :, :1], X, learningrate=0.1, hidden_dim=2, network_type="lstm", epoch_function=[], rng=RRandom(1)
        )
        said = capsys.readouterr().err
        log = server.log.read_text()
    assert model.current_epoch == 1
    assert re.search(r"the server is compiling [a-z_.]+ \(\d+ of \d+\)", said)
    assert re.search(r"compiling [a-z_.]+ \(\d+ of \d+\)", log)


def test_progress_says_nothing_of_it_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytrainr_server.service import follow

    def event(queue_position: int = 0) -> str:
        job = SimpleNamespace(epoch=0, progress=0.0)
        seen: Any = SimpleNamespace(job=job, queue_position=queue_position)
        return follow._progress(seen).progress.compiling

    monkeypatch.setattr(kernels, "now_compiling", lambda: None)
    assert event() == ""
    monkeypatch.setattr(kernels, "now_compiling", lambda: kernels.Progress("r.epoch.run_groups", 3, 11))
    assert event() == "r.epoch.run_groups (3 of 11)"
    assert event(queue_position=2) == ""


# owners -----------------------------------------------------------------------------------------------------------

NEW = [
    {"exact": True, "network_type": network_type, "update_rule": update_rule, "hidden_dim": 2}
    for network_type in ("lstm", "gru", "jordan")
    for update_rule in ("adam", "sgd")
]
KNOWN = {"learningrate": 0.1, "hidden_dim": 2, "numepochs": 2, "epoch_function": ()}


def test_nobody_waits_for_the_kernels_of_another(tmp_path: Path) -> None:
    """An owner trains and predicts with six kinds of networks that are new to the server; another's first small job and
    prediction come through before the first of these is compiled."""
    model = pytrainr.trainr(X[:, :, :1], X, rng=RRandom(1), **KNOWN)  # whose kernels are kept from here on
    expected = pytrainr.predictr(model, X)
    models = [pytrainr.trainr(X[:, :, :1], X, learningrate=0.1, rng=RRandom(1), **options) for options in NEW[:2]]
    environment = {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}
    ask = [sys.executable, "-c", "from pytrainr import kernels; print(kernels.folder())"]
    found = subprocess.run(ask, env=os.environ | environment, check=True, capture_output=True, text=True)
    folder = found.stdout.strip()
    for kernel in kernels.folder().glob("*.kernel"):
        if not kernel.name.startswith("pytrainr.exact."):
            shutil.copy2(kernel, folder)
    tokens = {owner: create_token(tmp_path / "data", owner) for owner in ("alice", "bob")}
    flags = ["--training-threads", "2", "--prediction-threads", "2"]
    with start_local_server(tmp_path / "data", flags=flags, environment=environment) as server:
        with connect(server.address, tokens["alice"]) as alice, connect(server.address, tokens["bob"]) as bob:
            endless = {"learningrate": 0.1, "numepochs": 100_000, "rng": RRandom(1)}
            jobs = [alice.train_async(X[:, :, :1], X, **endless, **options) for options in NEW]
            predictions = [
                alice._predictions.Predict.future(
                    prediction_pb2.PredictRequest(model=wire.encode_model(dict(model.items())), x=wire.encode_array(X))
                )
                for model in models * 2
            ]
            np.testing.assert_array_equal(
                bob.train_async(X[:, :, :1], X, rng=RRandom(1), **KNOWN).wait().error, model.error
            )
            np.testing.assert_array_equal(bob.predictr(model, X), expected)
            assert [waiting.info().epoch for waiting in jobs] == [0] * len(jobs)
            assert not any(prediction.done() for prediction in predictions)
        server.kill()  # which need not compile all that


class Slow:
    """In a compiling process's place: it is done when it is told to be."""

    may_end: threading.Semaphore
    begun: list[str]

    def compile(self, task: kernels.Task, announce: Any) -> bool:
        self.begun.append(task.name)
        return self.may_end.acquire(timeout=60)

    def close(self) -> None:
        pass


def test_owners_take_turns_and_none_has_all_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    Slow.may_end, Slow.begun = threading.Semaphore(0), []
    monkeypatch.setattr(compilers, "Helper", Slow)
    of_two, waits = Compilers(2), []

    def need(owner: str, name: str) -> None:
        with on_behalf_of(owner, waits.append):
            of_two.obtain(kernels.Task("m", name, ()))

    with ThreadPoolExecutor(8) as threads:
        needed = [threads.submit(need, "alice", f"alice {number}") for number in range(4)]
        _until(lambda: len(waits) == 4 and Slow.begun)
        assert len(Slow.begun) == 1  # of two
        needed.append(threads.submit(need, "bob", "bob 0"))
        _until(lambda: len(Slow.begun) == 2)
        assert Slow.begun[1] == "bob 0"
        needed.append(threads.submit(need, "bob", "bob 1"))
        needed.append(threads.submit(need, "carol", "carol 0"))
        _until(lambda: len(waits) == 7)
        Slow.may_end.release(7)
        for each in needed:
            each.result(60)
    assert Slow.begun.index("carol 0") <= 4
    assert sorted(waits) == [False] * 7 + [True] * 7


def _until(what: Any) -> None:
    for _ in range(6000):
        if what():
            return
        threading.Event().wait(0.01)
    raise AssertionError("it did not come to it")


def test_a_kernel_whose_process_dies_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever needs it goes on, and compiles it here."""

    class Dying(Slow):
        def __init__(self) -> None:
            if len(tried) % 2:
                tried.append("none can be started")
                raise OSError
            tried.append("started")

        def compile(self, task: kernels.Task, announce: Any) -> bool:
            return False

    tried: list[str] = []
    monkeypatch.setattr(compilers, "Helper", Dying)
    two = Compilers(2)
    for name in ("one", "two"):
        two.obtain(kernels.Task("m", name, ()))
    assert tried == ["started", "none can be started"]
