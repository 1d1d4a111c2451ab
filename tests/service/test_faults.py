"""The server is killed, again and again and at every bad moment; nothing acknowledged is lost, doubled or different."""

from __future__ import annotations

import contextlib
import copy
import random
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, ServerError
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.failpoints import NAMES, VARIABLE

import pytrainr
from pytrainr import Model, RRandom
from pytrainr.schedules import Schedule
from tests.service.conftest import adder

QUICK = ("--checkpoint-seconds", "0.05")
KILLS = 30
TASKS: tuple[dict[str, Any], ...] = (
    {"network_type": "rnn", "hidden_dim": 8, "numepochs": 400, "use_bias": True, "batch_size": 3},
    {"network_type": "gru", "hidden_dim": (6, 4), "numepochs": 250, "momentum": 0.2, "learningrate_decay": 0.99},
    {"network_type": "lstm", "hidden_dim": 5, "numepochs": 250, "clipping": 0.5},
    {
        "network_type": "gru",
        "hidden_dim": 5,
        "numepochs": 250,
        "exact": True,
        "update_rule": "adam",
        "dropout": 0.1,
        "validation": 0.25,
    },
    {
        "hidden_dim": 4,
        "numepochs": 250,
        "epoch_function": [pytrainr.StepSchedule(50, factor=4.0), pytrainr.EarlyStopping(patience=1000)],
    },
)
WEIGHTS = ("time_synapse", "recurrent_synapse", "bias_synapse", "time_synapse_update")


def undisturbed(task: dict[str, Any], seed: int) -> Model:
    X, Y = adder(40)
    given = {"epoch_function": pytrainr.epoch_annealing, **copy.deepcopy(task)}
    return pytrainr.trainr(Y, X, learningrate=0.05, rng=RRandom(seed), **given)


def submit(client: Client, task: dict[str, Any], seed: int, job_id: str) -> pytrainr_client.Job:
    X, Y = adder(40)
    return client.train_async(Y, X, learningrate=0.05, rng=RRandom(seed), job_id=job_id, **task)


def assert_same(model: Model, expected: Model) -> None:
    for field in (name for name in WEIGHTS if name in expected):
        for layer, weights in enumerate(expected[field]):
            assert np.array_equal(model[field][layer], weights), f"{field}[{layer}]"
    assert np.array_equal(model.error, expected.error)
    assert model.learningrate == expected.learningrate
    schedules, others = ([f for f in m.epoch_function if isinstance(f, Schedule)] for m in (model, expected))
    assert schedules == others, "with their state"
    assert model.get("best_epoch_kept") == expected.get("best_epoch_kept")


class Reviver:
    """A server that is started again whenever it is gone, always at the same address."""

    def __init__(self, data_dir: Path, address: Path, flags: tuple[str, ...] = QUICK) -> None:
        self.data_dir = data_dir
        self.flags = flags
        self.address = f"unix:{address}"
        self.starts = 0
        self.server: LocalServer | None = None

    def start(self, failpoint: str = "") -> LocalServer:
        self.starts += 1
        environment = {VARIABLE: failpoint} if failpoint else {}
        self.server = start_local_server(self.data_dir, flags=self.flags, environment=environment, listen=self.address)
        return self.server

    def stop(self) -> None:
        if self.server is not None:
            self.server.stop()


@pytest.fixture
def reviver(tmp_path: Path) -> Any:
    made = Reviver(tmp_path / "data", tmp_path / "socket")
    yield made
    made.stop()


def kill_at_random(reviver: Reviver, chance: random.Random, kills: int, apart: float) -> None:
    """All tasks at once beneath so many kills, at most ``apart`` seconds apart: each ends once, to the bit."""
    server = reviver.start()
    with pytrainr_client.connect(server.address, retry_seconds=60) as client:
        jobs = [submit(client, task, index, f"job-{index}") for index, task in enumerate(TASKS)]
        for _ in range(kills):
            time.sleep(chance.uniform(0.0, apart))
            server.kill()
            server = reviver.start()
        for index, job in enumerate(jobs):
            assert_same(job.wait(), undisturbed(TASKS[index], index))
        assert len(list(client.models())) == len(list(client.jobs())) == len(TASKS)


