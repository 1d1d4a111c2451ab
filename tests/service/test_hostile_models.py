"""What a caller hands back is checked before compiled code reads it, and a job that kills its worker is given up
(issue 18.4)."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, ServerError
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.failpoints import VARIABLE
from trainr import wire
from trainr.v1 import model_pb2, model_pb2_grpc, prediction_pb2, prediction_pb2_grpc, training_pb2, training_pb2_grpc

import pytrainr
from pytrainr import Model, RRandom
from pytrainr.model_checks import FIXED
from tests.service.conftest import adder
from tests.service.test_bad_input import refused, status

GRU = {"network_type": "gru", "exact": True, "update_rule": "adam", "hidden_dim": 4}
DERIVED = {"input_dim", "hidden_dim", "output_dim"}
"""Fields of which others are made: the refusal may name one of those."""
INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")


@pytest.fixture(scope="module")
def channel(plain: LocalServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(plain.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def model() -> Model:
    X, Y = adder(10)
    return pytrainr.trainr(Y, X, learningrate=0.1, rng=RRandom(1), epoch_function=(), numepochs=2, **GRU)


def paused_training(channel: grpc.Channel, field: str, value: Any) -> tuple[grpc.StatusCode, str, str]:
    """Answers the first pause with a changed field; how the call ends."""
    X, Y = adder(10)
    options = training_pb2.TrainingOptions(
        learningrate=0.1, hidden_dim=[4], network_type="gru", exact=True, update_rule="adam", numepochs=4
    )
    training = training_pb2.Training(
        x=wire.encode_array(X), y=wire.encode_array(Y), options=options, seed=1, pause_each_epoch=True
    )
    stub = training_pb2_grpc.TrainingServiceStub(channel)
    name = ""
    try:
        for event in stub.Train(training_pb2.TrainRequest(training=training), timeout=600):
            name = event.accepted.name or name
            if event.HasField("pause"):
                answer = training_pb2.ContinueTrainingRequest(name=name, epoch=event.pause.epoch)
                if event.pause.epoch == 1:
                    answer.field.add(name=field, value=wire.encode_value(value, field))
                stub.ContinueTraining(answer, timeout=600)
    except grpc.RpcError as error:
        return status(error)
    return grpc.StatusCode.OK, "", ""


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_bias", "text"),
        ("use_bias", [np.zeros(3), np.zeros(2)]),
        ("time_synapse", [np.zeros((2, 2))]),
        ("time_synapse_first_moment", "text"),
        ("time_dim", 9),
        ("updates_done", -1),
        ("error", np.zeros(3)),
        ("batch_size", 1e-300),
        ("learningrate", None),
    ],
)
def test_a_field_changed_in_a_pause_is_checked(channel: grpc.Channel, field: str, value: Any) -> None:
    assert paused_training(channel, field, value) == (*INVALID, field)


def another(value: Any) -> Any:
    """A value of the same kind that is not the same."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return value + "x"
    if isinstance(value, (int, float)):
        return value + 1
    if isinstance(value, tuple):
        return (*value[:-1], value[-1] + 1) if value else (1,)
    return np.asarray(value) + 1.0 if isinstance(value, np.ndarray) else 1


def test_no_field_that_says_what_the_network_is_may_change_in_a_pause(channel: grpc.Channel, model: Model) -> None:
    """Each of them is refused by its name, whatever the new value; also where the model has no such field yet."""
    fields = {name: another(model.get(name)) for name in FIXED if name != "layers"}
    outcomes = {name: paused_training(channel, name, value) for name, value in fields.items()}
    wrong = {
        name: outcome
        for name, outcome in outcomes.items()
        if outcome[:2] != INVALID or (outcome[2] != name and name not in DERIVED)
    }
    assert wrong == {}


