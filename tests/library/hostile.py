"""Models as a hostile caller might hand them back: one field of a sound model replaced by what it should not be."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

import pytrainr
from pytrainr import Model, RRandom, epoch_annealing
from pytrainr.training import Training

VALUES: tuple[Any, ...] = (
    *("text", "", None, True, False, -1, 0, 1, 2, 3.5, 2**31, 2**62, 1e300, float("nan"), float("inf"), [], [1, "a"]),
    *((), {}, {"a": 1}, "nan", "adam", "adagrad", "momentum", "sgd", "tanh", "relu", "lstm", "rnn", "esn", "softmax"),
    *("float32", (3, -3), (10**6,), [np.zeros(2), np.zeros((3, 3))], np.zeros(0), np.zeros((2, 2)), np.array("text")),
    *(np.array([1]), np.array(2.0), np.zeros(3, complex), np.array([None]), np.array(["a", "b"]), print, object()),
)
"""What a field may be replaced by; the messages of a server can carry all but the last three."""


def configurations() -> dict[str, dict[str, Any]]:
    """Trainings of every kind, small."""
    exact = {"exact": True, "use_bias": True}
    return {
        "rnn": {"use_bias": True},
        "gru": {"network_type": "gru", "update_rule": "adagrad"},
        "lstm": {"network_type": "lstm", "clipping": 0.5, "hidden_dim": (3, 2)},
        "exact rnn": {**exact, "update_rule": "momentum", "momentum": 0.5, "bptt_steps": 2},
        "exact gru": {**exact, "network_type": "gru", "update_rule": "adam", "dropout": 0.1, "bidirectional": True},
        "exact lstm": {**exact, "network_type": "lstm", "peephole": True, "proj_size": 2, "clip_norm": 1.0},
        "exact jordan": {**exact, "network_type": "jordan", "mask": "nan"},
        "exact esn": {**exact, "network_type": "esn"},
        "attention": {**exact, "network_type": "gru", "attention": True, "validation": 0.25},
    }


def data() -> tuple[np.ndarray, np.ndarray]:
    """X and Y for them."""
    generator = np.random.default_rng(0)
    return generator.random((6, 4, 2)), generator.random((6, 4, 1))


def trained(options: dict[str, Any]) -> Model:
    X, Y = data()
    given = {"hidden_dim": 3, "numepochs": 2, **options}
    return pytrainr.trainr(Y, X, learningrate=0.1, rng=RRandom(1), epoch_function=epoch_annealing, **given)


def field_of(model: Model, chance: random.Random) -> str:
    return chance.choice([*model.keys(), "clipping", "time_dim_input", "input_center"])


def spoil(model: Model, chance: random.Random) -> tuple[str, Any]:
    """Replace a field, or an array in a list of them, or remove it; what was done."""
    name = field_of(model, chance)
    if chance.random() < 0.1 and name in model:
        delattr(model, name)
        return name, "removed"
    value = chance.choice(VALUES)
    old = model.get(name)
    if isinstance(old, list) and old and chance.random() < 0.5:
        changed = list(old)
        changed[chance.randrange(len(changed))] = value
        value = changed
    if isinstance(old, np.ndarray) and chance.random() < 0.5:
        value = np.resize(old, chance.choice([old.shape[:-1], (*old.shape, 2), (0,), (1,) * old.ndim, old.T.shape]))
    model[name] = value
    return name, value


# the roads on which a model comes back ----------------------------------------------------------------------------


def in_an_epoch_function(model: Model, options: dict[str, Any], chance: random.Random) -> None:
    """The third epoch trains on what the function made of the model."""
    X, Y = data()

    def function(model: Model) -> Model:
        if model.current_epoch == 1:
            spoil(model, chance)
        return model

    given = {"hidden_dim": 3, **options, "numepochs": 4}
    pytrainr.trainr(Y, X, learningrate=0.1, rng=RRandom(1), epoch_function=function, **given)


def retrained(model: Model, options: dict[str, Any], chance: random.Random) -> None:
    """Trained further."""
    X, Y = data()
    spoil(model, chance)
    pytrainr.trainr(Y, X, model, learningrate=0.1, rng=RRandom(1))


def predicted(model: Model, options: dict[str, Any], chance: random.Random) -> None:
    """Predicted with, at once and by rows."""
    X, _ = data()
    spoil(model, chance)
    pytrainr.predictr(model, X, hidden=chance.random() < 0.3)
    pytrainr.predict_rows(model, X[:2], 1, 6)


def stepped(model: Model, options: dict[str, Any], chance: random.Random) -> None:
    """Stepped."""
    spoil(model, chance)
    step = model.stepper(2)
    for _ in range(3):
        step(np.full((2, 2), 0.5))


def shown(model: Model, options: dict[str, Any], chance: random.Random) -> None:
    """Looked at."""
    spoil(model, chance)
    repr(model)


def restored(model: Model, options: dict[str, Any], chance: random.Random) -> None:
    """A checkpoint of which an entry, or a field inside, is not what it was."""
    X, Y = data()
    given = {"hidden_dim": 3, "learningrate": 0.1, "epoch_function": epoch_annealing, **options, "numepochs": 3}

    def begun() -> Training:
        return Training(Y, X, rng=RRandom(1), **given)

    training = begun()
    training.advance()
    if chance.random() < 0.5:  # within an epoch: the last whole one is in it, too
        training._speed = 1e-9
        training.advance(0.0)
    checkpoint, columns = training.checkpoint(), training.model.error[:, :1]
    name = chance.choice([*checkpoint, "fields"])
    if name in ("fields", "whole:fields"):
        from pytrainr.storage import can_be_packed, packed, unpacked

        fields = Model(unpacked(checkpoint[name]))
        if can_be_packed(spoil(fields, chance)[1]):
            checkpoint[name] = packed({k: v for k, v in fields.items() if can_be_packed(v)})
    else:
        checkpoint[name] = chance.choice(VALUES)
    again = begun()
    again.restore(checkpoint, columns)
    pytrainr.predictr(again.last_whole_epoch(), X)
    while not again.finished:
        again.advance()


ROADS: tuple[Callable[[Model, dict[str, Any], random.Random], None], ...] = (
    in_an_epoch_function,
    retrained,
    predicted,
    stepped,
    shown,
    restored,
)
