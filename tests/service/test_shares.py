"""One caller's memory, time, streams and pauses are not another's (issues 18.3 and 18.5)."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
import pytrainr_client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pytrainr_client import Client, ServerError
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.jobs.stored_models import save_model
from pytrainr_server.service.computed_models import ModelCache
from pytrainr_server.store.store import Store, StoreSettings
from trainr import wire
from trainr.v1 import model_pb2, model_pb2_grpc, training_pb2, training_pb2_grpc

import pytrainr
from pytrainr import Model, RRandom
from tests.service.conftest import adder, create_token
from tests.service.test_bad_input import refused, training

ENDLESS = {"learningrate": 0.01, "numepochs": 900_000, "hidden_dim": 16, "network_type": "lstm"}
SMALL = {"learningrate": 0.1, "numepochs": 2, "hidden_dim": 2}


class Shared:
    """A server of two threads with two owners."""

    def __init__(self, server: LocalServer, tokens: dict[str, str]) -> None:
        self.server, self.tokens = server, tokens

    def connect(self, owner: str) -> Client:
        return pytrainr_client.connect(self.server.address, self.tokens[owner], retry_seconds=30)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Shared]:
    tokens = {owner: create_token(tmp_path, owner) for owner in ("alice", "bob")}
    flags = ["--training-threads", "2", "--max-owner-calls", "80", "--max-calls", "100", "--memory-bytes", "1600000000"]
    with start_local_server(tmp_path, flags=flags, listen=f"unix:{tmp_path}/socket") as server:
        yield Shared(server, tokens)


def endless(client: Client, count: int) -> list[pytrainr_client.Job]:
    X, Y = adder(20)
    return [client.train_async(Y, X, rng=RRandom(index), **ENDLESS) for index in range(count)]


def small(client: Client) -> Model:
    X, Y = adder(20)
    return client.train_async(Y, X, rng=RRandom(1), **SMALL).wait()


def eventually(what: Callable[[], bool], seconds: float = 600.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def test_endless_jobs_of_one_owner_let_anothers_through(shared: Shared) -> None:
    """Two endless trainings on two threads; a small one of another owner is done, and the endless ones go on."""
    with shared.connect("alice") as alice, shared.connect("bob") as bob:
        jobs = endless(alice, 4)
        eventually(lambda: sum(job.info().state == "RUNNING" for job in jobs) == 2)
        X, Y = adder(20)
        expected = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=(), **SMALL)
        for _ in range(3):
            assert np.array_equal(small(bob).time_synapse[0], expected.time_synapse[0])
        assert not any(job.info().ended for job in jobs)
        epochs = [job.info().epoch for job in jobs]
        eventually(lambda: any(job.info().epoch > epoch for job, epoch in zip(jobs, epochs, strict=True)))
        for job in jobs:
            job.cancel()


def test_paused_trainings_leave_room(shared: Shared) -> None:
    """Seventy-five trainings wait for their callers; all have come to their pause, another owner's job is done, and an
    answer lets a parked one go on to the same bits."""
    X, Y = adder(10)
    options = training_pb2.TrainingOptions(learningrate=0.1, hidden_dim=[2], numepochs=2)
    message = training_pb2.Training(
        x=wire.encode_array(X), y=wire.encode_array(Y), options=options, seed=1, pause_each_epoch=True
    )
    with shared.connect("alice") as alice, shared.connect("bob") as bob:
        calls: list[Any] = []
        for _ in range(75):
            request = training_pb2.TrainRequest(training=message, detach=True)
            call = alice.training.Train(request)
            calls.append((next(call).accepted.name, call))
        jobs = [alice.job(name) for name, _ in calls]
        eventually(lambda: all(job.info().state == "PAUSED" for job in jobs), 120)
        small(bob)
        name, call = calls[0]
        for event in call:
            if event.HasField("pause"):
                alice.training.ContinueTraining(
                    training_pb2.ContinueTrainingRequest(name=name, epoch=event.pause.epoch)
                )
        expected = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=2, numepochs=2, rng=seeded(1), epoch_function=())
        weights = alice.job(name).wait().time_synapse
        assert all(np.array_equal(a, b) for a, b in zip(weights, expected.time_synapse, strict=True))
        for _, other in calls[1:]:
            other.cancel()


def seeded(seed: int) -> RRandom:
    stream = RRandom(0)
    stream.set_seed(seed)
    return stream


def test_open_streams_of_one_owner_leave_others_theirs(shared: Shared) -> None:
    """Watchers up to the owner's share, then a refusal that says so; other owners and health probes are served."""
    with shared.connect("alice") as alice, shared.connect("bob") as bob:
        (job,) = endless(alice, 1)
        request = training_pb2.WatchTrainingJobRequest(name=job.name)
        watchers = [alice.training.WatchTrainingJob(request) for _ in range(80)]
        for watcher in watchers:
            next(watcher)
        one_more = alice.training.WatchTrainingJob(request)
        code, reason, _ = refused(lambda: next(one_more))
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_CALLS")
        small(bob)
        with grpc.insecure_channel(shared.server.address) as channel:
            health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=300)
        for watcher in watchers:
            watcher.cancel()
        eventually(lambda: cancelled(job))


