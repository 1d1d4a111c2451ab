"""Whatever comes back from a caller or a file is checked as at creation before compiled code reads it (issue 18.4)."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import Model, RRandom, epoch_annealing
from pytrainr import layers as layers_of
from pytrainr.model_fields import checked_model
from pytrainr.training import CheckpointError, Training
from tests.library.hostile import ROADS, configurations, data, trained

CONFIGURATIONS = configurations()
TRIES = 20


@pytest.fixture(scope="module")
def models() -> dict[str, Model]:
    return {name: trained(options) for name, options in CONFIGURATIONS.items()}


@pytest.mark.parametrize("road", ROADS, ids=lambda road: road.__name__)
@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_a_hostile_field_is_refused_or_harmless(models: dict[str, Model], name: str, road: Any) -> None:
    """Any field, any value, on every road: the caller is told with a ValueError or TypeError, or all is well."""
    chance = random.Random(f"{name} {road.__name__}")
    for _ in range(TRIES):
        model = models[name].copy()
        try:
            road(model, CONFIGURATIONS[name], chance)
        except (ValueError, TypeError) as error:
            assert str(error)


def after_an_epoch(change: Any, **options: Any) -> Model:
    X, Y = data()

    def function(model: Model) -> Model:
        if model.current_epoch == 1:
            change(model)
        return model

    given = {"hidden_dim": 3, "numepochs": 3, **options}
    return pytrainr.trainr(Y, X, learningrate=0.1, rng=RRandom(1), epoch_function=function, **given)


@pytest.mark.parametrize("value", ["text", [np.zeros(3)], np.zeros(2), 1.5, None])
def test_use_bias_of_a_paused_gru_with_adam(value: Any) -> None:
    """The field that corrupted the heap of a server."""
    with pytest.raises((ValueError, TypeError), match="use_bias"):
        after_an_epoch(
            lambda model: model.__setitem__("use_bias", value), exact=True, network_type="gru", update_rule="adam"
        )


@pytest.mark.parametrize("name", ["network_type", "hidden_dim", "input_dim", "time_dim", "synapse_dim"])
def test_a_field_that_may_not_change_says_so(name: str) -> None:
    def change(model: Model) -> None:
        model[name] = {"network_type": "lstm", "hidden_dim": (4,), "synapse_dim": (2, 4, 1)}.get(name, 3)

    with pytest.raises(ValueError, match=rf"model.{name} may not change while the network is trained"):
        after_an_epoch(change)


@pytest.mark.parametrize("options", [{}, {"exact": True}])
def test_another_update_rule_has_room_for_what_it_remembers(options: dict[str, Any]) -> None:
    """``update_rule`` may be changed after an epoch; a checkpoint taken since goes on to the same bits."""
    X, Y = data()
    rule = "adam" if options else "adagrad"

    def function(model: Model) -> Model:
        if model.current_epoch == 2:
            model.update_rule = rule
        return epoch_annealing(model)

    def begun() -> Training:
        given = {"learningrate": 0.1, "hidden_dim": 3, "numepochs": 5, "epoch_function": function, **options}
        return Training(Y, X, rng=RRandom(1), **given)

    whole, first, second = begun(), begun(), begun()
    while not whole.finished:
        whole.advance()
    for _ in range(3):
        first.advance()
    assert first.last_whole_epoch().update_rule == rule
    second.restore(first.checkpoint(), first.model.error[:, :3])
    while not second.finished:
        second.advance()
    assert second.result() == whole.result()


def test_a_checkpoint_keeps_every_field_of_the_model() -> None:
    """The losses of validation, and what an epoch function has put on the model, whatever its type."""
    X, Y = data()

    def function(model: Model) -> Model:
        model.seen = np.append(model.get("seen", np.zeros(0)), float(model.current_epoch))
        model.pair = (int(model.current_epoch), 2.5)
        return model

    def begun() -> Training:
        given = {"learningrate": 0.1, "hidden_dim": 3, "numepochs": 4, "epoch_function": function}
        return Training(Y, X, rng=RRandom(1), exact=True, validation=0.25, **given)

    whole, first, second = begun(), begun(), begun()
    while not whole.finished:
        whole.advance()
    first.advance()
    first.advance()
    second.restore(first.checkpoint(), first.model.error[:, :2])
    while not second.finished:
        second.advance()
    assert second.result() == whole.result()
    assert np.isfinite(second.model.validation_loss).all()


def test_a_checkpoint_of_another_training_is_refused() -> None:
    X, Y = data()
    one = Training(Y, X, rng=RRandom(1), learningrate=0.1, hidden_dim=3, numepochs=3)
    one.advance()
    other = Training(Y, X, rng=RRandom(1), learningrate=0.1, hidden_dim=4, numepochs=3)
    with pytest.raises(CheckpointError, match="hidden_dim"):
        other.restore(one.checkpoint(), one.model.error[:, :1])


def test_checking_leaves_the_callers_model_alone() -> None:
    """R's numbers are doubles: a network is made of them, the model stays as it was given."""
    model = trained({})
    expected = pytrainr.predictr(model, data()[0])
    model.input_dim, model.use_bias, model.hidden_dim = 2.0, np.array([False]), [3.0]
    kept = {name: model[name] for name in ("input_dim", "use_bias", "hidden_dim")}
    assert np.array_equal(pytrainr.predictr(model, data()[0]), expected)
    assert all(model[name] is value for name, value in kept.items())
    assert model.stepper() is not None


def test_class_weights_come_from_r_as_an_array() -> None:
    """What is several numbers is a vector in R, and an array in its messages."""
    X, Y = data()
    options: dict[str, Any] = {"exact": True, "loss": "sparse_categorical_crossentropy", "epoch_function": []}
    labels = (Y[:, :, :1] > Y[:, :, :1].mean()).astype(float)
    layers = [layers_of.GRU(2, return_sequences=True), layers_of.Dense(2, activation="softmax")]
    model = pytrainr.trainr(
        labels, X, layers=layers, learningrate=0.1, class_weight={1: 2.5}, rng=RRandom(1), **options
    )
    received = checked_model({**dict(model.items()), "class_weight": np.array([1.0, 2.5])})
    assert received.class_weight == [1.0, 2.5]
    assert np.array_equal(pytrainr.predictr(received, X), pytrainr.predictr(model, X))
