"""``from_torch``: a module of PyTorch, or its ``state_dict``, as a model. PyTorch itself is not needed for that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise, permutations
from typing import Any, NamedTuple

import numpy as np

from pytrainr.argument_errors import wrong_value
from pytrainr.importing.building import NotImportableError, gates_in_our_order, model_of, width_of_input
from pytrainr.layers import (
    GRU,
    LSTM,
    Activation,
    Bidirectional,
    Conv1D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    LayerNormalization,
    SimpleRNN,
)
from pytrainr.model import Model
from pytrainr.series.normalisation import MODEL_FIELDS

__all__ = ["from_named_weights", "from_torch"]

_ORDER = {1: [0], 3: [1, 0, 2], 4: [1, 0, 2, 3]}  # PyTorch's r, z, n and i, f, g, o in ours, by the number of gates
_LEVEL = re.compile(r"(weight|bias)_(ih|hh|hr)_l(\d+)(_reverse)?$")
_MOST_PIECES = 7
_OURS = re.compile(r"\d+_\w+$")


class Piece(NamedTuple):
    """A layer with weights: what it is here, and its weights in our order."""

    layers: list[Any]
    weights: list[np.ndarray]


def from_torch(
    source: Any,
    steps: int,
    layers: Sequence[Any] | None = None,
    *,
    return_sequences: bool = False,
    in_order: bool = True,
    **options: Any,
) -> Model:
    """The model with the network of a ``torch.nn.Module``, or of its ``state_dict()``.

    Parameters
    ----------
    source
        A module whose parts follow each other as they were defined: ``nn.RNN``, ``GRU``, ``LSTM`` (stacked,
        bidirectional, projected), ``Linear``, ``Embedding``, ``LayerNorm``, ``Conv1d``, ``Dropout``, ``Flatten``,
        ``Tanh``, ``Sigmoid``, ``ReLU``, ``Softmax``; or what ``model.to_torch()`` gave, trained on. Of a state_dict
        the names tell rnn (tanh), gru and lstm, and a matrix with a bias is a ``Linear``; for anything else give
        ``layers``.
    steps
        Time steps of the sequences that it will be trained on; it predicts for any number.
    layers
        Our layers, where their weights alone are to be taken over.
    return_sequences
        Whether the last recurrent layer gives all its states, or the last (of ``Bidirectional`` the one each direction
        ends in, as PyTorch's h_n).
    in_order
        Whether a state_dict has its names in the order of the layers, as PyTorch gives it. Else they are put so that
        each reads what the one before gives out.
    options
        Those of ``trainr`` for training on: ``loss``, ``learningrate``, ``batch_size``, ``numepochs``, ``dtype``, ….

    Raises
    ------
    ValueError
        For what cannot be taken over, by its name.
    """
    named = _state(source)
    if hasattr(source, "_network") and all(_OURS.match(name) for name in named):  # to_torch's own
        network = source._network
        for side, scale in source._scales.items():
            if scale is not None:
                options |= {f"{side}_center": scale.center, f"{side}_scale": scale.scale}
        return from_named_weights(named, layers or network.layers, network.input_dim, steps, options)
    if layers is not None and all(_OURS.match(name) for name in named):
        return from_named_weights(named, layers, None, steps, options)
    if hasattr(source, "named_modules"):
        pieces = _of_module(source, named)
    else:
        pieces = _of_names(named) if in_order else _chained(_of_names(named))
    if layers is None:
        layers = [layer for piece in pieces for layer in piece.layers]
        layers = _last_state(layers, return_sequences)
    weights = [weight for piece in pieces for weight in piece.weights]
    return model_of(layers, weights, width_of_input(layers, weights, steps), steps, options)


def from_named_weights(
    named: Mapping[str, np.ndarray],
    layers: Sequence[Any],
    input_dim: int | None,
    steps: int,
    options: Mapping[str, Any],
) -> Model:
    """The model whose weights have the names that ``to_torch`` gives them; scales may be among them."""
    from pytrainr.exact.plan import weights_of

    weights = {name: array for name, array in named.items() if name not in MODEL_FIELDS}
    options = {**options, **{name: named[name] for name in MODEL_FIELDS if name in named}}
    if input_dim is None:
        input_dim = width_of_input(layers, list(weights.values()), steps)
    names = ["_".join([*map(str, path), weight.name]) for path, _, weight in weights_of(layers, steps, input_dim)]
    if set(names) != set(weights):
        odd = sorted(set(names) ^ set(weights))[0]
        where = "is missing among the weights" if odd in names else "is no weight of the layers"
        raise NotImportableError(f"{odd!r} {where}")
    return model_of(layers, [weights[name] for name in names], input_dim, steps, options)


def _state(source: Any) -> dict[str, np.ndarray]:
    if hasattr(source, "state_dict"):
        source = source.state_dict()
    if not isinstance(source, Mapping):
        raise wrong_value(
            "source", "{place} should be a module of PyTorch or its state_dict(), it is {value}", value=source
        )
    arrays = {}
    for name, tensor in source.items():
        tensor = tensor.detach().cpu() if hasattr(tensor, "detach") else tensor
        if "bfloat16" in str(getattr(tensor, "dtype", "")):
            tensor = tensor.float()
        arrays[str(name)] = np.asarray(tensor, dtype=np.float64)
    return arrays


def _last_state(layers: list[Any], return_sequences: bool) -> list[Any]:
    """The last recurrent layer as asked for; those below it give all their states."""
    from dataclasses import replace

    places = [k for k, layer in enumerate(layers) if isinstance(layer, (SimpleRNN, GRU, LSTM, Bidirectional))]
    if places and not return_sequences:
        last = layers[places[-1]]
        if isinstance(last, Bidirectional):
            last = replace(last, layer=replace(last.layer, return_sequences=False))
        else:
            last = replace(last, return_sequences=False)
        layers[places[-1]] = last
    return layers


# modules --------------------------------------------------------------------------------------------------------------


def _of_module(module: Any, named: Mapping[str, np.ndarray]) -> list[Piece]:
    pieces = []
    for name, part in module.named_modules():
        if any(True for _ in part.children()):
            own = [each for each, _ in part.named_parameters(recurse=False)]
            if own:
                raise NotImportableError(
                    f"from_torch: {name or type(part).__name__} has a parameter of its own, {own[0]}"
                )
            continue
        state = {key[len(name) + 1 if name else 0 :]: value for key, value in named.items() if _within(key, name)}
        kind = next(
            (base.__name__ for base in type(part).__mro__ if base.__module__.startswith("torch.nn.modules")), ""
        )
        if kind not in _MODULES:
            shown = f"{name!r} ({type(part).__name__})" if name else type(part).__name__
            raise NotImportableError(f"from_torch: {shown} has no layer here; there are {', '.join(_MODULES)}")
        pieces.append(_MODULES[kind](part, state, name))
    return pieces


def _within(key: str, name: str) -> bool:
    return not name or key.startswith(name + ".")


def _need(name: str, right: bool, what: str) -> None:
    if not right:
        raise NotImportableError(f"from_torch: {name or 'the module'}: {what}")


def _recurrent(part: Any, state: Mapping[str, np.ndarray], name: str) -> Piece:
    activation = getattr(part, "nonlinearity", "tanh")
    return _levels(state, name, activation=activation, dropout=float(part.dropout))


def _levels(state: Mapping[str, np.ndarray], name: str, activation: str = "tanh", dropout: float = 0.0) -> Piece:
    """All levels of an rnn, gru or lstm."""
    levels: dict[int, dict[bool, dict[str, np.ndarray]]] = {}
    for key, array in state.items():
        match = _LEVEL.match(key)
        _need(name, match is not None, f"{key} is no weight of a recurrent layer")
        assert match is not None
        sides = levels.setdefault(int(match[3]), {})
        sides.setdefault(bool(match[4]), {})[f"{match[1]}_{match[2]}"] = array
    layers: list[Any] = []
    weights: list[np.ndarray] = []
    for number in sorted(levels):
        if number and dropout:
            layers.append(Dropout(dropout))
        sides = levels[number]
        layer = _cell(sides[False], activation)
        layers.append(Bidirectional(layer) if True in sides else layer)
        for backward in sorted(sides):
            weights += _cell_weights(layer, sides[backward])
    return Piece(layers, weights)


def _cell(state: Mapping[str, np.ndarray], activation: str) -> Any:
    rows, outputs = state["weight_hh"].shape
    projection = outputs if "weight_hr" in state else 0
    units = state["weight_hr"].shape[1] if projection else outputs
    options: dict[str, Any] = {"use_bias": "bias_ih" in state, "return_sequences": True}
    gates = rows // units
    if gates == 1:
        return SimpleRNN(units, activation=activation, **options)
    return GRU(units, **options) if gates == 3 else LSTM(units, projection=projection, **options)


def _cell_weights(layer: Any, state: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    gru = isinstance(layer, GRU)

    def ours(name: str) -> np.ndarray:
        return gates_in_our_order(layer, state[name].T, _ORDER[len(layer.gates)], gru)

    weights = [ours("weight_ih"), ours("weight_hh")]
    if layer.use_bias:
        weights += [ours("bias_ih"), ours("bias_hh")] if gru else [ours("bias_ih") + ours("bias_hh")]
    if "weight_hr" in state:
        weights.append(state["weight_hr"].T)
    return weights


def _linear(part: Any, state: Mapping[str, np.ndarray], name: str) -> Piece:
    return _dense(state)


def _dense(state: Mapping[str, np.ndarray]) -> Piece:
    bias = [state["bias"]] if "bias" in state else []
    return Piece([Dense(state["weight"].shape[0], use_bias=bool(bias))], [state["weight"].T, *bias])


def _embedding(part: Any, state: Mapping[str, np.ndarray], name: str) -> Piece:
    _need(name, part.max_norm is None, "max_norm is not there")
    return Piece([Embedding(*state["weight"].shape)], [state["weight"]])


def _layer_norm(part: Any, state: Mapping[str, np.ndarray], name: str) -> Piece:
    _need(name, len(part.normalized_shape) == 1, "normalised over more than the variables of a step")
    weights = [state[key] for key in ("weight", "bias") if key in state]
    layer = LayerNormalization(float(part.eps), center="bias" in state, scale="weight" in state)
    return Piece([layer], weights)


def _conv1d(part: Any, state: Mapping[str, np.ndarray], name: str) -> Piece:
    _need(name, part.groups == 1, f"groups={part.groups} is not there")
    _need(
        name,
        part.padding_mode == "zeros" or part.padding in ((0,), "valid"),
        f"padding_mode={part.padding_mode!r} is not there",
    )
    filters, _, taps = state["weight"].shape
    padding = "valid" if part.padding in ((0,), "valid") else part.padding
    same = (part.dilation[0] * (taps - 1)) / 2
    if padding == (same,) and part.stride == (1,):
        padding = "same"
    _need(name, padding in ("valid", "same"), f"padding={part.padding} is not there, only none, or 'same'")
    options = {"strides": part.stride[0], "padding": padding, "dilation_rate": part.dilation[0]}
    kernel = state["weight"].transpose(2, 1, 0).reshape(-1, filters)
    bias = [state["bias"]] if "bias" in state else []
    return Piece([Conv1D(filters, taps, use_bias=bool(bias), **options)], [kernel, *bias])


def _dropout(part: Any, state: Mapping[str, np.ndarray], name: str) -> Piece:
    return Piece([Dropout(float(part.p))], [])


def _softmax(part: Any, state: Mapping[str, np.ndarray], name: str) -> Piece:
    _need(name, part.dim in (-1, 2), f"softmax over dim={part.dim}, not over the variables of a step (dim=-1)")
    return Piece([Activation("softmax")], [])


def _plain(*layers: Any) -> Any:
    return lambda part, state, name: Piece(list(layers), [])


_MODULES = {
    **dict.fromkeys(("RNN", "GRU", "LSTM"), _recurrent),
    **{"Linear": _linear, "Embedding": _embedding, "LayerNorm": _layer_norm, "Conv1d": _conv1d, "Dropout": _dropout},
    **{"Tanh": _plain(Activation("tanh")), "Sigmoid": _plain(Activation("sigmoid"))},
    **{
        "ReLU": _plain(Activation("relu")),
        "Softmax": _softmax,
        "Flatten": _plain(Flatten()),
        "Identity": _plain(),
        "Sequential": _plain(),
    },
}
"""PyTorch's modules, and what each is here."""


# names alone ----------------------------------------------------------------------------------------------------------


def _of_names(named: Mapping[str, np.ndarray]) -> list[Piece]:
    """What the names and shapes of a state_dict tell."""
    groups: dict[str, dict[str, np.ndarray]] = {}
    for name, array in named.items():
        prefix, _, key = name.rpartition(".")
        groups.setdefault(prefix, {})[key] = array
    pieces = []
    for prefix, state in groups.items():
        if any(_LEVEL.match(key) for key in state):
            pieces.append(_levels(state, prefix))
        elif set(state) == {"weight", "bias"} and state["weight"].ndim == 2:
            pieces.append(_dense(state))
        else:
            shapes = ", ".join(f"{key} {array.shape}" for key, array in state.items())
            raise NotImportableError(
                f"from_torch: the names do not tell what {prefix or 'the module'} is ({shapes}): give the module itself"
            )
    return pieces


def _chained(pieces: list[Piece]) -> list[Piece]:
    """The only order in which each piece reads as many variables as the one before gives out."""

    def fits(order: Sequence[Piece]) -> bool:
        return all(_width_of(a) == b.weights[0].shape[0] for a, b in pairwise(order))

    if len(pieces) > _MOST_PIECES:
        raise NotImportableError(
            f"more than {_MOST_PIECES} layers without an order: give the module, or its state_dict"
        )
    found = [list(order) for order in permutations(pieces) if fits(order)]
    if len(found) != 1:
        raise NotImportableError("the order of the layers cannot be told from their widths: give the module itself")
    return found[0]


def _width_of(piece: Piece) -> int:
    return int(piece.layers[-1].output_shape(1, piece.weights[0].shape[0])[1])
