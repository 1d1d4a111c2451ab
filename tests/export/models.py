"""Models to export: untrained ones of any list of layers, quickly made."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytrainr import Model
from tests.exact.checking import ListCase

__all__ = ["cube", "model_of", "with_gaps"]


def model_of(layers: list[Any], steps: int, width: int, seed: int = 0, **options: Any) -> Model:
    """A model of these layers with random weights, as training would leave it."""
    case = ListCase(layers, steps, width, 1, seed, **options)
    model, network = case.model, case.network
    model.seq_to_seq_unsync, model.hidden_dim, model.output = False, (), "linear"
    model.synapse_dim = (width, model.output_dim)
    network.layout.attach(model, case.weights)
    return model


def cube(predicted: np.ndarray) -> np.ndarray:
    """What ``predictr`` returned as (samples, steps, outputs)."""
    return predicted[:, :, np.newaxis] if predicted.ndim == 2 else predicted


def with_gaps(X: np.ndarray) -> np.ndarray:
    """X with steps that have no entry: at the ends, and one in the midst."""
    X = X.copy()
    for sample in range(1, len(X)):
        X[sample, max(1, X.shape[1] - sample) :] = np.nan
    X[-1, min(1, X.shape[1] - 1), 0] = np.nan
    return X
