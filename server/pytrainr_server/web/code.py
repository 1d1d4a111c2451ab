"""A training as the script in Python or in R that would ask for it again: it runs as it stands, beside its data.

Arrays are read from files that bear the argument's name; functions of the caller's own, of which only the names are
known, are named in a comment.
"""

from __future__ import annotations

import keyword
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from trainr.v1 import model_pb2, tensor_pb2, training_pb2

from pytrainr.exact.layer_list import snake_case
from pytrainr.r_text import number_text
from pytrainr.schedules import schedule_named
from pytrainr_server.shown import one_line

__all__ = ["ArrayGiven", "FunctionGiven", "LayerGiven", "ScheduleGiven", "arguments_of", "python_code", "r_code"]

_OPTIONS = training_pb2.TrainingOptions.DESCRIPTOR.fields
_FUNCTIONS = ("epoch_print", "epoch_annealing", "loss_L1")
"""What both languages have under the same name."""
_R_NAMES = {True: "TRUE", False: "FALSE", None: "NULL"}
_R_RESERVED = frozenset(
    [
        "if",
        "else",
        "repeat",
        "while",
        "function",
        "for",
        "next",
        "break",
        "TRUE",
        "FALSE",
        "NULL",
        "Inf",
        "NaN",
        "NA",
        "in",
    ]
)


@dataclass(frozen=True)
class ArrayGiven:
    """An array among the arguments, by its shape."""

    dim: tuple[int, ...]


@dataclass(frozen=True)
class FunctionGiven:
    """A function of the library, by its name."""

    name: str


@dataclass(frozen=True)
class ScheduleGiven:
    """A schedule: its class's name and its settings."""

    kind: str
    settings: Mapping[str, Any]


@dataclass(frozen=True)
class LayerGiven:
    """A layer: its class's name and the options that are not the default."""

    kind: str
    options: Mapping[str, Any]


def arguments_of(training: training_pb2.Training) -> dict[str, Any]:
    """The arguments of ``trainr`` that were given, by R's names."""
    message = training.options
    found: dict[str, Any] = {}
    for field in _OPTIONS:
        value = getattr(message, field.name)
        given = message.HasField(field.name) if field.has_presence else bool(value)
        if given and field.name not in ("extra", "epoch_function", "loss_function", "layer"):
            found[field.name] = value if isinstance(value, (str, int, float)) else list(value)
    if message.loss_function:
        known = message.loss_function in _FUNCTIONS
        found["loss_function"] = FunctionGiven(message.loss_function) if known else message.loss_function
    if message.epoch_function and not training.pause_each_epoch:
        found["epoch_function"] = [_function(name) for name in message.epoch_function]
    if message.layer:
        found["layers"] = [_layer(layer) for layer in message.layer]
    found |= {option.name: _value(option.value) for option in message.extra}
    if training.stored_model:
        found["model"] = training.stored_model
    return found


def _function(name: str) -> FunctionGiven | ScheduleGiven:
    schedule = schedule_named(name)
    if schedule is None:
        return FunctionGiven(name)
    settings = {field.name: getattr(schedule, field.name) for field in fields(schedule) if field.init}  # type: ignore[arg-type]
    return ScheduleGiven(type(schedule).__qualname__, settings)


def _layer(message: model_pb2.Layer) -> LayerGiven:
    return LayerGiven(message.kind, {option.name: _value(option.value) for option in message.option})


