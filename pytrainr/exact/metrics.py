"""Metrics: what a user reads beside the loss, after each epoch, on the data trained on and on validation's.

They are those of the weights after the epoch, without dropout, over all targets alike. A new one is a function here and
a line in ``METRICS``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import Setting, wrong_type, wrong_value
from pytrainr.exact.losses import LOSSES, takes_labels, target_variables
from pytrainr.exact.network import ExactNetwork
from pytrainr.parameters import Flat
from pytrainr.r_list import RList

__all__ = ["METRICS", "Metrics", "check_metrics", "metric_fields"]

_AT_ONCE = 1 << 22  # numbers of outputs that are held


def accuracy(y: np.ndarray, target: np.ndarray) -> tuple[float, int]:
    """The share of targets whose class is the likeliest; for a single output, on the right side of ½."""
    if target.shape[1] != y.shape[1]:
        right = y.argmax(axis=1) == target[:, 0]
    elif y.shape[1] > 1:
        right = y.argmax(axis=1) == target.argmax(axis=1)
    else:
        right = (y[:, 0] > 0.5) == (target[:, 0] > 0.5)
    return float(np.count_nonzero(right)), right.size


def mae(y: np.ndarray, target: np.ndarray) -> tuple[float, int]:
    """The mean of |y − target|."""
    return float(np.abs(y - target).sum()), target.size


def mse(y: np.ndarray, target: np.ndarray) -> tuple[float, int]:
    """The mean of (y − target)²."""
    return float(np.square(y - target).sum()), target.size


Metric = Callable[[np.ndarray, np.ndarray], tuple[float, int]]

METRICS: dict[str, tuple[Metric, Callable[[float], float]]] = {
    "accuracy": (accuracy, float),
    "mae": (mae, float),
    "mse": (mse, float),
    "rmse": (mse, math.sqrt),
}
"""Each metric by name: of outputs and targets (targets, variables) a sum and how many it is of, and what is made of the
mean."""


def check_metrics(value: Any) -> list[str] | None:
    """The names of metrics, each once."""
    if value is None:
        return None
    names = [value] if isinstance(value, str) else value
    if not isinstance(names, (list, tuple)):
        raise wrong_type("metrics", "{place} should be a list such as ['accuracy'], it is {value}", value=value)
    return list(dict.fromkeys(arguments.choice(name, "metrics", tuple(METRICS)) for name in names)) or None


def metric_fields(names: list[str] | None) -> list[str]:
    """The fields of a model that hold them, an entry for each epoch."""
    return [f"{data}_{name}" for data in ("training", "validation") for name in names or ()]


class Metrics:
    """Measured after each epoch: ``model.training_accuracy`` (epochs,), with validation ``validation_accuracy``."""

    def __init__(self, model: RList, X: np.ndarray, Y: np.ndarray, validation: Any) -> None:
        self.names: list[str] = list(model.get("metrics") or ())
        self.data = {"training": (X, Y)}
        if validation is not None:
            self.data["validation"] = (validation.X, validation.targets)
        if self.names and takes_labels(model.loss):
            raise wrong_value(
                "metrics",
                "{place}: with {loss} the targets are sequences of labels, of which there is none; see ctc_decode",
                loss=Setting("loss", model.loss),
            )
        if LOSSES[model.loss].targets == "class" and set(self.names) - {"accuracy"}:
            raise wrong_value(
                "metrics",
                "{place}: with {loss} targets are classes, of which there is only 'accuracy'",
                loss=Setting("loss", model.loss),
            )
        for field in self.fields:
            model[field] = np.full(model.numepochs, np.nan)

    @property
    def fields(self) -> list[str]:
        """The fields of the model that hold them."""
        return [f"{data}_{name}" for data in self.data for name in self.names]

    def check(self, model: RList) -> None:
        """Raise ``ValueError`` where what was found so far is not what :meth:`after_epoch` writes into."""
        for field in self.fields:
            values = model.get(field)
            if not isinstance(values, np.ndarray) or values.dtype != np.float64 or values.shape != (model.numepochs,):
                raise ValueError(f"model.{field} should be {model.numepochs} numbers, it is {values!r:.200}")

    def after_epoch(self, model: RList, network: ExactNetwork, state: dict[str, Flat]) -> None:
        """Note them."""
        for data, (X, Y) in self.data.items() if self.names else ():
            values = _measured(self.names, model, network, state["weights"], X, Y)
            for name, value in zip(self.names, values, strict=True):
                model[f"{data}_{name}"][model.current_epoch - 1] = value

    def finish(self, model: RList) -> None:
        """Leave the epochs that there were."""
        for field in self.fields:
            model[field] = model[field][: model.current_epoch]


def _measured(
    names: list[str], model: RList, network: ExactNetwork, weights: Flat, X: np.ndarray, Y: np.ndarray
) -> list[float]:
    """Each metric over all targets."""
    variables = target_variables(model.loss, int(model.output_dim))
    steps = int(model.time_dim)
    at_once = max(1, _AT_ONCE // (Y.shape[1] * int(model.output_dim)))
    sums, counts = np.zeros(len(names)), np.zeros(len(names))
    for first in range(0, X.shape[0], at_once):
        rows = slice(first, first + at_once)
        y = network.forward(weights, X[rows], steps=steps, prepare=lambda part: _padded(part, steps))[0]
        target = np.asarray(Y[rows, :, :variables], dtype=np.float64)
        y = y[:, y.shape[1] - target.shape[1] :]
        there = ~(np.isnan(target).any(axis=2) | np.isnan(y).any(axis=2))
        for k, name in enumerate(names):
            total, count = METRICS[name][0](y[there], target[there])
            sums[k] += total
            counts[k] += count
    means = np.divide(sums, counts, out=np.full(len(names), np.nan), where=counts > 0)
    return [METRICS[name][1](mean) for name, mean in zip(names, means, strict=True)]


def _padded(X: np.ndarray, steps: int) -> np.ndarray:
    """X with the zeros that follow it, as in training."""
    if X.shape[1] == steps:
        return X
    padded = np.zeros((X.shape[0], steps, X.shape[2]))
    padded[:, : X.shape[1]] = X
    return padded
