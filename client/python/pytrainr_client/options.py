"""From the arguments of trainr to the message that says what to train."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from trainr import wire
from trainr.v1 import training_pb2

from pytrainr.arguments import unmasked
from pytrainr.exact.layer_list import described, layers_from
from pytrainr.exact.target_weights import check_class_weight
from pytrainr.loss_functions import loss_L1

R_DEFAULTS: Mapping[str, Any] = {
    "learningrate": None,
    "learningrate_decay": 1,
    "momentum": 0,
    "hidden_dim": 10,
    "network_type": "rnn",
    "numepochs": 1,
    "sigmoid": "logistic",
    "use_bias": False,
    "batch_size": 1,
    "seq_to_seq_unsync": False,
    "update_rule": "sgd",
    "keep_store": False,
    "exact": False,
}

_FORMS: Mapping[str, Callable[[Any], Any]] = {
    "class_weight": check_class_weight,  # {class: weight} has numbers as its names
    "sample_weight": lambda value: np.asarray(unmasked(value)),
    "initial_state": lambda value: np.asarray(unmasked(value)),
}
"""Options that travel in another form than that in which they may be given."""


def message_of(options: Mapping[str, Any], epoch_functions: tuple[str, ...], loss: Any) -> training_pb2.TrainingOptions:
    """The options as a message; what is R's default is left out, the library at the server has it.

    What does not even have the right type for its field is sent as it is, for the library to explain.
    """
    message = training_pb2.TrainingOptions(epoch_function=epoch_functions, loss_function=loss_name(loss))
    for name, value in options.items():
        if name == "layers" and value is not None:
            message.layer.extend(wire.encode_layer(described(layer)) for layer in layers_from(value))
            continue
        if name in _FORMS and value is not None:
            value = _FORMS[name](value)
        if name in R_DEFAULTS and type(value) is type(R_DEFAULTS[name]) and value == R_DEFAULTS[name]:
            continue
        if not (name in R_DEFAULTS and _set(message, name, value)):
            _add(message, name, value)
    return message


def _set(message: training_pb2.TrainingOptions, name: str, value: Any) -> bool:
    if name == "hidden_dim":
        value = [value] if isinstance(value, int) else value
        if not isinstance(value, (list, tuple)) or not value or not all(type(n) is int for n in value):
            return False
        try:
            message.hidden_dim.extend(value)
        except ValueError:
            message.ClearField("hidden_dim")
            return False
        return True
    kinds = {
        "numepochs": (int,),
        "use_bias": (bool,),
        "seq_to_seq_unsync": (bool,),
        "keep_store": (bool,),
        "exact": (bool,),
    }
    texts = ("network_type", "sigmoid", "update_rule")
    expected = (str,) if name in texts else kinds.get(name, (int, float))
    if type(value) not in expected or value == "":
        return False
    try:
        setattr(message, name, value)
    except (ValueError, TypeError):
        return False
    return True


def _add(message: training_pb2.TrainingOptions, name: str, value: Any) -> None:
    if value is None and name in R_DEFAULTS:
        return
    try:
        message.extra.add(name=name, value=wire.encode_value(value, name))
    except wire.WireError as error:
        raise TypeError(str(error)) from None


def loss_name(loss: Callable | str | None) -> str:
    """The name by which the server knows the loss. Raises ``ValueError`` for a function of the caller's own."""
    if loss is None or loss is loss_L1:
        return ""
    if isinstance(loss, str):
        return loss
    raise ValueError(
        f"loss_function {wire.function_name(loss)!r} is a function of your own; it would have to run after every group "
        "of samples, and cannot at a distance. Train with pytrainr.trainr here, or use one of the library's losses"
    )