def _value(value: model_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind in (None, "null_value"):
        return None
    found = getattr(value, kind)
    if kind == "tensor_value":
        return ArrayGiven(tuple(found.dim))
    if kind == "list_value":
        return [_value(each) for each in found.value]
    if kind == "option_list_value":
        return {option.name: _value(option.value) for option in found.option}
    if kind == "layer_value":
        return _layer(found)
    return FunctionGiven(found) if kind == "function_value" else found


def python_code(training: training_pb2.Training, address: str) -> str:
    """The training as a script in Python."""
    arguments = {name: python_value(name, value) for name, value in arguments_of(training).items()}
    other = {name: value for name, value in arguments.items() if not name.isidentifier() or keyword.iskeyword(name)}
    plain = [f"{name}={value}" for name, value in arguments.items() if name not in other]
    more = ", ".join(f"{name!r}: {value}" for name, value in other.items())
    given = ", ".join(["Y", "X", *plain, *([f"**{{{more}}}"] if other else [])])
    seed = f"pytrainr.set_seed({training.seed})\n" if training.HasField("seed") else ""
    layers = "from pytrainr import layers\n" if "layers" in arguments else ""
    return (
        f"import numpy as np\nimport pytrainr\nimport pytrainr_client\n{layers}\n"
        f'X = np.load("X.npy")  # {_shape(training.x)}\nY = np.load("Y.npy")  # {_shape(training.y)}\n'
        f"{''.join(f'# {line}' for line in _remarks(training))}{seed}"
        f"with pytrainr_client.connect({address!r}) as server:\n    model = server.trainr({given})\n"
    )


def r_code(training: training_pb2.Training, address: str) -> str:
    """The training as a script in R."""
    arguments = [f"{_r_name(name)} = {r_value(name, value)}" for name, value in arguments_of(training).items()]
    seed = f"set.seed({training.seed})\n" if training.HasField("seed") else ""
    return (
        f'library(rnnremote)\n\nX <- readRDS("X.rds")  # {_shape(training.x)}\n'
        f'Y <- readRDS("Y.rds")  # {_shape(training.y)}\n'
        f"{''.join(f'# {line}' for line in _remarks(training))}trainr_connect({r_value('', address)})\n{seed}"
        f"model <- trainr({', '.join(['Y = Y', 'X = X', *arguments])})\n"
    )


def _remarks(training: training_pb2.Training) -> Iterator[str]:
    """What the script cannot have, a line each."""
    if training.pause_each_epoch:
        own = ", ".join(each for each in training.options.epoch_function if each.isidentifier()) or "one"
        yield f"It had epoch functions of its caller's own: {own}\n"
    if training.HasField("model"):
        yield "It trained on from a model of its caller's own: give that as model\n"


def _shape(tensor: tensor_pb2.Tensor) -> str:
    return "samples × time × variables: " + " × ".join(map(str, tensor.dim))


def python_value(name: str, value: Any) -> str:
    """An argument's value, as Python has it."""
    if isinstance(value, ArrayGiven):
        return f"np.load({_file(name)!r})"
    if isinstance(value, FunctionGiven):
        return f"pytrainr.{value.name}" if value.name in _FUNCTIONS else repr(value.name)
    if isinstance(value, ScheduleGiven):
        given = ", ".join(f"{setting}={python_value(setting, each)}" for setting, each in value.settings.items())
        return f"pytrainr.{value.kind}({given})"
    if isinstance(value, LayerGiven):
        given = ", ".join(f"{option}={python_value(option, each)}" for option, each in value.options.items())
        return f"layers.{value.kind}({given})"
    if isinstance(value, dict):
        pairs = (f"{key!r}: {python_value(_within(name, key), each)}" for key, each in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(python_value(_within(name, place), each) for place, each in enumerate(value, 1))}]"
    return f'float("{value}")' if isinstance(value, float) and value - value != 0.0 else repr(value)


def r_value(name: str, value: Any) -> str:
    """An argument's value, as R has it."""
    if isinstance(value, ArrayGiven):
        return f"readRDS({r_value('', _file(name, '.rds'))})"
    if isinstance(value, FunctionGiven):
        return value.name if value.name in _FUNCTIONS else r_value("", value.name)
    if isinstance(value, ScheduleGiven):
        given = ", ".join(f"{setting} = {r_value(setting, each)}" for setting, each in value.settings.items())
        return f"{snake_case(value.kind)}({given})"
    if isinstance(value, LayerGiven):
        given = ", ".join(f"{_r_name(option)} = {r_value(option, each)}" for option, each in value.options.items())
        return f"{snake_case(value.kind)}({given})"
    if isinstance(value, str):
        return _r_quoted(value, '"')
    if isinstance(value, dict):
        pairs = (f"{_r_name(key)} = {r_value(_within(name, key), each)}" for key, each in value.items())
        return f"list({', '.join(pairs)})"
    if isinstance(value, list):
        written = ", ".join(r_value(_within(name, place), each) for place, each in enumerate(value, 1))
        plain = all(isinstance(each, (str, int, float, bool, FunctionGiven)) for each in value)
        return f"c({written})" if plain else f"list({written})"
    return _R_NAMES[value] if value is None or isinstance(value, bool) else number_text(value)


def _r_name(name: str) -> str:
    plain = name.isidentifier() and name.isascii() and not name.startswith("_") and name not in _R_RESERVED
    return name if plain else _r_quoted(name, "`")


def _r_quoted(text: str, quote: str) -> str:
    return quote + one_line(text.replace("\\", "\\\\").replace(quote, "\\" + quote)) + quote


def _within(name: str, part: str | int) -> str:
    return f"{name}_{part}"


def _file(name: str, ending: str = ".npy") -> str:
    return "".join(character if character.isalnum() else "_" for character in name) + ending
