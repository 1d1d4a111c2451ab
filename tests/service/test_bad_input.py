"""What cannot be is refused, with the argument named, and the server is none the worse."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
import psutil
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pytrainr_server import LocalServer
from trainr import wire
from trainr.v1 import (
    dataset_pb2,
    dataset_pb2_grpc,
    error_pb2,
    model_pb2,
    model_pb2_grpc,
    prediction_pb2,
    prediction_pb2_grpc,
    tensor_pb2,
    training_pb2,
    training_pb2_grpc,
)

import pytrainr

GIB = 1 << 30
Tensor = tensor_pb2.Tensor
ROW_MAJOR = tensor_pb2.ELEMENT_ORDER_ROW_MAJOR


@pytest.fixture(scope="module")
def channel(plain: LocalServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(plain.address) as opened:
        yield opened


@pytest.fixture(scope="module")
def train(channel: grpc.Channel) -> Callable[[training_pb2.Training], Any]:
    stub = training_pb2_grpc.TrainingServiceStub(channel)
    return lambda training: stub.CreateTrainingJob(
        training_pb2.CreateTrainingJobRequest(training=training), timeout=300
    )


def training(**changes: Any) -> training_pb2.Training:
    options = {"learningrate": 0.1, **changes.pop("options", {})}
    x = np.arange(24.0).reshape(4, 3, 2) / 24
    parts = {"x": wire.encode_array(x), "y": wire.encode_array(x[:, :, :1]), "seed": 1, **changes}
    return training_pb2.Training(
        options=training_pb2.TrainingOptions(**options),
        **{name: part for name, part in parts.items() if part is not None},
    )


def extra(**values: Any) -> dict[str, Any]:
    return {"extra": wire.encode_options(values)}


def status(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, str]:
    """The code, ErrorInfo's reason and the violated field."""
    reason = field = ""
    found = rpc_status.from_call(error)
    for detail in found.details if found is not None else ():
        info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
        if detail.Unpack(info):
            assert info.domain == "pytrainr"
            reason = info.reason
        elif detail.Unpack(bad):
            field = bad.field_violations[0].field
            assert bad.field_violations[0].description
    return error.code(), reason, field  # type: ignore[attr-defined]


def refused(call: Callable[[], Any]) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.RpcError) as error:
        call()
    return status(error.value)


WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "learningrate missing": ("learningrate", {"options": {"learningrate": None}}),
    "learningrate negative": ("learningrate", {"options": {"learningrate": -1}}),
    "learningrate nan": ("learningrate", {"options": {"learningrate": float("nan")}}),
    "learningrate infinite": ("learningrate", {"options": {"learningrate": float("inf")}}),
    "learningrate text": ("learningrate", {"options": {"learningrate": None, **extra(learningrate="fast")}}),
    "learningrate twice": ("learningrate", {"options": extra(learningrate=0.2)}),
    "decay": ("learningrate_decay", {"options": {"learningrate_decay": -0.5}}),
    "momentum": ("momentum", {"options": {"momentum": float("inf")}}),
    "hidden_dim zero": ("hidden_dim", {"options": {"hidden_dim": [0]}}),
    "hidden_dim negative": ("hidden_dim", {"options": {"hidden_dim": [3, -1]}}),
    "hidden_dim real": ("hidden_dim", {"options": extra(hidden_dim=2.5)}),
    "network_type": ("network_type", {"options": {"network_type": "cnn"}}),
    "numepochs zero": ("numepochs", {"options": {"numepochs": 0}}),
    "numepochs negative": ("numepochs", {"options": {"numepochs": -5}}),
    "sigmoid": ("sigmoid", {"options": {"sigmoid": "relux"}}),
    "use_bias text": ("use_bias", {"options": extra(use_bias="yes")}),
    "batch_size zero": ("batch_size", {"options": {"batch_size": 0}}),
    "batch_size too large": ("batch_size", {"options": {"batch_size": 9}}),
    "batch_size nan": ("batch_size", {"options": {"batch_size": float("nan")}}),
    "update_rule": ("update_rule", {"options": {"update_rule": "sgdd"}}),
    "epoch_function": ("epoch_function", {"options": {"epoch_function": ["os.system"]}}),
    "loss_function code": ("loss_function", {"options": {"loss_function": "__import__('os')"}}),
    "loss_function unknown": ("loss_function", {"options": {"loss_function": "loss_L7"}}),
    "clipping": ("clipping", {"options": extra(clipping=-1)}),
    "misspelt": ("hidden_dims", {"options": extra(hidden_dims=20)}),
    "of another library (11.7)": ("lr", {"options": extra(lr=0.1)}),
    "of exact training (11.7)": ("dropout", {"options": extra(dropout=0.5)}),
    "reserved": ("rng", {"options": extra(rng=1)}),
    "unsync": ("seq_to_seq_unsync", {"options": extra(seq_to_seq_unsync=3)}),
    "X missing": ("X", {"x": None}),
    "Y missing": ("Y", {"y": None}),
    "X one-dimensional": ("X", {"x": wire.encode_array(np.arange(4.0))}),
    "X four-dimensional": ("X", {"x": wire.encode_array(np.zeros((4, 3, 2, 1)))}),
    "X empty": ("X", {"x": wire.encode_array(np.zeros((0, 3, 2)))}),
    "X nan": ("X", {"x": wire.encode_array(np.full((4, 3, 2), np.nan))}),
    "Y infinite": ("Y", {"y": wire.encode_array(np.full((4, 3, 1), np.inf))}),
    "samples differ": ("X", {"x": wire.encode_array(np.zeros((5, 3, 2)))}),
    "times differ": ("X", {"x": wire.encode_array(np.zeros((4, 2, 2)))}),
    "random state short": ("random_state", {"random_state": tensor_pb2.RandomState(value=[10403, 624, 1])}),
    "random state of zeros": ("random_state", {"random_state": tensor_pb2.RandomState(value=[10403, 624, *[0] * 624])}),
    "random state of another kind": (
        "random_state",
        {"random_state": tensor_pb2.RandomState(value=[10402, *[1] * 625])},
    ),
    "seed": ("seed", {"seed": 1 << 40}),
    "model id": ("model_id", {"model_id": "Not An Id"}),
    "ttl": ("ttl_seconds", {"ttl_seconds": -1}),
    "model empty": ("model", {"model": model_pb2.Model()}),
    "both models": ("model", {"model": model_pb2.Model(), "stored_model": "models/a"}),
    "model name": ("stored_model", {"stored_model": "adder"}),
    "pause": ("pause_each_epoch", {"pause_each_epoch": True}),
}
LIES: dict[str, Tensor] = {
    "too few bytes": Tensor(dim=[4, 3, 2], element_order=ROW_MAJOR, data=bytes(100)),
    "too many bytes": Tensor(dim=[4, 3, 2], element_order=ROW_MAJOR, data=bytes(1000)),
    "no order": Tensor(dim=[4, 3, 2], data=bytes(192)),
    "unknown order": Tensor(dim=[4, 3, 2], element_order=7, data=bytes(192)),  # type: ignore[arg-type]
    "unknown type": Tensor(dim=[4, 3, 2], element_order=ROW_MAJOR, element_type=99, data=bytes(192)),  # type: ignore[arg-type]
    "negative": Tensor(dim=[-4, -3, 2], element_order=ROW_MAJOR, data=bytes(192)),
    "overflow": Tensor(dim=[1 << 62, 1 << 62, 4], element_order=ROW_MAJOR),
    "huge": Tensor(dim=[1 << 31, 3, 2], element_order=ROW_MAJOR, data=bytes(8)),
    "many dimensions": Tensor(dim=[1] * 100, element_order=ROW_MAJOR, data=bytes(8)),
    "deferred": Tensor(dim=[4, 3, 2], element_order=ROW_MAJOR, deferred=True),
    "no such dataset name": Tensor(dim=[4, 3, 2], element_order=ROW_MAJOR, dataset="datasets/../../etc/passwd"),
    "bool of 2": Tensor(
        dim=[4, 3, 2], element_order=ROW_MAJOR, element_type=tensor_pb2.ELEMENT_TYPE_BOOL, data=b"\2" * 24
    ),
}


