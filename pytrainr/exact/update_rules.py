"""How a gradient becomes a step, on the flat vectors: sgd with R's momentum or the usual one, rmsprop, adam, adagrad.

Every rule reads ``update``, the downhill direction (minus the gradient, and for R's sgd what momentum kept). It is
applied to stretches of the flat vectors: all of them, but of an embedding only the rows that the group read, so that
what a rule remembers of a row, its momentum and the decay of L2 stand still until the row is read again ("lazy", as
PyTorch's SparseAdam). A new rule is a function here and one line in ``RULES``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numba import typeof, types
from numba.extending import overload, register_jitable

from pytrainr.exact.reductions import dot
from pytrainr.numerics.compiled_once import announce, fast_compiled_on_demand
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map
from pytrainr.numerics.views import View, borrowed_kind, view

__all__ = ["RULES", "Rule", "RuleState", "add_gradient_to_update", "announce_rule", "apply_rule", "learn"]


class RuleState(NamedTuple):
    """Flat vectors, laid out alike: weights, ``update``, and two for what a rule remembers (empty if it does not)."""

    weights: np.ndarray
    update: np.ndarray
    first: np.ndarray
    second: np.ndarray


class Rule(NamedTuple):
    """The rule's place in ``RULES`` and its numbers; ``decayed`` is 1 where L2 holds (weights) and 0 elsewhere
    (biases)."""

    number: int
    learningrate: float
    momentum: float
    rho: float
    beta1: float
    beta2: float
    epsilon: float
    l2: float
    decayed: np.ndarray
    clipping: float
    clip_norm: float
    scaled: bool


@fast_part
def sgd(state, rule, step):
    """R's: Δ ← (Δ − gradient)·lr;  W ← W + Δ;  Δ ← Δ·momentum. What momentum kept is multiplied by lr once more."""
    weights, update = state.weights, state.update
    for k in range(weights.size):
        weights[k] += update[k]
        update[k] *= rule.momentum


@fast_part
def momentum(state, rule, step):
    """Polyak (1964): v ← momentum·v + gradient;  W ← W − lr·v."""
    weights, update, velocity = state.weights, state.update, state.first
    for k in range(weights.size):
        velocity[k] = rule.momentum * velocity[k] - update[k]
        weights[k] -= rule.learningrate * velocity[k]
        update[k] = 0.0


@fast_part
def rmsprop(state, rule, step):
    """Hinton (2012): v ← ρ·v + (1 − ρ)·g²;  W ← W − lr·g/(√v + ε)."""
    weights, update, square = state.weights, state.update, state.second
    for k in range(weights.size):
        g = update[k]
        square[k] = rule.rho * square[k] + (1.0 - rule.rho) * g * g
        weights[k] += rule.learningrate * g / (math.sqrt(square[k]) + rule.epsilon)
        update[k] = 0.0


@fast_part
def adam(state, rule, step):
    """Kingma & Ba (2015): m, v the running means of g and g², both freed of their start at 0; W ← W − lr·m/(√v + ε)."""
    weights, update, mean, square = state.weights, state.update, state.first, state.second
    rate = rule.learningrate / (1.0 - rule.beta1**step)
    freed = 1.0 / math.sqrt(1.0 - rule.beta2**step)
    for k in range(weights.size):
        g = update[k]
        mean[k] = rule.beta1 * mean[k] + (1.0 - rule.beta1) * g
        square[k] = rule.beta2 * square[k] + (1.0 - rule.beta2) * g * g
        weights[k] += rate * mean[k] / (math.sqrt(square[k]) * freed + rule.epsilon)
        update[k] = 0.0


@fast_part
def adagrad(state, rule, step):
    """Duchi et al. (2011): v ← v + g²;  W ← W − lr·g/(√v + ε)."""
    weights, update, square = state.weights, state.update, state.second
    for k in range(weights.size):
        g = update[k]
        square[k] += g * g
        weights[k] += rule.learningrate * g / (math.sqrt(square[k]) + rule.epsilon)
        update[k] = 0.0


class Remembered(NamedTuple):
    """A rule's function and the fields it remembers from step to step, by the suffix they have on the model."""

    function: Callable
    first: str | None = None
    second: str | None = None


RULES: dict[str, Remembered] = {
    "sgd": Remembered(sgd),
    "momentum": Remembered(momentum, first="_velocity"),
    "rmsprop": Remembered(rmsprop, second="_mean_square"),
    "adam": Remembered(adam, "_first_moment", "_second_moment"),
    "adagrad": Remembered(adagrad, second="_square_sum"),
}
"""The rules by ``update_rule``; compiled code knows each by its place."""


