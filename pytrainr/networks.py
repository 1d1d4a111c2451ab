"""Which network a model describes: in R's arithmetic, or exact."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np

from pytrainr.model import Model
from pytrainr.parameters import Flat, Layout
from pytrainr.r_random import RRandom

__all__ = ["Network", "network_of"]


class Network(Protocol):
    """What the trainer and ``predictr`` ask of a network; see ``pytrainr.r.network.RNetwork`` for the meaning."""

    layout: Layout
    slots: Mapping[str, Layout]
    dtype: np.dtype
    pads_targets: bool
    takes_whole_epochs: bool

    def initial_weights(self, rng: RRandom) -> Flat: ...

    def run_groups(
        self,
        model: Model,
        state: dict[str, Flat],
        batch: Any,
        first: int,
        rng: RRandom,
        stop: np.ndarray,
        updating: bool = True,
    ) -> tuple[int, bool]: ...

    def finish_update(self, model: Model, state: dict[str, Flat], rng: RRandom) -> None: ...

    def predict(self, weights: Flat, X: np.ndarray, first: int, total: int, record: np.ndarray) -> np.ndarray: ...

    def store_shapes(self, steps: int) -> list[tuple[int, ...]]: ...


def network_of(model: Model) -> Network:
    """The network that ``model`` describes."""
    if model.exact:
        from pytrainr.exact.network import ExactNetwork

        return ExactNetwork(model)
    from pytrainr.r.network import RNetwork

    return RNetwork(model)
