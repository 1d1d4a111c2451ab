"""A model's fields as they come from elsewhere, from R or in a message: checked, complete, with the types of training.

R has no single numbers, texts or flags, only vectors, and its whole numbers are often doubles: what a field is follows
from its name. What a network computes follows from its options, so a model that lacks one is refused, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from pytrainr.argument_errors import wrong_type, wrong_value
from pytrainr.model import Model
from pytrainr.model_checks import check_model
from pytrainr.network import layout_of

__all__ = ["checked_model", "is_array_list", "typed_field"]

_FLAGS = ("use_bias", "seq_to_seq_unsync", "exact")
_SINGLE = frozenset({*_FLAGS, "batch_size"})
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
    or cannot be what it should (:func:`pytrainr.model_checks.check_model`).
    """
    typed = {name: typed_field(name, value) for name, value in fields.items()}
    if typed.get("exact") is True:
        from pytrainr.exact.options import complete_exact_fields

        complete_exact_fields(typed)
    typed.setdefault("epoch_function", [])  # R's NULL: none
    model = Model(typed)
    check_model(model, layout_of)
    return model


def typed_field(name: str, value: Any) -> Any:
    """A field's value with the type that training gives it. Raises ``ValueError`` or ``TypeError`` that names it."""
    if is_array_list(name):
        return _arrays(name, value)
    if name == "error":
        return _errors(value)
    value = _single(value) if name in _SINGLE else value
    if name in _FLAGS and isinstance(value, (int, float)) and value in (0, 1):
        return bool(value)  # as R's ``if`` takes it
    if name == "batch_size" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _arrays(name: str, value: Any) -> list[np.ndarray]:
    if not isinstance(value, (list, tuple)):
        raise wrong_type(name, "{place} should be a list of arrays, it is {value}", value=value)
    try:
        return [np.atleast_1d(np.asarray(layer, dtype=np.float64)) for layer in value]
    except (ValueError, TypeError):
        raise wrong_type(name, "{place} should be a list of arrays of numbers") from None


def _errors(value: Any) -> Any:
    if value is None:
        return None
    array = np.asarray(value, dtype=np.float64)
    if array.ndim != 2:
        raise wrong_value("error", "{place} should be of (samples, epochs), its shape is {shape}", shape=array.shape)
    return array


def _single(value: Any) -> Any:
    return value.reshape(-1)[0].item() if isinstance(value, np.ndarray) and value.size == 1 else value
