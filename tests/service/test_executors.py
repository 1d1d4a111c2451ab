"""Jobs in other processes than the server's, by its settings."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import pytrainr_client
from pytrainr_client import Client
from pytrainr_server import LocalServer, start_local_server

import pytrainr
from pytrainr import Model, RRandom
from tests.service.conftest import adder
from tests.service.test_faults import TASKS, assert_same, submit, undisturbed

ENDLESS = {"network_type": "lstm", "hidden_dim": 16, "numepochs": 1_000_000}


def start(kind: str, directory: Path) -> LocalServer:
    flags = ("--executor", kind, "--checkpoint-seconds", "0.2", "--training-threads", "2")
    return start_local_server(directory / "data", flags=flags, seconds=180)


@pytest.fixture(params=["processes", "dask-local:2"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture
def client(kind: str, tmp_path: Path) -> Iterator[Client]:
    server = start(kind, tmp_path)
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
    server = start(kind, tmp_path)
    with pytrainr_client.connect(server.address) as client:
        job = submit(client, task, 3, "long")
        while job.info().epoch < 20:
            time.sleep(0.02)
    assert server.stop() == 0, server.log.read_text()
    again = start(kind, tmp_path)
    with pytrainr_client.connect(again.address) as client:
        assert_same(client.job("trainingJobs/long").wait(), undisturbed(task, 3))
    assert again.stop() == 0
