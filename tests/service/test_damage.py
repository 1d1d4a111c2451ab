"""Bad luck: flipped bits, jumping clocks, few descriptors, a second server, names that forge (issues 18.7
and 18.9), and what an operator reads (18.10)."""

from __future__ import annotations

import dataclasses
import io
import logging
import os
import pickle
import socket
import sys
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import ServerError
from pytrainr_server import clock, start_local_server
from pytrainr_server.cli import main
from pytrainr_server.config import Config
from pytrainr_server.errors import Code, ServiceError, exhausted, invalid_argument
from pytrainr_server.service.status import as_service_error, status_of
from pytrainr_server.shown import one_line
from pytrainr_server.store.jobs import error_values
from pytrainr_server.store.store import Store, StoreSettings
from pytrainr_server.telemetry import set_up_logs
from trainr import wire
from trainr.v1 import dataset_pb2, dataset_pb2_grpc

import pytrainr
from pytrainr import RRandom
from pytrainr.argument_errors import wrong_value
from tests.service.conftest import adder
from tests.service.test_bad_input import status
from tests.service.test_leases import LIMITS, new_job
from tests.service.test_uploads import flip


def opened(directory: Path) -> Store:
    store = Store(StoreSettings(f"sqlite:///{directory / 'store.db'}", str(directory), 60.0, 60.0, 1 << 40))
    store.open()
    return store


def test_a_damaged_model_is_named_and_the_rest_goes_on(tmp_path: Path) -> None:
    """Of two stored models one has a flipped bit: it is DATA_LOSS, and no path is told; the other works."""
    X, Y = adder(200)
    model = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=60, rng=RRandom(1), epoch_function=())
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        client.store_model(model, "whole")
        whole = set((tmp_path / "models").iterdir())
        client.store_model(model, "damaged")
        (damaged,) = set((tmp_path / "models").iterdir()) - whole
        flip(damaged)
        with pytest.raises(ServerError) as error:
            client.predictr("models/damaged", X)
        assert error.value.code == grpc.StatusCode.DATA_LOSS
        assert str(tmp_path) not in str(error.value)
        with pytest.raises(ServerError, match="damaged"):
            client.model("models/damaged")
        assert np.array_equal(client.predictr("models/whole", X), pytrainr.predictr(model, X))


