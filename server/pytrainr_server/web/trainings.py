"""What a job was asked to train, as the page shows it: a summary and its options."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

from trainr.v1 import tensor_pb2, training_pb2

from pytrainr_server.store.jobs import JobStore, training_of
from pytrainr_server.web.code import ArrayGiven, FunctionGiven, LayerGiven, ScheduleGiven, arguments_of, python_value

MAX_REMEMBERED = 20_000


class Trainings:
    """The trainings of jobs, without their data; they never change, so they are read once."""

    def __init__(self, jobs: JobStore) -> None:
        self._jobs = jobs
        self._known: OrderedDict[str, training_pb2.Training] = OrderedDict()

    def of(self, key: str) -> training_pb2.Training:
        """The training of a job, its arrays' bytes left out. Raises NOT_FOUND once the job was deleted."""
        if (known := self._known.get(key)) is not None:
            return known
        training = training_pb2.Training.FromString(training_of(self._jobs.to_do(key)))
        for tensor in (training.x, training.y):
            tensor.ClearField("data")
        if training.HasField("model"):
            training.model.Clear()
            training.model.SetInParent()  # that there was one is still told
        training.ClearField("random_state")
        while len(self._known) >= MAX_REMEMBERED:
            self._known.popitem(last=False)
        self._known[key] = training
        return training


def options_of(training: training_pb2.Training) -> dict[str, Any]:
    """The arguments of ``trainr`` that were given, by R's names, as JSON has them."""
    found = {name: _plain(value) for name, value in arguments_of(training).items()}
    if training.pause_each_epoch:
        found["epoch_function"] = "its caller's own"
    if training.HasField("seed"):
        found["seed"] = training.seed
    if training.HasField("model"):
        found["model"] = "its caller's own"
    return found


def network_of(training: training_pb2.Training) -> str:
    """The network in a few words: "gru 32, 16"."""
    options = training.options
    if options.layer:
        return " – ".join(layer.kind for layer in options.layer)
    units = ", ".join(map(str, options.hidden_dim)) or "10"
    return f"{'exact ' if options.exact else ''}{options.network_type or 'rnn'} {units}"


def shape_of(tensor: tensor_pb2.Tensor) -> dict[str, Any]:
    """An array's dimensions, and the data set that holds it."""
    return {"dim": list(tensor.dim), "dataset": tensor.dataset.removeprefix("datasets/")}


def _plain(value: Any) -> Any:
    """As JSON has it, which has no NaN and no infinity."""
    if isinstance(value, ArrayGiven):
        return f"array ({', '.join(map(str, value.dim))})"
    if isinstance(value, FunctionGiven):
        return value.name
    if isinstance(value, (LayerGiven, ScheduleGiven)):
        return python_value("", value).replace("layers.", "").replace("pytrainr.", "")
    if isinstance(value, list):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