@pytest.mark.parametrize("case", WRONG)
def test_each_wrong_argument_is_named(train: Callable[..., Any], case: str) -> None:
    field, changes = WRONG[case]
    assert refused(lambda: train(training(**changes))) == (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT", field)


def test_a_message_comes_in_parts_for_the_words_of_the_caller_s_language(train: Callable[..., Any]) -> None:
    """11.22: R counts from 1 and says TRUE; the server sends places and values as such, beside Python's words."""
    y = np.zeros((4, 3, 1))
    y[3, 1, 0] = np.nan
    error = argument_error(lambda: train(training(y=wire.encode_array(y))))
    assert (error.argument, list(error.index)) == ("Y", [3, 1, 0])
    assert error.part[0].place == error_pb2.MessagePart.Place(name="Y", index=[3, 1, 0])
    assert np.isnan(error.part[2].value.double_value)

    parts = argument_error(lambda: train(training(options=extra(use_bias="yes")))).part
    assert [part.WhichOneof("kind") for part in parts] == ["place", "text", "value", "text", "value", "text", "value"]
    assert (parts[2].value.bool_value, parts[6].value.string_value) == (True, "yes")

    parts = argument_error(lambda: train(training(x=wire.encode_array(np.zeros((4, 2, 2)))))).part
    (setting,) = [part.setting for part in parts if part.HasField("setting")]
    assert (setting.name, setting.value.bool_value) == ("seq_to_seq_unsync", True)

    parts = argument_error(lambda: train(training(x=wire.encode_array(np.zeros(4))))).part
    assert error_pb2.MessagePart.Code(python="X.reshape(1, 4, 1)", r="array(X, c(1, 4, 1))") in [p.code for p in parts]


def argument_error(call: Callable[[], Any]) -> error_pb2.ArgumentError:
    """The parts of the message with which a call is refused."""
    with pytest.raises(grpc.RpcError) as raised:
        call()
    found, error = rpc_status.from_call(raised.value), error_pb2.ArgumentError()
    assert found is not None
    assert any(detail.Unpack(error) for detail in found.details)
    return error


@pytest.mark.parametrize("case", LIES)
def test_tensors_that_lie_are_refused(train: Callable[..., Any], case: str) -> None:
    code, _, field = refused(lambda: train(training(x=LIES[case])))
    assert code == grpc.StatusCode.INVALID_ARGUMENT
    assert field in ("X", "array", "dataset")


def test_an_unknown_dataset_is_not_found(train: Callable[..., Any]) -> None:
    missing = Tensor(dim=[4, 3, 2], element_order=ROW_MAJOR, dataset="datasets/" + "0" * 64)
    assert refused(lambda: train(training(x=missing)))[0] == grpc.StatusCode.NOT_FOUND


def test_a_job_too_large_is_refused_before_memory_is_taken(train: Callable[..., Any]) -> None:
    code, reason, _ = refused(lambda: train(training(options={"numepochs": 10**15})))
    assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "JOB_TOO_LARGE")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("GetTrainingJob", training_pb2.GetTrainingJobRequest(name="jobs/a")),
        ("GetTrainingJob", training_pb2.GetTrainingJobRequest(name="trainingJobs/'; drop table jobs; --")),
        ("ListTrainingJobs", training_pb2.ListTrainingJobsRequest(page_size=-1)),
        ("ListTrainingJobs", training_pb2.ListTrainingJobsRequest(page_token="?")),
        ("ListTrainingJobs", training_pb2.ListTrainingJobsRequest(page_token="W1tbW10=")),
        ("CreateTrainingJob", training_pb2.CreateTrainingJobRequest()),
        ("CreateTrainingJob", training_pb2.CreateTrainingJobRequest(training=training(), training_job_id="-")),
        ("CreateTrainingJob", training_pb2.CreateTrainingJobRequest(training=training(), request_id="x" * 200)),
        ("DeleteTrainingJob", training_pb2.DeleteTrainingJobRequest(name="")),
    ],
)
def test_bad_names_and_pages_are_refused(channel: grpc.Channel, name: str, message: Any) -> None:
    call = getattr(training_pb2_grpc.TrainingServiceStub(channel), name)
    assert refused(lambda: call(message, timeout=300))[0] == grpc.StatusCode.INVALID_ARGUMENT


