"""The compiled loops: group after group with its update, and the update alone."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.exact.dropout import mixed
from pytrainr.exact.run import Pass, add_stretches, begin_states, carry_states, dense_stretches, train_chunk
from pytrainr.exact.update_rules import add_gradient_to_update, apply_rule, learn
from pytrainr.numerics.elementwise import fill
from pytrainr.numerics.jit import fast, fast_part, is_set
from pytrainr.numerics.views import borrowed, boxed, keep, read_ahead, view

__all__ = ["Groups", "Schedule", "finish_update", "run_groups"]


class Groups(NamedTuple):
    """``order`` (n,): rows of X (samples, T, input) and Y (samples, T′, output), group after group; ``starts``
    (groups + 1,): where in it groups begin; ``error`` (n,) to fill; ``states`` (samples, width) before the first step,
    without rows where all begin as 0."""

    X: np.ndarray
    Y: np.ndarray
    order: np.ndarray
    starts: np.ndarray
    error: np.ndarray
    states: np.ndarray


class Schedule(NamedTuple):
    """``bptt_steps`` time steps are trained at once; ``seed`` of the dropout; ``counts`` = updates and groups done so
    far, and the stretches that the last group has to update; ``first_sample``: the place of the first sample in its
    group."""

    bptt_steps: int
    seed: np.uint64
    counts: np.ndarray
    first_sample: int


@fast
def run_groups(program, rest, state, rule, groups, schedule, room, first, updating, stop):
    """Train on the groups from ``first`` on; how many are done. With ``updating`` false only the gradient of one is
    taken.

    Ends early where ``stop`` is set. A sequence longer than ``bptt_steps`` is trained piece by piece, each with its
    update; the state is carried over, the gradient is not. ``rest`` is the program of a last piece that is shorter.
    """
    given = program, rest, state, rule, groups, schedule, room
    done = _groups_in(borrowed(given), first, updating, stop)
    keep(given)
    return done


@fast_part
def _groups_in(given, first, updating, stop):
    """:func:`run_groups` on views of its arrays."""
    program, rest, state, rule, groups, schedule, room = given
    total = groups.X.shape[1]
    whole = boxed(Pass(program, state.weights, room, groups.X, groups.Y))
    shorter = boxed(Pass(rest, state.weights, room, groups.X, groups.Y))
    dense_stretches(program, room)
    stretches = view(room.stretches, 0, (program.dense.shape[0], 2))
    schedule.counts[2] = stretches.shape[0]
    for g in range(first, groups.starts.size - 1):
        if is_set(stop):
            return g
        begin, end = groups.starts[g], groups.starts[g + 1]
        n = end - begin
        rows, error = view(groups.order, begin, (n,)), view(groups.error, begin, (n,))
        read_ahead(groups.X, groups.order, begin, end)
        read_ahead(groups.Y, groups.order, begin, end)
        key = mixed(schedule.seed, np.uint64(schedule.counts[1]))
        fill(error, 0.0)
        begin_states(program, room.memory, groups.states, rows)
        for begin_step in range(0, total, schedule.bptt_steps):
            if begin_step > 0:
                carry_states(whole, n)
            piece = whole if begin_step + schedule.bptt_steps <= total else shorter
            train_chunk(piece, rows, begin_step, key, schedule.first_sample, error)
            if program.sparse.shape[0] > 0:
                schedule.counts[2] = add_stretches(piece, n)
                stretches = view(room.stretches, 0, (schedule.counts[2], 2))
            if updating:
                schedule.counts[0] += 1
                learn(state, rule, room.gradient, schedule.counts[0], stretches)
            else:
                add_gradient_to_update(state, rule, room.gradient, stretches)
        schedule.counts[1] += 1
        if not updating:
            return g + 1
    return groups.starts.size - 1


@fast
def finish_update(state, rule, counts, stretches):
    """The update that :func:`run_groups` left to do."""
    counts[0] += 1
    given = state, rule, stretches
    own_state, own_rule, own_stretches = borrowed(given)
    apply_rule(own_state, own_rule, counts[0], own_stretches)
    keep(given)
