"""What was trained before a network became a list of layers: each configuration's arguments, data and results.

``make.py`` recorded the results; ``test_recorded.py`` compares.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import pytrainr
from pytrainr import RRandom
from pytrainr.training import Training

SAMPLES, STEPS = 11, 6
BASE: dict[str, Any] = {"learningrate": 0.05, "hidden_dim": (4, 3), "numepochs": 3, "batch_size": 3, "use_bias": True}

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    # cells
    "rnn logistic": {"network_type": "rnn"},
    "rnn tanh": {"network_type": "rnn", "sigmoid": "tanh"},
    "rnn Gompertz": {"network_type": "rnn", "sigmoid": "Gompertz"},
    "rnn relu": {"network_type": "rnn", "sigmoid": "relu"},
    "jordan": {"network_type": "jordan"},
    "jordan one layer tanh": {"network_type": "jordan", "sigmoid": "tanh", "hidden_dim": 4, "output": "tanh"},
    "gru": {"network_type": "gru"},
    "lstm": {"network_type": "lstm"},
    "lstm peephole": {"network_type": "lstm", "peephole": True},
    "lstm projection": {"network_type": "lstm", "proj_size": 2},
    "lstm peephole projection": {"network_type": "lstm", "peephole": True, "proj_size": 2},
    "lstm forget bias": {"network_type": "lstm", "forget_bias": 1.0},
    "esn": {"network_type": "esn", "hidden_dim": 12, "density": 0.4, "leak": 0.6},
    "esn two layers": {"network_type": "esn", "hidden_dim": (9, 7), "density": 0.5},
    "esn bidirectional, many to one": {"network_type": "esn", "hidden_dim": 7, "bidirectional": True, "targets": 1},
    "esn masked": {"network_type": "esn", "hidden_dim": 7, "mask": "nan"},
    # wirings
    "three layers": {"network_type": "gru", "hidden_dim": (3, 2, 4)},
    "no bias": {"network_type": "lstm", "use_bias": False},
    "rnn bidirectional": {"network_type": "rnn", "bidirectional": True},
    "lstm bidirectional, many to one": {"network_type": "lstm", "bidirectional": True, "targets": 1},
    "gru pyramid": {"network_type": "gru", "pyramid": 2, "targets": 3},
    "lstm bidirectional pyramid": {"network_type": "lstm", "bidirectional": True, "pyramid": 2, "targets": 2},
    "gru attention": {"network_type": "gru", "attention": True, "targets": 4},
    "lstm attention bidirectional pyramid masked": {
        **{"network_type": "lstm", "attention": True, "bidirectional": True, "pyramid": 2, "mask": "nan"},
        "targets": 4,
    },
    "lstm peephole projection attention": {
        **{"network_type": "lstm", "attention": True, "peephole": True, "proj_size": 2, "targets": 3},
    },
    "esn pyramid": {"network_type": "esn", "pyramid": 2, "targets": 3},
    "many to one": {"network_type": "gru", "targets": 1},
    "one to many": {"network_type": "lstm", "inputs": 1},
    "unsync": {"network_type": "gru", "seq_to_seq_unsync": True, "targets": 4},
    "unsync jordan": {"network_type": "jordan", "seq_to_seq_unsync": True, "targets": 4},
    # outputs and losses
    "linear squared": {"network_type": "rnn", "output": "linear"},
    "tanh squared": {"network_type": "gru", "output": "tanh"},
    "logistic absolute": {"network_type": "lstm", "loss": "absolute"},
    "linear huber": {"network_type": "gru", "output": "linear", "loss": "huber", "huber_width": 0.4},
    "binary crossentropy": {"network_type": "gru", "loss": "binary_crossentropy"},
    "softmax": {"network_type": "lstm", "output": "softmax"},
    "softmax squared": {"network_type": "rnn", "output": "softmax", "loss": "squared"},
    "logistic categorical": {"network_type": "rnn", "loss": "categorical_crossentropy"},
    "jordan softmax": {"network_type": "jordan", "output": "softmax"},
    # update rules
    "sgd momentum": {"network_type": "gru", "momentum": 0.4},
    "momentum": {"network_type": "lstm", "update_rule": "momentum", "momentum": 0.9},
    "rmsprop": {"network_type": "rnn", "update_rule": "rmsprop"},
    "adam": {"network_type": "gru", "update_rule": "adam"},
    "adagrad": {"network_type": "lstm", "update_rule": "adagrad"},
    "clipping": {"network_type": "gru", "clipping": 0.01},
    "clip norm": {"network_type": "lstm", "clip_norm": 0.1, "update_rule": "adam"},
    "l2": {"network_type": "rnn", "l2": 0.01},
    "annealing": {"network_type": "gru", "learningrate_decay": 0.8},
    "own loss function": {"network_type": "gru", "loss_function": "own"},
    # dropout, masks, pieces
    "dropout": {"network_type": "rnn", "dropout": 0.3},
    "dropout bidirectional pyramid": {
        **{"network_type": "gru", "dropout": 0.3, "recurrent_dropout": 0.2, "bidirectional": True, "pyramid": 2},
        "targets": 3,
    },
    "recurrent dropout": {"network_type": "lstm", "recurrent_dropout": 0.4},
    "dropout attention": {
        **{"network_type": "gru", "dropout": 0.2, "recurrent_dropout": 0.2, "attention": True, "targets": 3},
    },
    "dropout jordan": {"network_type": "jordan", "dropout": 0.2, "recurrent_dropout": 0.2},
    "mask": {"network_type": "gru", "mask": "nan"},
    "mask, many to one": {"network_type": "lstm", "mask": "nan", "targets": 1},
    "mask bidirectional, many to one": {"network_type": "gru", "mask": "nan", "targets": 1, "bidirectional": True},
    "mask bidirectional pyramid": {
        **{"network_type": "lstm", "mask": "nan", "bidirectional": True, "pyramid": 2, "targets": 3},
    },
    "mask jordan": {"network_type": "jordan", "mask": "nan"},
    "mask recurrent dropout": {"network_type": "lstm", "mask": "nan", "recurrent_dropout": 0.3, "dropout": 0.1},
    "bptt": {"network_type": "lstm", "bptt_steps": 4},
    "bptt many to one": {"network_type": "gru", "bptt_steps": 2, "targets": 1},
    "bptt dropout mask": {"network_type": "gru", "bptt_steps": 4, "dropout": 0.2, "mask": "nan"},
    "bptt unsync": {"network_type": "rnn", "bptt_steps": 5, "seq_to_seq_unsync": True, "targets": 3},
    # beginnings, selection
    "glorot": {"network_type": "gru", "init": "glorot"},
    "orthogonal": {"network_type": "lstm", "init": "orthogonal"},
    "validation": {"network_type": "gru", "validation": 0.3, "patience": 2, "numepochs": 5, "update_rule": "adam"},
    "shared among threads": {
        **{"network_type": "gru", "hidden_dim": 40, "batch_size": 200, "samples": 200, "inputs": 40, "numepochs": 1},
    },
}
CONFIGURATIONS |= {
    f"{name}, float32": {**CONFIGURATIONS[name], "dtype": "float32"}
    for name in (
        *("rnn logistic", "jordan", "gru", "lstm", "lstm peephole projection", "esn", "rnn bidirectional"),
        *("gru pyramid", "gru attention", "softmax", "adam", "rmsprop", "momentum", "dropout", "recurrent dropout"),
        *("mask", "bptt", "clip norm", "linear huber"),
    )
}
STORED = ("rnn tanh", "jordan", "gru", "lstm", "lstm peephole projection", "esn", "rnn bidirectional", "gru attention")
STORED += ("lstm bidirectional pyramid", "mask", "softmax", "bptt", "dropout, float32", "validation", "unsync", "adam")
"""Of these, a model file, a request and a model's message are kept."""


