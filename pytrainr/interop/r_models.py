"""Models as R saves them: ``read_r_model("m.rds")``, ``write_r_model(model, "m.rds")``."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pytrainr.interop.r_functions import RClosure, known_function, r_function
from pytrainr.model import Model
from pytrainr.model_fields import checked_model, is_array_list
from pytrainr.network import network_of
from pytrainr.r_list import TRAINING_SIZED

__all__ = ["RModelFileError", "read_r_model", "write_r_model"]

WEIGHTS = ("time_synapse", "recurrent_synapse", "bias_synapse")
DIMENSIONS = ("hidden_dim", "synapse_dim")
INTEGERS_IN_R = ("input_dim", "output_dim", "time_dim", "time_dim_input", "current_epoch")


class RModelFileError(ValueError):
    """The file is not a model that R's ``saveRDS`` has written."""


# reading ----------------------------------------------------------------------------------------------------------


def read_r_model(path: str | os.PathLike[str], *, functions: Mapping[str, Callable] | None = None) -> Model:
    """The model that R saved by ``saveRDS(model, path)``, trained by ``rnn::trainr`` or ``rnnremote::trainr``.

    R's own ``epoch_print``, ``epoch_annealing`` and ``loss_L1`` become pytrainr's. Functions that the R user wrote
    cannot run here: ``functions`` may give, by the model's field ("epoch_function", "loss_function"), what to put in
    their place; otherwise a function stands there that says so when training calls it. Prediction needs none of them.

    Raises ``RModelFileError`` where the file is not such a model, ``ModuleNotFoundError`` without the library rdata
    (``pip install 'pytrainr[rdata]'``, Python 3.11 or newer).
    """
    r_files = _r_files()
    try:
        names, values = r_files.read_list(Path(path))
    except r_files.RFileError as problem:
        raise RModelFileError(f"{path}: {problem}") from problem
    weights = () if "layers" in names else WEIGHTS  # those of layers are named after them
    missing = [name for name in ("network_type", "synapse_dim", "time_dim", *weights) if name not in names]
    if missing:
        raise RModelFileError(f"{path}: this is not a model of trainr, it has no {', '.join(missing)}")
    fields = {name: _python_value(name, value) for name, value in zip(names, values, strict=True)}
    fields.update(functions or {})
    try:
        return checked_model(fields)
    except (ValueError, TypeError) as problem:
        raise RModelFileError(f"{path}: {problem}") from problem


def _r_files() -> Any:
    """The module that needs rdata; an error that says what to install where it is missing."""
    try:
        from pytrainr.interop import r_files
    except ModuleNotFoundError as problem:
        raise ModuleNotFoundError(
            f"R's model files need the library rdata ({problem}): pip install 'pytrainr[rdata]', Python 3.11 or newer"
        ) from problem
    return r_files


def _python_value(name: str, value: Any) -> Any:
    """A field with Python's single values for R's vectors of length 1; the lists of arrays have vectors in them."""
    if is_array_list(name):
        return value
    if name == "epoch_function":
        return [_function(name, f) for f in (value if isinstance(value, Sequence) else [value])]
    if isinstance(value, RClosure):
        return _function(name, value)
    if name == "layers":
        return _layers(value)
    return value[0].item() if isinstance(value, np.ndarray) and value.shape == (1,) else value


def _layers(value: Any) -> Any:
    """The descriptions of layers, which are lists within lists of R's vectors."""
    if isinstance(value, Mapping):
        return {name: _layers(option) for name, option in value.items()}
    if isinstance(value, np.ndarray):
        return value.tolist() if value.size != 1 else value[0].item()
    return [_layers(each) for each in value] if isinstance(value, (list, tuple)) else value


def _function(name: str, function: Any) -> Callable:
    """pytrainr's function for R's, or one that says that it cannot run here."""
    if not isinstance(function, RClosure):
        raise RModelFileError(f"its field {name} holds {function!r}, which is not a function")
    known = known_function(function)
    if known is not None:
        return known

    def function_of_the_r_user(model: Model) -> Model:
        raise ValueError(
            f"model.{name} is a function that was written in R, which cannot run in Python; set model.{name} to one of "
            "your own, such as (pytrainr.epoch_print, pytrainr.epoch_annealing) or pytrainr.loss_L1"
        )

    return function_of_the_r_user


# writing ----------------------------------------------------------------------------------------------------------


def write_r_model(model: Model, path: str | os.PathLike[str], *, keep_store: bool = False) -> None:
    """Write the model for R's ``readRDS``, to be used by ``rnn::predictr``, ``rnn::trainr(model = )`` and rnnremote.

    ``epoch_print``, ``epoch_annealing`` and ``loss_L1`` are written as R functions; any other function becomes one that
    stops with its name. The training-sized fields are left out unless ``keep_store=True``. ``rnn::trainr(model = )``
    wants them (``predictr`` does not), so where the model was trained without them ``keep_store=True`` writes zeros,
    which further training overwrites.

    Raises ``TypeError`` that names the field for a value R has no form for, ``ModuleNotFoundError`` without the library
    rdata (``pip install 'pytrainr[rdata]'``, Python 3.11 or newer).
    """
    r_files = _r_files()
    fields = {name: value for name, value in model.items() if keep_store or name not in TRAINING_SIZED}
    if keep_store and "store" not in fields:
        fields.update(_empty_store(model))
    converted = {name: _r_value(name, value) for name, value in fields.items()}
    r_files.write_list(converted, {"error": np.asarray(model.mean_error, dtype=np.float64)}, Path(path))


def _empty_store(model: Model) -> dict[str, Any]:
    """Zeros in the shapes of the training-sized fields."""
    shapes = [(model.error.shape[0], *shape) for shape in network_of(model).store_shapes(model.time_dim)]
    return {
        "last_layer_error": np.zeros(shapes[-1]),
        "last_layer_delta": np.zeros(shapes[-1]),
        "store": [np.zeros(shape) for shape in shapes],
    }


def _r_value(name: str, value: Any) -> Any:
    """A field with the type that R gives it."""
    if is_array_list(name):
        return [np.asarray(layer, dtype=np.float64) for layer in value]
    if name in DIMENSIONS:
        return np.asarray(value, dtype=np.float64)
    if name in INTEGERS_IN_R:
        return np.array([value], dtype=np.int32)
    if name == "epoch_function":
        return [r_function(f) for f in (value if isinstance(value, Sequence) else [value])]
    if callable(value):
        return r_function(value)
    if isinstance(value, (bool, np.bool_)):
        return np.array([value])
    if isinstance(value, (int, float, np.number)):
        return np.array([value], dtype=np.float64)
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "fiub":
            raise TypeError(f"model.{name} holds {value.dtype}, for which R has no type")
        small = value.dtype.kind in "iu" and np.all(np.abs(value.astype(np.float64)) < 2**31)  # R's integers
        return value if value.dtype.kind == "b" else value.astype(np.int32 if small else np.float64)
    if isinstance(value, Mapping):
        return {str(key): _r_value(f"{name}[{key!r}]", item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        if value and all(isinstance(item, (int, float)) for item in value):
            return np.asarray(value, dtype=np.float64)
        return [_r_value(f"{name}[{i}]", item) for i, item in enumerate(value)]
    if value is None or isinstance(value, str):
        return value
    raise TypeError(f"model.{name} is of type {type(value).__name__}, for which R has no form")