def cancelled(job: pytrainr_client.Job) -> bool:
    try:
        job.cancel()
    except ServerError as error:
        assert error.reason == "TOO_MANY_CALLS"  # the watchers' ends are on their way
        return False
    return True


def test_deletes_during_a_backup_keep_nobody_waiting(shared: Shared) -> None:
    """A backup holds the files' lock; deletes wait for it, and nobody waits with them."""
    import fcntl

    with shared.connect("alice") as alice, shared.connect("bob") as bob:
        small(alice)
        (model,) = alice.models()
        with open(shared.server.data_dir / "files.lock", "ab") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            stub = model_pb2_grpc.ModelServiceStub(alice._channel)
            request = model_pb2.DeleteModelRequest(name=model.name, allow_missing=True)
            deletes = [stub.DeleteModel.future(request) for _ in range(40)]
            small(bob)
            assert not any(delete.done() for delete in deletes)
        assert sum(delete.result(timeout=600).deleted for delete in deletes) == 1


# memory -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_dim": [13_000]},
        {"hidden_dim": [200_000]},
        {"hidden_dim": [100] * 3_000},
        {"numepochs": 50_000_000},
        {"hidden_dim": [6_000], "exact": True, "network_type": "esn"},
    ],
    ids=lambda options: str(options)[:60],
)
def test_a_small_request_for_much_memory_is_refused_with_the_estimate(shared: Shared, options: Any) -> None:
    process = psutil.Process(shared.server.process.pid)
    before = process.memory_info().rss
    with shared.connect("alice") as alice:
        request = training_pb2.CreateTrainingJobRequest(training=training(options=options))
        with pytest.raises(grpc.RpcError) as error:
            alice.training.CreateTrainingJob(request, timeout=600)
        assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
        assert "needs" in error.value.details()  # type: ignore[attr-defined]
        assert "may have 800 MB" in error.value.details()  # type: ignore[attr-defined]
    assert process.memory_info().rss - before < 100 << 20


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_dim": [2_500], "exact": True, "network_type": "esn"},
        {"hidden_dim": [1_000], "exact": True, "network_type": "gru", "extra": {"init": "orthogonal"}},
    ],
    ids=lambda options: str(options)[:60],
)
def test_what_nothing_could_interrupt_is_bounded(tmp_path: Path, options: Any) -> None:
    """Eigenvalues and factorisations of large matrices: refused with what they need before they are begun."""
    extra = wire.encode_options(options.pop("extra", {}))
    flags = ["--max-direct-operations", "1e10", "--memory-bytes", "8000000000"]
    with start_local_server(tmp_path, flags=flags) as server, grpc.insecure_channel(server.address) as channel:
        message = training(options={**options, "extra": extra})
        request = training_pb2.CreateTrainingJobRequest(training=message)
        create = training_pb2_grpc.TrainingServiceStub(channel).CreateTrainingJob
        code, reason, _ = refused(lambda: create(request, timeout=600))
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "JOB_TOO_LARGE")


def test_jobs_run_together_only_where_their_memory_allows(shared: Shared) -> None:
    """Each may have half of the memory, all that run three quarters: the second large one waits for the first."""
    with shared.connect("alice") as alice, shared.connect("bob") as bob:
        X, Y = adder(20)
        large = {**ENDLESS, "hidden_dim": 2300, "numepochs": 100, "network_type": "rnn"}
        jobs = [client.train_async(Y, X, rng=RRandom(1), **large) for client in (alice, bob)]
        states = [job.info().state for job in jobs]
        assert states.count("QUEUED") >= 1 or states.count("RUNNING") <= 1
        small(bob)
        for job in jobs:
            job.cancel()