def own(model: Any) -> Any:
    """A loss function of the caller's."""
    for name in ("time_synapse_update", "recurrent_synapse_update", "bias_synapse_update"):
        for update in model[name]:
            update *= 0.5 * model.learningrate
    return model


def data(options: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """X and Y from R's random stream, which no library changes."""
    stream = RRandom(7)
    samples, steps = options.get("samples", SAMPLES), options.get("inputs", STEPS)
    targets, outputs = options.get("targets", max(steps, STEPS)), 3
    X = stream.rnorm(samples * steps * 2).reshape(samples, steps, 2)
    Y = stream.runif(samples * targets * outputs, 0.1, 0.9).reshape(samples, targets, outputs)
    if options.get("output") == "softmax" or options.get("loss") == "categorical_crossentropy":
        Y /= Y.sum(axis=2, keepdims=True)
    if options.get("mask"):
        for sample in range(1, samples):
            gone = sample % (steps - 1)
            X[sample, steps - gone :] = np.nan
            if targets == steps:
                Y[sample, steps - gone :] = np.nan
        X[-1, 1] = np.nan
    return X, Y


def arguments(options: dict[str, Any]) -> dict[str, Any]:
    """The arguments of ``trainr``."""
    given = {**BASE, "exact": True, "epoch_function": pytrainr.epoch_annealing, **options}
    for name in ("samples", "inputs", "targets"):
        given.pop(name, None)
    if given.get("loss_function") == "own":
        given["loss_function"] = own
    return given


def trained(options: dict[str, Any]) -> pytrainr.Model:
    """The model after training."""
    X, Y = data(options)
    training = Training(Y, X, rng=RRandom(5), **arguments(options))
    while not training.finished:
        training.advance()
    return training.result()


def weights_of(model: pytrainr.Model) -> dict[str, np.ndarray]:
    """All weights by field, and all that update rules remember, each field's arrays one after another."""
    names = [name for name in model if ("synapse" in name and name != "synapse_dim") or name.startswith("attention_")]
    return {name: np.concatenate([np.ravel(array) for array in model[name]]) for name in names}


def predictions(model: pytrainr.Model, options: dict[str, Any]) -> dict[str, np.ndarray]:
    """What the model predicts: outputs, states, step by step."""
    X, _ = data(options)
    X = X[-3:]  # the recorded results are kept small
    predicted = {"output": pytrainr.predictr(model, X)}
    store = pytrainr.predictr(model, X, hidden=True)
    predicted["hidden"] = np.concatenate([np.ravel(array) for array in store])
    try:
        step = model.stepper(samples=X.shape[0])
    except ValueError:
        return predicted
    predicted["steps"] = np.stack([step(X[:, t]) for t in range(X.shape[1])], axis=1)
    predicted["state"] = step.state
    return predicted


def results(options: dict[str, Any]) -> dict[str, np.ndarray]:
    """All that is compared."""
    model = trained(options)
    found = {**weights_of(model), **predictions(model, options), "error": model.error}
    if model.get("validation_loss") is not None:
        found["validation_loss"] = model.validation_loss
    return found
