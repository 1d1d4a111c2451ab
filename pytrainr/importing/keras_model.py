"""``from_keras``: a model of Keras 3, or its files, as a model. Keras itself is not needed for that; h5py for files."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from pytrainr.argument_errors import wrong_value
from pytrainr.exact.layer_list import snake_case
from pytrainr.importing.building import NotImportableError, gates_in_our_order, model_of, width_of_input
from pytrainr.layers import (
    GRU,
    LAYERS,
    LSTM,
    Attention,
    Bidirectional,
    Conv1D,
    LayerNormalization,
    MultiHeadAttention,
    TimeDistributed,
)
from pytrainr.model import Model

__all__ = ["from_keras"]

_SHARED = (
    *("SimpleRNN", "GRU", "LSTM", "Bidirectional", "TimeDistributed", "Dense", "Activation", "Embedding"),
    *("Dropout", "SpatialDropout1D", "LayerNormalization", "Conv1D", "Flatten", "RepeatVector"),
    *("MaxPooling1D", "AveragePooling1D", "GlobalMaxPooling1D", "GlobalAveragePooling1D"),
    *("Attention", "AdditiveAttention", "MultiHeadAttention"),
)
"""Layers that are the same here and there."""

_ONLY: dict[str, tuple[Any, ...]] = {
    "recurrent_activation": ("sigmoid",),
    "go_backwards": (False,),
    "stateful": (False,),
    "return_state": (False,),
    "data_format": ("channels_last", None),
    "groups": (1,),
    "noise_shape": (None,),
    "rms_scaling": (False,),
    "keepdims": (False,),
}
"""Options of Keras's that ours have not, with what they may be."""

_ONLY_OF_ATTENTION: dict[str, tuple[Any, ...]] = {
    "dropout": (0, None),
    "score_mode": ("dot",),
    "output_shape": (None,),
    "attention_axes": (None, (1,), [1], 1),
    "use_gate": (False,),
    "sliding_window": (None,),
    "return_attention_scores": (False,),
}
"""Likewise, of the layers by which a sequence looks at itself."""

_PARTS = (
    *("forward_layer", "backward_layer", "cell", "layer"),
    *("query_dense", "key_dense", "value_dense", "output_dense"),
)


def from_keras(source: Any, layers: Sequence[Any] | None = None, steps: int | None = None, **options: Any) -> Model:
    """The model with the network of a Keras model.

    Parameters
    ----------
    source
        A model of Keras (``Sequential``, or a functional one whose layers follow each other), the path of a ``.keras``
        file, or of a ``.weights.h5`` file, which needs ``layers``. Files need h5py (``pip install 'pytrainr[keras]'``).
    layers
        Our layers, for a file that has weights alone.
    steps
        Time steps of the sequences that it will be trained on, where the model does not say; it predicts for any
        number that its layers allow.
    options
        Those of ``trainr`` for training on: ``loss``, ``learningrate``, ``batch_size``, ``numepochs``, ``dtype``, ….

    Raises
    ------
    ValueError
        For what cannot be taken over, by its name: a layer, an option, an activation.
    """
    shape: Sequence[int | None] = (None, None, None)
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        if path.suffix == ".keras":
            with zipfile.ZipFile(path) as archive:
                config = json.loads(archive.read("config.json"))
                file = io.BytesIO(archive.read("model.weights.h5"))
            described, shape = _chain(config["class_name"], config["config"])
            given = _arrays_of_file(file, [each["class_name"] for each in described])
        else:
            if layers is None:
                raise wrong_value("layers", "{place} should be given: a file of weights does not say what they are of")
            described = []
            given = _arrays_of_file(path, [type(layer).__name__ for layer in layers])
    elif hasattr(source, "get_config") and hasattr(source, "layers"):
        described, shape = _chain(type(source).__name__, source.get_config(), getattr(source, "input_shape", None))
        given = [layer.get_weights() for layer in source.layers if type(layer).__name__ != "InputLayer"]
    else:
        raise wrong_value(
            "source", "{place} should be a model of Keras, or the path of its file; it is {value}", value=source
        )
    if layers is None:
        layers = [_layer(each) for each in described]
    weights = []
    for number, (layer, arrays) in enumerate(zip(layers, given, strict=True), 1):
        rest = [np.asarray(array, dtype=np.float64) for array in arrays]
        try:
            weights += _weights(layer, rest)
        except IndexError:
            rest = [np.empty(0)]
        if rest:
            raise NotImportableError(
                f"layer {number} ({type(layer).__name__}) has not as many weights in Keras as here"
            )
    steps = _steps(steps, shape)
    return model_of(layers, weights, width_of_input(layers, weights, steps), steps, options)


