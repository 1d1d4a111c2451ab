"""Cancelled where no worker had it, or soon after one had taken it up within an epoch: what a job leaves is the model
that a training here has after so many whole epochs, to the bit."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, Job, ServerError
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.store.store import Store, StoreSettings
from trainr import wire
from trainr.v1 import training_pb2

import pytrainr
from pytrainr import Model, RRandom
from pytrainr.training import Training
from tests.service.conftest import adder
from tests.service.postgresql import PostgreSQL, what_is_missing
from tests.service.test_faults import assert_same

SLOW: dict[str, Any] = {"learningrate": 0.01, "hidden_dim": 100, "network_type": "lstm", "momentum": 0.1}
BLOCKER: dict[str, Any] = {"learningrate": 0.001, "hidden_dim": 16, "numepochs": 1_000_000, "network_type": "lstm"}
WHERE = ("threads", *([] if what_is_missing() else ["shared"]))


@pytest.fixture(params=WHERE)
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], LocalServer]]:
    """Starts the server again, which trains one job at a time: in a thread, or in a process, with
    PostgreSQL and shared files."""
    cluster = PostgreSQL() if request.param == "shared" else None
    kind = ["--executor", request.param]
    if cluster:
        files = f"file://{tmp_path / 'files'}"
        kind = ["--executor", "processes", "--store-url", cluster.new_database(), "--files", files]
    flags = [*kind, "--training-threads", "1", "--checkpoint-seconds", "0.3"]
    servers = []

    def started() -> LocalServer:
        servers.append(start_local_server(tmp_path / "data", flags=flags, seconds=180))
        return servers[-1]

    yield started
    servers[-1].stop()
    if cluster:
        cluster.stop()


@cache
def slow_data() -> tuple[np.ndarray, np.ndarray]:
    return adder(8000)


@cache
def uninterrupted(epochs: int) -> Model:
    """The model of a training here of so many epochs."""
    X, Y = slow_data()
    return pytrainr.trainr(Y, X, rng=RRandom(1), numepochs=epochs, epoch_function=pytrainr.epoch_annealing, **SLOW)


def eventually(what: Callable[[], Any], seconds: float = 60.0) -> Any:
    until = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < until
        time.sleep(0.02)
    return found


def left_by(client: Client, job: Job) -> Model:
    """The model of a job that was cancelled."""
    eventually(lambda: job.info().ended)
    with pytest.raises(ServerError) as cancelled:
        job.wait()
    assert (cancelled.value.code, job.info().state) == (grpc.StatusCode.CANCELLED, "CANCELLED")
    assert cancelled.value.metadata.get("model"), "it has come to a whole epoch"
    return client.model(cancelled.value.metadata["model"])


def test_jobs_given_back_within_an_epoch_leave_their_last_whole_one(start: Callable[[], LocalServer]) -> None:
    """One is cancelled in the queue, behind a job that never ends; the other as soon as it is taken up again."""
    X, Y = slow_data()

    def submitted(client: Client, job_id: str) -> Job:
        job = client.train_async(Y, X, rng=RRandom(1), job_id=job_id, numepochs=1000, **SLOW)
        request = training_pb2.GetTrainingJobRequest(name=job.name)
        eventually(lambda: (seen := client.training.GetTrainingJob(request)).epoch and 0.0 < seen.progress < 0.8)
        return job

    server = start()
    with pytrainr_client.connect(server.address) as client:
        submitted(client, "running")
    assert server.stop() == 0, server.log.read_text()
    server = start()
    with pytrainr_client.connect(server.address) as client:
        job = client.job("trainingJobs/running")
        eventually(lambda: job.info().state == "RUNNING")
        job.cancel()
        model = left_by(client, job)
        assert_same(model, uninterrupted(int(model.current_epoch)))

        submitted(client, "waiting")
        blocker = client.train_async(*adder(20)[::-1], job_id="blocker", priority=1, **BLOCKER)
    assert server.stop() == 0, server.log.read_text()
    server = start()
    with pytrainr_client.connect(server.address) as client:
        job, blocker = client.job("trainingJobs/waiting"), client.job("trainingJobs/blocker")
        eventually(lambda: blocker.info().state == "RUNNING")
        assert job.info().state == "QUEUED"
        job.cancel()
        model = left_by(client, job)
        assert_same(model, uninterrupted(int(model.current_epoch)))
        assert job.info().epoch == model.current_epoch == model.error.shape[1]
        assert blocker.info().state == "RUNNING", "nobody made way for it"
        assert len(list(job.watch())) == model.current_epoch
        blocker.cancel()
        eventually(lambda: blocker.info().ended)


def test_a_training_that_waits_for_its_caller_leaves_the_epoch_before(start: Callable[[], LocalServer]) -> None:
    """Parked as the server stopped, in the moment between an epoch's last update and its epoch functions."""
    X, Y = adder(20)
    options = training_pb2.TrainingOptions(learningrate=0.1, hidden_dim=[3], numepochs=5)
    message = training_pb2.Training(
        x=wire.encode_array(X), y=wire.encode_array(Y), options=options, seed=1, pause_each_epoch=True
    )
    server = start()
    with pytrainr_client.connect(server.address) as client:
        call = client.training.Train(training_pb2.TrainRequest(training=message, detach=True), timeout=40)
        job = client.job(next(call).accepted.name)
        eventually(lambda: next(call).HasField("pause"))
        blocker = client.train_async(*adder(20)[::-1], job_id="blocker", **BLOCKER)
        answer = training_pb2.ContinueTrainingRequest(name=job.name, epoch=1)
        answer.field.add(name="learningrate", value=wire.encode_value(0.05))
        client.training.ContinueTraining(answer)
        eventually(lambda: (event := next(call)).HasField("pause") and event.pause.epoch == 2)
    assert server.stop() == 0, server.log.read_text()
    server = start()
    with pytrainr_client.connect(server.address) as client:
        job, blocker = client.job(job.name), client.job(blocker.name)
        assert job.info().state == "PAUSED"
        eventually(lambda: blocker.info().state == "RUNNING")
        job.cancel()
        model = left_by(client, job)
        stream = RRandom(0)
        stream.set_seed(1)
        here = Training(Y, X, rng=stream, learningrate=0.1, hidden_dim=[3], numepochs=5, epoch_function=to_half)
        here.advance()
        assert_same(model, here.last_whole_epoch())
        assert model.current_epoch == model.error.shape[1] == 1
        blocker.cancel()
        eventually(lambda: blocker.info().ended)


