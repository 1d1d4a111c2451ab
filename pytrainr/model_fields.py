"""A model's fields as they come from elsewhere, from R or in a message: checked, complete, with the types of training.

R has no single numbers, texts or flags, only vectors, and its whole numbers are often doubles: what a field is follows
from its name. What a network computes follows from its options, so a model that lacks one is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import wrong_type, wrong_value
from pytrainr.model import Model

__all__ = ["checked_model", "is_array_list"]

_COUNTS = ("input_dim", "output_dim", "time_dim", "time_dim_input", "numepochs", "current_epoch")
_RATES = ("learningrate", "learningrate_decay", "momentum", "batch_size")
_TEXTS = ("sigmoid", "network_type", "update_rule")
_FLAGS = ("use_bias", "seq_to_seq_unsync", "exact")
_DESCRIPTION = ("input_dim", "hidden_dim", "output_dim", "synapse_dim", "time_dim", *_TEXTS, *_FLAGS[:2])
"""What says which network it is."""
_SAID_BY_LAYERS = ("hidden_dim", "sigmoid", "use_bias")
"""What a list of layers says instead."""
_EXACT_ONLY = ("output_time_dim", "groups_done")
"""What only training with ``exact=True`` gives a model."""
_ARRAY_LIST = re.compile(
    r"(reverse_)?(time|recurrent|bias|peephole|projection)_synapse(_\w+)?|attention_(query|key|score)(_\w+)?"
    r"|store|store_best"
)


_LAYER_WEIGHTS = re.compile(r"(\w+?)(_\d+)?_weights(_[a-z_]+)?")


def is_array_list(name: str) -> bool:
    """Whether the field is a list of arrays: weights, what update rules keep in their shapes, states."""
    return _ARRAY_LIST.fullmatch(name) is not None or _are_weights_of_a_layer(name)


def _are_weights_of_a_layer(name: str) -> bool:
    found = _LAYER_WEIGHTS.fullmatch(name)
    if found is None:
        return False
    from pytrainr.exact.layer_list import snake_case
    from pytrainr.layers import LAYERS

    return found[1] in map(snake_case, LAYERS)


def checked_model(fields: Mapping[str, Any]) -> Model:
    """The model of these fields, their types as training gives them.

    Raises ``ValueError`` or ``TypeError`` that names the field where one that says what the network computes is missing
    or cannot be what it should.
    """
    listed = fields.get("layers") is not None and bool(_single(fields.get("exact")))
    needed = [name for name in _DESCRIPTION if not (listed and name in _SAID_BY_LAYERS)]
    missing = [name for name in needed if fields.get(name) is None]
    if missing:
        raise wrong_value(missing[0], "{place} is missing; a model should have every field that trainr gives it")
    checked = {name: _checked(name, value) for name, value in fields.items() if not (listed and name == "hidden_dim")}
    if listed:
        checked["hidden_dim"] = ()
    dims = (checked["input_dim"], *checked["hidden_dim"], checked["output_dim"])
    if checked["synapse_dim"] != dims:
        raise wrong_value(
            "synapse_dim",
            "{place} should be {dims} (input, hidden, output), it is {value}",
            dims=dims,
            value=checked["synapse_dim"],
        )
    if checked.get("exact"):
        from pytrainr.exact.options import check_exact_fields

        check_exact_fields(checked)
    elif all(name in checked for name in _EXACT_ONLY):
        raise wrong_value(
            "exact",
            "{place} is missing; the model's other fields are those of a training with true gradients, and R's "
            "arithmetic would compute something else with its weights",
        )
    checked.setdefault("epoch_function", [])  # R's NULL: none
    return Model(checked)


def _checked(name: str, value: Any) -> Any:
    if is_array_list(name):
        return _arrays(name, value)
    check = _CHECKS.get(name)
    return value if check is None else check(_single(value) if name in _SINGLE else value, name)


def _arrays(name: str, value: Any) -> list[np.ndarray]:
    if not isinstance(value, (list, tuple)):
        raise wrong_type(name, "{place} should be a list of arrays, it is {value}", value=value)
    try:
        return [np.atleast_1d(np.asarray(layer, dtype=np.float64)) for layer in value]
    except (ValueError, TypeError):
        raise wrong_type(name, "{place} should be a list of arrays of numbers") from None


def _errors(value: Any, name: str) -> Any:
    if value is None:
        return None
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2:
        raise wrong_value(name, "{place} should be of (samples, epochs), its shape is {shape}", shape=array.shape)
    return array


def _single(value: Any) -> Any:
    return value.reshape(-1)[0].item() if isinstance(value, np.ndarray) and value.size == 1 else value


def _count(value: Any, name: str) -> int:
    return 0 if name == "current_epoch" and value == 0 else arguments.positive_integer(value, name)


def _rate(value: Any, name: str) -> float:
    number = arguments.rate(value, name)
    return int(number) if name == "batch_size" and number.is_integer() else number


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise wrong_type(name, "{place} should be a text, it is {value}", value=value)
    return value


def _flag(value: Any, name: str) -> bool:
    """As R's ``if`` takes it: 0 and 1 count."""
    return bool(value) if isinstance(value, (int, float)) and value in (0, 1) else arguments.flag(value, name)


def _functions(value: Any, name: str) -> list[Callable]:
    return arguments.functions(list(value) if isinstance(value, tuple) else value, name)


def _dimensions(value: Any, name: str) -> tuple[int, ...]:
    if isinstance(value, np.ndarray):
        value = value.reshape(-1).tolist()
    return arguments.hidden_dims(value, name)


_CHECKS: dict[str, Callable[[Any, str], Any]] = {
    **dict.fromkeys(_COUNTS, _count),
    **dict.fromkeys(("hidden_dim", "synapse_dim"), _dimensions),
    **dict.fromkeys(_RATES, _rate),
    **dict.fromkeys(_TEXTS, _text),
    **dict.fromkeys(_FLAGS, _flag),
    "epoch_function": _functions,
    "error": _errors,
}
_SINGLE = frozenset({*_COUNTS, *_RATES, *_TEXTS, *_FLAGS})
