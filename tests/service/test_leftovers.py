"""What a killed server leaves is taken away when the next one starts, and nothing else (issue 18: no orphans)."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import Any

import pytest
import pytrainr_client
from pytrainr_server import start_local_server
from pytrainr_server.failpoints import VARIABLE
from pytrainr_server.jobs.stored_models import save_model
from pytrainr_server.store.jobs import LeaseLostError
from pytrainr_server.store.schema import State
from pytrainr_server.store.store import FilesInUseError, Store

import pytrainr
from pytrainr import Model, RRandom
from tests.service.conftest import adder
from tests.service.test_damage import opened
from tests.service.test_leases import LIMITS, new_job

LARGE: dict[str, Any] = {"learningrate": 0.05, "hidden_dim": 120, "numepochs": 3, "epoch_function": ()}
"""Its model has a file of its own."""


@pytest.fixture(scope="module")
def large() -> Model:
    X, Y = adder(20)
    return pytrainr.trainr(Y, X, rng=RRandom(1), **LARGE)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return opened(tmp_path)


def test_a_model_written_as_the_server_was_killed_is_there_once(tmp_path: Path) -> None:
    """Between the model's file and the job's end: the job is done again, and the first file goes at once."""
    X, Y = adder(20)
    data, address = tmp_path / "data", f"unix:{tmp_path / 'socket'}"
    with start_local_server(data, listen=address, environment={VARIABLE: "before-publish"}) as server:
        with pytrainr_client.connect(server.address, retry_seconds=30) as client:
            job = client.train_async(Y, X, rng=RRandom(1), **LARGE)
            server.process.wait(600)
            left = {path.name for path in (data / "models").iterdir()}
            assert len(left) == 1
            with start_local_server(data, listen=address):
                job.wait()
                now = {path.name for path in (data / "models").iterdir()}
        assert len(now) == 1
        assert now != left


def test_leftovers_of_every_kind_are_gone_after_the_start(tmp_path: Path) -> None:
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        X, Y = adder(5)
        job = client.train_async(Y, X, learningrate=0.1)
        job.wait()
        job.delete()
    left = [tmp_path / "models" / "x.model", tmp_path / "datasets" / "0", tmp_path / "uploads" / "x"]
    left += [tmp_path / "jobs" / "x" / "epochs", tmp_path / "tmpx.tmp" / "store.db", tmp_path / "models" / "y.tmp"]
    for path in left:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"left")
    with start_local_server(tmp_path):
        assert not any(path.exists() for path in left)
        assert not (tmp_path / "tmpx.tmp").exists()
        assert not (tmp_path / "jobs" / "x").exists()


def test_what_a_backup_copies_stays(store: Store) -> None:
    """Neither a start nor the collection of garbage waits for a backup, and neither takes a file from it."""
    store.jobs.create(new_job("job"), LIMITS)
    path = store.directories.model("x")
    path.write_bytes(b"left")
    with open(store.directories.root / "files.lock", "ab") as file:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX)
        store.remove_leftovers()
        with pytest.raises(FilesInUseError):
            store.collect_garbage(wait=False)
        assert path.exists()
    store.remove_leftovers()
    assert not path.exists()


def test_files_beside_a_new_database_stay(tmp_path: Path) -> None:
    """They may be those of a database that was lost."""
    with start_local_server(tmp_path):
        pass
    path = tmp_path / "models" / "x.model"
    path.write_bytes(b"somebody's")
    with start_local_server(tmp_path):
        pass
    assert path.exists()


def test_a_model_that_cannot_be_published_leaves_no_file(store: Store, large: Model) -> None:
    """A worker that has lost its lease; and a model that the database knows already keeps its file."""
    job, _ = store.jobs.create(new_job("job"), LIMITS)
    model = save_model(store, large.copy(), owner="alice", id="m", job_id="job")
    path = store.directories.model(model.key)
    assert path.exists()
    with pytest.raises(LeaseLostError):
        store.publish(job.key, "another's lease", State.SUCCEEDED, model, b"")
    assert not path.exists()

    model = save_model(store, large.copy(), owner="alice", id="m", job_id="job")
    with store.database.write() as connection:
        store.models.add(connection, model)
    with pytest.raises(RuntimeError, match="lost"), store.keeping_known(model):
        raise RuntimeError("the connection was lost, the transaction went through")
    assert store.directories.model(model.key).exists()