def test_prediction_refuses_what_cannot_be(channel: grpc.Channel) -> None:
    predict = prediction_pb2_grpc.PredictionServiceStub(channel).Predict
    x = wire.encode_array(np.zeros((2, 3, 2)))
    broken = model_pb2.Model(field=wire.encode_options({"network_type": "rnn", "hidden_dim": (1 << 40,)}))
    for request, field in (
        (prediction_pb2.PredictRequest(x=x), "model"),
        (prediction_pb2.PredictRequest(stored_model="models/x"), "X"),
        (prediction_pb2.PredictRequest(x=x, model=broken), "input_dim"),
    ):
        code, _, named = refused(lambda request=request: predict(request, timeout=300))  # type: ignore[misc]
        assert (code, named) == (grpc.StatusCode.INVALID_ARGUMENT, field)


def test_a_model_that_does_not_say_what_it_computes_is_refused(channel: grpc.Channel) -> None:
    """Issue 11, number 1: a message that lacks what says how the model computes is refused, never guessed."""
    X = np.random.default_rng(1).random((6, 4, 2))
    options: dict[str, Any] = {"network_type": "rnn", "hidden_dim": 2, "learningrate": 0.1, "epoch_function": ()}
    model = pytrainr.trainr(X, X, exact=True, output="linear", rng=pytrainr.RRandom(1), **options)
    fields = dict(model.items())
    predict = prediction_pb2_grpc.PredictionServiceStub(channel).Predict
    x = wire.encode_array(X)

    def sent(message: model_pb2.Model) -> Any:
        return predict(prediction_pb2.PredictRequest(x=x, model=message), timeout=300)

    whole = wire.encode_model(fields)
    assert whole.exact
    assert np.array_equal(wire.decode_array(sent(whole).prediction, "prediction"), pytrainr.predictr(model, X))
    # The message alone may say it, as clients of old have it; contradicting fields may not.
    alone = wire.encode_model({name: value for name, value in fields.items() if name != "exact"})
    assert refused(lambda: sent(alone))[2] == "exact"
    alone.exact = True
    assert sent(alone) == sent(whole)
    whole.exact = False
    assert refused(lambda: sent(whole))[2] == "exact"
    for name in ("output", "loss", "dropout", "output_time_dim", "network_type", "sigmoid", "use_bias", "update_rule"):
        part = wire.encode_model({other: value for other, value in fields.items() if other != name})
        assert refused(lambda part=part: sent(part))[2] == name  # type: ignore[misc]
    wrong = ("output", "no"), ("hidden_dim", (3,)), ("mask", np.ones((6, 4))), ("l2", "much"), ("exact", "yes")
    for name, value in wrong:
        code, _, named = refused(lambda name=name, value=value: sent(wire.encode_model({**fields, name: value})))  # type: ignore[misc]
        assert code == grpc.StatusCode.INVALID_ARGUMENT
        assert named in (name, "synapse_dim")