def to_half(model: Model) -> Model:
    model.learningrate = 0.05
    return model


def test_a_wish_that_nobody_says_to_the_worker_is_heard(tmp_path: Path) -> None:
    """A cancel from another process, or one just before the worker listened: it is in the database. A worker whose
    slices were long saw it each time as it renewed its lease for the log's sake, and trained on."""
    X, Y = slow_data()
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        job = client.train_async(Y, X, rng=RRandom(1), numepochs=1000, **SLOW)
        eventually(lambda: job.info().epoch)
        store = Store(StoreSettings(f"sqlite:///{tmp_path / 'store.db'}", str(tmp_path), 3600.0, 3600.0, 1 << 30))
        (row,) = store.jobs.page(None, [], 10, None)
        store.jobs.cancel(row.owner, row.id)
        store.database.close()
        model = left_by(client, job)
        assert model.current_epoch < 100
        assert_same(model, uninterrupted(int(model.current_epoch)))


def test_a_job_that_has_not_begun_is_cancelled_at_once(tmp_path: Path) -> None:
    """And one that was begun, but has no checkpoint: there is no model to leave."""
    X, Y = adder(20)
    flags = ["--training-threads", "1", "--checkpoint-seconds", "600"]
    with start_local_server(tmp_path, flags=flags) as server, pytrainr_client.connect(server.address) as client:
        begun = client.train_async(Y, X, job_id="begun", **BLOCKER)
        eventually(lambda: begun.info().epoch)
        waiting = client.train_async(Y, X, job_id="waiting", priority=1, **BLOCKER)
        assert waiting.cancel().state == "CANCELLED"
        client.train_async(Y, X, job_id="first", priority=1, **BLOCKER)
        server.kill()
    with start_local_server(tmp_path, flags=flags) as server, pytrainr_client.connect(server.address) as client:
        begun, first = client.job("trainingJobs/begun"), client.job("trainingJobs/first")
        eventually(lambda: first.info().state == "RUNNING")
        begun.cancel()
        eventually(lambda: begun.info().ended)
        info = begun.info()
        assert (info.state, info.model, info.epoch) == ("CANCELLED", "", 0)
        assert first.info().state == "RUNNING"
        first.cancel()