def _steps(steps: int | None, shape: Sequence[int | None]) -> int:
    found = steps or (shape[1] if len(shape) > 1 else None)
    if found is None:
        raise wrong_value(
            "steps", "{place} should be given: the model takes sequences of any length, training on needs one"
        )
    return int(found)


# what the layers are --------------------------------------------------------------------------------------------------


def _chain(kind: str, config: Any, shape: Any = None) -> tuple[list[Any], Sequence[int | None]]:
    """The layers' descriptions, and the shape of what goes in."""
    described = config.get("layers") if isinstance(config, Mapping) else None
    if not described:
        raise NotImportableError(f"from_keras: {kind} is no model whose layers follow each other")
    before = None
    for each in described:
        sources = set(_sources(each.get("inbound_nodes", [])))
        if (before is not None and sources - {before}) or len(each.get("inbound_nodes", [])) > 1:
            raise NotImportableError(
                f"from_keras: layer {each['config']['name']!r} ({each['class_name']}) does not follow on the one "
                "before it alone: only a chain of layers can be taken over"
            )
        before = each["config"]["name"]
    first = described[0]
    if first["class_name"] == "InputLayer":
        shape = first["config"].get("batch_shape") or shape
    elif shape is None:
        shape = config.get("build_input_shape") or first.get("build_config", {}).get("input_shape")
    return [each for each in described if each["class_name"] != "InputLayer"], tuple(shape or (None, None, None))


def _sources(node: Any) -> list[str]:
    """The names of the layers that a description of calls mentions."""
    if isinstance(node, Mapping):
        own = [str(node["keras_history"][0])] if "keras_history" in node else []
        return own + [name for value in node.values() for name in _sources(value)]
    if isinstance(node, (list, tuple)):
        return [name for value in node for name in _sources(value)]
    return []


def _layer(described: Mapping[str, Any], backward: bool = False) -> Any:
    """Our layer of Keras's description."""
    kind, config = described["class_name"], described["config"]
    name = f"layer {config.get('name')!r} ({kind})"
    if kind.endswith("Attention"):
        return _attention(described, name)
    if kind not in _SHARED:
        raise NotImportableError(f"from_keras: {name} has no layer here; there are {', '.join(_SHARED)}")
    for option, allowed in _ONLY.items():
        value = config.get(option, allowed[0])
        if value not in allowed and not (backward and option == "go_backwards"):
            raise NotImportableError(f"from_keras: {name} has {option}={value!r}, here it is {allowed[0]!r}")
    if kind in ("GRU", "LSTM") and config.get("activation") != "tanh":
        raise NotImportableError(f"from_keras: {name} has activation={config.get('activation')!r}, here it is 'tanh'")
    if kind == "LayerNormalization" and config.get("axis") not in (-1, [-1], [2], 2):
        raise NotImportableError(f"from_keras: {name} has axis={config['axis']!r}, here it is the last")
    options = {}
    for field in fields(LAYERS[kind]):
        if field.name in config:
            value = config[field.name]
            options[field.name] = value[0] if isinstance(value, (list, tuple)) and len(value) == 1 else value
    if kind in ("Dense", "Conv1D") and options["activation"] == "linear":
        options["activation"] = None
    if "pool_size" in options and options["strides"] == options["pool_size"]:
        options["strides"] = None
    if kind in ("Bidirectional", "TimeDistributed"):
        options["layer"] = _layer(config["layer"])
    other = config.get("backward_layer") if kind == "Bidirectional" else None
    if other and _layer(other, backward=True) != options["layer"]:
        raise NotImportableError(f"from_keras: {name} has a backward_layer unlike its layer")
    activation = options.get("activation")
    if isinstance(activation, Mapping):
        raise NotImportableError(f"from_keras: {name} has an activation of its own, {activation.get('config')!r}")
    try:
        return LAYERS[kind](**options)
    except (ValueError, TypeError) as error:
        raise NotImportableError(f"from_keras: {name}: {error}") from None