GROUP_BYTES = 4 << 30


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of four gibibytes, of version 1 or 2, where this process may make one."""
    name = f"pytrainr-{os.getpid()}"
    for root, limit in (
        (Path("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
        (Path("/sys/fs/cgroup"), "memory.max"),
    ):
        made = root / name
        try:
            made.mkdir()
        except OSError:
            continue
        try:
            (made / limit).write_text(str(GROUP_BYTES))
        except OSError:
            made.rmdir()
            continue
        yield made
        eventually(lambda made=made: not (made / "cgroup.procs").read_text())  # type: ignore[misc]
        made.rmdir()
        return
    pytest.skip("no control group can be made here")


def test_a_small_request_does_not_kill_a_server_in_a_control_group(group: Path, tmp_path: Path) -> None:
    """``hidden_dim=[13000]`` killed a server in 4 GiB on a machine that has more: what counts is the group's limit."""
    enter = ["sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh"]
    with start_local_server(tmp_path, prefix=enter) as server, pytrainr_client.connect(server.address) as client:
        with grpc.insecure_channel(server.address) as channel:
            stub = training_pb2_grpc.TrainingServiceStub(channel)
            for options in ({"hidden_dim": [13_000]}, {"hidden_dim": [6_000] * 4, "network_type": "lstm"}):
                request = training_pb2.CreateTrainingJobRequest(training=training(options=options))
                with pytest.raises(grpc.RpcError) as error:
                    stub.CreateTrainingJob(request, timeout=600)
                assert error.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED  # type: ignore[attr-defined]
                assert "one request may have 1.61 GB" in error.value.details()  # type: ignore[attr-defined]
        X, Y = adder(20)
        largest = {**ENDLESS, "hidden_dim": 2300, "numepochs": 1, "network_type": "rnn"}
        client.train_async(Y, X, rng=RRandom(1), **largest).wait()
        assert server.process.poll() is None


# a long queue -----------------------------------------------------------------------------------------------------

QUEUED = 10_000
MULTIPLY = """
WITH RECURSIVE number(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM number WHERE n < {count})
INSERT INTO {table} ({columns}) SELECT {values} FROM {table}, number WHERE {key} = ?
"""


def multiply(directory: Path, key: str, count: int) -> None:
    """So many copies of a waiting job, as if each had been handed in."""
    with contextlib.closing(sqlite3.connect(directory / "store.db")) as database, database:
        for table, own in (("jobs", "key"), ("trainings", "job_key")):
            columns = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            made = {own: "'copy' || n", "id": "'copy' || n", "request_id": "NULL", "create_time": "create_time + n"}
            values = ", ".join(made.get(column, column) for column in columns)
            database.execute(
                MULTIPLY.format(table=table, columns=", ".join(columns), values=values, count=count, key=own), (key,)
            )


def test_ten_thousand_queued_jobs_of_one_owner_keep_nobody_waiting(tmp_path: Path) -> None:
    """Another owner's small job is done while nearly all of them still wait; health and lists are answered."""
    tokens = {owner: create_token(tmp_path, owner) for owner in ("alice", "bob")}
    flags = ["--training-threads", "1", "--max-jobs", "20000", "--max-queue", "30000"]
    with start_local_server(tmp_path, flags=flags) as server, Shared(server, tokens).connect("alice") as alice:
        endless(alice, 2)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database:
        ((key,), *_) = database.execute("SELECT key FROM jobs ORDER BY create_time DESC").fetchall()
    multiply(tmp_path, key, QUEUED)
    with start_local_server(tmp_path, flags=flags) as server:
        shared = Shared(server, tokens)
        with shared.connect("alice") as alice, shared.connect("bob") as bob:
            for _ in range(3):
                small(bob)
            with grpc.insecure_channel(server.address) as channel:
                health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=300)
            assert len(list(bob.jobs())) == 3
            request = training_pb2.ListTrainingJobsRequest(page_size=500, state=[training_pb2.JOB_STATE_QUEUED])
            page = alice.training.ListTrainingJobs(request)
            assert len(page.training_jobs) == 500
            assert page.next_page_token
            last = training_pb2.WatchTrainingJobRequest(name=page.training_jobs[0].name)
            watch = alice.training.WatchTrainingJob(last)
            place = next(event.progress.queue_position for event in watch if event.HasField("progress"))
            assert place > QUEUED - 100
            watch.cancel()
            cancelled(alice.job(page.training_jobs[0].name))


def test_small_models_in_memory_count_with_all_that_they_take(tmp_path: Path) -> None:
    """A model of 200 bytes of weights is 10 kB of Python's objects: a caller who predicts with ever new versions would
    fill the memory long before their arrays reach the limit (issue 18.3)."""
    store = Store(StoreSettings(f"sqlite:///{tmp_path / 'store.db'}", str(tmp_path), 60.0, 60.0, 1 << 30))
    store.open()
    X, Y = adder(4)
    model = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=2, epoch_function=(), rng=RRandom(1))
    names = [f"models/m{number}" for number in range(60)]
    for name in names:
        store.add_imported(save_model(store, model, owner="", id=name.removeprefix("models/")))
    cache = ModelCache(store, max_bytes=200_000, largest_bytes=1 << 30)
    cache.get("", names[0])
    tracemalloc.start()
    try:
        for name in names:
            cache.get("", name)
        assert tracemalloc.get_traced_memory()[0] < 300_000
    finally:
        tracemalloc.stop()
        store.database.close()
