"""Issue 17.3: what a server works with may go away and come back; health says what is degraded, no job is lost."""

from __future__ import annotations

import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import pytrainr_client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pytrainr_client import ServerError
from pytrainr_server import start_local_server

import pytrainr
from pytrainr import RRandom
from tests.scale.object_store import KEYS, Swift, what_is_missing
from tests.service import postgresql
from tests.service.conftest import adder
from tests.service.postgresql import PostgreSQL
from tests.service.test_security import command

HERE = [] if what_is_missing() or postgresql.what_is_missing() else ["here"]
SERVING, NOT_SERVING = "SERVING", "NOT_SERVING"
SECONDS = 300.0


def health(address: str, part: str) -> str:
    with grpc.insecure_channel(address) as channel:
        request = health_pb2.HealthCheckRequest(service=part)
        answer = health_pb2_grpc.HealthStub(channel).Check(request, timeout=60, wait_for_ready=True)
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def wait_for(address: str, part: str, status: str) -> None:
    until = time.monotonic() + SECONDS
    while health(address, part) != status:
        assert time.monotonic() < until
        time.sleep(0.2)


@pytest.mark.parametrize("all_is", HERE)
def test_files_and_database_go_away_and_come_back(tmp_path: Path, all_is: str) -> None:
    X, Y = adder(60)
    large, target = np.tile(X, (400, 1, 1)), np.tile(Y, (400, 1, 1))
    task = {"learningrate": 0.001, "hidden_dim": 2, "batch_size": 600}
    store, database = Swift(), PostgreSQL()
    flags = ("--files", store.new_bucket(), "--store-url", database.new_database(), "--checkpoint-seconds", "0.2")
    try:
        with (
            start_local_server(tmp_path, flags=flags, environment=KEYS) as server,
            pytrainr_client.connect(server.address, retry_seconds=SECONDS) as client,
            pytrainr_client.connect(server.address, retry_seconds=0.1) as hasty,
        ):
            wait_for(server.address, "pytrainr.files", SERVING)
            wait_for(server.address, "pytrainr.database", SERVING)
            job = client.train_async(Y, X, learningrate=0.05, hidden_dim=8, numepochs=3000, rng=RRandom(1))

            store.kill()
            wait_for(server.address, "pytrainr.files", NOT_SERVING)
            assert health(server.address, "") == SERVING, "it goes on by itself"
            with pytest.raises(ServerError) as error:
                hasty.trainr(target, large, rng=RRandom(2), **task)
            assert (error.value.code.name, error.value.reason) == ("UNAVAILABLE", "FILES_UNREACHABLE")
            store.start()
            wait_for(server.address, "pytrainr.files", SERVING)

            database.kill()
            wait_for(server.address, "pytrainr.database", NOT_SERVING)
            database.start()
            wait_for(server.address, "pytrainr.database", SERVING)

            options = {"epoch_function": pytrainr.epoch_annealing}
            expected = pytrainr.trainr(Y, X, learningrate=0.05, hidden_dim=8, numepochs=3000, rng=RRandom(1), **options)
            assert np.array_equal(job.wait().error, expected.error)
            model = client.trainr(target, large, rng=RRandom(2), epoch_function=(), **task)
            expected = pytrainr.trainr(target, large, rng=RRandom(2), epoch_function=(), **task)
            assert np.array_equal(model.time_synapse[0], expected.time_synapse[0])
    finally:
        store.stop()
        database.stop()


@pytest.mark.parametrize("all_is", HERE)
def test_a_server_that_starts_without_its_files_says_so_and_exits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_is: str
) -> None:
    """Wrong keys, a wrong bucket, or a store that is down: nobody waits for what may never come."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    store = Swift()
    try:
        files = store.new_bucket()
        store.kill()
        refused = command("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path, "--files", files)
        assert refused.returncode == 1
        assert "files cannot be written to s3://" in refused.stderr
        assert "Traceback" not in refused.stderr
        store.start()
        start_local_server(tmp_path, flags=("--files", files)).stop()
    finally:
        store.stop()