def test_a_jump_of_the_clock_changes_no_lease(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A day forward, a day back: a job that is held stays held, nothing expires, nothing looks old."""
    store = opened(tmp_path)
    store.jobs.create(new_job("job"), LIMITS)
    taken = store.jobs.lease_next("worker", 60.0)
    assert taken is not None
    store.datasets.put("alice", b"bytes")
    kept = sorted(path.name for path in (tmp_path / "datasets").iterdir())
    real = time.time
    for jump in (86_400.0, -86_400.0):
        monkeypatch.setattr(time, "time", lambda jump=jump: real() + jump)
        assert abs(clock.jump() - jump) < 60.0
        assert store.jobs.lease_next("another", 60.0) is None
        store.collect_garbage()
        assert sorted(path.name for path in (tmp_path / "datasets").iterdir()) == kept
        store.jobs.update(taken.key, taken.lease, 60.0)


def test_a_second_server_on_the_same_directory_refuses_also_through_a_link(tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data")
    with start_local_server(tmp_path / "data"):
        for directory in (tmp_path / "data", link):
            with pytest.raises(RuntimeError, match="another pytrainr-server runs on"):
                start_local_server(directory)


def test_a_job_left_behind_is_taken_up_also_through_a_link(tmp_path: Path) -> None:
    """The name under which a server leases its jobs is the directory's own, not the link's."""
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "data")
    X, Y = adder(10)
    with start_local_server(tmp_path / "data") as first, pytrainr_client.connect(first.address) as client:
        job = client.train_async(
            Y, X, learningrate=0.01, hidden_dim=16, network_type="lstm", numepochs=900_000, rng=RRandom(1)
        )
        first.kill()
    with start_local_server(link) as second, pytrainr_client.connect(second.address) as client:
        client.job(job.name).cancel()
        assert "1 unfinished jobs are taken up again" in second.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_thirty_file_descriptors_are_a_refusal_and_no_end(tmp_path: Path) -> None:
    """With connections beyond what the process may open nothing fails but with a reason, and all goes on by itself."""
    with start_local_server(tmp_path, prefix=["prlimit", "--nofile=30"]) as server:
        assert "only 30 files" in server.log.read_text()
        host, _, port = server.address.rpartition(":")
        with grpc.insecure_channel(server.address) as channel:
            assert _outcome(channel, b"before") == OK
            idle = [socket.create_connection((host, int(port)), timeout=10) for _ in range(40)]
            outcomes = {_outcome(channel, b"%d" % number) for number in range(20)}
            assert outcomes <= {OK, NO_DESCRIPTOR}
            for connection in idle:
                connection.close()
        X, Y = adder(10)
        with pytrainr_client.connect(server.address, retry_seconds=60) as client:
            client.train_async(Y, X, learningrate=0.1, hidden_dim=2, rng=RRandom(1)).wait()
        assert "Traceback" not in server.log.read_text()


OK = (grpc.StatusCode.OK, "", "")
NO_DESCRIPTOR = (grpc.StatusCode.UNAVAILABLE, "TOO_MANY_FILES", "")


def _outcome(channel: grpc.Channel, data: bytes) -> tuple[grpc.StatusCode, str, str]:
    """What an upload of these bytes comes to: it needs a file."""
    message = dataset_pb2.UploadDatasetRequest(size_bytes=len(data), data=data)
    try:
        dataset_pb2_grpc.DatasetServiceStub(channel).UploadDataset(iter([message]), timeout=60)
    except grpc.RpcError as error:
        return status(error)
    return OK


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_descriptors_that_run_out_while_serving(tmp_path: Path) -> None:
    """A limit at what is open just now: whatever needs one more is refused with that reason; lifted, all is served."""
    import resource

    with start_local_server(tmp_path) as server, grpc.insecure_channel(server.address) as channel:
        process = server.process.pid
        assert _outcome(channel, b"before") == OK
        limits = resource.prlimit(process, resource.RLIMIT_NOFILE)
        taken = max(int(name) for name in os.listdir(f"/proc/{process}/fd")) + 1
        resource.prlimit(process, resource.RLIMIT_NOFILE, (taken, limits[1]))
        full = sorted(map(int, os.listdir(f"/proc/{process}/fd"))) == list(range(taken))
        outcomes = [_outcome(channel, b"%d" % number) for number in range(4)]
        assert set(outcomes) <= {OK, NO_DESCRIPTOR}
        assert not full or set(outcomes) == {NO_DESCRIPTOR}
        resource.prlimit(process, resource.RLIMIT_NOFILE, limits)
        assert _outcome(channel, b"after") == OK
        assert "Traceback" not in server.log.read_text()


@pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")
def test_a_server_says_how_many_descriptors_it_needs(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="may have 20 files open, a server needs 28, and one more for"):
        start_local_server(tmp_path, prefix=["prlimit", "--nofile=20"])


def test_no_descriptor_left_is_unavailable() -> None:
    error = as_service_error(OSError(24, "Too many open files", "/srv/data/secret"))
    assert error is not None
    assert (error.code, error.reason) == (Code.UNAVAILABLE, "TOO_MANY_FILES")
    assert "secret" not in error.message


def test_errors_come_whole_from_another_process() -> None:
    """An error of the store in a job's own process, a full disk say, is no death of that process, of which a second
    would end the job (issue 18.3)."""
    for error in (
        exhausted("DISK_FULL", "The disk is full.", 30.0),
        invalid_argument(wrong_value("hidden_dim", "{place} is {value}", value=0)),
    ):
        found = pickle.loads(pickle.dumps(error))
        assert (type(found), str(found), vars(found).keys()) == (ServiceError, str(error), vars(error).keys())
        assert (found.code, found.reason, found.retry_seconds) == (error.code, error.reason, error.retry_seconds)
    found = pickle.loads(pickle.dumps(wire.WireError("X", "is no tensor")))
    assert (found.field, found.description) == ("X", "is no tensor")


# what is shown ----------------------------------------------------------------------------------------------------

FORGED = "alice\n2026-01-01T00:00:00.000Z error   all is lost\r\x1b[2J\u202e\u2028\x00"


def test_text_of_callers_stays_in_its_line() -> None:
    shown = one_line(FORGED)
    assert shown.isprintable()
    assert shown.startswith("alice\\n2026")
    assert one_line("Zoë trains, π ≈ 3") == "Zoë trains, π ≈ 3"


@pytest.mark.parametrize("format", ["text", "json"])
def test_log_lines_cannot_be_forged(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A message, a field and an exception with line breaks: no line begins like one of the log's own."""
    written = io.StringIO()
    monkeypatch.setattr(sys, "stderr", written)
    logger = logging.getLogger("pytrainr_server")
    before = logger.handlers[:], logger.level, logger.propagate
    try:
        set_up_logs("info", format)
        try:
            raise ValueError(FORGED)
        except ValueError:
            logger.exception("call %s", FORGED, extra={"owner": FORGED})
    finally:
        logger.handlers[:], level, logger.propagate = before
        logger.setLevel(level)
    first, *rest = written.getvalue().splitlines()
    assert " error   call" in first or '"level": "error"' in first
    assert all(line.startswith("    ") for line in rest)


def test_errors_stay_in_their_line() -> None:
    error = ServiceError(Code.INVALID_ARGUMENT, "INVALID_ARGUMENT", f"sigmoid is {FORGED}", field="sigmoid")
    assert status_of(error).message.isprintable()
    assert error_values(error)["error_message"].isprintable()


def test_owners_have_printable_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["token", "create", "--owner", "alice\nbob", "--data-dir", str(tmp_path)]) != 0
    assert "printable" in capsys.readouterr().err


def test_a_rule_file_for_prometheus_names_metrics_that_there_are() -> None:
    """Every metric in the alerts is one of the server's (issue 18.10)."""
    import re

    from prometheus_client import REGISTRY, generate_latest

    rules = (Path(__file__).parents[2] / "server" / "alerts.yml").read_text()
    known = generate_latest(REGISTRY).decode()
    for name in set(re.findall(r"pytrainr_\w+", rules)):
        assert name.removesuffix("_total") in known, name


def test_the_operators_page_names_settings_that_there_are_with_their_defaults() -> None:
    """Flags and defaults in server/README.md are those of ``serve --help`` (issue 18.10)."""
    import re

    page = (Path(__file__).parents[2] / "server" / "README.md").read_text()
    settings = {field.name: field.default for field in dataclasses.fields(Config)}
    flags = {flag[2:].replace("-", "_") for flag in re.findall(r"--[a-z][a-z-]+[a-z]", page)}
    elsewhere = {"config", "help", "owner", "report", "models"}  # of the command line, and of the benchmarks
    assert flags - elsewhere <= settings.keys()
    limits = page.split("## Limits")[1].split("## What to watch")[0]
    defaults = {"max-jobs": 1000, "max-queue": 2000, "max-calls": 1000, "max-owner-calls": 500}
    for flag, default in defaults.items():
        assert settings[flag.replace("-", "_")] == default
        assert re.search(rf"{default}\D.*--{flag}\b", limits)