def test_sigkill_at_random_moments_changes_no_bit(reviver: Reviver) -> None:
    expected = [undisturbed(task, seed) for seed, task in enumerate(TASKS)]
    chance = random.Random(20)
    server = reviver.start()
    jobs: list[tuple[str, int]] = []
    with pytrainr_client.connect(server.address, retry_seconds=30) as client:
        for kill in range(KILLS):
            # Always something under way: jobs come in, several at a time, until the last kill.
            if len([name for name, _ in jobs if not client.job(name).info().ended]) < 2:
                for index, task in enumerate(TASKS):
                    job = submit(client, task, index, f"job-{kill}-{index}")
                    jobs.append((job.name, index))
            time.sleep(chance.uniform(0.0, 0.25))
            server.kill()
            server = reviver.start()
        for name, index in jobs:
            assert_same(client.job(name).wait(), expected[index])
        everything = list(client.jobs())
        assert sorted(info.name for info in everything) == sorted(name for name, _ in jobs)
        assert len(list(client.models())) == len(jobs)
        assert all(len(list(client.models(f"models/{name.partition('/')[2]}"))) == 1 for name, _ in jobs)
        resumed = sum(
            client.training.GetTrainingJob(request).resumed for request in (_request(name) for name, _ in jobs)
        )
    assert resumed >= 10, "the kills should have met running jobs"


def _request(name: str) -> Any:
    from trainr.v1 import training_pb2

    return training_pb2.GetTrainingJobRequest(name=name)


