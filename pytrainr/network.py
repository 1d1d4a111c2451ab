"""Which network a model describes: in R's arithmetic, or exact."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from pytrainr.memory import check_memory
from pytrainr.model_checks import check_model
from pytrainr.parameters import Flat, Layout, flat_of
from pytrainr.r_list import RList
from pytrainr.r_random import RRandom

__all__ = [
    "Network",
    "description_of",
    "few",
    "kept_network",
    "layout_of",
    "network_of",
    "training_bytes",
]

_NUMBER = 8  # bytes


class Network(Protocol):
    """What the trainer and ``predictr`` ask of a network; see ``pytrainr.r.network.RNetwork`` for the meaning."""

    layout: Layout
    slots: Mapping[str, Layout]
    dtype: np.dtype
    pads_targets: bool
    takes_whole_epochs: bool

    def initial_weights(self, rng: RRandom) -> Flat: ...

    def compile_ahead(self, model: RList) -> None: ...

    def run_groups(
        self,
        model: RList,
        state: dict[str, Flat],
        batch: Any,
        first: int,
        rng: RRandom,
        stop: np.ndarray,
        updating: bool = True,
    ) -> tuple[int, bool]: ...

    def finish_update(self, model: RList, state: dict[str, Flat], rng: RRandom) -> None: ...

    def predict(
        self, weights: Flat, X: np.ndarray, first: int, total: int, record: np.ndarray, out: np.ndarray
    ) -> None: ...

    def stepper(
        self, weights: Flat, samples: int, scales: tuple[np.ndarray, np.ndarray]
    ) -> tuple[Callable[[np.ndarray, np.ndarray], bool], np.ndarray]: ...

    def store_shapes(self, steps: int) -> list[tuple[int, ...]]: ...


def network_of(model: RList) -> Network:
    """The network that ``model`` describes, once :func:`check_model` has found it sound; which may put its options in
    the form that compiled code takes. Raises ``TypeError`` or ``ValueError`` that names the field."""
    check_model(model, layout_of)
    check_memory(4 * _NUMBER * layout_of(model).size, f"a network with hidden_dim {few(model.hidden_dim)}")
    if model.exact:
        from pytrainr.exact.network import ExactNetwork

        return ExactNetwork(model)
    from pytrainr.r.network import RNetwork

    return RNetwork(model)


def description_of(model: RList) -> tuple[Any, ...]:
    """What makes ``model`` another network when it changes."""
    if model.exact:
        from pytrainr.exact.network import architecture_of

        return architecture_of(model), model.update_rule, bool(model.get("weighted"))
    return tuple(model.get(name) for name in ("sigmoid", "use_bias", "update_rule"))


def layout_of(model: RList) -> Layout:
    """Where the weights of the network that ``model`` describes lie; takes no memory in their size."""
    if model.exact:
        from pytrainr.exact.network import architecture_of

        layout: Layout = architecture_of(model).layout
        return layout
    from pytrainr.r.network import layout_of_model

    return layout_of_model(model)


def training_bytes(model: RList, samples: int, *, keep_store: bool = False, checkpoints: bool = False) -> float:
    """About how much memory training ``model`` on so many samples takes beyond X and Y, at the most.

    ``checkpoints``: with the copies that a checkpoint takes. A model without weights is asked about before it has any.
    """
    layout, batch = layout_of(model), min(samples, 2.0 * model.batch_size + 6.0)
    remembered, for_each_sample = _kept_numbers(model, layout)
    # the weights and what is kept like them, the last whole epoch's, and the gradients of up to four threads
    numbers = layout.size * (remembered * (4.0 if checkpoints else 2.0) + 9.0)
    numbers += samples * float(model.numepochs) * (2.0 if checkpoints else 1.0)
    whole_epochs = model.network_type == "esn"
    numbers += for_each_sample * (4.0 * samples if whole_epochs else batch)
    if keep_store:
        numbers += 2.0 * samples * for_each_sample
    return _NUMBER * (numbers + samples / model.batch_size)


def direct_operations(model: RList, samples: int) -> float:
    """About how many floating point operations training takes in single steps that nothing can interrupt: orthogonal
    weights (a QR factorisation), a reservoir's spectral radius (its eigenvalues), its readout (least squares)."""
    if not model.exact:
        return 0.0
    from pytrainr.exact.network import architecture_of

    operations: float = architecture_of(model).drawing_operations()
    if model.network_type == "esn":
        width = float(model.hidden_dim[-1])
        operations += 4.0 * samples * model.time_dim * width**2 + 22.0 * width**3
    return operations


def _kept_numbers(model: RList, layout: Layout) -> tuple[float, float]:
    """How many vectors as large as the weights training keeps, and numbers for each sample of a group."""
    if model.exact:
        from pytrainr.exact.network import architecture_of, workspace_of
        from pytrainr.exact.update_rules import RULES

        rule = RULES[model.update_rule]
        kept = 2.0 + bool(rule.first) + bool(rule.second) + bool(model.get("validated"))
        return kept, float(workspace_of(architecture_of(model)))
    arrays = {"rnn": 2.0, "gru": 6.0, "lstm": 8.0}[model.network_type]
    return 2.0 + (model.update_rule == "adagrad"), model.time_dim * (sum(model.hidden_dim) * arrays + model.input_dim)


def few(dimensions: Sequence[int]) -> str:
    """Dimensions as a message shows them."""
    return str(tuple(dimensions)) if len(dimensions) < 6 else f"of {len(dimensions)} layers"


class _Kept(NamedTuple):
    """A network, and where its weights come from."""

    network: Network
    views: dict[str, list[np.ndarray]]  # of ``weights``
    weights: Flat
    arrays: list[np.ndarray]  # the model's own, where they are views of ``weights``


def kept_network(model: RList) -> tuple[Network, Flat]:
    """The network of ``model`` and its weights as they are now, kept with the model for the next call.

    Nothing kept can be stale. A model forgets it where a field is set; arrays that training left as views of one flat
    vector are that vector, whatever has been written into them since; any others are copied anew. Raises
    ``ValueError`` that names the field where an array is missing or has another shape.
    """
    kept: _Kept = model.kept_network or _keep(model)
    if kept.arrays:
        arrays = [array for field in kept.views for array in model[field]]
        if len(arrays) == len(kept.arrays) and all(map(operator.is_, arrays, kept.arrays)):
            return kept.network, kept.weights
        kept = _keep(model)
    if not kept.arrays:
        for field, views in kept.views.items():
            arrays = model[field]
            if len(arrays) != len(views) or not all(map(_fits, arrays, views)):
                kept.network.layout.collect(RList({field: list(model[field]) for field in kept.views}), kept.weights)
                break
            for array, view in zip(arrays, views, strict=True):
                view[...] = array
    return kept.network, kept.weights


def _keep(model: RList) -> _Kept:
    network = network_of(RList(dict(model.items())))  # which may remember it: so that no cycle keeps the arrays alive
    network.layout.check(model)
    weights, arrays = flat_of(model, network.layout), []
    if weights is None:
        weights = network.layout.zeros()
    else:
        arrays = [array for field in network.layout.views(weights) for array in model[field]]
    kept = _Kept(network, network.layout.views(weights), weights, arrays)
    model.keep_network(kept)
    return kept


def _fits(array: Any, view: np.ndarray) -> bool:
    return isinstance(array, np.ndarray) and array.dtype == view.dtype and array.shape == view.shape
