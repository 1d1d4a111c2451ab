"""What every export needs of a model: its network as layers, its weights by place, the scales of its variables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from pytrainr.network import kept_network
from pytrainr.r_list import RList

__all__ = ["Network", "NotExportableError", "Path", "Scale", "check_used", "network_as_layers", "scale_of", "scales_of"]

Path = tuple[int | str, ...]


class NotExportableError(ValueError):
    """Something of the network that the target cannot say; the message names it."""


class Scale(NamedTuple):
    """Center and scale of each variable."""

    center: np.ndarray
    scale: np.ndarray


def scale_of(model: RList, side: str, variables: int) -> Scale | None:
    """The normalisation that the model keeps for its ``side``, "input" or "output", if any."""
    if f"{side}_center" not in model:
        return None
    center, scale = (np.empty(variables) for _ in range(2))
    center[...], scale[...] = model[f"{side}_center"], model[f"{side}_scale"]
    return Scale(center, scale)


@dataclass(frozen=True)
class Network:
    """Any network as a list of layers.

    ``weights`` by the path of their layer and their name; ``steps`` and ``output_steps`` are those of training, in
    which ``steps_after`` of zeros follow X; ``padded``: NaN in X is no entry.
    """

    layers: tuple[Any, ...]
    weights: dict[tuple[Path, str], np.ndarray]
    input_dim: int
    output_dim: int
    steps: int
    output_steps: int
    steps_after: int
    padded: bool
    dtype: np.dtype

    def shape_of(self, path: Path) -> tuple[int, int]:
        """(steps, width) of what comes out of a layer of the list, for as many steps as in training."""
        shape = self.steps, self.input_dim
        for layer in self.layers[: int(path[0]) + 1]:
            shape = layer.output_shape(*shape)
        return shape


def scales_of(model: RList, network: Network) -> dict[str, Scale | None]:
    """The scales of both ends."""
    return {
        "input": scale_of(model, "input", network.input_dim),
        "output": scale_of(model, "output", network.output_dim),
    }


def network_as_layers(model: RList) -> Network:
    """The model's network; raises ``NotExportableError`` where R's arithmetic is no list of layers."""
    after = int(model.time_dim) - int(model.time_dim_input) if model.get("seq_to_seq_unsync") else 0
    if not model.exact:
        return _of_r(model, after)
    network: Any
    network, flat = kept_network(model)  # type: ignore[assignment]
    if model.get("one_to_many") and model.time_dim > 1:
        after = int(model.time_dim) - 1
    from pytrainr.exact.plan import weights_of

    options, weights = network.options, {}
    for path, _, weight in weights_of(options.layers, options.steps, options.input_dim):
        place, size = options.places[path, weight.name], int(np.prod(weight.shape))
        weights[path, weight.name] = flat[place : place + size].reshape(weight.shape)
    _check_finite(weights)
    shape = options.input_dim, int(model.output_dim), int(options.steps), int(model.output_time_dim)
    return Network(tuple(options.layers), weights, *shape, after, options.padded, network.dtype)


def _of_r(model: RList, after: int) -> Network:
    """R's networks are layers too, but for the recycled bias."""
    from pytrainr.layers import GRU, LSTM, Dense, LastSteps, SimpleRNN

    if model.use_bias:
        raise NotExportableError(
            "R's bias (use_bias=True) depends on how many samples are predicted together, which only to_c can say; "
            "exact=True has an ordinary one"
        )
    network, flat = kept_network(model)
    gates = {"rnn": 1, "gru": 3, "lstm": 4}[model.network_type]
    options: dict[str, Any] = {"use_bias": False, "return_sequences": True}
    layers: list[Any] = []
    weights: dict[tuple[Path, str], np.ndarray] = {}
    for number, units in enumerate(model.hidden_dim):
        if model.network_type == "rnn":
            layers.append(SimpleRNN(units, activation=model.sigmoid, **options))
        else:
            layers.append(GRU(units, reset_after=False, **options) if gates == 3 else LSTM(units, **options))
        for name, field in (("kernel", "time_synapse"), ("recurrent_kernel", "recurrent_synapse")):
            block = network.layout.find(field, number)
            stored = flat[block.offset : block.offset + block.size]
            weights[(number,), name] = stored.reshape(block.rows, -1)
    top = len(layers)
    sigmoid = model.sigmoid if model.network_type == "rnn" else "logistic"
    output_steps = int(model.time_dim)
    layers.append(Dense(int(model.output_dim), activation=sigmoid, use_bias=False))
    weights[(top,), "kernel"] = network.layout.find("time_synapse", top).view(flat)
    if after:
        output_steps = after + 1
        layers.append(LastSteps(output_steps))
    _check_finite(weights)
    shape = int(model.input_dim), int(model.output_dim), int(model.time_dim), output_steps
    return Network(tuple(layers), weights, *shape, after, False, np.dtype(np.float64))


def check_used(layer: str, unused: Iterable[str], target: str) -> None:
    """Raise ``NotExportableError`` where a target has not used all of a layer's weights."""
    for name in unused:
        raise NotExportableError(f"{layer} with {name} has no form in {target} yet")


def _check_finite(weights: dict[tuple[Path, str], np.ndarray]) -> None:
    for weight in weights.values():
        if not np.isfinite(weight).all():
            raise NotExportableError("a weight is no finite number: the training diverged")
