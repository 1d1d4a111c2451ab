"""Callers that ask for much and read nothing: what they asked for waits in the store, not in the server's memory."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
import pytrainr_client
from pytrainr_server import LocalServer, start_local_server
from trainr import wire
from trainr.v1 import (
    model_pb2,
    model_pb2_grpc,
    prediction_pb2,
    prediction_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

import pytrainr
from pytrainr import RRandom
from tests.service.conftest import adder

MIB = 1 << 20
CALLERS = 12


class Deaf:
    """A way to the server that lets a caller's requests through, and of the answers the first bytes only.

    gRPC's own client reads ahead on its own; what never comes out of the socket it cannot read. To the server this is a
    caller whose machine is asleep, or one that holds the connection open on purpose.
    """

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._server = (host, int(port))
        self._open: list[socket.socket] = []
        self.answered = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                caller, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._server)
            self._open += [caller, server]
            threading.Thread(target=self._pass, args=(caller, server, 1 << 40), daemon=True).start()
            threading.Thread(target=self._pass, args=(server, caller, 256 << 10), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket, count: int) -> None:
        try:
            while count > 0 and (data := source.recv(65_536)):
                target.sendall(data)
                count -= len(data)
        except OSError:
            return
        self.answered.set()

    def close(self) -> None:
        """Cut all connections."""
        for opened in (self._listener, *self._open):
            opened.close()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LocalServer]:
    """A server of these tests' own, for what its memory does."""
    with start_local_server(tmp_path) as started:
        yield started


@pytest.fixture
def deaf(server: LocalServer) -> Iterator[list[grpc.Channel]]:
    """Connections of callers who do not read."""
    ways = [Deaf(server.address) for _ in range(CALLERS)]
    # Even the window that gRPC's client would grant by itself is wide open: it is the server that has to hold back.
    options = [("grpc.max_receive_message_length", -1), ("grpc.http2.lookahead_bytes", 64 * MIB)]
    channels = [grpc.insecure_channel(way.address, options) for way in ways]
    yield channels
    for channel in channels:
        channel.close()
    for way in ways:
        way.close()


def memory(server: LocalServer) -> int:
    """What the server holds of its own: pages of mapped files are the system's, who takes them back when it likes."""
    held = psutil.Process(server.process.pid).memory_info()
    return int(held.rss - held.shared)


def largest(server: LocalServer, seconds: float) -> int:
    """The most memory that the server holds during some time."""
    until, most = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        most = max(most, memory(server))
        time.sleep(0.02)
    return most


def test_models_that_nobody_reads(server: LocalServer, deaf: list[grpc.Channel]) -> None:
    X, Y = adder(20)
    with pytrainr_client.connect(server.address) as client:
        model = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=1000, rng=RRandom(1))
        client.store_model(model, "wide")
        size = next(iter(client.models("models/wide"))).size_bytes
        client.model("models/wide")
    before = memory(server)
    calls = []
    for channel in deaf:
        export = model_pb2_grpc.ModelServiceStub(channel).ExportModel
        calls += [export(model_pb2.ExportModelRequest(name="models/wide")) for _ in range(8)]
    held = largest(server, 5.0) - before
    asked = len(calls) * size
    assert held < asked / 4, f"{held / MIB:.0f} MiB held of {asked / MIB:.0f} MiB asked for"
    with pytrainr_client.connect(server.address) as client:
        assert client.model("models/wide") == model, "others are served meanwhile"