def work(client: Client, point: str) -> dict[str, Callable[[Model], None]]:
    """What comes by the failpoint; what the outcome must be, by job."""
    outcomes: dict[str, Callable[[Model], None]] = {}
    X, Y = adder(40)
    if point in ("mid-upload", "dataset-before-rename"):
        # An upload is committed every 8 MiB, and only arrays beyond 1 MiB are uploaded at all.
        large = np.tile(X, (3000, 1, 1)) if point == "mid-upload" else np.tile(X, (300, 1, 1))
        target = np.tile(Y, (len(large) // len(X), 1, 1))
        model = client.trainr(
            target,
            large,
            learningrate=0.001,
            hidden_dim=2,
            batch_size=len(large),
            rng=RRandom(1),
            epoch_function=quiet_annealing,
        )
        expected = pytrainr.trainr(
            target,
            large,
            learningrate=0.001,
            hidden_dim=2,
            batch_size=len(large),
            rng=RRandom(1),
            epoch_function=quiet_annealing,
        )
        assert_same(model, expected)
    elif point == "after-continue":
        model = client.trainr(Y, X, learningrate=0.05, numepochs=4, rng=RRandom(1), epoch_function=halved)
        assert_same(model, pytrainr.trainr(Y, X, learningrate=0.05, numepochs=4, rng=RRandom(1), epoch_function=halved))
    else:
        for index, task in enumerate(TASKS):
            job = submit(client, task, index, f"job-{index}")
            expected_model = undisturbed(task, index)
            outcomes[job.name] = lambda model, expected=expected_model: assert_same(model, expected)  # type: ignore[misc]
    return outcomes


quiet_annealing = pytrainr.epoch_annealing


def halved(model: Model) -> Model:
    model.learningrate *= 0.5
    model.time_synapse[0] += 0.125
    return model


@pytest.mark.parametrize("point", NAMES)
def test_sigkill_at_a_named_point_changes_no_bit(reviver: Reviver, point: str) -> None:
    server = reviver.start(f"{point}:2" if point in ("mid-epoch-log", "after-checkpoint") else point)
    died = threading.Event()

    def revive() -> None:
        server.process.wait()
        died.set()
        reviver.start()

    watcher = threading.Thread(target=revive, daemon=True)
    watcher.start()
    with pytrainr_client.connect(server.address, retry_seconds=60) as client:
        outcomes = work(client, point)
        for name, check in outcomes.items():
            check(client.job(name).wait())
        assert died.is_set(), f"the server never came to {point}"
        names = {info.name for info in client.jobs()}
        if outcomes:
            assert names == set(outcomes)
        else:
            assert len(names) == 1
        assert len(list(client.models())) == len(names)
    watcher.join(30)


SMALL: dict[str, Any] = {"network_type": "gru", "hidden_dim": 4, "numepochs": 3}


@pytest.mark.parametrize("point", ["mid-accept", "after-accept", "after-lease", "mid-publish", "after-publish"])
def test_sigkill_around_a_job_too_small_for_files(reviver: Reviver, point: str) -> None:
    X, Y = adder(40)
    expected = pytrainr.trainr(
        Y, X, learningrate=0.05, rng=RRandom(7), epoch_function=pytrainr.epoch_annealing, **SMALL
    )
    server = reviver.start(f"{point}:3")  # the third job comes to it: two have ended, and nothing of theirs is harmed

    def revive() -> None:
        server.process.wait()
        reviver.start()

    watcher = threading.Thread(target=revive, daemon=True)
    watcher.start()
    with pytrainr_client.connect(server.address, retry_seconds=60) as client:
        for _ in range(4):
            stream, rates = RRandom(7), []

            def watch(model: Model, rates: list[float] = rates) -> Model:
                rates.append(float(model.learningrate))
                return model

            watch.observer = True  # type: ignore[attr-defined]
            functions = [watch, pytrainr.epoch_annealing]
            model = client.trainr(Y, X, learningrate=0.05, rng=stream, epoch_function=functions, **SMALL)
            assert_same(model, expected)
            assert len(rates) == 3
        watcher.join(30)
        assert not watcher.is_alive(), f"the server never came to {point}"
        infos = list(client.jobs())
        assert [info.state for info in infos] == ["SUCCEEDED"] * 4
        assert len(list(client.models())) == 4
        for info in infos:
            assert [epoch.epoch for epoch in client.job(info.name).watch()] == [1, 2, 3]
            assert_same(client.model(info.model), expected)
    # The first job of each server waits for its kernels, long enough for a file of its epochs.
    assert len(list((reviver.data_dir / "jobs").iterdir())) <= 2
    assert list((reviver.data_dir / "models").iterdir()) == []


def test_no_more_than_five_seconds_of_work_are_lost(tmp_path: Path) -> None:
    """By the job's own record, with the checkpoints that a server makes unless told otherwise."""
    X, Y = adder(40)
    lasts = 7.0 + random.Random(22).uniform(0.0, 3.0)
    seen: list[tuple[float, int]] = []  # when a caller knew that an epoch was done
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        options: dict[str, Any] = {"network_type": "gru", "hidden_dim": 40, "numepochs": 100_000}
        job = client.train_async(Y, X, learningrate=0.001, rng=RRandom(1), **options)
        for epoch in job.watch():
            seen.append((time.time(), epoch.epoch))
            if seen[-1][0] > seen[0][0] + lasts:
                break
        server.kill()
        killed = time.time()
    (directory,) = (tmp_path / "jobs").iterdir()
    with np.load(directory / "checkpoint.npz", allow_pickle=False) as checkpoint:
        kept = int(checkpoint["server.epochs"])
    written = (directory / "checkpoint.npz").stat().st_mtime
    assert 0 < kept <= seen[-1][1] + 1000
    assert killed - written <= 5.0, "the checkpoint is no older than that"
    assert all(known > killed - 5.0 for known, epoch in seen if epoch > kept), "nor is any epoch that it lacks"
    records = (directory / "epochs").read_bytes()[: 32 * kept]
    # It is from there that the job goes on: no epoch up to the checkpoint's is trained again.
    with start_local_server(tmp_path) as again, pytrainr_client.connect(again.address) as client:
        until = time.monotonic() + 60
        while "from its checkpoint" not in again.log.read_text() and time.monotonic() < until:
            time.sleep(0.02)
        assert f"job goes on from its checkpoint {job.name.replace('trainingJobs/', 'job=')} epoch={kept}" in (
            again.log.read_text()
        )
        assert (directory / "epochs").read_bytes()[: 32 * kept] == records
        client.job(job.name).cancel()


def test_the_same_request_twice_is_one_job(plain: LocalServer, data: tuple[np.ndarray, np.ndarray]) -> None:
    from trainr import wire
    from trainr.v1 import training_pb2

    X, Y = data
    training = training_pb2.Training(
        x=wire.encode_array(X), y=wire.encode_array(Y), options=training_pb2.TrainingOptions(learningrate=0.1), seed=1
    )
    request = training_pb2.CreateTrainingJobRequest(training=training, request_id=str(uuid.uuid4()))
    with pytrainr_client.connect(plain.address) as client:
        names: list[str] = []
        threads = [
            threading.Thread(target=lambda: names.append(client.training.CreateTrainingJob(request).name))
            for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(names) == 8
        assert len(set(names)) == 1
        request.training.options.learningrate = 0.2
        with pytest.raises(ServerError) as refused:
            client.retried(lambda: client.training.CreateTrainingJob(request))
        assert refused.value.reason == "REQUEST_ID_REUSED"


def test_sigterm_checkpoints_and_the_job_goes_on(reviver: Reviver) -> None:
    task = {"network_type": "lstm", "hidden_dim": 12, "numepochs": 1500}
    server = reviver.start()
    with pytrainr_client.connect(server.address, retry_seconds=30) as client:
        job = submit(client, task, 5, "long")
        while job.info().epoch < 5:
            time.sleep(0.02)
        assert server.stop() == 0
        reviver.start()
        first_seen = next(epoch.epoch for epoch in job.watch())
        assert first_seen == 1
        assert_same(job.wait(), undisturbed(task, 5))


def test_a_lost_connection_is_taken_up_without_a_gap(reviver: Reviver) -> None:
    X, Y = adder(40)
    server = reviver.start()
    seen: list[int] = []
    killed = threading.Event()

    def watch(model: Model) -> Model:
        seen.append(int(model.current_epoch))
        if model.current_epoch > 3:
            killed.set()
        return model

    watch.observer = True  # type: ignore[attr-defined]

    def kill_and_revive() -> None:
        killed.wait(30)
        server.kill()
        reviver.start()

    thread = threading.Thread(target=kill_and_revive, daemon=True)
    thread.start()
    options: dict[str, Any] = {"learningrate": 0.05, "hidden_dim": 12, "network_type": "lstm", "numepochs": 600}
    with pytrainr_client.connect(server.address, retry_seconds=30) as client:
        model = client.trainr(Y, X, rng=RRandom(3), epoch_function=[watch, pytrainr.epoch_annealing], **options)
    thread.join(30)
    assert killed.is_set()
    assert seen == list(range(1, 601))
    assert_same(model, pytrainr.trainr(Y, X, rng=RRandom(3), epoch_function=pytrainr.epoch_annealing, **options))


def test_retrying_ends_when_nobody_answers(tmp_path: Path, data: tuple[np.ndarray, np.ndarray]) -> None:
    client = pytrainr_client.connect(f"unix:{tmp_path / 'nobody'}", retry_seconds=0.3)
    began = time.monotonic()
    with pytest.raises(ServerError) as gone, contextlib.closing(client):
        client.predictr("models/x", data[0])
    assert gone.value.code.name == "UNAVAILABLE"
    assert time.monotonic() - began > 0.2
