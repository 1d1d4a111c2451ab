"""Jobs in other processes than the server's: any ``concurrent.futures.Executor`` can take the place of its threads."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytrainr_client
from pytrainr_client import Client

import pytrainr
from pytrainr import Model, RRandom
from tests.service.conftest import adder
from tests.service.test_faults import TASKS, assert_same, submit, undisturbed

ENDLESS = {"network_type": "lstm", "hidden_dim": 16, "numepochs": 1_000_000}


class Started:
    """A server beside this process, with an executor of some kind."""

    def __init__(self, kind: str, directory: Path) -> None:
        ready = directory / "address"
        ready.unlink(missing_ok=True)
        self.log = directory / "log"
        command = [sys.executable, "-m", "tests.service.other_executors", kind, directory / "data", ready]
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, cwd=Path(__file__).parents[2])
        until = time.monotonic() + 120
        while not ready.exists():
            if self.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(self.log.read_text(errors="replace"))
            time.sleep(0.05)
        self.address = ready.read_text()

    def stop(self) -> int:
        """SIGTERM; the exit status."""
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@pytest.fixture(params=["processes", "dask"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def client(kind: str, tmp_path: Path) -> Iterator[Client]:
    server = Started(kind, tmp_path)
    with pytrainr_client.connect(server.address) as connected:
        yield connected
    assert server.stop() == 0, server.log.read_text()


def test_jobs_pauses_and_cancelling(client: Client) -> None:
    X, Y = adder(40)
    jobs = [submit(client, task, index, f"job-{index}") for index, task in enumerate(TASKS)]
    for index, job in enumerate(jobs):
        assert_same(job.wait(), undisturbed(TASKS[index], index))

    def halved(model: Model) -> Model:
        model.learningrate *= 0.5
        return model

    remote = client.trainr(Y, X, learningrate=0.1, numepochs=3, rng=RRandom(1), epoch_function=halved)
    assert remote == pytrainr.trainr(Y, X, learningrate=0.1, numepochs=3, rng=RRandom(1), epoch_function=halved)

    endless = submit(client, ENDLESS, 1, "endless")
    while endless.info().epoch < 2:
        time.sleep(0.05)
    endless.cancel()
    list(endless.watch())
    assert endless.info().state == "CANCELLED"


def test_sigterm_gives_back_what_runs_elsewhere(kind: str, tmp_path: Path) -> None:
    task = {**TASKS[2], "numepochs": 3000}
    server = Started(kind, tmp_path)
    with pytrainr_client.connect(server.address) as client:
        job = submit(client, task, 3, "long")
        while job.info().epoch < 20:
            time.sleep(0.02)
    assert server.stop() == 0, server.log.read_text()
    again = Started(kind, tmp_path)
    with pytrainr_client.connect(again.address) as client:
        assert_same(client.job("trainingJobs/long").wait(), undisturbed(task, 3))
    assert again.stop() == 0
