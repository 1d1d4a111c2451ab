"""How much of the loss's gradient reaches the state of each recurrent layer at each step."""

from __future__ import annotations

from typing import Any, cast

import numpy as np

from pytrainr import arguments
from pytrainr.exact.entries import check_entries, with_mask
from pytrainr.exact.losses import takes_labels, target_variables
from pytrainr.exact.network import ExactNetwork, workspace_of
from pytrainr.exact.plan import Row
from pytrainr.exact.prediction import checked_input, names_of
from pytrainr.exact.target_weights import with_weights
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.network import kept_network
from pytrainr.series.normalisation import normalised_output

__all__ = ["gradient_norms"]

_AT_ONCE = 64  # samples


def gradient_norms(model: Model, X: Any, Y: Any, mask: Any = None) -> dict[str, np.ndarray]:
    """``pytrainr.gradient_norms``; nothing where the network has no recurrent layer that is trained."""
    X, Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")
    if mask is not None:
        X, Y = with_mask(X, Y, mask, model.loss)
    inputs = checked_input(model, X, mask)
    targets = np.asarray(normalised_output(model, Y), dtype=np.float64)
    kept, weights = kept_network(model)
    network = cast(ExactNetwork, kept)
    _check(model, network, inputs, targets)
    if network.reservoir is not None:
        return {}
    if network.weighted:
        targets = with_weights(targets, np.ones((1, 1)))
    n = inputs.shape[0]
    check_memory(8.0 * workspace_of(network.options) * min(_AT_ONCE, n), f"the gradient of {min(_AT_ONCE, n)} samples")
    norms: dict[str, np.ndarray] = {}
    for first in range(0, n, _AT_ONCE):
        piece = slice(first, min(n, first + _AT_ONCE))
        plan, memory = network.way_back(weights, inputs[piece], targets[piece])
        rows = [row for row in plan.rows if hasattr(row.layer, "recorded") and row.y.gradient is not None]
        for name, row in zip(names_of(rows), rows, strict=True):
            found = _norms(row, memory, piece.stop - first)
            norms.setdefault(name, np.empty((n, found.shape[1])))[piece] = found
    return norms


def _norms(row: Row, memory: np.ndarray, n: int) -> np.ndarray:
    """‖∂L/∂h_t‖ (n, steps): on the way back the gradient from later steps is added to that from above."""
    place, steps, width = row.arrays["d_y"]
    by_state = memory[place * n : (place + steps * width) * n].reshape(steps, n, width)
    norms = np.linalg.norm(by_state[:: -1 if row.x.turned else 1], axis=2)
    return np.asarray(norms.T, dtype=np.float64)


def _check(model: Model, network: ExactNetwork, X: np.ndarray, Y: np.ndarray) -> None:
    """The shapes of training: the gradient is that of its loss."""
    arguments.check_dimensions(
        ("X", "time steps", X, X.shape[1], model.time_dim),
        ("Y", "variables", Y, Y.shape[2], target_variables(model.loss, model.output_dim)),
        ("Y", "time steps", Y, Y.shape[1], Y.shape[1] if takes_labels(model.loss) else model.output_time_dim),
        ("Y", "samples", Y, Y.shape[0], X.shape[0]),
    )
    check_entries(X, Y, model, network.options.tokens)