def test_broken_models_are_not_stored(channel: grpc.Channel) -> None:
    stub = model_pb2_grpc.ModelServiceStub(channel)
    part = model_pb2.ModelPart
    tensor = Tensor(dim=[1 << 40], deferred=True)
    claims = model_pb2.Model(field=[model_pb2.Option(name="a", value=model_pb2.Value(tensor_value=tensor))])
    for parts in (
        [],
        [part(last=True)],
        [part(model=model_pb2.Model(), last=False)],
        [part(model=claims), part(last=True)],
        [part(model=claims), part(chunk=tensor_pb2.TensorChunk(tensor=5, data=b"1"), last=True)],
        [part(model=claims), part(chunk=tensor_pb2.TensorChunk(offset=9, data=b"1"), last=True)],
    ):
        requests = [model_pb2.ImportModelRequest(part=item) for item in parts]
        assert refused(lambda requests=requests: stub.ImportModel(iter(requests), timeout=300))[0] == (  # type: ignore[misc]
            grpc.StatusCode.INVALID_ARGUMENT
        )


def test_uploads_that_lie_are_refused(channel: grpc.Channel) -> None:
    stub = dataset_pb2_grpc.DatasetServiceStub(channel)
    first = dataset_pb2.UploadDatasetRequest
    for messages in (
        [],
        [first(size_bytes=-1)],
        [first(size_bytes=10, data=b"123")],
        [first(size_bytes=2, data=b"123")],
        [first(size_bytes=3, sha256="0" * 64, data=b"123")],
        [first(size_bytes=3, sha256="../", data=b"123")],
        [first(size_bytes=3, upload_id="never begun", offset=2, data=b"1")],
        [first(size_bytes=3, upload_id="x" * 101, data=b"123")],
    ):
        assert refused(lambda messages=messages: stub.UploadDataset(iter(messages), timeout=300))[0] == (  # type: ignore[misc]
            grpc.StatusCode.INVALID_ARGUMENT
        )
    enormous = [first(size_bytes=1 << 60, data=b"1")]
    assert refused(lambda: stub.UploadDataset(iter(enormous), timeout=300))[0] == grpc.StatusCode.RESOURCE_EXHAUSTED


def nested(depth: int) -> model_pb2.Value:
    value = model_pb2.Value(int64_value=1)
    for _ in range(depth):
        value = model_pb2.Value(list_value=model_pb2.ValueList(value=[value]))
    return value


def test_deep_nesting_is_refused(train: Callable[..., Any]) -> None:
    for depth in (20, 45):
        deep = training()
        deep.options.extra.add(name="deep", value=nested(depth))
        assert refused(lambda deep=deep: train(deep))[0] == grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[misc]
    # Deeper than protocol buffers themselves go: written by hand, level by level.
    message = b""
    for _ in range(5000):
        inner = b"\x0a" + _varint(len(message)) + message
        message = b"\x32" + _varint(len(inner)) + inner
    option = b"\x12" + _varint(len(message)) + message
    options = b"\x82\x01" + _varint(len(option)) + option
    raw_training = b"\x2a" + _varint(len(options)) + options
    raw = b"\x0a" + _varint(len(raw_training)) + raw_training
    assert _raw_status(train, raw) == grpc.StatusCode.INVALID_ARGUMENT


def _varint(number: int) -> bytes:
    encoded = b""
    while number > 127:
        encoded += bytes([number & 127 | 128])
        number >>= 7
    return encoded + bytes([number])


def _raw_status(train: Callable[..., Any], raw: bytes) -> grpc.StatusCode:
    call = _raw_call
    assert call is not None
    with pytest.raises(grpc.RpcError) as error:
        call("/trainr.v1.TrainingService/CreateTrainingJob", raw)
    return error.value.code()  # type: ignore[attr-defined]


_raw_call: Callable[[str, bytes], Any] | None = None


@pytest.fixture(autouse=True, scope="module")
def raw_call(channel: grpc.Channel) -> None:
    """Calls with bytes as they are."""
    global _raw_call

    def call(method: str, raw: bytes) -> Any:
        return channel.unary_unary(method)(raw, timeout=300)

    _raw_call = call


