"""What an operator does: settings, backup, metrics, health, garbage, migrations, and disks that fail."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from pytrainr_client import ServerError
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.cli import parser
from pytrainr_server.config import Config, ConfigError, load
from pytrainr_server.store.database import Database
from pytrainr_server.store.migrations import MIGRATIONS, SchemaError, migrate
from pytrainr_server.store.schema import metadata
from sqlalchemy import Column, Integer, Table
from trainr.v1 import training_pb2, training_pb2_grpc

import pytrainr
from pytrainr import RRandom
from tests.service.conftest import adder
from tests.service.test_faults import TASKS, assert_same, submit, undisturbed
from tests.service.test_security import command

Data = tuple[np.ndarray, np.ndarray]
OPTIONS: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 4, "epoch_function": pytrainr.epoch_annealing}
LONG: dict[str, Any] = {"learningrate": 0.01, "hidden_dim": 16, "network_type": "lstm", "numepochs": 1_000_000}


def wait_for_epoch(job: pytrainr_client.Job, epoch: int) -> None:
    while job.info().epoch < epoch:
        time.sleep(0.02)


# settings -----------------------------------------------------------------------------------------------------------


def test_flags_go_before_environment_before_file_before_defaults(tmp_path: Path) -> None:
    file = tmp_path / "server.toml"
    file.write_text('max_jobs = 1\nmax_queue = 2\ngrace_seconds = 3\nlisten = ["127.0.0.1:1", "127.0.0.1:2"]\n')
    arguments = parser().parse_args(["serve", "--config", str(file), "--max-jobs", "7"])
    environment = {"PYTRAINR_SERVER_MAX_JOBS": "8", "PYTRAINR_SERVER_MAX_QUEUE": "9"}
    config = load(arguments, environment)
    assert (config.max_jobs, config.max_queue, config.grace_seconds) == (7, 9, 3.0)
    assert config.listen == ("127.0.0.1:1", "127.0.0.1:2")
    assert config.checkpoint_seconds == Config().checkpoint_seconds


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("max_job = 1", "max_job"), ('max_jobs = "1"', "max_jobs"), ("max_jobs = ", "not TOML"), ("listen = 3", "listen")],
)
def test_a_wrong_settings_file_is_explained(tmp_path: Path, text: str, complaint: str) -> None:
    (tmp_path / "server.toml").write_text(text)
    with pytest.raises(ConfigError, match=complaint):
        load(parser().parse_args(["serve", "--config", str(tmp_path / "server.toml")]), {})
    with pytest.raises(ConfigError, match="MAX_JOBS"):
        load(None, {"PYTRAINR_SERVER_MAX_JOBS": "many"})


def test_help_is_complete() -> None:
    text = command("serve", "--help").stdout
    for name in Config.__dataclass_fields__:
        assert f"--{name.replace('_', '-')}" in text
        assert f"PYTRAINR_SERVER_{name.upper()}" in text


def test_a_server_that_cannot_start_says_why(tmp_path: Path, plain: LocalServer) -> None:
    taken = command("serve", "--listen", plain.address, "--data-dir", tmp_path / "a")
    assert taken.returncode == 1
    assert "cannot listen" in taken.stderr
    same = command("serve", "--listen", "127.0.0.1:0", "--data-dir", plain.data_dir)
    assert same.returncode == 1
    assert "another pytrainr-server runs" in same.stderr
    exposed = command("serve", "--listen", "0.0.0.0:0", "--data-dir", tmp_path / "b")
    assert exposed.returncode == 1
    assert "--insecure" in exposed.stderr
    nowhere = command("serve", "--data-dir", "/proc/nowhere")
    assert nowhere.returncode == 1
    assert "/proc/nowhere" in nowhere.stderr


# seen from outside ----------------------------------------------------------------------------------------------------


def test_metrics_logs_health_and_reflection(tmp_path: Path, data: Data) -> None:
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    flags = ["--metrics", f"127.0.0.1:{port}", "--log-format", "json", "--log-level", "debug", "--tracing", "console"]
    with start_local_server(tmp_path, flags=[*flags, "--channelz"]) as server:
        with pytrainr_client.connect(server.address) as client:
            client.trainr(data[1], data[0], numepochs=4, **OPTIONS)
        metrics = urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=300).read().decode()
        assert "pytrainr_epochs_trained_total 4.0" in metrics
        assert 'pytrainr_calls_total{code="OK",method="TrainingService/Train"} 1.0' in metrics
        with grpc.insecure_channel(server.address) as channel:
            health = health_pb2_grpc.HealthStub(channel)
            assert health.Check(health_pb2.HealthCheckRequest()).status == health_pb2.HealthCheckResponse.SERVING
            request = reflection_pb2.ServerReflectionRequest(list_services="")
            answer = next(reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(iter([request])))
            names = {service.name for service in answer.list_services_response.service}
        assert {"trainr.v1.TrainingService", "trainr.v1.PredictionService", "grpc.channelz.v1.Channelz"} <= names
        server.stop()
        log = server.log.read_text()
    assert '"message": "job succeeded", "job": "job-' in log
    assert '"name": "TrainingService/Train"' in log, "the span"


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """Takes spans as any OpenTelemetry collector does."""

    def __init__(self) -> None:
        self.spans: list[Any] = []

    def Export(self, request: Any, context: Any) -> Any:  # noqa: N802
        self.spans += [
            span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans
        ]
        return trace_service_pb2.ExportTraceServiceResponse()


def test_spans_go_to_a_collector_below_the_callers_own(tmp_path: Path, data: Data) -> None:
    collector, trace = Collector(), "0af7651916cd43dd8448eb211c80319c"
    listening = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, listening)
    endpoint = f"http://127.0.0.1:{listening.add_insecure_port('127.0.0.1:0')}"
    listening.start()
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint}
    with start_local_server(tmp_path, flags=["--tracing", "otlp"], environment=environment) as server:
        with pytrainr_client.connect(server.address) as client:
            client.trainr(data[1], data[0], **OPTIONS)
        with grpc.insecure_channel(server.address) as channel:
            stub = training_pb2_grpc.TrainingServiceStub(channel)
            header = ("traceparent", f"00-{trace}-b7ad6b7169203331-01")
            stub.ListTrainingJobs(training_pb2.ListTrainingJobsRequest(), metadata=[header])
        assert server.stop() == 0
    listening.stop(None)
    spans = {span.name: span for span in collector.spans}
    assert {"TrainingService/Train", "training job", "TrainingService/ListTrainingJobs"} <= set(spans)
    listed = spans["TrainingService/ListTrainingJobs"]
    assert (listed.trace_id.hex(), listed.parent_span_id.hex()) == (trace, "b7ad6b7169203331")
    assert listed.end_time_unix_nano > listed.start_time_unix_nano


def test_sigterm_says_not_serving_first(tmp_path: Path, data: Data) -> None:
    with start_local_server(tmp_path) as server, grpc.insecure_channel(server.address) as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        server.process.send_signal(signal.SIGTERM)
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        assert server.process.wait(20) == 0


# backup, garbage, migrations -------------------------------------------------------------------------------------


def test_backup_and_restore_while_running(tmp_path: Path, data: Data) -> None:
    X, Y = data
    archive = tmp_path / "backup.tar"
    with (
        start_local_server(tmp_path / "one", flags=["--checkpoint-seconds", "0.1"]) as server,
        pytrainr_client.connect(server.address) as client,
    ):
        model = client.train_async(Y, X, learningrate=0.1, rng=RRandom(1), model_id="kept").wait()
        for numepochs in (15_000, 60_000, 240_000):  # until one still runs when the backup is done
            options = {**LONG, "numepochs": numepochs}
            job = client.train_async(*adder(60)[::-1], **options, rng=RRandom(2), job_id=f"running-{numepochs}")
            wait_for_epoch(job, 10)
            done = command("backup", archive, "--data-dir", tmp_path / "one")
            assert done.returncode == 0, done.stderr
            if job.info().state == "RUNNING":
                break
            archive.unlink()
        job.cancel()
    assert command("restore", archive, "--data-dir", tmp_path / "one").returncode == 1, "not into what is there"
    broken = tmp_path / "broken.tar"
    broken.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    failed = command("restore", broken, "--data-dir", tmp_path / "three")
    assert failed.returncode == 1
    assert "damaged" in failed.stderr
    assert command("restore", archive, "--data-dir", tmp_path / "two").returncode == 0
    with start_local_server(tmp_path / "two") as server, pytrainr_client.connect(server.address) as client:
        assert client.model("models/kept") == model
        job = client.job(job.name)
        restored = job.wait()
        info = client.training.GetTrainingJob(_get(job.name))
        assert info.resumed == 1
    expected = pytrainr.trainr(*adder(60)[::-1], rng=RRandom(2), epoch_function=pytrainr.epoch_annealing, **options)
    assert_same(restored, expected)


def _get(name: str) -> Any:
    from trainr.v1 import training_pb2

    return training_pb2.GetTrainingJobRequest(name=name)


def test_what_has_expired_is_removed_and_what_is_needed_stays(tmp_path: Path, data: Data) -> None:
    X, Y = data
    flags = [
        "--inline-bytes",
        "1000",
        "--job-ttl-seconds",
        "1",
        "--dataset-ttl-seconds",
        "1",
        "--upload-ttl-seconds",
        "1",
    ]
    with start_local_server(tmp_path, flags=flags) as server, pytrainr_client.connect(server.address) as client:
        client.train_async(Y, X, learningrate=0.1, model_id="kept").wait()
        client.train_async(Y, X, learningrate=0.1).wait()
        running = client.train_async(Y, X, **LONG)
        orphan = tmp_path / "models" / "0123.model"
        orphan.write_bytes(b"left by a crash")
        os.utime(orphan, (0, 0))
        time.sleep(1.2)
        assert command("collect-garbage", "--data-dir", tmp_path).returncode == 0
        assert [stored.name for stored in client.models()] == ["models/kept@1"]
        assert [info.name for info in client.jobs()] == [running.name]
        assert not orphan.exists()
        assert len(list((tmp_path / "datasets").iterdir())) >= 1
        running.cancel()


def test_an_older_schema_is_migrated_and_a_newer_one_refused(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    database.open()

    def add_table(connection: Any) -> None:
        Table("added_later", metadata.__class__(), Column("id", Integer)).create(connection)

    with database.write() as connection:
        assert migrate(connection) == len(MIGRATIONS)
        assert migrate(connection, (*MIGRATIONS, add_table)) == len(MIGRATIONS) + 1
    with database.read() as connection:
        assert connection.exec_driver_sql("select count(*) from added_later").scalar() == 0
    with pytest.raises(SchemaError, match="newer version"), database.write() as connection:
        migrate(connection)
    database.close()
    refused = command("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path)
    assert refused.returncode == 1
    assert "newer version" in refused.stderr


VERSION_1 = """
ALTER TABLE jobs ADD COLUMN training BLOB;
UPDATE jobs SET training = (SELECT training FROM trainings WHERE job_key = key);
DROP TABLE trainings; DROP TABLE epoch_logs; DROP TABLE model_contents; DROP TABLE job_lines;
ALTER TABLE jobs DROP COLUMN server_deaths; ALTER TABLE jobs DROP COLUMN worker_deaths;
DROP INDEX jobs_in_line; DROP INDEX jobs_of_batch; DROP TABLE batches; ALTER TABLE jobs DROP COLUMN priority;
ALTER TABLE jobs DROP COLUMN batch_id; ALTER TABLE jobs DROP COLUMN batch_place;
ALTER TABLE jobs DROP COLUMN halt_epoch; ALTER TABLE jobs DROP COLUMN compared; ALTER TABLE jobs DROP COLUMN dropped;
ALTER TABLE jobs DROP COLUMN memory_bytes; ALTER TABLE jobs DROP COLUMN random_state_sha256;
ALTER TABLE continuations DROP COLUMN sha256;
DROP INDEX jobs_waiting; DROP INDEX jobs_stored; DROP INDEX models_stored; DROP INDEX datasets_stored;
CREATE INDEX jobs_by_state ON jobs (state, create_time);
CREATE INDEX jobs_by_owner ON jobs (owner, create_time);
UPDATE schema_version SET version = 1;
"""


def test_a_database_of_version_1_goes_on(tmp_path: Path, data: Data) -> None:
    X, Y = data
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        client.store_model(pytrainr.trainr(Y, X, rng=RRandom(1), **OPTIONS), "kept")
        submit(client, {**TASKS[2], "numepochs": 1500}, 1, "waiting")
        server.kill()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database:
        indexes = "select name, tbl_name from sqlite_master where type = 'index' order by name"
        before = database.execute(indexes).fetchall()
        database.executescript(VERSION_1)
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        job = client.job("trainingJobs/waiting")
        assert_same(job.wait(), undisturbed({**TASKS[2], "numepochs": 1500}, 1))
        assert [stored.name for stored in client.models("models/kept")] == ["models/kept@1"]
        job.delete()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database:
        assert database.execute(indexes).fetchall() == before
        assert "training" not in [column[1] for column in database.execute("pragma table_info(jobs)")]


# disks that fail -------------------------------------------------------------------------------------------------


def test_a_damaged_checkpoint_costs_time_but_no_bit(tmp_path: Path) -> None:
    task = {**TASKS[2], "numepochs": 10_000}
    with start_local_server(tmp_path, flags=["--checkpoint-seconds", "0.05"]) as server:
        with pytrainr_client.connect(server.address) as client:
            job = submit(client, task, 1, "damaged")
            while not list(tmp_path.glob("jobs/*/checkpoint.npz")):
                assert not job.info().ended
                time.sleep(0.02)
        server.kill()
    (checkpoint,) = tmp_path.glob("jobs/*/checkpoint.npz")
    content = bytearray(checkpoint.read_bytes())
    content[len(content) // 2] ^= 255
    checkpoint.write_bytes(content)
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        assert_same(client.job("trainingJobs/damaged").wait(), undisturbed(task, 1))
        assert "damaged checkpoint, the job begins anew" in server.log.read_text()


@pytest.mark.parametrize("url", ["store.db", "mysql://root:secret@127.0.0.1/store", "sqlite+nothing:///store.db"])
def test_a_database_that_is_not_supported_is_explained(tmp_path: Path, url: str) -> None:
    refused = command("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path, "--store-url", url)
    assert refused.returncode == 1
    assert "sqlite:///FILE or postgresql+psycopg://" in refused.stderr or "not installed" in refused.stderr
    assert "Traceback" not in refused.stderr
    assert "secret" not in refused.stderr


@pytest.mark.parametrize("damage", ["truncated", "overwritten"])
def test_a_damaged_database_is_explained_and_left_alone(tmp_path: Path, data: Data, damage: str) -> None:
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        client.store_model(pytrainr.trainr(data[1], data[0], rng=RRandom(1), **OPTIONS), "kept")
    path = tmp_path / "store.db"
    content = path.read_bytes()
    damaged = content[: len(content) // 2] if damage == "truncated" else content[:100] + b"\xff" * 8000 + content[8100:]
    path.write_bytes(damaged)
    refused = command("serve", "--listen", "127.0.0.1:0", "--data-dir", tmp_path)
    assert refused.returncode == 1
    assert "is damaged" in refused.stderr
    assert "restore" in refused.stderr
    assert path.read_bytes() == damaged
    assert len(list((tmp_path / "models").iterdir())) == 1


def test_a_damaged_model_is_explained(tmp_path: Path, data: Data) -> None:
    model = pytrainr.trainr(data[1], data[0], rng=RRandom(1), **OPTIONS)
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        client.store_model(model, "damaged")
        client.store_model(model, "whole")
        stored = sorted((tmp_path / "models").iterdir(), key=lambda path: path.stat().st_mtime_ns)
        stored[0].write_bytes(stored[0].read_bytes()[:-100])
        with pytest.raises(ServerError) as error:
            client.model("models/damaged")
        assert error.value.reason == "MODEL_DAMAGED"
        assert client.model("models/whole") == model


@contextlib.contextmanager
def small_disk(directory: Path, size: str) -> Iterator[list[str]]:
    """The beginning of a command that sees a small disk of its own at ``directory``."""
    directory.mkdir()
    inside = f'mount -t tmpfs -o size={size} tmpfs {directory} && exec "$@"'
    for unshare in (["unshare", "-m"], ["unshare", "-rm"]):
        probe = subprocess.run([*unshare, "sh", "-c", inside, "sh", "true"], capture_output=True, check=False)
        if probe.returncode == 0:
            yield [*unshare, "sh", "-c", inside, "sh"]
            return
    # Without the right to mount: the kernel refuses files beyond a size instead, with the same effect on every write.
    yield ["sh", "-c", "ulimit -f 4096 && trap '' XFSZ && exec \"$@\"", "sh"]


def test_a_full_disk_refuses_new_data_and_harms_nothing(tmp_path: Path, data: Data) -> None:
    X, Y = data
    model = pytrainr.trainr(Y, X, rng=RRandom(1), **OPTIONS)
    with (
        small_disk(tmp_path / "disk", "6m") as prefix,
        start_local_server(tmp_path / "disk", prefix=prefix) as server,
        pytrainr_client.connect(server.address, retry_seconds=1) as client,
    ):
        client.store_model(model, "before")
        large = np.random.default_rng(0).random((400, 300, 8))
        with pytest.raises(ServerError) as error:
            client.trainr(large[:, :, :1], large, **OPTIONS)
        assert error.value.reason == "DISK_FULL"
        assert client.model("models/before") == model
        assert np.array_equal(client.predictr("models/before", X), pytrainr.predictr(model, X))
        remote = client.trainr(Y, X, rng=RRandom(2), **OPTIONS)
        assert remote == pytrainr.trainr(Y, X, rng=RRandom(2), **OPTIONS)


def test_a_read_only_data_directory_is_explained(tmp_path: Path, data: Data) -> None:
    with start_local_server(tmp_path / "data") as server, pytrainr_client.connect(server.address) as client:
        client.store_model(pytrainr.trainr(data[1], data[0], rng=RRandom(1), **OPTIONS), "kept")
    before = {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()}
    for path in (tmp_path / "data").rglob("*"):
        path.chmod(0o555 if path.is_dir() else 0o444)
    (tmp_path / "data").chmod(0o555)
    data_dir = str(tmp_path / "data")
    run = [sys.executable, "-m", "pytrainr_server", "serve", "--listen", "127.0.0.1:0", "--data-dir", data_dir]
    if os.geteuid() == 0:  # root may write anywhere, but not on a file system mounted for reading
        mount = f'mount --bind {data_dir} {data_dir} && mount -o remount,bind,ro {data_dir} && exec "$@"'
        run = ["unshare", "-m", "sh", "-c", mount, "sh", *run]
    refused = subprocess.run(run, capture_output=True, text=True, timeout=300, check=False)
    assert refused.returncode == 1
    assert "Traceback" not in refused.stderr
    assert "cannot be written to" in refused.stderr
    assert {path: path.read_bytes() for path in (tmp_path / "data").rglob("*") if path.is_file()} == before
    assert sqlite3.connect(f"file:{tmp_path / 'data' / 'store.db'}?immutable=1", uri=True).execute(
        "select count(*) from models"
    ).fetchone() == (1,)
