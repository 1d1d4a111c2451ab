"""From a list of layers and their weights to a model that predicts, steps, is saved and is trained on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytrainr.argument_errors import wrong_value
from pytrainr.exact.layers.embedding import Embedding
from pytrainr.exact.losses import target_variables
from pytrainr.exact.plan import weights_of
from pytrainr.model import Model
from pytrainr.r_arguments import R_CHECKS
from pytrainr.r_random import RRandom
from pytrainr.training import Training

__all__ = ["NotImportableError", "gates_in_our_order", "model_of", "width_of_input"]


class NotImportableError(ValueError):
    """Something of a network that pytrainr has not; the message names it."""


def gates_in_our_order(layer: Any, matrix: np.ndarray, order: Sequence[int], old_share: bool) -> np.ndarray:
    """The gates side by side in ``matrix`` (…, gates·units) in pytrainr's order: ``order[k]`` is where our k-th is.

    ``old_share``: a gru's first gate there is the share of the old state, z here that of the new, σ(−a) = 1 − σ(a).
    """
    gates = np.split(matrix, len(layer.gates), axis=-1)
    ours = [gates[place] for place in order]
    if old_share:
        ours[0] = -ours[0]
    return np.concatenate(ours, axis=-1)


def model_of(
    layers: Sequence[Any],
    weights: Sequence[np.ndarray],
    input_dim: int,
    steps: int,
    options: Mapping[str, Any],
) -> Model:
    """The model with these weights, in the layers' order; ``options`` are those of ``trainr`` for training it on."""
    if not weights:
        raise NotImportableError("the layers have no weights: there is nothing to take over")
    shape = steps, input_dim
    for layer in layers:
        shape = layer.output_shape(*shape)
    options = {"learningrate": 0.001, "update_rule": "adam", **options}
    batch_size = R_CHECKS["batch_size"](options.pop("batch_size", 1), "batch_size")
    width = target_variables(options.get("loss") or "squared", shape[1])
    targets = np.zeros((1, shape[0], width))
    targets[:, :, 0] = width == shape[1]  # a target that any output may have
    training = Training(
        targets, np.zeros((1, steps, input_dim)), exact=True, layers=list(layers), rng=RRandom(0), **options
    )
    training.model.batch_size = batch_size
    model, network = training.model, training.network
    flat = training.state["weights"]
    needed = list(weights_of(layers, steps, input_dim))
    if len(needed) != len(weights):
        raise NotImportableError(f"the layers have {len(needed)} weights, {len(weights)} were given for them")
    places = network.options.places  # type: ignore[attr-defined]
    for (path, layer, weight), given in zip(needed, weights, strict=True):
        if tuple(given.shape) != tuple(weight.shape):
            raise wrong_value(
                "layers",
                f"{{place}}: {weight.name} of layer {int(path[0]) + 1} ({type(layer).__name__}) has the shape "
                f"{tuple(weight.shape)}, what was given for it {tuple(given.shape)}",
            )
        place = places[path, weight.name]
        flat[place : place + given.size] = np.asarray(given, dtype=np.float64).ravel()
    return model


def width_of_input(layers: Sequence[Any], weights: Sequence[np.ndarray], steps: int) -> int:
    """How many variables the first layer reads: those with which the most weights, from the first on, have the shapes
    that were given."""
    if not weights or isinstance(layers[0], Embedding):
        return 1
    given = [tuple(weight.shape) for weight in weights]

    def fitting(width: int) -> int:
        try:
            needed = [tuple(weight.shape) for _, _, weight in weights_of(layers, steps, width)]
        except ValueError:
            return 0
        pairs = zip(given, needed, strict=False)
        return next((count for count, (here, there) in enumerate(pairs) if here != there), len(given))

    widths = range(1, max(shape[0] for shape in given) + 1)
    best = max(widths, key=fitting)
    return best if fitting(best) else given[0][0]  # model_of will say what does not fit
