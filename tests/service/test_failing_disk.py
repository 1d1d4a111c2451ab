"""A disk that is full, read-only or broken for a while: clear refusals, and recovery by itself (issue 18.7)."""

from __future__ import annotations

import errno
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from pytrainr_client import Client, ServerError
from pytrainr_server import LocalServer, start_local_server

import pytrainr
from pytrainr import RRandom
from tests.service.conftest import adder

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a library before glibc's")

LONG: dict[str, Any] = {"learningrate": 0.01, "hidden_dim": 16, "numepochs": 900_000, "network_type": "lstm"}
SMALL: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 3, "numepochs": 3}
REFUSALS = {"DISK_FULL", "STORE_READ_ONLY", "STORE_FAILS"}


class Disk:
    """A server's disk, which fails when told to."""

    def __init__(self, directory: Path) -> None:
        self.data, self._number = directory / "data", directory / "errno"
        library = directory / "failing_disk.so"
        source = Path(__file__).with_name("failing_disk.c")
        subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", library, source, "-ldl"], check=True, timeout=300)
        self.environment = {
            "LD_PRELOAD": str(library),
            "FAILING_DISK_ROOT": str(self.data),
            "FAILING_DISK_ERRNO": str(self._number),
        }

    def fail(self, number: int) -> None:
        self._number.write_text(str(number))

    def recover(self) -> None:
        self._number.unlink()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


@pytest.fixture
def server(disk: Disk) -> Iterator[LocalServer]:
    flags = ["--checkpoint-seconds", "0.2", "--lease-seconds", "2", "--training-threads", "2"]
    with start_local_server(disk.data, flags=flags, environment=disk.environment) as started:
        yield started


def eventually(what: Callable[[], bool], seconds: float = 120.0) -> None:
    until = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < until
        time.sleep(0.05)


def small(client: Client) -> pytrainr.Model:
    X, Y = adder(20)
    return client.train_async(Y, X, rng=RRandom(1), **SMALL).wait()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EIO], ids=errno.errorcode.get)
def test_a_disk_that_fails_for_a_while(disk: Disk, server: LocalServer, number: int) -> None:
    """Meanwhile what needs no disk is served and what does is refused with the reason; afterwards all goes on."""
    X, Y = adder(20)
    model = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=(), **SMALL)
    large = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=(), **{**SMALL, "hidden_dim": 120})
    with (
        pytrainr_client.connect(server.address, retry_seconds=0.1) as client,
        pytrainr_client.connect(server.address, retry_seconds=300) as patient,
        grpc.insecure_channel(server.address) as channel,
    ):
        client.store_model(model, "before")
        small(client)
        job = client.train_async(Y, X, rng=RRandom(2), **LONG)
        eventually(lambda: (disk.data / "jobs").exists() and job.info().epoch > 10)

        disk.fail(number)
        for call in (
            lambda: small(client),
            lambda: client.store_model(model, "during"),
            lambda: client.store_model(large, "during"),
            lambda: client.trainr(np.tile(Y, (500, 1, 1)), np.tile(X, (500, 1, 1)), **SMALL),
            job.cancel,
        ):
            with pytest.raises(ServerError) as error:
                call()
            assert error.value.reason in REFUSALS, error.value
            assert str(disk.data) not in str(error.value)
        assert np.array_equal(client.predictr("models/before", X), pytrainr.predictr(model, X))
        assert len(list(client.jobs())) == 2
        health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=300)
        time.sleep(1.0)  # checkpoints, leases and the queue meet it too
        assert not job.info().ended

        disk.recover()
        assert small(patient).time_synapse[0].tobytes() == model.time_synapse[0].tobytes()
        epoch = job.info().epoch
        eventually(lambda: job.info().epoch > epoch)
        assert client.store_model(large, "after") == "models/after@1"
        assert [stored.name for stored in client.models("models/during")] == []
        job.cancel()
        eventually(lambda: job.info().ended)
        assert server.process.poll() is None
        assert "Traceback" not in server.log.read_text()
    left = {path.name for path in (disk.data / "models").iterdir()}
    assert len(left) <= 3, left  # before, after, perhaps the cancelled job's
