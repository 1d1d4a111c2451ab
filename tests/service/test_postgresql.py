"""The same server with its jobs, models and datasets in PostgreSQL: the tests of jobs and of kills once more."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, ServerError
from pytrainr_server import LocalServer, start_local_server

import pytrainr
from pytrainr import RRandom
from tests.service import test_faults, test_jobs
from tests.service.conftest import adder
from tests.service.postgresql import PostgreSQL, what_is_missing
from tests.service.test_faults import Reviver, kill_at_random
from tests.service.test_security import command

MISSING = what_is_missing()
HERE = [] if MISSING else ["here"]
AGAIN = (
    (test_jobs, "test_epoch_functions_of_the_callers_change_the_model_as_here"),
    (test_jobs, "test_retraining_from_a_stored_model"),
    (test_jobs, "test_versions_and_aliases"),
    (test_jobs, "test_jobs_are_listed_in_pages_watched_from_any_epoch_and_deleted"),
    (test_jobs, "test_cancelling_the_call_stops_the_training_within_a_second"),
    (test_jobs, "test_a_caller_that_vanishes_leaves_the_job_its_time_of_grace"),
    (test_jobs, "test_a_request_id_attaches_again_without_a_gap_and_detaching_lasts"),
    (test_jobs, "test_large_data_are_uploaded_once_and_a_broken_upload_goes_on"),
    (test_jobs, "test_many_callers_at_once_get_their_own_results"),
    (test_jobs, "test_a_cancelled_job_has_its_last_whole_epoch"),
    (test_faults, "test_sigkill_around_a_job_too_small_for_files"),
    (test_faults, "test_the_same_request_twice_is_one_job"),
)
if not MISSING:
    globals().update({name: getattr(module, name) for module, name in AGAIN})


def test_postgresql_is_here_or_said_to_be_missing() -> None:
    if MISSING:
        warnings.warn(f"LEFT OUT: every test with PostgreSQL, for {MISSING} is not installed here", stacklevel=1)


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """One cluster for all of these tests."""
    cluster = PostgreSQL()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="module")
def plain(postgresql: PostgreSQL, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """In the place of the server on SQLite."""
    flags = ["--store-url", postgresql.new_database(), "--grace-seconds", "1"]
    with start_local_server(tmp_path_factory.mktemp("plain"), flags=flags) as server:
        yield server


@pytest.fixture(scope="module")
def client(plain: LocalServer) -> Iterator[Client]:
    """A client of that server."""
    with pytrainr_client.connect(plain.address) as connected:
        yield connected


@pytest.fixture
def reviver(postgresql: PostgreSQL, tmp_path: Path) -> Iterator[Reviver]:
    """Starts servers on a database of their own."""
    flags = ("--checkpoint-seconds", "0.05", "--store-url", postgresql.new_database())
    made = Reviver(tmp_path / "data", tmp_path / "socket", flags)
    yield made
    made.stop()


@pytest.mark.parametrize("postgresql_is", HERE)
def test_kills_change_no_bit(reviver: Reviver, postgresql_is: str) -> None:
    kill_at_random(reviver, random.Random(21), kills=8, apart=0.25)


@pytest.mark.parametrize("postgresql_is", HERE)
def test_tokens_and_a_backup_that_explains_itself(postgresql: PostgreSQL, tmp_path: Path, postgresql_is: str) -> None:
    where = ["--data-dir", tmp_path, "--store-url", postgresql.new_database()]
    token = command("token", "create", "--owner", "alice", *where).stdout.strip()
    listed = command("token", "list", *where).stdout
    assert "alice" in listed
    refused = command("backup", tmp_path / "backup.tar", *where)
    assert refused.returncode == 1
    assert "your database's own tools" in refused.stderr
    X, Y = adder(20)
    with start_local_server(tmp_path, flags=["--store-url", str(where[-1])]) as server:
        with pytrainr_client.connect(server.address, token) as alice:
            alice.trainr(Y, X, learningrate=0.1)
        with pytrainr_client.connect(server.address) as nobody, pytest.raises(ServerError) as error:
            nobody.trainr(Y, X, learningrate=0.1)
        assert error.value.reason == "UNAUTHENTICATED"


@pytest.mark.parametrize("postgresql_is", HERE)
def test_a_database_that_is_gone_is_explained(tmp_path: Path, postgresql_is: str) -> None:
    cluster = PostgreSQL()
    url = cluster.new_database().replace("trainr@", "trainr:secret@")
    X, Y = adder(20)
    with (
        start_local_server(tmp_path, flags=["--store-url", url]) as server,
        pytrainr_client.connect(server.address, retry_seconds=0.1) as client,
    ):
        client.trainr(Y, X, learningrate=0.1)
        cluster.stop()
        with pytest.raises(ServerError) as error:
            client.trainr(Y, X, learningrate=0.1)
        assert (error.value.code.name, error.value.reason) == ("UNAVAILABLE", "STORE_UNREACHABLE")
    refused = command("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path, "--store-url", url)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "cannot be used" in refused.stderr
    assert "secret" not in refused.stderr + server.log.read_text()


@pytest.mark.parametrize("postgresql_is", HERE)
def test_two_servers_share_the_jobs_of_one_database(postgresql: PostgreSQL, tmp_path: Path, postgresql_is: str) -> None:
    """Small jobs live in the database alone, so servers need nothing else in common."""
    X, Y = adder(20)
    task: dict[str, Any] = {"learningrate": 0.05, "hidden_dim": 4, "network_type": "lstm", "numepochs": 40}
    flags = ["--store-url", postgresql.new_database(), "--lease-seconds", "2", "--training-threads", "1"]
    first = start_local_server(tmp_path / "first", flags=flags)
    with first, start_local_server(tmp_path / "second", flags=flags) as second:
        with pytrainr_client.connect(first.address) as client:
            jobs = [client.train_async(Y, X, rng=RRandom(seed), model_id="shared", **task) for seed in range(60)]
            while sum(job.info().ended for job in jobs) < 10:
                pass
            second.kill()
            models = [job.wait() for job in jobs]
            infos = [job.info() for job in jobs]
            versions = sorted(stored.version for stored in client.models("models/shared"))
        assert "job succeeded" in first.log.read_text()
        assert "job succeeded" in second.log.read_text()
    assert versions == list(range(1, 61)), "every job published once"
    assert len({info.model for info in infos}) == 60
    for seed, model in enumerate(models):
        expected = pytrainr.trainr(Y, X, rng=RRandom(seed), epoch_function=pytrainr.epoch_annealing, **task)
        assert np.array_equal(model.time_synapse[0], expected.time_synapse[0])
