"""Broken messages through every call of a server, and hostile models on every road to compiled code.

Usage: python benchmarks/fuzz.py [--messages N] [--seed S] [--state FILE] [--report FILE]      a million messages
       python benchmarks/fuzz.py --models N [--seed S]                      models, beneath a debug allocator

A message is one of the valid ones below with bytes changed, cut or spliced, with hostile values in its fields, or
random bytes. What must hold: the server lives, no answer is INTERNAL or UNKNOWN, its log has no traceback, its memory
stays flat, by the least of ten batches one after the other. ``--state`` keeps how far it has come: begun again with the
same file it goes on there. Several may run side by side, each with a seed and a state of its own; ``--report`` puts a
seed's result beside the others'.

``--models`` compiles the kernels anew with bounds checks (``NUMBA_BOUNDSCHECK=1``) and runs with glibc's checking
allocator. Bounds are checked where kernels index arrays; views that they make of addresses (``carray``) and rows read
in vectors are not, for these the allocator's guards stand.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import grpc
import numpy as np
import psutil
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from grpc.experimental import ChannelOptions
from long_runs import report, revision
from pytrainr_server import LocalServer, start_local_server
from trainr import wire
from trainr.v1 import (
    dataset_pb2,
    model_pb2,
    prediction_pb2,
    server_info_pb2,
    tensor_pb2,
    training_pb2,
    training_pb2_grpc,
)

import pytrainr
from pytrainr import RRandom

ROOT = Path(__file__).resolve().parents[1]
BATCH, CALLERS, CALL_SECONDS = 2_000, 6, 5.0
LASTING_BATCHES, FLAT_BYTES = 10, 100 << 20
# A training that pauses for nobody holds a caller, and one whose caller is gone a thread: both only for a moment.
# What it keeps on purpose, models that were predicted with, is small, so that all that grows is seen.
FLAGS = (
    *("--max-epoch-samples", "2000", "--max-jobs", "300", "--pause-seconds", "0.2", "--grace-seconds", "0.2"),
    *("--model-cache-bytes", str(1 << 20)),
)
SERVICES = {
    name: service
    for module in (training_pb2, prediction_pb2, model_pb2, dataset_pb2, server_info_pb2)
    for name, service in module.DESCRIPTOR.services_by_name.items()
}
FORBIDDEN = {grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.UNIMPLEMENTED}
NUMBERS = (0, 1, -1, 2, 7, 2**31 - 1, -(2**31), 2**63 - 1, -(2**63), 2**62, 1000)
REALS = (0.0, -0.0, 1.0, -1.0, 1e308, -1e308, 1e-320, float("nan"), float("inf"), -float("inf"), 0.5)
TEXTS = (
    *("", "a", "models/a", "models/stored", "models/stored@newest", "trainingJobs/a", "datasets/" + "0" * 64, "\0"),
    *("../../etc/passwd", "'; drop table jobs; --", "x" * 300, "\n2026-01-01 error forged", "\u202e", "epoch_print"),
    *("lstm", "gru", "esn", "adam", "softmax", "nan", "hidden_dim", "use_bias", "error", "time_synapse", "%s%n"),
    "trainingBatches/a",
)


class Recorded(NamedTuple):
    """A call, and the messages of a valid one."""

    method: str
    requests: tuple[Message, ...]
    sends_many: bool
    answers_many: bool


def training(**options: Any) -> training_pb2.Training:
    x = np.arange(24.0).reshape(4, 3, 2) / 24
    extra = wire.encode_options(options.pop("extra", {}))
    given = {"learningrate": 0.1, "hidden_dim": [2], **options}
    return training_pb2.Training(
        x=wire.encode_array(x),
        y=wire.encode_array(x[:, :, :1]),
        seed=1,
        options=training_pb2.TrainingOptions(**given, extra=extra),
    )


def small_model(**options: Any) -> model_pb2.Model:
    x = np.arange(24.0).reshape(4, 3, 2) / 24
    given = {"learningrate": 0.1, "hidden_dim": 2, "epoch_function": (), **options}
    model = pytrainr.trainr(x[:, :, :1], x, rng=RRandom(1), **given)
    return wire.encode_model(dict(model.items()))


def recorded() -> list[Recorded]:
    """A valid call, or several, of every method."""
    x = wire.encode_array(np.zeros((2, 3, 2)))
    models = [small_model(), small_model(exact=True, network_type="gru", update_rule="adam", use_bias=True)]
    trainings = [
        training(),
        training(network_type="lstm", numepochs=3, update_rule="adagrad"),
        training(exact=True, network_type="gru", update_rule="adam", extra={"dropout": 0.1, "validation": 0.25}),
        training(exact=True, network_type="esn", extra={"density": 0.5}),
    ]
    trainings += [training_pb2.Training(x=trainings[0].x, y=trainings[0].y, model=model, seed=1) for model in models]
    paused = training_pb2.Training()
    paused.CopyFrom(trainings[2])
    paused.pause_each_epoch = True
    tp, mp, pp, dp = training_pb2, model_pb2, prediction_pb2, dataset_pb2
    name, halving, alike = "trainingBatches/a", tp.Halving(eta=2), training(numepochs=4)
    fields = wire.encode_options({"use_bias": True, "learningrate": 0.5, "error": np.zeros((3, 1))})
    calls: list[tuple[str, str, list[Message]]] = [
        *(("Training", "CreateTrainingJob", [tp.CreateTrainingJobRequest(training=item)]) for item in trainings),
        *(("Training", "Train", [tp.TrainRequest(training=item)]) for item in (*trainings[:3], paused)),
        ("Training", "ContinueTraining", [tp.ContinueTrainingRequest(name="trainingJobs/a", epoch=1, field=fields)]),
        ("Training", "DetachTrainingJob", [tp.DetachTrainingJobRequest(name="trainingJobs/a")]),
        ("Training", "GetTrainingJob", [tp.GetTrainingJobRequest(name="trainingJobs/a")]),
        ("Training", "ListTrainingJobs", [tp.ListTrainingJobsRequest(page_size=3, state=[4])]),
        ("Training", "CancelTrainingJob", [tp.CancelTrainingJobRequest(name="trainingJobs/a")]),
        ("Training", "DeleteTrainingJob", [tp.DeleteTrainingJobRequest(name="trainingJobs/a", allow_missing=True)]),
        ("Training", "WatchTrainingJob", [tp.WatchTrainingJobRequest(name="trainingJobs/a")]),
        ("Training", "CreateTrainingJobs", [tp.CreateTrainingJobsRequest(training=trainings, training_batch_id="a")]),
        ("Training", "CreateTrainingJobs", [tp.CreateTrainingJobsRequest(training=[alike] * 4, halving=halving)]),
        ("Training", "GetTrainingBatch", [tp.GetTrainingBatchRequest(name=name)]),
        ("Training", "WatchTrainingBatch", [tp.WatchTrainingBatchRequest(name=name, seen_place=[1])]),
        ("Training", "CancelTrainingBatch", [tp.CancelTrainingBatchRequest(name=name)]),
        ("Training", "DeleteTrainingBatch", [tp.DeleteTrainingBatchRequest(name=name, models=True)]),
        *(("Prediction", "Predict", [pp.PredictRequest(model=model, x=x)]) for model in models),
        ("Prediction", "Predict", [pp.PredictRequest(stored_model="models/stored", x=x, hidden=True)]),
        ("Prediction", "PredictStream", [pp.PredictStreamRequest(model=models[0], samples=2), *_rows(x)]),
        *(
            ("Model", "ImportModel", [mp.ImportModelRequest(model_id="stored", part=part) for part in _parts(model)])
            for model in models
        ),
        ("Model", "ExportModel", [mp.ExportModelRequest(name="models/stored")]),
        ("Model", "GetModel", [mp.GetModelRequest(name="models/stored@newest")]),
        ("Model", "ListModels", [mp.ListModelsRequest(parent="models/stored", page_size=2)]),
        ("Model", "SetModelAlias", [mp.SetModelAliasRequest(name="models/stored", alias="prod")]),
        ("Model", "DeleteModel", [mp.DeleteModelRequest(name="models/b", allow_missing=True)]),
        ("Dataset", "UploadDataset", [dp.UploadDatasetRequest(upload_id="u", size_bytes=8, data=b"12345678")]),
        ("Dataset", "UploadDataset", [dp.UploadDatasetRequest(size_bytes=4, data=b"12"), _more(b"34")]),
        ("Dataset", "GetUpload", [dp.GetUploadRequest(upload_id="u")]),
        ("Dataset", "GetDataset", [dp.GetDatasetRequest(name="datasets/" + "0" * 64)]),
        ("Dataset", "ListDatasets", [dp.ListDatasetsRequest(page_size=2)]),
        ("Dataset", "DeleteDataset", [dp.DeleteDatasetRequest(name="datasets/" + "0" * 64)]),
        ("ServerInfo", "GetServerInfo", [server_info_pb2.GetServerInfoRequest()]),
    ]
    return [_recorded(f"{service}Service", name, requests) for service, name, requests in calls]


def _recorded(service: str, name: str, requests: list[Message]) -> Recorded:
    method = SERVICES[service].methods_by_name[name]
    path = f"/{SERVICES[service].full_name}/{name}"
    return Recorded(path, tuple(requests), method.client_streaming, method.server_streaming)


def _rows(x: tensor_pb2.Tensor) -> list[Message]:
    return [prediction_pb2.PredictStreamRequest(x=x)]


def _parts(model: model_pb2.Model) -> Iterator[model_pb2.ModelPart]:
    copy = model_pb2.Model()
    copy.CopyFrom(model)
    return wire.split_model(copy, 64, inline_bytes=32)


def _more(data: bytes) -> Message:
    return dataset_pb2.UploadDatasetRequest(data=data)


# changing messages ------------------------------------------------------------------------------------------------


def broken(message: Message, chance: random.Random) -> bytes:
    """The bytes of a message, spoilt in one of many ways."""
    kind = chance.random()
    if kind < 0.05:
        return chance.randbytes(chance.randrange(300))
    if kind < 0.60:
        changed = type(message)()
        changed.CopyFrom(message)
        for _ in range(chance.randint(1, 3)):
            _spoil_field(changed, chance)
        try:
            return changed.SerializeToString()
        except (ValueError, UnicodeEncodeError):
            return message.SerializeToString()
    data = bytearray(message.SerializeToString())
    for _ in range(chance.randint(1, 4)):
        if not data:
            break
        place = chance.randrange(len(data))
        action = chance.randrange(4)
        if action == 0:
            data[place] = chance.randrange(256)
        elif action == 1:
            data[place] ^= 1 << chance.randrange(8)
        elif action == 2:
            del data[place : place + chance.randint(1, 16)]
        else:
            data[place:place] = data[: chance.randint(1, 16)]
    return bytes(data)


def _spoil_field(message: Message, chance: random.Random) -> None:
    """A hostile value in one field, found by going down at random."""
    field = chance.choice(message.DESCRIPTOR.fields) if message.DESCRIPTOR.fields else None
    if field is None:
        return
    if field.type == FieldDescriptor.TYPE_MESSAGE:
        _spoil_message(message, field, chance)
        return
    value = _hostile(field, chance)
    try:
        if not field.is_repeated:
            setattr(message, field.name, value)
            return
        values = getattr(message, field.name)
        if values and chance.random() < 0.6:
            values[chance.randrange(len(values))] = value
        else:
            values.extend([value] * chance.choice([1, 2, 100]))
    except (ValueError, TypeError):  # a value that this field cannot even be given
        return


def _spoil_message(message: Message, field: FieldDescriptor, chance: random.Random) -> None:
    if chance.random() < 0.08:
        message.ClearField(field.name)
        return
    if not field.is_repeated:
        _spoil_field(getattr(message, field.name), chance)
        return
    items = getattr(message, field.name)
    if not items or chance.random() < 0.1:
        items.add()
    if chance.random() < 0.1:
        items.add().CopyFrom(chance.choice(items))
    _spoil_field(chance.choice(items), chance)


def _hostile(field: FieldDescriptor, chance: random.Random) -> Any:
    if field.type == FieldDescriptor.TYPE_STRING:
        return chance.choice(TEXTS)
    if field.type == FieldDescriptor.TYPE_BYTES:
        return chance.randbytes(chance.choice([0, 1, 8, 200]))
    if field.type in (FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FLOAT):
        return chance.choice(REALS)
    if field.type == FieldDescriptor.TYPE_BOOL:
        return chance.random() < 0.5
    return chance.choice(NUMBERS)


# a server that gets them ------------------------------------------------------------------------------------------


class Fuzz:
    """Sends message after message to a server of its own."""

    def __init__(self, server: LocalServer, seed: int) -> None:
        # Without a thread of its own for every stream: the server should be what takes the time.
        options = [("grpc.max_receive_message_length", -1), (ChannelOptions.SingleThreadedUnaryStream, 1)]
        self._channel = grpc.insecure_channel(server.address, options=options)
        self._calls = recorded()
        self._seed = seed
        self._lock = threading.Lock()
        self.codes: Counter[str] = Counter()
        self.faults: list[str] = []

    def send(self, number: int) -> None:
        """Message ``number``: the same one whenever it is asked for."""
        chance = random.Random(f"{self._seed}/{number}")
        call = chance.choice(self._calls)
        spoilt = chance.randrange(len(call.requests))
        raw = [
            broken(request, chance) if index == spoilt else request.SerializeToString()
            for index, request in enumerate(call.requests)
        ]
        code, details = self._answer(call, raw)
        with self._lock:
            self.codes[code.name] += 1
            if code in FORBIDDEN:
                self.faults.append(f"message {number} to {call.method}: {code.name} ({details})")

    def _answer(self, call: Recorded, raw: list[bytes]) -> tuple[grpc.StatusCode, str]:
        try:
            if not call.answers_many:
                single = self._channel.stream_unary if call.sends_many else self._channel.unary_unary
                single(call.method)(iter(raw) if call.sends_many else raw[0], timeout=CALL_SECONDS)
                return grpc.StatusCode.OK, ""
            many = self._channel.stream_stream if call.sends_many else self._channel.unary_stream
            answers = many(call.method)(iter(raw) if call.sends_many else raw[0], timeout=CALL_SECONDS)
            for count, _ in enumerate(answers):
                if count > 50:
                    answers.cancel()
                    break
        except grpc.RpcError as error:
            return error.code(), error.details()  # type: ignore[attr-defined]
        return grpc.StatusCode.OK, ""

    def clear(self, callers: ThreadPoolExecutor) -> None:
        """End and forget the jobs that came of it, so that there is room for more."""
        stub = training_pb2_grpc.TrainingServiceStub(self._channel)
        page_token = ""
        while True:
            request = training_pb2.ListTrainingJobsRequest(page_size=500, page_token=page_token)
            page = stub.ListTrainingJobs(request)
            list(callers.map(partial(_forget, stub), page.training_jobs))
            page_token = page.next_page_token
            if not page_token:
                return


def _forget(stub: training_pb2_grpc.TrainingServiceStub, job: training_pb2.TrainingJob) -> None:
    if not job.end_time:
        _quietly(stub.CancelTrainingJob, training_pb2.CancelTrainingJobRequest(name=job.name))
    _quietly(stub.DeleteTrainingJob, training_pb2.DeleteTrainingJobRequest(name=job.name))


def _quietly(call: Callable[..., Any], request: Message) -> None:
    try:
        call(request, timeout=30)
    except grpc.RpcError:
        return  # gone already, or not yet ended


def fuzz_messages(count: int, seed: int, state: Path | None) -> dict[str, Any]:
    """Send the messages that are left, a batch at a time; what came of it."""
    done: dict[str, Any] = {"seed": seed, "sent": 0, "commits": {}, "codes": {}, "faults": [], "largest_bytes": 0}
    if state is not None and state.exists():
        done = json.loads(state.read_text())
    codes, commits, commit = Counter(done["codes"]), Counter(done["commits"]), revision()
    with (
        tempfile.TemporaryDirectory() as directory,
        start_local_server(Path(directory) / "data", flags=FLAGS) as server,
        ThreadPoolExecutor(CALLERS) as callers,
    ):
        fuzz, process, base = Fuzz(server, done["seed"]), psutil.Process(server.process.pid), 0
        recent: deque[int] = deque(maxlen=LASTING_BATCHES)
        while done["sent"] < count and server.process.poll() is None:
            last = min(count, done["sent"] + BATCH)
            list(callers.map(fuzz.send, range(done["sent"], last)))
            if server.process.poll() is not None:
                break
            fuzz.clear(callers)
            memory = process.memory_info().rss
            base = base or memory  # after the first batch everything is loaded
            recent.append(memory)  # a training under way may have much for a moment
            done["largest_bytes"] = max(done["largest_bytes"], min(recent) - base)
            commits[commit] += last - done["sent"]
            done |= {"sent": last, "commits": dict(commits), "codes": dict(codes + fuzz.codes)}
            done["faults"] += fuzz.faults
            fuzz.faults = []
            if state is not None:
                state.write_text(json.dumps(done))
            print(f"{last} messages, {dict(fuzz.codes)}, {memory >> 20} MiB", flush=True)
        if server.process.poll() is not None:
            done["faults"].append(f"the server ended with {server.process.returncode} after {done['sent']} messages")
        log = server.log.read_text(errors="replace")
        done["faults"] += [f"a traceback in {server.log}"] if "Traceback" in log else []
    if done["largest_bytes"] > FLAT_BYTES:
        done["faults"].append(f"the server's memory grew by {done['largest_bytes'] >> 20} MiB")
    return done


# models beneath a debug allocator ---------------------------------------------------------------------------------


def fuzz_models(count: int, seed: int) -> None:
    """Hostile models on every road, in this process; a fault ends it."""
    sys.path.insert(0, str(ROOT))
    from tests.library.hostile import ROADS, configurations, trained

    every = configurations()
    models = {name: trained(options) for name, options in every.items()}
    outcomes: Counter[str] = Counter()
    for number in range(count):
        chance = random.Random(f"{seed}/{number}")
        name, road = chance.choice(list(every)), chance.choice(ROADS)
        try:
            road(models[name].copy(), every[name], chance)
            outcomes["fine"] += 1
        except (ValueError, TypeError):
            outcomes["refused"] += 1
        if (number + 1) % 500 == 0 or number + 1 == count:
            print(f"{number + 1} models, {dict(outcomes)}", flush=True)


def guarded(count: int, seed: int) -> int:
    """The same in a process of its own with a checking allocator and kernels that check bounds."""
    with tempfile.TemporaryDirectory() as cache:
        guards = {
            **{"LD_PRELOAD": "libc_malloc_debug.so.0", "MALLOC_CHECK_": "3", "PYTHONFAULTHANDLER": "1"},
            **{"NUMBA_BOUNDSCHECK": "1", "NUMBA_CACHE_DIR": cache},
        }
        command = [sys.executable, __file__, "--unguarded", "--models", str(count), "--seed", str(seed)]
        return subprocess.run(command, env={**os.environ, **guards}, check=False).returncode


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--models", type=int, default=0)
    parser.add_argument("--unguarded", action="store_true", help="models in this very process")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--report", type=Path, help="write here what came of the messages")
    given = parser.parse_args()
    if given.models:
        if given.unguarded:
            fuzz_models(given.models, given.seed)
            return 0
        return guarded(given.models, given.seed)
    began = time.monotonic()
    done = fuzz_messages(given.messages, given.seed, given.state)
    print(f"{done['sent']} messages in {time.monotonic() - began:.0f} s: {done['codes']}")
    for fault in done["faults"]:
        print("FAULT", fault)
    if given.report:
        report(done, given.report)
    return 1 if done["faults"] else 0


if __name__ == "__main__":
    sys.exit(main())
