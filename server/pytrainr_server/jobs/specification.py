"""From the message that says what to train to the arguments of the library's Training."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from trainr import wire
from trainr.v1 import model_pb2, tensor_pb2, training_pb2

import pytrainr
from pytrainr import function_names
from pytrainr.argument_errors import ArgumentError
from pytrainr.model_fields import checked_model
from pytrainr.schedules import schedule_named
from pytrainr_server.errors import ServiceError, invalid, invalid_argument
from pytrainr_server.store.names import dataset_sha256
from pytrainr_server.store.store import Store

_NAMED = ("network_type", "sigmoid", "update_rule", "loss_function")
_OPTIONAL = (
    "learningrate",
    "learningrate_decay",
    "momentum",
    "numepochs",
    "use_bias",
    "batch_size",
    "seq_to_seq_unsync",
    "keep_store",
    "exact",
)
_ARGUMENTS = frozenset(inspect.signature(pytrainr.trainr).parameters)
_RESERVED = frozenset({"Y", "X", "model", "rng", "epoch_function"})


def _silent(model: pytrainr.Model) -> pytrainr.Model:
    """Stands for R's epoch_print while the server trains: the caller prints, from the events."""
    return model


EPOCH_FUNCTIONS: Mapping[str, Callable] = {"epoch_print": _silent, "epoch_annealing": pytrainr.epoch_annealing}
LOSS_FUNCTIONS: Mapping[str, Callable] = {"loss_L1": pytrainr.loss_L1}


def arrays(store: Store) -> Callable[[tensor_pb2.Tensor, str], np.ndarray]:
    """Makes arrays of tensors, mapping those that lie in datasets into memory."""

    def array(tensor: tensor_pb2.Tensor, field: str) -> np.ndarray:
        if tensor.deferred:
            raise wire.WireError(field, "is deferred; in a request the bytes must be in data or in a dataset")
        if not tensor.dataset:
            return wire.decode_array(tensor, field)
        if tensor.data:
            raise wire.WireError(field, "has both data and a dataset; it should have one of them")
        size = wire.byte_size(tensor, field)
        sha256 = dataset_sha256(tensor.dataset, field)
        try:
            path = store.datasets.checked_path(sha256)
            data = np.memmap(path, dtype=np.uint8, mode="r") if size else np.empty(0, np.uint8)
        except (FileNotFoundError, ValueError):
            raise invalid(field, f"names {tensor.dataset}, whose bytes are not here") from None
        return wire.decode_array(tensor, field, data)

    return array


def function_named(known: Mapping[str, Callable]) -> Callable[[str, str], Callable]:
    """Looks functions up by name."""

    def function(name: str, field: str) -> Callable:
        if name not in known:
            raise invalid(
                field,
                f"is {name!r}, which this server does not have (it has {', '.join(sorted(known))}); "
                "functions of your own run where you are: the clients see to that for epoch_function",
            )
        return known[name]

    return function


def epoch_function(name: str, field: str) -> Callable:
    """What the server runs by itself after each epoch: a function that it knows, or a schedule by its settings."""
    return schedule_named(name) or function_named(EPOCH_FUNCTIONS)(name, field)


def stored_function(name: str, field: str) -> Callable:
    """A function in a model that the caller sent: those of the library by name, others as a mere name."""
    return function_names.function_named(name)


def running(functions: Sequence[Callable]) -> list[Callable]:
    """The functions of a model as the server calls them."""
    return [_silent if function is pytrainr.epoch_print else function for function in functions]


def recorded(functions: Sequence[Callable]) -> list[Callable]:
    """The functions of a model as they are stored with it."""
    return [pytrainr.epoch_print if function is _silent else function for function in functions]


def options(message: training_pb2.TrainingOptions, array: Callable, pauses: bool) -> dict[str, Any]:
    """The keyword arguments of trainr; where the caller's own functions run, ``epoch_function`` has but their names.

    Raises an error for the caller where an option is unknown to the wire.
    """
    named = stored_function if pauses else epoch_function
    given: dict[str, Any] = {}
    for name in _OPTIONAL:
        if message.HasField(name):
            given[name] = getattr(message, name)
    if "batch_size" in given and float(given["batch_size"]).is_integer():
        given["batch_size"] = int(given["batch_size"])
    for name in _NAMED[:-1]:
        if getattr(message, name):
            given[name] = getattr(message, name)
    if message.hidden_dim:
        given["hidden_dim"] = tuple(message.hidden_dim)
    if message.loss_function:
        given["loss_function"] = _loss_function(message.loss_function)
    if message.epoch_function:
        given["epoch_function"] = tuple(named(name, "epoch_function") for name in message.epoch_function)
    if message.layer:
        given["layers"] = [wire.decode_layer(layer) for layer in message.layer]
    for name, value in wire.decode_options(message.extra, "extra", array, function_named(LOSS_FUNCTIONS)).items():
        if name in _RESERVED or name in given:
            raise invalid(name, "is given as an extra option besides the field that it has of its own")
        given[name] = value
    return given


def _loss_function(name: str) -> Callable | str:
    if name in LOSS_FUNCTIONS:
        return LOSS_FUNCTIONS[name]
    if not re.fullmatch(r"[A-Za-z_]\w{0,62}", name):
        raise invalid("loss_function", f"is {name[:80]!r}; it should be the name of one of the library's losses")
    return name  # one of the named losses of exact training, or an error that the library explains


def model_of(message: model_pb2.Model, array: Callable) -> pytrainr.Model:
    """The library's model of a message. Raises an error that names the field which is missing or wrong."""
    if not message.field:
        raise invalid("model", "has no fields; it should be a model as trainr returns it")
    try:
        return checked_model(wire.decode_model(message, array, stored_function))
    except (ValueError, TypeError) as error:
        raise named_argument(error, {}) from error


def random_stream(message: training_pb2.Training) -> pytrainr.RRandom:
    """The random stream to draw from."""
    return set_random_stream(pytrainr.RRandom(0), message)


def set_random_stream(
    stream: pytrainr.RRandom, message: training_pb2.Training | training_pb2.ContinueTrainingRequest
) -> pytrainr.RRandom:
    """Put a stream where the message says that it stands."""
    state = wire.decode_random_state(message.random_state)
    try:
        if state is not None:
            stream.random_seed = state
        elif isinstance(message, training_pb2.Training):
            stream.set_seed(message.seed)
    except (ValueError, TypeError) as error:
        raise invalid("random_state" if state is not None else "seed", str(error)) from error
    return stream


def named_argument(error: Exception, given: Mapping[str, Any]) -> ServiceError:
    """The library's complaint about an argument, as an error that names the argument's field."""
    if isinstance(error, wire.WireError):
        return invalid(error.field, error.description)
    if isinstance(error, ArgumentError):
        return invalid_argument(error)
    text = str(error)
    if (named := re.match(r"model\.([A-Za-z_]\w*)", text)) is not None:
        return invalid(named[1], text)
    names = _ARGUMENTS | set(given)
    found = next((word for word in re.findall(r"[A-Za-z_]\w*", text) if word in names and word != "model"), "")
    if not found and (begins := re.match(r"([A-Za-z_]\w*)(\[\d+\])? should ", text)) is not None:
        found = begins[1]
    return invalid(found or ("model" if "model" in text else "training"), text)