def step_by(number, state, rule, step):
    """One step of the rule at that place; compiled code only."""


@overload(step_by)
def _step_by(number, state, rule, step):
    return _chosen([remembered.function for remembered in RULES.values()])


def _chosen(functions: Sequence[Callable]) -> Callable:
    first, *others = functions
    if not others:
        return lambda number, state, rule, step: first(state, rule, step)
    rest = register_jitable(_chosen(others))

    def choose(number, state, rule, step):
        if number == 0:
            first(state, rule, step)
        else:
            rest(number - 1, state, rule, step)

    return choose


@fast_map("update")
def _subtract(update, gradient):
    return update - gradient


@fast_map("update")
def _decay(update, weights, decayed, l2):
    return update - l2 * decayed * weights


@fast_map("weights, update")
def _plain_step(weights, update, gradient, learningrate, momentum):
    update = (update - gradient) * learningrate
    return weights + update, update * momentum


@fast_part
def _part(flat, stretch):
    """A stretch of a flat vector, which may be empty."""
    there = flat.size > 0
    return view(flat, stretch[0] if there else 0, (stretch[1] if there else 0,))


@fast_part
def _parts(state, stretch):
    return RuleState(
        _part(state.weights, stretch),
        _part(state.update, stretch),
        _part(state.first, stretch),
        _part(state.second, stretch),
    )


@fast_compiled_on_demand
def add_gradient_to_update(state, rule, gradient, stretches):
    """update ← update − gradient, the gradient of the L2 penalty ½·l2·Σw² included; stretches (·, 2): first entry and
    size."""
    for number in range(stretches.shape[0]):
        stretch = stretches[number, 0], stretches[number, 1]
        update = _part(state.update, stretch)
        _subtract(update, _part(gradient, stretch))
        if rule.l2 > 0.0:
            _decay(update, _part(state.weights, stretch), _part(rule.decayed, stretch), rule.l2)


def announce_rule(state: RuleState, rule: Rule) -> None:
    """Say that :func:`learn` will need more than R's plain step, where it will."""
    if not _is_plain(rule):
        kinds = borrowed_kind(typeof(state)), borrowed_kind(typeof(rule))
        stretches = View(types.int64, 2, "C")
        announce(add_gradient_to_update, *kinds, kinds[0][0], stretches)
        announce(apply_rule, *kinds, types.int64, stretches)


def _is_plain(rule):
    unlimited = rule.clipping == np.inf and rule.clip_norm == np.inf
    return rule.number == 0 and rule.scaled and unlimited and rule.l2 == 0.0


_is_plain_step = fast_part(_is_plain)


@fast_part
def learn(state, rule, gradient, step, stretches):
    """The gradient of a group to the update, and the rule's step: number ``step``, from 1."""
    if _is_plain_step(rule):
        for number in range(stretches.shape[0]):
            stretch = stretches[number, 0], stretches[number, 1]
            weights, update = _part(state.weights, stretch), _part(state.update, stretch)
            _plain_step(weights, update, _part(gradient, stretch), rule.learningrate, rule.momentum)
    else:
        add_gradient_to_update(state, rule, gradient, stretches)
        apply_rule(state, rule, step, stretches)


@fast_compiled_on_demand
def apply_rule(state, rule, step, stretches):
    """Clip, then step. R's sgd limits the scaled updates, as R does; the other rules limit the gradient."""
    squares = 0.0
    for number in range(stretches.shape[0]):
        update = _part(state.update, (stretches[number, 0], stretches[number, 1]))
        if rule.number == 0 and rule.scaled:
            for k in range(update.size):
                update[k] *= rule.learningrate
        if rule.clipping < np.inf:
            for k in range(update.size):
                if update[k] > rule.clipping:
                    update[k] = rule.clipping
                if update[k] < -rule.clipping:
                    update[k] = -rule.clipping
        if rule.clip_norm < np.inf:
            squares += dot(update, update)
    norm = math.sqrt(squares)
    for number in range(stretches.shape[0]):
        parts = _parts(state, (stretches[number, 0], stretches[number, 1]))
        if norm > rule.clip_norm:
            for k in range(parts.update.size):
                parts.update[k] *= rule.clip_norm / norm
        step_by(rule.number, parts, rule, step)