METHODS = (
    "/trainr.v1.TrainingService/CreateTrainingJob",
    "/trainr.v1.TrainingService/ContinueTraining",
    "/trainr.v1.TrainingService/ListTrainingJobs",
    "/trainr.v1.PredictionService/Predict",
    "/trainr.v1.ModelService/GetModel",
    "/trainr.v1.DatasetService/GetUpload",
)
UNDERSTOOD = {grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND, grpc.StatusCode.RESOURCE_EXHAUSTED}
FUZZ = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@FUZZ
@given(method=st.sampled_from(METHODS), raw=st.binary(max_size=400))
def test_random_bytes_do_no_harm(plain: LocalServer, method: str, raw: bytes) -> None:
    assert _raw_call is not None
    try:
        _raw_call(method, raw)
    except grpc.RpcError as error:
        assert error.code() in UNDERSTOOD  # type: ignore[attr-defined]
    assert plain.process.poll() is None


@FUZZ
@given(data=st.data())
def test_broken_trainings_do_no_harm(plain: LocalServer, train: Callable[..., Any], data: st.DataObject) -> None:
    whole = training_pb2.CreateTrainingJobRequest(training=training()).SerializeToString()
    broken = bytearray(whole)
    for _ in range(data.draw(st.integers(1, 6))):
        broken[data.draw(st.integers(0, 60))] = data.draw(st.integers(0, 255))
    del broken[data.draw(st.integers(1, len(broken))) :]
    assert _raw_call is not None
    try:
        _raw_call(METHODS[0], bytes(broken))
    except grpc.RpcError as error:
        assert error.code() in UNDERSTOOD  # type: ignore[attr-defined]
    assert plain.process.poll() is None


tensor_messages = st.builds(
    Tensor,
    dim=st.lists(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 5), max_size=10),
    element_type=st.integers(0, 9),
    element_order=st.integers(0, 4),
    data=st.binary(max_size=200),
    dataset=st.just("") | st.text(max_size=20),
    deferred=st.booleans(),
)


@FUZZ
@given(x=tensor_messages, y=tensor_messages)
def test_tensors_of_any_kind_do_no_harm(plain: LocalServer, train: Callable[..., Any], x: Any, y: Any) -> None:
    try:
        train(training(x=x, y=y))
    except grpc.RpcError as error:
        assert error.code() in UNDERSTOOD  # type: ignore[attr-defined]
    assert plain.process.poll() is None


def test_a_claim_of_two_gibibytes_takes_no_memory(plain: LocalServer, channel: grpc.Channel) -> None:
    """A frame's length says 2 GiB, and a tensor's dimensions do; hardly a byte follows."""
    process = psutil.Process(plain.process.pid)
    before = process.memory_info().rss
    claim = Tensor(dim=[1 << 28], data=b"")
    for _ in range(20):
        request = prediction_pb2.PredictRequest(stored_model="models/x", x=claim)
        with pytest.raises(grpc.RpcError):
            prediction_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=300)
    _claiming_frame(plain.address)
    assert process.memory_info().rss - before < 64 << 20
    assert plain.process.poll() is None


def _claiming_frame(address: str) -> None:
    """HTTP/2 by hand: a call whose gRPC frame claims 2 GiB."""
    import socket

    def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
        return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload

    def header(name: str, value: str) -> bytes:
        return b"\x00" + bytes([len(name)]) + name.encode() + bytes([len(value)]) + value.encode()

    fields = {
        ":method": "POST",
        ":scheme": "http",
        ":path": "/trainr.v1.PredictionService/Predict",
        ":authority": address,
        "content-type": "application/grpc",
        "te": "trailers",
    }
    headers = b"".join(header(name, value) for name, value in fields.items())
    host, port = address.rsplit(":", 1)
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        connection.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(4, 0, 0, b""))
        connection.sendall(
            frame(1, 4, 1, headers) + frame(0, 0, 1, b"\x00" + struct.pack(">I", 2 * GIB - 1) + b"x" * 100)
        )
        connection.settimeout(2)
        received = b""
        try:
            while b"grpc-status" not in received and (data := connection.recv(65536)):
                received += data
        except TimeoutError:
            pass
        assert received, "the server should have answered"
