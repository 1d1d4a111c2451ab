"""Who gets in, who sees what, and what the quotas allow."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, NotFoundError, ServerError
from pytrainr_server import start_local_server
from pytrainr_server.config import Config, ConfigError
from pytrainr_server.security.tokens import REMEMBERED_SECONDS
from trainr.v1 import dataset_pb2, dataset_pb2_grpc, server_info_pb2, server_info_pb2_grpc, training_pb2

import pytrainr
from pytrainr import RRandom
from tests.service.certificates import Authority
from tests.service.conftest import SecureServer, create_token

Data = tuple[np.ndarray, np.ndarray]
OPTIONS: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 3, "epoch_function": pytrainr.epoch_annealing}


def command(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytrainr_server", *map(str, arguments)], capture_output=True, text=True, timeout=300
    )


def test_what_another_owner_has_is_not_found(secure: SecureServer, client: Client, data: Data) -> None:
    X, Y = data
    job = client.train_async(Y, X, learningrate=0.1, model_id="mine")
    job.wait()
    dataset = dataset_pb2_grpc.DatasetServiceStub(client._channel)
    message = dataset_pb2.UploadDatasetRequest
    uploaded = dataset.UploadDataset(iter([message(size_bytes=5, data=b"mine!")]))
    with secure.connect(secure.other_token) as other:
        theirs = dataset_pb2_grpc.DatasetServiceStub(other._channel)
        training = other.training
        calls = (
            lambda: training.GetTrainingJob(training_pb2.GetTrainingJobRequest(name=job.name)),
            lambda: training.CancelTrainingJob(training_pb2.CancelTrainingJobRequest(name=job.name)),
            lambda: training.DeleteTrainingJob(training_pb2.DeleteTrainingJobRequest(name=job.name)),
            lambda: training.DetachTrainingJob(training_pb2.DetachTrainingJobRequest(name=job.name)),
            lambda: training.ContinueTraining(training_pb2.ContinueTrainingRequest(name=job.name, epoch=1)),
            lambda: list(training.WatchTrainingJob(training_pb2.WatchTrainingJobRequest(name=job.name))),
            lambda: theirs.GetDataset(dataset_pb2.GetDatasetRequest(name=uploaded.name)),
            lambda: theirs.DeleteDataset(dataset_pb2.DeleteDatasetRequest(name=uploaded.name)),
        )
        for call in calls:
            with pytest.raises(grpc.RpcError) as error:
                call()
            assert error.value.code() == grpc.StatusCode.NOT_FOUND
        for refused in (lambda: other.model("models/mine"), lambda: other.predictr("models/mine", X)):
            with pytest.raises(NotFoundError):
                refused()
        with pytest.raises(NotFoundError):
            other.trainr(Y, X, model="models/mine")
        assert list(other.jobs()) == []
        assert list(other.models()) == []
        assert list(theirs.ListDatasets(dataset_pb2.ListDatasetsRequest()).datasets) == []
        # The same name may be used by both, and means each one's own.
        assert other.train_async(Y, X, learningrate=0.1, model_id="mine").wait() is not None
        assert [stored.version for stored in other.models()] == [1]


@pytest.mark.parametrize("token", ["", "nonsense", "trainr_0000000000000000_x", "trainr__", "\x7f", "trainr_a_b_c_d"])
def test_without_a_valid_token_nothing_is_told(secure: SecureServer, token: str) -> None:
    credentials = grpc.ssl_channel_credentials(secure.authority.certificate.read_bytes())
    with grpc.secure_channel(secure.server.address, credentials) as channel:
        stub = server_info_pb2_grpc.ServerInfoServiceStub(channel)
        metadata = [("authorization", f"Bearer {token}")] if token else []
        with pytest.raises(grpc.RpcError) as error:
            stub.GetServerInfo(server_info_pb2.GetServerInfoRequest(), metadata=metadata, timeout=300)
        assert error.value.code() in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.INTERNAL)
        if token != "\x7f":
            assert error.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_a_wrong_authority_is_refused_by_the_client(secure: SecureServer, tmp_path: Path) -> None:
    stranger = Authority(tmp_path, "stranger")
    with (
        pytrainr_client.connect(
            secure.server.address, secure.token, ca=stranger.certificate, retry_seconds=0.2
        ) as client,
        pytest.raises(ServerError),
    ):
        client.server_info()
    with (
        pytrainr_client.connect(secure.server.address, secure.token, retry_seconds=0.2) as plain,
        pytest.raises(ServerError),
    ):
        plain.server_info()


def test_tokens_are_hashed_listed_and_revoked(tmp_path: Path) -> None:
    token = create_token(tmp_path, "carol")
    id = token.split("_")[1]
    stored = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert token.split("_", 2)[2].encode() not in stored
    listed = command("token", "list", "--data-dir", tmp_path).stdout
    assert id in listed
    assert "carol" in listed
    assert token not in listed
    with start_local_server(tmp_path) as server:
        with pytrainr_client.connect(server.address, retry_seconds=1) as nobody, pytest.raises(ServerError) as refused:
            nobody.server_info()
        assert refused.value.code == grpc.StatusCode.UNAUTHENTICATED
        with pytrainr_client.connect(server.address, token) as carol:
            carol.server_info()
            assert command("token", "revoke", id, "--data-dir", tmp_path).returncode == 0
            time.sleep(REMEMBERED_SECONDS + 0.1)
            with pytest.raises(ServerError, match="revoked"):
                carol.server_info()
        assert token.split("_", 2)[2] not in server.log.read_text()
    assert command("token", "revoke", id, "--data-dir", tmp_path).returncode == 1


def test_mutual_tls_says_who_calls_and_certificates_are_read_again(tmp_path: Path, data: Data) -> None:
    X, Y = data
    authority = Authority(tmp_path)
    certificate, key = authority.sign("first", "server")
    people = {name: authority.sign(name, name) for name in ("dora", "emil")}
    flags = ["--tls-certificate", certificate, "--tls-key", key, "--tls-client-ca", authority.certificate]
    with start_local_server(tmp_path / "data", flags=list(map(str, flags))) as server:

        def connect(name: str | None, ca: Path = authority.certificate) -> Client:
            pair = people[name] if name else (None, None)
            return pytrainr_client.connect(server.address, ca=ca, cert=pair[0], key=pair[1], retry_seconds=0.3)

        with connect("dora") as dora, connect("emil") as emil:
            job = dora.train_async(Y, X, learningrate=0.1)
            job.wait()
            with pytest.raises(NotFoundError):
                emil.job(job.name).info()
        with connect(None) as nobody, pytest.raises(ServerError):
            nobody.server_info()
        # A new authority and a new certificate take the old one's place in its files.
        other = Authority(tmp_path, "other authority")
        new_certificate, new_key = other.sign("second", "second")
        shutil.copy(new_key, key)
        shutil.copy(new_certificate, certificate)
        with connect("dora", other.certificate) as again:
            assert again.job(job.name).info().state == "SUCCEEDED"
        with connect("dora") as old, pytest.raises(ServerError):
            old.server_info()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"listen": ("0.0.0.0:7272",)}, "--insecure"),
        ({"listen": ("example.org:1",), "tokens": "never", "insecure": False}, "--insecure"),
        ({"tls_certificate": "a"}, "tls_key"),
        ({"tls_client_ca": "a"}, "tls_certificate"),
        (
            {"listen": ("0.0.0.0:1",), "tls_certificate": "a", "tls_key": "b", "tokens": "never"},
            "would let in everyone",
        ),
        ({"max_queue": 0}, "max_queue"),
        ({"tokens": "perhaps"}, "always, never"),
        ({"listen": ()}, "listen"),
    ],
)
def test_settings_that_are_not_safe_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        Config(**settings)


def test_the_client_does_not_send_a_token_in_clear_text_by_mistake() -> None:
    with pytest.raises(ValueError, match="insecure=True"):
        pytrainr_client.connect("http://trainr.example.org:7272", "token")
    with pytest.raises(ValueError, match="both cert and key"):
        pytrainr_client.connect("https://trainr.example.org:7272", cert=b"x")
    with pytest.raises(ValueError, match="http:// is without TLS"):
        pytrainr_client.connect("http://127.0.0.1:7272", ca=b"x")


def test_quotas(tmp_path: Path, data: Data) -> None:
    X, Y = data
    flags = [
        "--max-jobs",
        "3",
        "--max-stored-bytes",
        "400000",
        "--max-epoch-samples",
        "10000",
        "--training-threads",
        "1",
        "--inline-bytes",
        "2000",
    ]
    with start_local_server(tmp_path, flags=flags) as server, pytrainr_client.connect(server.address) as client:
        with pytest.raises(ServerError) as refused:
            client.trainr(Y, X, numepochs=1000, **OPTIONS)
        assert refused.value.reason == "JOB_TOO_LARGE"
        slow = {**OPTIONS, "hidden_dim": 256, "network_type": "lstm", "numepochs": 160}
        jobs = [client.train_async(Y, X, **slow) for _ in range(3)]
        with pytest.raises(ServerError) as refused:
            client.train_async(Y, X, **slow)
        assert refused.value.reason == "TOO_MANY_JOBS"
        assert refused.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refused.value.retry_seconds is not None
        for job in jobs:
            job.cancel()
        with pytest.raises(ServerError) as refused:
            client.trainr(np.zeros((1000, 8, 1)), np.random.default_rng(0).random((1000, 8, 8)), **OPTIONS)
        assert refused.value.reason == "STORAGE_FULL"
    with sqlite3.connect(tmp_path / "store.db") as database:
        assert database.execute("select count(*) from jobs").fetchone() == (3,)


def test_a_full_queue_says_when_to_come_back(tmp_path: Path, data: Data) -> None:
    X, Y = data
    with (
        start_local_server(tmp_path, flags=["--max-queue", "1", "--training-threads", "1"]) as server,
        pytrainr_client.connect(server.address) as client,
    ):
        job = client.train_async(Y, X, learningrate=0.01, hidden_dim=64, network_type="lstm", numepochs=100_000)
        with pytest.raises(ServerError) as refused:
            client.trainr(Y, X, rng=RRandom(1), **OPTIONS)
        assert refused.value.reason == "QUEUE_FULL"
        assert refused.value.retry_seconds == 2.0
        job.cancel()
