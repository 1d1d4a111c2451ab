"""Every run that R recorded, over TLS with a token: not one bit differs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytrainr_client import Client

import pytrainr
from pytrainr import Model, RRandom
from tests.r_parity.golden import RUNS, STOPS, array, run
from tests.r_parity.test_golden import WEIGHTS, Same


def train(client: Client, name: str, **changes: Any) -> tuple[Model, RRandom]:
    golden = run(name)
    rng = RRandom(golden["seed"])
    X, Y = array(golden["X"]), array(golden["Y"])
    options = {"epoch_function": pytrainr.epoch_annealing, "keep_store": True, **golden["args"], **changes}
    model = client.trainr(Y, X, rng=rng, **options)
    if golden.get("retrain"):
        unsync = golden["args"].get("seq_to_seq_unsync", False)
        model = client.trainr(Y, X, model=model, rng=rng, keep_store=True, seq_to_seq_unsync=unsync)
    return model, rng


@pytest.mark.parametrize("name", RUNS)
def test_remote_training_and_prediction_equal_r(client: Client, name: str) -> None:
    golden, same = run(name), Same(name)
    model, rng = train(client, name)
    assert_trained_as_r(model, rng, golden, same)
    same(client.predictr(model, array(golden["X"])), golden["predict"], "predict")
    for layer, states in enumerate(golden["predict2_hidden"]):
        predicted = client.predictr(model, array(golden["X2"]), hidden=True, real_output=False)
        same(predicted[layer], states, f"predict2_hidden[{layer}]")


def assert_trained_as_r(model: Model, rng: RRandom, golden: dict[str, Any], same: Same) -> None:
    for field in WEIGHTS:
        for layer, weights in enumerate(golden["final"][field]):
            same(model[field][layer], weights, f"{field}[{layer}]")
        for layer, update in enumerate(golden[field + "_update"]):
            same(model[field + "_update"][layer], update, f"{field}_update[{layer}]")
    same(model.error, golden["error"], "error")
    same(model.mean_error, golden["mean_error"], "mean_error")
    same([model.learningrate], golden["learningrate"], "learningrate")
    same(model.last_layer_error, golden["last_layer_error"], "last_layer_error")
    for layer, states in enumerate(golden["store"]):
        same(model.store[layer], states, f"store[{layer}]")
    assert ("store_best" in model) == golden["has_store_best"]
    same(rng.unif_rand(3), golden["rng_after"], "the random stream afterwards")


@pytest.mark.parametrize("name", [name for name in STOPS if not name.startswith("layers_unequal")])
def test_where_r_stops_the_remote_error_is_the_local_one(client: Client, name: str) -> None:
    from tests.r_parity.test_golden import train as train_here

    with pytest.raises(ValueError, match=r".") as here:
        train_here(name)
    with pytest.raises(ValueError, match=r".") as remote:
        train(client, name)
    assert str(remote.value) == str(here.value)
    if isinstance(here.value, pytrainr.DivergedError):
        assert isinstance(remote.value, pytrainr.DivergedError)
        assert remote.value.epoch == here.value.epoch
        assert remote.value.model == here.value.model


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
def test_the_model_is_the_very_model(client: Client, network_type: str) -> None:
    golden = run("adder_rnn")
    X, Y = array(golden["X"]), array(golden["Y"])
    options: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": (4, 3), "numepochs": 3, "network_type": network_type}
    pytrainr.set_seed(7)
    here = pytrainr.trainr(Y, X, **options)
    next_here = pytrainr.runif(2)
    pytrainr.set_seed(7)
    remote = client.trainr(Y, X, **options)
    assert remote == here
    assert list(remote.keys()) == list(here.keys())
    assert all(type(remote[name]) is type(here[name]) for name in here)
    assert remote.epoch_function == here.epoch_function
    assert np.array_equal(pytrainr.runif(2), next_here)
