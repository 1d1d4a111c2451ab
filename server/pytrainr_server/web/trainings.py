"""What a job was asked to train, as the page shows it: a summary, its options, and the code that would ask for it."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

from trainr.v1 import model_pb2, tensor_pb2, training_pb2

from pytrainr.r_text import number_text
from pytrainr_server.store.jobs import JobStore, training_of

MAX_REMEMBERED = 20_000
_OPTIONS = training_pb2.TrainingOptions.DESCRIPTOR.fields
_R_NAMES = {True: "TRUE", False: "FALSE", None: "NULL"}


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
        training.ClearField("model")
        training.ClearField("random_state")
        while len(self._known) >= MAX_REMEMBERED:
            self._known.popitem(last=False)
        self._known[key] = training
        return training


def options_of(training: training_pb2.Training) -> dict[str, Any]:
    """The arguments of ``trainr`` that were given, by R's names, as JSON has them."""
    message, found = training.options, {}
    for field in _OPTIONS:
        value = getattr(message, field.name)
        given = message.HasField(field.name) if field.has_presence else bool(value)
        if given and field.name not in ("extra", "epoch_function"):
            found[field.name] = _finite(value) if isinstance(value, (str, int, float)) else [*map(_finite, value)]
    if message.epoch_function:
        found["epoch_function"] = list(message.epoch_function)
    found |= {option.name: _value(option.value) for option in message.extra}
    if training.HasField("seed"):
        found["seed"] = training.seed
    if training.stored_model:
        found["model"] = "a stored model"
    return found


def network_of(training: training_pb2.Training) -> str:
    """The network in a few words: "gru 32, 16"."""
    options = training.options
    layers = next((option.value for option in options.extra if option.name == "layers"), None)
    if layers is not None:
        return " – ".join(str(each.get("kind", "?")) for each in _value(layers) if isinstance(each, dict))
    units = ", ".join(map(str, options.hidden_dim)) or "10"
    return f"{'exact ' if options.exact else ''}{options.network_type or 'rnn'} {units}"


def shape_of(tensor: tensor_pb2.Tensor) -> dict[str, Any]:
    """An array's dimensions, and the data set that holds it."""
    return {"dim": list(tensor.dim), "dataset": tensor.dataset.removeprefix("datasets/")}


def _finite(value: Any) -> Any:
    """JSON has no NaN and no infinity."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def _value(value: model_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "tensor_value":
        return f"array ({', '.join(map(str, value.tensor_value.dim))})"
    if kind == "list_value":
        return [_value(each) for each in value.list_value.value]
    if kind == "option_list_value":
        return {option.name: _value(option.value) for option in value.option_list_value.option}
    if kind in (None, "null_value"):
        return None
    return _finite(getattr(value, kind))


# code -----------------------------------------------------------------------------------------------------------------


def python_code(training: training_pb2.Training, address: str) -> str:
    """The training as a script in Python."""
    given = ", ".join(f"{name}={_python(name, value)}" for name, value in _arguments(training).items())
    seed = f"pytrainr.set_seed({training.seed})\n" if training.HasField("seed") else ""
    return (
        "import numpy as np\nimport pytrainr\nimport pytrainr_client\n\n"
        f'X = np.load("X.npy")  # {_shape(training.x)}\nY = np.load("Y.npy")  # {_shape(training.y)}\n{seed}'
        f"with pytrainr_client.connect({address!r}) as server:\n    model = server.trainr(Y, X, {given})\n"
    )


def r_code(training: training_pb2.Training, address: str) -> str:
    """The training as a script in R."""
    given = ", ".join(f"{name} = {_r(name, value)}" for name, value in _arguments(training).items())
    seed = f"set.seed({training.seed})\n" if training.HasField("seed") else ""
    return (
        f'library(rnnremote)\n\nX <- readRDS("X.rds")  # {_shape(training.x)}\n'
        f'Y <- readRDS("Y.rds")  # {_shape(training.y)}\ntrainr_connect("{address}")\n{seed}'
        f"model <- trainr(Y = Y, X = X, {given})\n"
    )


def _arguments(training: training_pb2.Training) -> dict[str, Any]:
    return {name: value for name, value in options_of(training).items() if name not in ("seed", "model")}


def _shape(tensor: tensor_pb2.Tensor) -> str:
    return "samples × time × variables: " + " × ".join(map(str, tensor.dim))


def _python(name: str, value: Any) -> str:
    if name == "epoch_function":
        return f"[{', '.join('pytrainr.' + function for function in value)}]"
    if name == "loss_function" and value == "loss_L1":
        return "pytrainr.loss_L1"
    return repr(value)


def _r(name: str, value: Any) -> str:
    if name == "epoch_function":
        return f"c({', '.join(value)})"
    if name == "loss_function" and value == "loss_L1":
        return value
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, dict):
        return f"list({', '.join(f'{key} = {_r(key, each)}' for key, each in value.items())})"
    if isinstance(value, list):
        written = ", ".join(_r("", each) for each in value)
        return f"list({written})" if any(isinstance(each, (dict, list)) for each in value) else f"c({written})"
    if value is None or isinstance(value, bool):
        return _R_NAMES[value]
    return number_text(value)
