"""R's loss scaling, clipping and update rules, on the flat vector."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.vectors import strict_map

__all__ = ["ADAGRAD", "SGD", "State", "UpdateRule", "any_nan", "clip", "scale", "scaled_sgd", "update"]

SGD, ADAGRAD = 0, 1


class State(NamedTuple):
    """Weights, pending updates and adagrad's sums (empty for sgd), laid out alike."""

    weights: np.ndarray
    update: np.ndarray
    update_old: np.ndarray


class UpdateRule(NamedTuple):
    """``rule`` is SGD or ADAGRAD; ``scaled`` whether ``loss_L1`` multiplies the updates by the learning rate;
    ``clipping`` the limit of each update, infinite for none."""

    rule: int
    scaled: bool
    learningrate: float
    momentum: float
    clipping: float


@strict_map("updates")
def scale(updates, learningrate):
    """``loss_L1``: Δ ← Δ·learningrate, what momentum kept of earlier groups included."""
    return updates * learningrate


@strict_map("weights, updates")
def _sgd(weights, updates, momentum):
    return weights + updates, updates * momentum


@strict_map("weights, updates")
def scaled_sgd(weights, updates, learningrate, momentum):
    """``loss_L1`` and sgd at once."""
    updates = updates * learningrate
    return weights + updates, updates * momentum


@strict_part
def any_nan(updates):
    """Whether an update is NaN: R then draws its replacement from the random stream."""
    found = 0
    for k in range(updates.size):
        found += updates[k] != updates[k]
    return found > 0


@strict_part
def clip(updates, limit):
    """Δ ← min(max(Δ, −limit), limit)."""
    for k in range(updates.size):
        if updates[k] > limit:
            updates[k] = limit
        if updates[k] < -limit:
            updates[k] = -limit


@strict_part
def update(state, table, rule):
    """sgd: W ← W + Δ, Δ ← Δ·momentum. adagrad as R has it: see :func:`adagrad`."""
    if rule.rule == ADAGRAD:
        adagrad(state, table, rule.learningrate)
    else:
        _sgd(state.weights, state.update, rule.momentum)


@strict_part
def adagrad(state, table, learningrate):
    """old ← old + Δ, W ← W + lr·Δ / (old + 1e-9); a bias ← bias + Δ. Δ itself is never reset, as in R."""
    weights, updates, old = state
    for layer in range(table.layers + 1):
        for k in range(table.time[layer], table.bias[layer]):
            old[k] += updates[k]
            weights[k] += learningrate * updates[k] / (old[k] + 0.000000001)
        end = table.time[layer + 1] if layer < table.layers else weights.size
        for k in range(table.bias[layer], end):
            weights[k] += updates[k]
