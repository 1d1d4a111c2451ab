"""``model.to_safetensors()``: the weights under ``to_torch``'s names, and beside them what the network is."""

from __future__ import annotations

import json
import os
from typing import Any

import numpy as np

from pytrainr.exact.layer_list import described
from pytrainr.export.of_model import NotExportableError, network_as_layers, scales_of
from pytrainr.r_list import RList

__all__ = ["KEY", "safetensors", "to_safetensors"]

KEY = "pytrainr"
"""Where the metadata say what the network is."""


def to_safetensors(model: RList, path: str | os.PathLike[str]) -> None:
    """Write the file; see :meth:`pytrainr.Model.to_safetensors`."""
    package = safetensors()
    network = network_as_layers(model)
    if network.steps_after:
        raise NotExportableError("seq_to_seq_unsync with an output of several steps is no list of layers alone")
    tensors = {}
    for (place, name), weight in network.weights.items():
        tensors["_".join([*map(str, place), name])] = np.ascontiguousarray(weight, dtype=network.dtype)
    for side, scale in scales_of(model, network).items():
        if scale is not None:
            tensors[f"{side}_center"], tensors[f"{side}_scale"] = (
                np.ascontiguousarray(each, np.float64) for each in scale
            )
    about = {
        "layers": described(network.layers),
        "input_dim": network.input_dim,
        "steps": network.steps,
        "options": {
            "dtype": network.dtype.name,
            **({"loss": model.loss} if model.exact else {}),
            **({"mask": "nan"} if network.padded and model.get("mask") is not None else {}),
        },
    }
    package.save_file(tensors, os.fspath(path), metadata={KEY: json.dumps(about)})


def safetensors() -> Any:
    """The package's functions for numpy."""
    try:
        from safetensors import numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError("safetensors files need safetensors: pip install 'pytrainr[safetensors]'") from None
    return numpy
