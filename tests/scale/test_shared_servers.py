"""Issue 17.1 and 17.3: servers that share a database and files, behind a plain load balancer, are as one server."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client
from pytrainr_server import LocalServer, start_local_server
from trainr import wire
from trainr.v1 import training_pb2

import pytrainr
from pytrainr import Model, RRandom
from tests.scale.conftest import NewPlace
from tests.scale.proxy import Proxy
from tests.service import test_jobs
from tests.service.conftest import adder
from tests.service.postgresql import PostgreSQL, what_is_missing
from tests.service.test_faults import TASKS, Reviver, assert_same, kill_at_random, submit, undisturbed

HERE = [] if what_is_missing() else ["here"]
AGAIN = (
    "test_epoch_functions_of_the_callers_change_the_model_as_here",
    "test_retraining_from_a_stored_model",
    "test_versions_and_aliases",
    "test_jobs_are_listed_in_pages_watched_from_any_epoch_and_deleted",
    "test_a_request_id_attaches_again_without_a_gap_and_detaching_lasts",
    "test_large_data_are_uploaded_once_and_a_broken_upload_goes_on",
    "test_a_cancelled_job_has_its_last_whole_epoch",
)
if HERE:
    globals().update({name: getattr(test_jobs, name) for name in AGAIN})


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """One cluster for all of these tests."""
    cluster = PostgreSQL()
    yield cluster
    cluster.stop()


class Pair(NamedTuple):
    """Two servers, and the load balancer before them."""

    servers: tuple[LocalServer, LocalServer]
    balancer: Proxy


def start_pair(directory: Path, *flags: str) -> Pair:
    servers = [start_local_server(directory / name, flags=flags) for name in ("first", "second")]
    return Pair((servers[0], servers[1]), Proxy([server.address for server in servers]))


def stop_pair(pair: Pair) -> None:
    pair.balancer.close()
    for server in pair.servers:
        server.stop()


@pytest.fixture(scope="module")
def pair(postgresql: PostgreSQL, new_place: NewPlace, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two servers that share everything."""
    where = ("--store-url", postgresql.new_database(), "--files", new_place())
    made = start_pair(tmp_path_factory.mktemp("pair"), *where, "--grace-seconds", "30")
    yield made
    stop_pair(made)


@pytest.fixture(scope="module")
def plain(pair: Pair) -> LocalServer:
    """In the place of a server alone, for the tests of jobs: one of the two, reached by the balancer."""
    first = pair.servers[0]
    return LocalServer(first.process, pair.balancer.address, first.data_dir, first.log)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    """A small task: X and Y."""
    return adder(60)


@pytest.fixture(scope="module")
def client(plain: LocalServer) -> Iterator[Client]:
    """A client that has got one of the servers."""
    with pytrainr_client.connect(plain.address) as connected:
        yield connected


@pytest.mark.parametrize("postgresql_is", HERE)
def test_submitted_here_watched_there(pair: Pair, postgresql_is: str) -> None:
    """Data and job come to one server; it is watched, cancelled and fetched at the other."""
    X, Y = adder(60)
    large, target = np.tile(X, (400, 1, 1)), np.tile(Y, (400, 1, 1))
    task: dict[str, Any] = {"learningrate": 0.001, "hidden_dim": 2, "batch_size": 600, "numepochs": 6}
    first, second = (pytrainr_client.connect(server.address) for server in pair.servers)
    with first, second:
        job = first.train_async(target, large, rng=RRandom(1), **task)
        there = second.job(job.name)
        assert [epoch.epoch for epoch in there.watch()] == list(range(1, 7))
        expected = pytrainr.trainr(target, large, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **task)
        assert np.array_equal(there.wait().time_synapse[0], expected.time_synapse[0])
        assert np.array_equal(first.job(job.name).wait().error, expected.error)
        endless = first.train_async(Y, X, learningrate=0.001, hidden_dim=16, numepochs=100_000)
        elsewhere = second.job(endless.name)
        epochs = iter(elsewhere.watch())
        assert next(epochs).epoch == 1
        elsewhere.cancel()
        list(epochs)
        assert first.job(endless.name).info().state == "CANCELLED"


@pytest.mark.parametrize("postgresql_is", HERE)
def test_one_request_at_both_is_one_job(pair: Pair, data: tuple[np.ndarray, np.ndarray], postgresql_is: str) -> None:
    X, Y = data
    options = training_pb2.TrainingOptions(learningrate=0.1)
    training = training_pb2.Training(x=wire.encode_array(X), y=wire.encode_array(Y), options=options, seed=1)
    request = training_pb2.CreateTrainingJobRequest(training=training, request_id=str(uuid.uuid4()))
    first, second = (pytrainr_client.connect(server.address) for server in pair.servers)
    with first, second, ThreadPoolExecutor(8) as pool:
        clients = [first, second] * 4
        names = list(pool.map(lambda client: client.training.CreateTrainingJob(request).name, clients))
        assert len(set(names)) == 1
        assert len([job for job in second.jobs() if job.name == names[0]]) == 1


@pytest.mark.parametrize("postgresql_is", HERE)
def test_the_other_goes_on_from_the_checkpoint_of_one_that_was_killed(
    postgresql: PostgreSQL, new_place: NewPlace, tmp_path: Path, postgresql_is: str
) -> None:
    flags = ("--store-url", postgresql.new_database(), "--files", new_place(), "--checkpoint-seconds", "0.2")
    pair = start_pair(tmp_path, *flags, "--lease-seconds", "2", "--training-threads", "2")
    try:
        tasks = [{**task, "numepochs": 6 * task["numepochs"]} for task in TASKS]
        with pytrainr_client.connect(pair.servers[0].address) as first:
            jobs = [submit(first, task, index, f"job-{index}") for index, task in enumerate(tasks)]
            while not all(job.info().epoch > 20 or job.info().ended for job in jobs[:2]):
                time.sleep(0.05)
        pair.servers[0].kill()
        with pytrainr_client.connect(pair.servers[1].address) as second:
            models: list[Model] = [second.job(job.name).wait() for job in jobs]
            for index, model in enumerate(models):
                expected = undisturbed(tasks[index], index)
                assert_same(model, expected)
                log = [epoch.epoch for epoch in second.job(jobs[index].name).watch()]
                assert log == list(range(1, expected.error.shape[1] + 1)), "no gap, no epoch twice"
        assert "goes on from its checkpoint" in pair.servers[1].log.read_text()
    finally:
        stop_pair(pair)


@pytest.fixture
def reviver(new_place: NewPlace, tmp_path: Path) -> Iterator[Reviver]:
    """Starts one server again and again, whose files lie elsewhere."""
    flags = ("--checkpoint-seconds", "0.05", "--files", new_place())
    made = Reviver(tmp_path / "data", tmp_path / "socket", flags)
    yield made
    made.stop()


def test_kills_change_no_bit(reviver: Reviver) -> None:
    kill_at_random(reviver, random.Random(17), kills=5, apart=0.5)
    assert not list((reviver.data_dir / "work").iterdir()), "nothing is left on the way"
