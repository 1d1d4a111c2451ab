"""A flipped bit in what is kept is found when it is read, named, and the rest goes on (issue 18.7)."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, ServerError
from pytrainr_server import start_local_server
from pytrainr_server.errors import Code, ServiceError
from pytrainr_server.jobs.pause import Held, read_state, state_path, write_state
from pytrainr_server.store.job_files import Epoch, EpochLog, JobFiles
from pytrainr_server.store.store import Store, StoreSettings

import pytrainr
from pytrainr import Model, RRandom
from tests.service.conftest import adder
from tests.service.test_faults import Reviver, halved
from tests.service.test_uploads import flip

OPTIONS: dict[str, Any] = {"learningrate": 0.05, "hidden_dim": 3, "numepochs": 4}
ENDLESS: dict[str, Any] = {"learningrate": 0.01, "hidden_dim": 16, "numepochs": 900_000, "network_type": "lstm"}


def flip_blob(directory: Path, table: str, column: str, key: str) -> None:
    """One bit of a blob in the database."""
    with contextlib.closing(sqlite3.connect(directory / "store.db")) as database, database:
        (content,) = database.execute(f"SELECT {column} FROM {table} WHERE {key}").fetchone()
        flipped = bytearray(content)
        flipped[len(flipped) // 2] ^= 4
        database.execute(f"UPDATE {table} SET {column} = ? WHERE {key}", (bytes(flipped),))


def trained(client: Client, job_id: str, **options: Any) -> pytrainr_client.Job:
    X, Y = adder(20)
    return client.train_async(Y, X, rng=RRandom(1), job_id=job_id, **{**OPTIONS, **options})


def lost(call: Callable[[], Any], directory: Path) -> str:
    """The reason of a call that ends with DATA_LOSS and names no path."""
    with pytest.raises(ServerError) as error:
        call()
    assert error.value.code == grpc.StatusCode.DATA_LOSS
    assert str(directory) not in str(error.value)
    return error.value.reason


def test_a_waiting_training_with_a_flipped_bit_ends_by_name(tmp_path: Path) -> None:
    """It is not trained on, nor taken up for ever; the job beside it is done."""
    key = "job_key = (SELECT key FROM jobs WHERE id = 'spoilt')"
    flags = ["--training-threads", "1"]
    with start_local_server(tmp_path, flags=flags) as server, pytrainr_client.connect(server.address) as client:
        endless = trained(client, "endless", **ENDLESS)
        for name in ("spoilt", "whole"):
            trained(client, name)
    flip_blob(tmp_path, "trainings", "training", key)
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        endless.__class__(client, endless.name).cancel()
        with pytest.raises(ServerError, match="damaged") as error:
            client.job("trainingJobs/spoilt").wait()
        assert error.value.reason == "TRAINING_DAMAGED"
        X, Y = adder(20)
        expected = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=(), **OPTIONS)
        assert np.array_equal(client.job("trainingJobs/whole").wait().time_synapse[0], expected.time_synapse[0])
        log = server.log.read_text()
    assert "a damaged training: the job " in log
    assert "Traceback" not in log


def test_results_with_a_flipped_bit_are_named(tmp_path: Path) -> None:
    """Of four small jobs one has lost its model, one its log, one its random state: each is told; one is whole."""
    names = ("model", "log", "state", "whole")
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        first = trained(client, "first")  # waits for its kernels, long enough for files
        first.wait()
        models = {name: trained(client, name).wait() for name in names}
    of = "{} = (SELECT {} FROM jobs WHERE id = '{}')"
    flip_blob(tmp_path, "model_contents", "content", of.format("model_key", "model_key", "model"))
    flip_blob(tmp_path, "epoch_logs", "records", of.format("job_key", "key", "log"))
    flip_blob(tmp_path, "jobs", "random_state", "id = 'state'")
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        assert lost(client.job("trainingJobs/model").wait, tmp_path) == "MODEL_DAMAGED"
        assert lost(lambda: list(client.job("trainingJobs/log").watch()), tmp_path) == "EPOCHS_DAMAGED"
        assert lost(client.job("trainingJobs/state").info, tmp_path) == "RANDOM_STATE_DAMAGED"
        assert client.job("trainingJobs/log").wait() == models["log"]
        assert client.model("models/state") == models["state"]
        assert [epoch.epoch for epoch in client.job("trainingJobs/whole").watch()] == [1, 2, 3, 4]
        assert len(list(client.jobs())) == 5
        log = server.log.read_text()
    assert all(f"a damaged {kind}" in log for kind in ("model", "epochs", "random_state"))
    assert "Traceback" not in log


def test_an_answer_with_a_flipped_bit_ends_the_job(tmp_path: Path) -> None:
    """What an epoch function answered just before a kill is not applied where it has changed since."""
    X, Y = adder(20)
    reviver = Reviver(tmp_path / "data", tmp_path / "socket")
    server = reviver.start("after-continue")
    with pytrainr_client.connect(server.address, retry_seconds=0.1) as client, pytest.raises(ServerError):
        client.trainr(Y, X, rng=RRandom(1), epoch_function=halved, **OPTIONS)
    server.process.wait(600)
    flip_blob(reviver.data_dir, "continuations", "request", "epoch = 1")
    server = reviver.start()
    with pytrainr_client.connect(server.address) as client:
        (info,) = client.jobs()
        with pytest.raises(ServerError) as error:
            client.job(info.name).wait()
        assert error.value.reason == "CONTINUATION_DAMAGED"
    reviver.stop()


def test_a_log_with_a_flipped_bit_says_where(tmp_path: Path) -> None:
    """Epochs before the damage are read; a log of before there were checksums as well."""
    files = JobFiles(tmp_path, 2)
    for number in range(1, 101):
        files.append(Epoch(number, 0.5 / number, 0.1, 0.1), np.zeros(2))
    files.flush()
    files.close()
    log = EpochLog(tmp_path)
    assert [epoch.epoch for epoch in log.read(90, 1000)] == list(range(91, 101))
    flip(log.path)
    assert len(log.read(0, 50)) == 50
    with pytest.raises(ServiceError, match="at or after epoch 50") as error:
        log.read(0, 100)
    assert error.value.code == Code.DATA_LOSS
    log.path.write_bytes(np.array([1, 0], "<u4").tobytes() + np.array([0.5, 0.1, 0.1]).tobytes())
    assert log.read(0, 10) == [Epoch(1, 0.5, 0.1, 0.1)]


def test_a_paused_model_with_a_flipped_bit_is_data_loss(tmp_path: Path) -> None:
    X, Y = adder(20)
    model: Model = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=(), **OPTIONS)
    store = Store(StoreSettings(f"sqlite:///{tmp_path / 'store.db'}", str(tmp_path), 60.0, 60.0, 1 << 30))
    store.open()
    write_state(Held(store, "job", "lease"), model, 1, RRandom(1).random_seed)
    assert read_state(store, "job")[0].hidden_dim == (3,)
    flip(state_path(store.directories.job("job")))
    with pytest.raises(ServiceError) as error:
        read_state(store, "job")
    assert (error.value.code, error.value.reason) == (Code.DATA_LOSS, "PAUSE_DAMAGED")
