"""Issue 12.6, the server: networks as lists of layers train, predict, are stored and trained on as they are here."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client
from pytrainr_client.models import message_of as message_of_model
from pytrainr_client.options import message_of
from pytrainr_server import LocalServer
from trainr import wire
from trainr.v1 import (
    prediction_pb2,
    prediction_pb2_grpc,
    server_info_pb2,
    training_pb2,
    training_pb2_grpc,
)

import pytrainr
from pytrainr import Model, RRandom
from pytrainr.exact.layer_list import described, layers_from
from pytrainr.layers import (
    GRU,
    LAYERS,
    LSTM,
    Bidirectional,
    Decoder,
    Dense,
    Dropout,
    EchoState,
    Embedding,
    LayerNormalization,
    SimpleRNN,
    TimeDistributed,
)
from pytrainr.series import forecast, windows
from tests.exact.test_layers import EXAMPLES
from tests.service.recorded import make
from tests.service.test_bad_input import status

Options = dict[str, Any]
SHARED: Options = {"learningrate": 0.05, "update_rule": "adam", "numepochs": 3, "exact": True}
INVALID = (grpc.StatusCode.INVALID_ARGUMENT, "INVALID_ARGUMENT")

generator = np.random.default_rng(1)
SERIES = generator.random((20, 6, 2))
SUMS = SERIES.sum(axis=2, keepdims=True) / 2
TOKENS = generator.integers(0, 12, (20, 6))
CLASSES = (TOKENS % 3)[:, :, None]

CASES: dict[str, tuple[Any, Any, Options]] = {
    "series": (
        SUMS,
        SERIES,
        {"layers": [LSTM(5, return_sequences=True), LayerNormalization(), Dense(1)], "metrics": ["mae", "rmse"]},
    ),
    "nested": (
        SUMS,
        SERIES,
        {
            "layers": [Bidirectional(GRU(4, return_sequences=True, dropout=0.2)), TimeDistributed(Dense(1))],
            "validation": 0.25,
            "sample_weight": np.linspace(0.5, 2.0, 20),
        },
    ),
    "tokens": (
        CLASSES,
        TOKENS,
        {
            "layers": [
                Embedding(12, 4),
                SimpleRNN(5, return_sequences=True),
                Dropout(0.2),
                Dense(3, activation="softmax"),
            ],
            "loss": "sparse_categorical_crossentropy",
            "class_weight": {1: 2.5},
            "metrics": "accuracy",
        },
    ),
    "state": (
        SUMS,
        SERIES,
        {"layers": [GRU(4, return_sequences=True), Dense(1)], "initial_state": np.full((20, 4), 0.25)},
    ),
}
INSTANCES: dict[str, Any] = {
    "Embedding": Embedding(12, 4, mask_zero=True),
    "EchoState": EchoState(3, leak=0.5),
    **{kind: layers[-1] for kind, layers in EXAMPLES.items()},
    "Decoder": Decoder(LSTM(3, learn_initial_state=True), 2, None, "teacher", Dense(4, "softmax"), Embedding(4, 2)),
}
"""A layer of each kind, with options that are not the default."""

each_case = pytest.mark.parametrize("name", CASES)


@pytest.fixture(scope="module")
def server(plain: LocalServer) -> Iterator[Client]:
    with pytrainr_client.connect(plain.address) as connected:
        yield connected


@pytest.fixture(scope="module")
def channel(plain: LocalServer) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(plain.address) as opened:
        yield opened


def trained(train: Callable[..., Model], name: str, **more: Any) -> Model:
    Y, X, options = CASES[name]
    options = {"epoch_function": pytrainr.epoch_annealing, "rng": RRandom(4), **SHARED, **options, **more}
    return train(Y, X, **options)


@pytest.fixture(scope="module")
def here() -> dict[str, Model]:
    return {name: trained(pytrainr.trainr, name) for name in CASES}


# the same numbers as here -------------------------------------------------------------------------------------------


@each_case
def test_training_and_prediction_are_those_of_here(server: Client, here: dict[str, Model], name: str) -> None:
    """12.6: the model is equal in every field, the layers and the metrics among them; so are its predictions."""
    model, X = trained(server.trainr, name), CASES[name][1]
    assert model == here[name]
    assert model.layers == tuple(CASES[name][2]["layers"])
    assert model.summary() == here[name].summary()
    assert np.array_equal(server.predictr(model, X), pytrainr.predictr(here[name], X))
    hidden = zip(server.predictr(model, X, hidden=True), pytrainr.predictr(model, X, hidden=True), strict=True)
    assert all(np.array_equal(a, b) for a, b in hidden)


@each_case
def test_a_job_in_the_background_stores_the_same_model(server: Client, here: dict[str, Model], name: str) -> None:
    """12.6: train_async, the stored model by its name: predicted with, fetched, trained on."""
    Y, X, _ = CASES[name]
    job = trained(server.train_async, name, model_id=f"layers-{name}")
    model = job.wait()
    assert model == here[name]
    stored = job.info().model
    assert server.model(stored) == here[name]
    assert np.array_equal(server.predictr(stored, X), pytrainr.predictr(here[name], X))
    again = server.trainr(Y, X, stored, rng=RRandom(5), epoch_function=pytrainr.epoch_annealing)
    assert again == pytrainr.trainr(Y, X, here[name], rng=RRandom(5))


@each_case
def test_a_model_of_here_is_stored_and_trained_on_there(
    server: Client, here: dict[str, Model], name: str, tmp_path: Path
) -> None:
    """12.6: through a file, store_model and retraining with the model sent along."""
    Y, X, _ = CASES[name]
    here[name].save(tmp_path / "model")
    model = Model.load(tmp_path / "model")
    stored = server.store_model(model, f"from-here-{name}")
    assert server.model(stored) == model
    assert np.array_equal(server.predictr(stored, X), pytrainr.predictr(model, X))
    assert server.trainr(Y, X, model, rng=RRandom(5)) == pytrainr.trainr(Y, X, model, rng=RRandom(5))


def test_epoch_functions_of_the_callers_own_see_the_layers(server: Client) -> None:
    """12.6: a pause carries the layers; what the function changes counts."""
    seen: list[list[Any]] = []

    def halve(model: Model) -> Model:
        seen.append(list(model.layers))
        model.gru_weights[0][...] *= 0.5
        return model

    models = [trained(train, "state", epoch_function=halve) for train in (server.trainr, pytrainr.trainr)]
    assert models[0] == models[1]
    assert seen == [CASES["state"][2]["layers"]] * 6


def test_states_and_pieces(server: Client, here: dict[str, Model]) -> None:
    """12.6: a prediction goes on from a returned state; the fetched model steps, and forecasts, as the one of here."""
    model = trained(server.trainr, "state")
    state = np.full((20, 4), 0.25)
    first, after = server.predictr(model, SERIES[:, :4], return_state=True, state=state)
    second = server.predictr(model, SERIES[:, 4:], state=after)
    whole = pytrainr.predictr(here["state"], SERIES, state=state)
    assert np.allclose(np.concatenate([first, second], axis=1), whole, rtol=0, atol=1e-15)
    steps, at_once = model.stepper(20), here["state"].stepper(20)
    assert all(np.array_equal(steps(SERIES[:, t]), at_once(SERIES[:, t])) for t in range(6))
    values = np.sin(np.arange(60) / 3) / 2
    cut = windows(values, 8)
    options: Options = {**SHARED, "layers": [GRU(5), Dense(1)], "epoch_function": pytrainr.epoch_annealing}
    there, local = (train(cut.Y, cut.X, rng=RRandom(2), **options) for train in (server.trainr, pytrainr.trainr))
    assert np.array_equal(forecast(there, values, 5, lookback=8), forecast(local, values, 5, lookback=8))


def test_many_are_what_the_server_trains(server: Client) -> None:
    """12.6: each model of trainr_many is the one that the server makes of the same options and seed."""
    lists = [[GRU(3, return_sequences=True), Dense(1)], [SimpleRNN(4, return_sequences=True), Dense(1)]]
    for one in pytrainr.trainr_many(SUMS, SERIES, {"layers": lists}, seeds=(1, 2), progress=False, **SHARED):
        options = {**SHARED, **one.options, "epoch_function": pytrainr.epoch_annealing}
        assert one.model == server.trainr(SUMS, SERIES, rng=RRandom(one.seed), **options)


def test_the_client_of_asyncio_takes_them(plain: LocalServer, here: dict[str, Model]) -> None:
    """12.6."""

    async def there() -> Model:
        async with pytrainr_client.connect_async(plain.address) as server:
            Y, X, options = CASES["series"]
            given = {**SHARED, **options, "rng": RRandom(4), "epoch_function": pytrainr.epoch_annealing}
            return await server.trainr(Y, X, **given)

    assert asyncio.run(there()) == here["series"]


def test_large_weights_and_states_go_ahead_as_datasets(server: Client) -> None:
    """12.6: sample_weight and initial_state of more than a message should have."""
    Y, X = generator.random((6000, 2, 1)), generator.random((6000, 2, 1))
    options: Options = {
        **SHARED,
        "numepochs": 1,
        "batch_size": 100,
        "layers": [GRU(30, return_sequences=True), Dense(1)],
    }
    options |= {"sample_weight": generator.random((6000, 2)), "initial_state": generator.random((6000, 30))}
    options |= {"epoch_function": pytrainr.epoch_annealing}
    assert options["initial_state"].nbytes > server.limits.inline_bytes
    models = [train(Y, X, rng=RRandom(1), **options) for train in (server.trainr, pytrainr.trainr)]
    assert models[0] == models[1]


# the message --------------------------------------------------------------------------------------------------------


def test_every_layer_of_the_registry_travels() -> None:
    """12.6: whatever the registry has, in the form of its example, is after the wire what it was before."""
    for layers in [*EXAMPLES.values(), list(INSTANCES.values())]:
        message = message_of({"exact": True, "layers": layers}, (), None)
        again = training_pb2.TrainingOptions.FromString(message.SerializeToString())
        assert layers_from([wire.decode_layer(layer) for layer in again.layer]) == tuple(layers)


def test_the_server_says_which_layers_it_has(server: Client) -> None:
    """12.6."""
    assert list(server.server_info().layers) == list(LAYERS)


def test_a_server_of_before_is_asked_for_no_layers(server: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """12.6: it would read over the field, and train another network without a word."""
    before = server_info_pb2.ServerInfo()
    before.CopyFrom(server.server_info())
    before.ClearField("layers")
    monkeypatch.setattr(server, "_limits", before)
    with pytest.raises(ValueError, match=r"layers: the server at .* is too old to know lists of layers"):
        trained(server.trainr, "series")


# what cannot be -----------------------------------------------------------------------------------------------------


def test_errors_are_those_of_here(server: Client) -> None:
    """12.6: layers that do not fit are named with their shapes, at the server as here."""
    wrong: list[Options] = [
        {"layers": [GRU(3), LSTM(4), Dense(2)]},
        {"layers": []},
        {"layers": [Dense]},
        {"layers": [{"kind": "Dense", "units": 0}]},
        {"layers": [GRU(3)], "hidden_dim": 4},
        {"layers": [Dense(1)], "sample_weight": [1.0, 2.0]},
        {"layers": [Dense(1)], "class_weight": "balanced"},
        {"layers": [Dense(1)], "metrics": ["f1"]},
        {"layers": [GRU(3, return_sequences=True), Dense(1)], "initial_state": np.zeros((20, 5))},
    ]
    for options in wrong:
        with pytest.raises((TypeError, ValueError)) as local:
            pytrainr.trainr(SUMS, SERIES, **{**SHARED, **options})
        with pytest.raises((TypeError, ValueError)) as there:
            server.trainr(SUMS, SERIES, **{**SHARED, **options})
        assert str(there.value) == str(local.value)


def sent(*layers: dict[str, Any]) -> training_pb2.Training:
    """A training with these layers, which nobody has checked."""
    options = training_pb2.TrainingOptions(learningrate=0.1, exact=True, layer=map(wire.encode_layer, layers))
    return training_pb2.Training(x=wire.encode_array(SERIES), y=wire.encode_array(SUMS), options=options, seed=1)


def nested(depth: int) -> dict[str, Any]:
    layer: dict[str, Any] = {"kind": "Dense", "units": 1}
    for _ in range(depth):
        layer = {"kind": "TimeDistributed", "layer": layer}
    return layer


HOSTILE: dict[str, tuple[list[dict[str, Any]], str]] = {
    "unknown": ([{"kind": "Dance", "units": 1}], "layer 1: there is no 'Dance'; there are .*GRU"),
    "nameless": ([{"kind": "", "units": 1}], "layer 1: there is no ''"),
    "option": ([{"kind": "GRU", "units": 3, "unit": 3}], "layer 1: GRU has no option 'unit'; it has units"),
    "missing": ([{"kind": "Dense", "units": 1}, {"kind": "GRU"}], "layer 2: GRU .*missing.*units"),
    "text": ([{"kind": "GRU", "units": "3"}], "layer 1: GRU: units should be a whole number, it is '3'"),
    "none": ([{"kind": "GRU", "units": None}], "layer 1: GRU: units should be a whole number"),
    "double": ([{"kind": "GRU", "units": 2.5}], "layer 1: GRU: units should be a whole number"),
    "zero": ([{"kind": "Dense", "units": 1}, {"kind": "Dense", "units": 0}], "layer 2: Dense: units should be 1"),
    "rate": ([{"kind": "Dropout", "rate": float("nan")}], "layer 1: Dropout: rate"),
    "activation": ([{"kind": "Dense", "units": 1, "activation": "x" * 999}], "layer 1: Dense: activation should be"),
    "inside": (
        [{"kind": "Bidirectional", "layer": {"kind": "GRU", "units": -1}}],
        "layer 1: Bidirectional: GRU: units should be 1",
    ),
    "no cell": (
        [{"kind": "Decoder", "cell": {"kind": "Dense", "units": 2}, "steps": 6}],
        "Decoder: cell should be a rec",
    ),
    "not recurrent": (
        [{"kind": "Bidirectional", "layer": {"kind": "Dense", "units": 2}}],
        "layer 1: Bidirectional: layer should be a recurrent layer",
    ),
    "no list": ([{"kind": "Sequential", "layers": 3}], "layer 1: Sequential: layers"),
    "no layer": ([{"kind": "Bidirectional", "layer": 3}], "layer 1: Bidirectional: layer should be a recurrent layer"),
    "list of layers": (
        [{"kind": "Bidirectional", "layer": [{"kind": "GRU", "units": 2}]}],
        "layer 1: Bidirectional: layer should be a recurrent layer",
    ),
    "of a kind within": ([{"kind": "TimeDistributed", "layer": {"kind": "GRU", "units": 2}}], "TimeDistributed: layer"),
    "array": ([{"kind": "GRU", "units": np.arange(3)}], "GRU: units is an array"),
    "many": ([{"kind": "Dense", "units": 1}] * 1001, "should be 1,000 at most"),
    "deep": ([nested(8)], "in one another to a depth of 7"),
    "deeper": ([nested(15)], "in one another to a depth of 7|nested more than"),
    "deepest": ([nested(20)], "nested more than 16 levels deep"),
    "unfitting": (
        [{"kind": "Dense", "units": 3}, {"kind": "RepeatVector", "n": 2}],
        r"layer 2 \(repeat_vector\) does not fit layer 1 \(dense\), which gives 6 steps of 3 variables",
    ),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_lists_are_refused_with_the_layer_named(channel: grpc.Channel, name: str) -> None:
    """12.6: everything from outside is checked as at creation."""
    layers, said = HOSTILE[name]
    stub = training_pb2_grpc.TrainingServiceStub(channel)
    request = training_pb2.CreateTrainingJobRequest(training=sent(*layers))
    with pytest.raises(grpc.RpcError) as error:
        stub.CreateTrainingJob(request, timeout=300)
    assert status(error.value) == (*INVALID, "layers")
    assert re.search(said, error.value.details())  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "layers",
    [
        None,
        [],
        [{"kind": "GRU", "units": 5, "return_sequences": True}, {"kind": "Dense", "units": 1}],
        [{"kind": "GRU", "units": 10**6, "return_sequences": True}, {"kind": "Dense", "units": 1}],
        [{"kind": "GRU", "units": 4}, {"kind": "Dense", "units": 1}],
        [{"kind": "Dense", "units": 1}],
        [nested(7), {"kind": "Dense", "units": 1}],
        "GRU",
        7,
    ],
    ids=str,
)
def test_a_model_whose_layers_are_not_those_of_its_weights_is_refused(
    server: Client, channel: grpc.Channel, here: dict[str, Model], layers: Any
) -> None:
    """12.6: what computes is checked against the weights before compiled code reads them."""
    model = here["state"].copy()
    model["layers"] = layers
    request = prediction_pb2.PredictRequest(model=message_of_model(model), x=wire.encode_array(SERIES))
    with pytest.raises(grpc.RpcError) as error:
        prediction_pb2_grpc.PredictionServiceStub(channel).Predict(request, timeout=300)
    assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT  # type: ignore[attr-defined]
    Y, X, _ = CASES["state"]
    with pytest.raises(ValueError, match=r"model|layers|gru_weights|hidden_dim|sigmoid"):
        server.trainr(Y, X, model)


SIZES = [(kind, field.name) for kind, layer in INSTANCES.items() for field in fields(layer) if field.type == "int"]


@pytest.mark.parametrize(("kind", "option"), SIZES)
@pytest.mark.parametrize("size", [10**7, 2**31, 2**62])
def test_layers_of_impossible_sizes_are_refused_before_memory_is_taken(
    channel: grpc.Channel, kind: str, option: str, size: int
) -> None:
    """12.6: with the estimate, or for what the layer says of its option."""
    stub = training_pb2_grpc.TrainingServiceStub(channel)
    request = training_pb2.CreateTrainingJobRequest(training=sent({**described(INSTANCES[kind]), option: size}))
    with pytest.raises(grpc.RpcError) as error:
        stub.CreateTrainingJob(request, timeout=300)
    codes = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.RESOURCE_EXHAUSTED)
    assert error.value.code() in codes, error.value  # type: ignore[attr-defined]


# clients of before --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", make.KINDS)
def test_requests_and_models_of_before_work(server: Client, channel: grpc.Channel, kind: str) -> None:
    """12.6: requests and a model's file as they were made before there were layers give the numbers of then.

    ``tests/exact/recorded`` has those of every configuration of exact training.
    """
    then = np.load(make.FOLDER / f"{kind}.npz")

    def message(what: str, form: Any) -> Any:
        return form.FromString((make.FOLDER / f"{kind}.{what}.binpb").read_bytes())

    def check(found: np.ndarray, recorded: str) -> None:
        assert np.allclose(found, then[recorded], rtol=0, atol=1e-12)

    X, _ = make.data()
    predictions = prediction_pb2_grpc.PredictionServiceStub(channel)
    answer = predictions.Predict(message("prediction", prediction_pb2.PredictRequest), timeout=300)
    check(wire.decode_array(answer.prediction, "prediction"), "prediction")
    check(pytrainr.predictr(Model.load(make.FOLDER / f"{kind}.pytrainr"), X), "prediction")
    stub = training_pb2_grpc.TrainingServiceStub(channel)
    for what, recorded in (("training", "prediction"), ("retraining", "further")):
        request = training_pb2.CreateTrainingJobRequest(training=message(what, training_pb2.Training))
        model = server.job(stub.CreateTrainingJob(request, timeout=300).name).wait()
        check(server.predictr(model, X), recorded)
        if what == "training":
            check(model.error, "error")