def test_models_that_are_sent_without_end(tmp_path: Path) -> None:
    """Who begins to send a model and stops holds no more memory than all such callers may together."""
    model = pytrainr.trainr(*adder(20)[::-1], learningrate=0.1, hidden_dim=300, rng=RRandom(1))
    message = wire.encode_model(dict(model.items()))
    parts = list(wire.split_model(message, 64 << 10))
    size = sum(len(part.chunk.data) for part in parts)
    stalled = threading.Event()

    def half() -> Iterator[model_pb2.ImportModelRequest]:
        for part in parts[: len(parts) // 2]:
            yield model_pb2.ImportModelRequest(model_id="half", part=part)
        stalled.wait(30)

    with (
        start_local_server(tmp_path, flags=["--max-importing-bytes", str(4 * MIB)]) as server,
        grpc.insecure_channel(server.address) as channel,
        pytrainr_client.connect(server.address) as client,
    ):
        imports = model_pb2_grpc.ModelServiceStub(channel).ImportModel
        slow = [imports.future(half()) for _ in range(8)]
        refused = [call for call in slow if _ends_within(call, 2.0)]
        assert {call.code() for call in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert len(slow) - len(refused) == 4 * MIB // size
        for call in slow:
            call.cancel()
        while _stored(client, model) is None:
            time.sleep(0.1)
        stalled.set()


def _ends_within(call: Any, seconds: float) -> bool:
    until = time.monotonic() + seconds
    while not call.done() and time.monotonic() < until:
        time.sleep(0.02)
    return bool(call.done())


def _stored(client: pytrainr_client.Client, model: pytrainr.Model) -> str | None:
    try:
        return client.store_model(model, "whole")
    except pytrainr_client.ServerError as error:
        assert error.reason == "IMPORTS_FULL"
        return None


def test_epochs_that_nobody_reads(server: LocalServer, deaf: list[grpc.Channel]) -> None:
    X, Y = adder(1)
    epochs = 40_000
    with pytrainr_client.connect(server.address) as client:
        job = client.train_async(Y, X, learningrate=0.001, hidden_dim=1, numepochs=epochs)
        for _ in job.watch(after_epoch=epochs - 1):
            pass
    before = memory(server)
    calls = []
    for channel in deaf:
        watch = training_pb2_grpc.TrainingServiceStub(channel).WatchTrainingJob
        calls += [watch(training_pb2.WatchTrainingJobRequest(name=job.name)) for _ in range(8)]
    held = largest(server, 5.0) - before
    asked = len(calls) * epochs * 32  # bytes of the epochs' records; as messages they are larger
    assert held < asked / 2, f"{held / MIB:.0f} MiB held of {asked / MIB:.0f} MiB asked for"


def test_predictions_that_nobody_reads(server: LocalServer, deaf: list[grpc.Channel]) -> None:
    X, Y = adder(20)
    with pytrainr_client.connect(server.address) as client:
        client.store_model(pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=2, rng=RRandom(1)), "narrow")
    x = wire.encode_array(np.zeros((8192, 8, 2)))
    messages = 200
    sent = [0] * len(deaf)

    def requests(index: int) -> Iterator[Any]:
        for number in range(messages):
            sent[index] = number + 1
            head = {"stored_model": "models/narrow", "samples": 8192 * messages} if number == 0 else {}
            yield prediction_pb2.PredictStreamRequest(x=x, **head)

    before = memory(server)
    calls = [
        prediction_pb2_grpc.PredictionServiceStub(channel).PredictStream(requests(index))
        for index, channel in enumerate(deaf)
    ]
    held = largest(server, 8.0) - before
    asked = len(calls) * messages * (len(x.data) + 8192 * 8 * 8)
    assert held < asked / 4, f"{held / MIB:.0f} MiB held of {asked / MIB:.0f} MiB asked for"
    assert max(sent) < messages, "callers who do not read are not read either"


def test_trainings_that_nobody_reads(server: LocalServer, deaf: list[grpc.Channel]) -> None:
    X, Y = adder(1)
    training = training_pb2.Training(
        x=wire.encode_array(X),
        y=wire.encode_array(Y),
        seed=1,
        options=training_pb2.TrainingOptions(learningrate=0.001, hidden_dim=[1000]),
    )
    with pytrainr_client.connect(server.address) as client:
        client.trainr(Y, X, learningrate=0.001, hidden_dim=1000)
        size = next(iter(client.models())).size_bytes
        before = memory(server)
        calls = [
            training_pb2_grpc.TrainingServiceStub(channel).Train(training_pb2.TrainRequest(training=training))
            for channel in deaf
            for _ in range(16)
        ]
        while len(infos := list(client.jobs())) <= len(calls) or not all(info.ended for info in infos):
            time.sleep(0.1)
        held = largest(server, 3.0) - before
    asked = len(calls) * size
    # What the threads need while they train and store is the same however many callers wait.
    assert held < asked / 4, f"{held / MIB:.0f} MiB held of {asked / MIB:.0f} MiB asked for"
