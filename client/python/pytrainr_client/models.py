"""Models between messages and the library's Model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trainr import wire
from trainr.v1 import model_pb2

import pytrainr
from pytrainr.function_names import function_named


def model_of(parts: Iterable[model_pb2.ModelPart], functions: Mapping[str, Callable] | None = None) -> pytrainr.Model:
    """The model that was streamed in parts; ``functions`` gives functions by name."""
    joiner = wire.ModelJoiner()
    for part in parts:
        joiner.add(part)
    return joined(joiner, functions)


def joined(joiner: wire.ModelJoiner, functions: Mapping[str, Callable] | None = None) -> pytrainr.Model:
    """The model of complete parts."""

    def function(name: str, field: str) -> Callable:
        return function_named(name, functions)

    return pytrainr.Model.from_fields(wire.decode_model(joiner.model(), joiner.array, function))


def message_of(model: pytrainr.Model, *, without: Iterable[str] = ()) -> model_pb2.Model:
    """The model as a message, without some fields. Raises ``TypeError`` for fields that cannot be sent."""
    left_out = set(without)
    fields: dict[str, Any] = {name: value for name, value in model.items() if name not in left_out}
    try:
        return wire.encode_model(fields)
    except wire.WireError as error:
        raise TypeError(f"model.{error}") from None