def test_a_sound_change_goes_through(channel: grpc.Channel) -> None:
    assert paused_training(channel, "use_bias", True)[0] == grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("use_bias", "text"),
        ("sigmoid", 3),
        ("time_dim", (1, 2)),
        ("recurrent_synapse", [np.zeros((4, 4, 2))]),
        ("mask", {"a": 1}),
        ("input_center", "text"),
        ("attention", None),
    ],
)
def test_a_model_sent_along_is_checked(channel: grpc.Channel, model: Model, field: str, value: Any) -> None:
    """Prediction, storing and retraining refuse it, and name the field."""
    spoilt = Model({**dict(model.items()), field: value})
    message = wire.encode_model(dict(spoilt.items()))
    X, Y = adder(10)
    x, y = wire.encode_array(X), wire.encode_array(Y)
    predict = prediction_pb2_grpc.PredictionServiceStub(channel).Predict
    request = prediction_pb2.PredictRequest(model=message, x=x)
    assert refused(lambda: predict(request, timeout=600)) == (*INVALID, field)
    part = model_pb2.ModelPart(model=message, last=True)
    store = model_pb2_grpc.ModelServiceStub(channel).ImportModel
    assert refused(lambda: store(iter([model_pb2.ImportModelRequest(part=part)]), timeout=600)) == (*INVALID, field)
    training = training_pb2.Training(model=message, x=x, y=y, seed=1)
    create = training_pb2_grpc.TrainingServiceStub(channel).CreateTrainingJob
    retraining = training_pb2.CreateTrainingJobRequest(training=training)
    assert refused(lambda: create(retraining, timeout=600)) == (*INVALID, field)


def test_a_model_that_lacks_a_field_is_refused_or_served(channel: grpc.Channel, model: Model) -> None:
    """Without its ``current_epoch`` one could be stored, and not be sent back: the server failed."""
    X, _ = adder(10)
    models = model_pb2_grpc.ModelServiceStub(channel)
    predict = prediction_pb2_grpc.PredictionServiceStub(channel).Predict
    known = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION}
    served = set()
    for field in model:
        fields = {name: value for name, value in model.items() if name != field}
        part = model_pb2.ModelPart(model=wire.encode_model(fields), last=True)
        try:
            name = models.ImportModel(iter([model_pb2.ImportModelRequest(part=part)]), timeout=600).name
        except grpc.RpcError as error:
            assert status(error)[:2] == INVALID, field
            continue
        request = prediction_pb2.PredictRequest(stored_model=name, x=wire.encode_array(X))
        for call in (
            lambda name=name: list(models.ExportModel(model_pb2.ExportModelRequest(name=name), timeout=600)),
            lambda request=request: predict(request, timeout=600),
        ):
            try:
                call()
                served.add(field)
            except grpc.RpcError as error:
                assert status(error)[0] in known, field
    assert "current_epoch" in served


def submitted(client: Client) -> pytrainr_client.Job:
    X, Y = adder(10)
    return client.train_async(Y, X, learningrate=0.1, rng=RRandom(1), numepochs=3, job_id="poison", **GRU)


def killed_by_its_job(data: Path, address: str, fault: dict[str, str]) -> None:
    with start_local_server(data, listen=address, environment=fault) as server:
        with pytrainr_client.connect(server.address, retry_seconds=0.1) as client, contextlib.suppress(ServerError):
            submitted(client)  # the answer may or may not come before the end
        assert server.process.wait(30) == -signal.SIGSEGV


def test_a_job_that_kills_its_worker_twice_is_given_up(tmp_path: Path) -> None:
    """The server dies by a fault once; then the job dies alone, and others are served."""
    data, address = tmp_path / "data", f"unix:{tmp_path / 'socket'}"
    fault = {VARIABLE: "after-lease:1:SEGV"}
    killed_by_its_job(data, address, fault)
    with (
        start_local_server(data, listen=address, environment=fault) as second,
        pytrainr_client.connect(second.address) as client,
    ):
        job = client.job("trainingJobs/poison")
        until = time.monotonic() + 120
        while not job.info().ended and time.monotonic() < until:
            time.sleep(0.1)
        with pytest.raises(ServerError) as error:
            job.wait()
        assert error.value.reason == "WORKER_DIED"
        assert second.process.poll() is None
        assert "died by a fault" in second.log.read_text()


def test_a_job_that_outlived_a_fault_is_done(tmp_path: Path) -> None:
    """A job that merely ran beside the fault comes to its end, in a process of its own."""
    data, address = tmp_path / "data", f"unix:{tmp_path / 'socket'}"
    fault = {VARIABLE: "after-lease:1:SEGV"}
    killed_by_its_job(data, address, fault)
    with start_local_server(data, listen=address) as second, pytrainr_client.connect(second.address) as client:
        X, Y = adder(10)
        expected = pytrainr.trainr(Y, X, learningrate=0.1, rng=RRandom(1), numepochs=3, epoch_function=(), **GRU)
        weights = client.job("trainingJobs/poison").wait().time_synapse
        assert all(np.array_equal(ours, theirs) for ours, theirs in zip(weights, expected.time_synapse, strict=True))
