"""Models between messages and the library's Model."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from trainr import wire
from trainr.v1 import model_pb2

import pytrainr
from pytrainr.function_names import function_named
from pytrainr.storage import write_atomically

_FORMATS = {name.rpartition("_")[2].lower(): name for name, number in model_pb2.ModelFileFormat.items() if number}


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


def file_format(path: str | os.PathLike[str], format: str | None) -> str:
    """The wire's name of the format that is asked for by name, or that the path ends in."""
    chosen = Path(path).suffix.lower().removeprefix(".") if format is None else format
    if chosen not in _FORMATS:
        of = "format" if format is not None else "path"
        shown = format if format is not None else os.fspath(path)
        raise ValueError(f"{of} is {shown!r}; it should be or end in one of {', '.join(_FORMATS)}")
    return _FORMATS[chosen]


def write_file(path: str | os.PathLike[str], parts: Iterator[model_pb2.ModelFilePart]) -> None:
    """Write what comes in parts to a file."""
    write_atomically(path, (part.data for part in parts), durable=False)
