"""Models between messages and the library's Model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from trainr import wire
from trainr.v1 import model_pb2

import pytrainr
from pytrainr.function_names import PROVIDED


class UnknownFunction:
    """Stands for a function of which a stored model has only the name; calling it says so."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, model: pytrainr.Model) -> pytrainr.Model:
        raise TypeError(
            f"this model came from a server, which knows its function {self.__name__!r} only by name; "
            "put the function itself in its place, for example model.epoch_function = [my_function]"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownFunction) and other.__name__ == self.__name__

    def __hash__(self) -> int:
        return hash(self.__name__)

    def __repr__(self) -> str:
        return f"<function {self.__name__}, known by name only>"


def model_of(parts: Iterable[model_pb2.ModelPart], functions: Mapping[str, Callable] | None = None) -> pytrainr.Model:
    """The model that was streamed in parts; ``functions`` gives functions by name."""
    joiner = wire.ModelJoiner()
    for part in parts:
        joiner.add(part)
    return joined(joiner, functions)


def joined(joiner: wire.ModelJoiner, functions: Mapping[str, Callable] | None = None) -> pytrainr.Model:
    """The model of complete parts."""

    def function(name: str, field: str) -> Callable:
        if functions and name in functions:
            return functions[name]
        return PROVIDED[name]() if name in PROVIDED else UnknownFunction(name)

    return pytrainr.Model.from_fields(wire.decode_model(joiner.model(), joiner.array, function))


def message_of(model: pytrainr.Model, *, without: Iterable[str] = ()) -> model_pb2.Model:
    """The model as a message, without some fields. Raises ``TypeError`` for fields that cannot be sent."""
    left_out = set(without)
    fields: dict[str, Any] = {name: value for name, value in model.items() if name not in left_out}
    try:
        return wire.encode_model(fields)
    except wire.WireError as error:
        raise TypeError(f"model.{error}") from None