def _attention(described: Mapping[str, Any], name: str) -> Any:
    """A layer by which a sequence looks at itself: what it was called with says whether a step sees later ones.

    Keras's additive attention is ours with the identity for Q and K.
    """
    kind = described["class_name"]
    asked = {**described["config"], **_call_options(described)}
    for option, allowed in _ONLY_OF_ATTENTION.items():
        if asked.get(option, allowed[0]) not in allowed:
            raise NotImportableError(f"from_keras: {name} has {option}={asked[option]!r}, here it is {allowed[0]!r}")
    causal = bool(asked.get("use_causal_mask"))
    if kind == "Attention":
        return Attention(use_scale=bool(asked["use_scale"]), use_causal_mask=causal)
    if kind == "AdditiveAttention":
        if not asked.get("use_scale", True):
            raise NotImportableError(f"from_keras: {name} has use_scale=False, here it is True: v is a weight")
        return Attention("additive", use_causal_mask=causal)
    if kind == "MultiHeadAttention":
        sizes = asked["num_heads"], asked["key_dim"], asked["value_dim"]
        return MultiHeadAttention(*sizes, use_bias=bool(asked["use_bias"]), use_causal_mask=causal)
    raise NotImportableError(f"from_keras: {name} has no layer here; there are {', '.join(_SHARED)}")


def _call_options(described: Mapping[str, Any]) -> Mapping[str, Any]:
    """What a layer of a functional model was called with, beyond what goes through it."""
    nodes = described.get("inbound_nodes") or [{}]
    return nodes[0].get("kwargs", {}) if isinstance(nodes[0], Mapping) else {}


# their weights --------------------------------------------------------------------------------------------------------


def _arrays_of_file(file: Any, kinds: Sequence[str]) -> list[list[np.ndarray]]:
    """The weights of each layer; in the file they go by the class, numbered from the second of a kind on."""
    try:
        import h5py
    except ModuleNotFoundError:
        raise ModuleNotFoundError("from_keras needs h5py to read files: pip install 'pytrainr[keras]'") from None
    seen: Counter[str] = Counter()
    found = []
    with h5py.File(file, "r") as weights:
        if "layers" not in weights:
            raise NotImportableError("from_keras: this is no file of weights as Keras 3 writes it")
        for kind in kinds:
            name = snake_case(kind)
            numbered = f"{name}_{seen[name]}" if seen[name] else name
            seen[name] += 1
            found.append(_arrays(weights["layers"][numbered]) if numbered in weights["layers"] else [])
    return found


def _arrays(group: Any) -> list[np.ndarray]:
    own = group.get("vars", {})
    arrays = [np.asarray(own[name]) for name in sorted(own, key=int)]
    for part in _PARTS:
        if part in group:
            arrays += _arrays(group[part])
    return arrays


def _weights(layer: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    """Keras's weights of a layer as ours, used up from the front of ``given``."""
    if isinstance(layer, Bidirectional):
        return [*_weights(layer.layer, given), *_weights(layer.layer, given)]
    if isinstance(layer, TimeDistributed):
        return _weights(layer.layer, given)
    if hasattr(layer, "gates"):
        arrays = [given.pop(0) for _ in range(2 + layer.use_bias)]
        if layer.use_bias and arrays[2].ndim == 2:  # a gru's that resets after the product
            arrays[2:] = list(arrays[2])
        gru = isinstance(layer, GRU)
        order = [1, 0, 2, 3] if isinstance(layer, LSTM) else list(range(len(layer.gates)))
        return [gates_in_our_order(layer, array, order, gru) for array in arrays]
    if isinstance(layer, Conv1D):
        kernel = given.pop(0)
        return [kernel.reshape(-1, kernel.shape[-1]), *(given.pop(0) for _ in range(layer.use_bias))]
    if isinstance(layer, Attention):
        return _attention_weights(layer, given)
    if isinstance(layer, MultiHeadAttention):
        return _heads_side_by_side(layer, given)
    count = {"Dense": 1 + getattr(layer, "use_bias", 0), "Embedding": 1}.get(type(layer).__name__, 0)
    if isinstance(layer, LayerNormalization):
        count = layer.scale + layer.center
    return [given.pop(0) for _ in range(count)]


def _attention_weights(layer: Attention, given: list[np.ndarray]) -> list[np.ndarray]:
    if layer.score_mode == "additive":
        score = given.pop(0)
        return [np.eye(len(score)), np.eye(len(score)), score]
    return [given.pop(0).reshape(1)] if layer.use_scale else []


def _heads_side_by_side(layer: MultiHeadAttention, given: list[np.ndarray]) -> list[np.ndarray]:
    """Keras has the heads as an axis of their own: query, key and value (width, heads, …), output (heads, …, width)."""
    weights: list[np.ndarray] = []
    for name in ("query", "key", "value", "output"):
        kernel = given.pop(0)
        weights.append(kernel.reshape(-1, kernel.shape[-1]) if name == "output" else kernel.reshape(len(kernel), -1))
        weights += [given.pop(0).reshape(-1) for _ in range(layer.use_bias)]
    return weights
