"""SIGTERM with calls of every kind under way: they end with a status that clients take up elsewhere (issue 18.8)."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytrainr_client
from pytrainr_server import start_local_server
from trainr import wire
from trainr.v1 import (
    dataset_pb2,
    dataset_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    prediction_pb2,
    prediction_pb2_grpc,
    training_pb2,
    training_pb2_grpc,
)

import pytrainr
from pytrainr import Model, RRandom
from tests.service.conftest import adder
from tests.service.test_bad_input import training
from tests.service.test_faults import assert_same, halved

FLAGS = ["--training-threads", "4", "--shutdown-seconds", "60", "--checkpoint-seconds", "60"]
TASK: dict[str, Any] = {"learningrate": 0.05, "network_type": "lstm", "hidden_dim": 5, "numepochs": 2500}


class Open:
    """A stream of requests that stays open: some messages, then none for as long as the call lasts."""

    def __init__(self, *messages: Any) -> None:
        self._messages, self._end = messages, threading.Event()

    def __iter__(self) -> Iterator[Any]:
        yield from self._messages
        self._end.wait(300)

    def end(self) -> None:
        self._end.set()


def code_of(call: Any) -> grpc.StatusCode:
    """How a call, or a stream of answers, ends."""
    try:
        for _ in call:
            pass
    except grpc.RpcError as error:
        return error.code()  # type: ignore[attr-defined, no-any-return]
    return grpc.StatusCode.OK


def test_calls_of_every_kind_end_with_a_status_to_try_again(tmp_path: Path) -> None:
    """Streams that train, watch, upload, import and predict; a prediction that computes; trainings; then SIGTERM."""
    X, Y = adder(20)
    model = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=300, rng=RRandom(1), epoch_function=())
    message = wire.encode_model(dict(model.items()))
    endless = training(options={"numepochs": 10**8})
    paused = training_pb2.Training()
    paused.CopyFrom(endless)
    paused.pause_each_epoch = True
    with start_local_server(tmp_path, flags=FLAGS) as server, grpc.insecure_channel(server.address) as channel:
        train = training_pb2_grpc.TrainingServiceStub(channel)
        predict = prediction_pb2_grpc.PredictionServiceStub(channel)
        calls: dict[str, Any] = {
            "train": train.Train(training_pb2.TrainRequest(training=endless)),
            "paused": train.Train(training_pb2.TrainRequest(training=paused)),
        }
        name = next(calls["train"]).accepted.name
        next(calls["paused"])
        calls["watch"] = train.WatchTrainingJob(training_pb2.WatchTrainingJobRequest(name=name))
        next(calls["watch"])
        first = dataset_pb2.UploadDatasetRequest(size_bytes=100, data=b"x", upload_id="u")
        part = model_pb2.ModelPart(model=message)
        rows = prediction_pb2.PredictStreamRequest(model=message, samples=1000, x=wire.encode_array(X))
        held = [Open(first), Open(model_pb2.ImportModelRequest(part=part)), Open(rows)]
        calls["predict"] = predict.PredictStream(iter(held[2]))
        next(calls["predict"])
        futures = {
            "upload": dataset_pb2_grpc.DatasetServiceStub(channel).UploadDataset.future(iter(held[0])),
            "import": model_pb2_grpc.ModelServiceStub(channel).ImportModel.future(iter(held[1])),
        }
        long = np.tile(X, (500, 1, 1))
        busy = [prediction_pb2.PredictRequest(model=message, x=wire.encode_array(long)) for _ in range(12)]
        futures |= {f"prediction {index}": predict.Predict.future(request) for index, request in enumerate(busy)}
        time.sleep(1.0)
        server.process.send_signal(signal.SIGTERM)
        with ThreadPoolExecutor(len(calls)) as readers:
            codes = dict(zip(calls, readers.map(code_of, calls.values()), strict=True))
        codes |= {kind: future.code() for kind, future in futures.items()}
        for stream in held:
            stream.end()
        assert server.process.wait(600) == 0
        log = server.log.read_text()
    again = {grpc.StatusCode.UNAVAILABLE}
    assert {kind: code for kind, code in codes.items() if code not in again | {grpc.StatusCode.OK}} == {}
    assert all(codes[kind] in again for kind in ("train", "paused", "watch", "upload", "import", "predict")), codes
    assert "could not be given back in time" not in log
    assert "Traceback" not in log


def test_clients_take_up_elsewhere_what_sigterm_ended(tmp_path: Path) -> None:
    """Trainings with and without epoch functions, jobs and predictions, across three SIGTERMs: the same bits."""
    X, Y = adder(40)
    expected = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **TASK)
    few = {**TASK, "numepochs": 40}
    changed = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=halved, **few)
    listen = f"unix:{tmp_path / 'socket'}"
    server = start_local_server(tmp_path / "data", flags=FLAGS, listen=listen)
    over = threading.Event()

    def predictions(client: pytrainr_client.Client) -> int:
        done = 0
        while not over.is_set():
            assert np.array_equal(client.predictr(expected, X), pytrainr.predictr(expected, X))
            done += 1
        return done

    with pytrainr_client.connect(listen, retry_seconds=600) as client, ThreadPoolExecutor(4) as callers:

        def started(function: Callable[..., Any], options: dict[str, Any]) -> Any:
            return callers.submit(client.trainr, Y, X, rng=RRandom(1), epoch_function=function, **options)

        trainings: list[tuple[Any, Model]] = [
            (started(pytrainr.epoch_annealing, TASK), expected),
            (started(halved, few), changed),
        ]
        job = client.train_async(Y, X, rng=RRandom(1), **TASK)
        predicting = callers.submit(predictions, client)
        try:
            for _ in range(3):
                time.sleep(0.5)
                assert server.stop() == 0
                assert "Traceback" not in server.log.read_text()
                server = start_local_server(tmp_path / "data", flags=FLAGS, listen=listen)
            for future, model in trainings:
                assert_same(future.result(600), model)
            assert_same(job.wait(), expected)
        finally:
            over.set()  # or a failure would wait for the predictions for ever
        assert predicting.result(600) > 0
    server.stop()


def test_what_callers_leave_is_noted_before_the_threads_for_it_end(tmp_path: Path) -> None:
    """However soon the server ends after its calls, their callers' time to come back is stored; no error is logged."""
    X, Y = adder(40)
    listen, ready, log = f"unix:{tmp_path / 'socket'}", tmp_path / "ready", tmp_path / "log"
    slowly = "from pytrainr_server import cli; from pytrainr_server.service import training; training.LEAVE_SECONDS = 2"
    command = [sys.executable, "-c", f"{slowly}; raise SystemExit(cli.main())", "serve", "--listen", listen]
    command += ["--data-dir", str(tmp_path / "data"), "--ready-file", str(ready), "--shutdown-seconds", "60"]
    with open(log, "wb") as output, ThreadPoolExecutor(1) as callers:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        while not ready.exists():
            assert server.poll() is None, log.read_text()
            time.sleep(0.05)
        with pytrainr_client.connect(listen, retry_seconds=0) as client:
            options = {**TASK, "numepochs": 10**6, "epoch_function": pytrainr.epoch_annealing}
            call = callers.submit(client.trainr, Y, X, **options)
            while not any(job.epoch for job in client.jobs()):
                time.sleep(0.05)
            server.send_signal(signal.SIGTERM)
            assert call.exception(600) is not None
        assert server.wait(600) == 0
    assert "Traceback" not in log.read_text()
    with closing(sqlite3.connect(tmp_path / "data" / "store.db")) as store:
        ((left_until,),) = store.execute("SELECT abandon_time FROM jobs").fetchall()
    assert left_until > time.time()
