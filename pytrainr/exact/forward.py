"""The compiled forward pass alone: whole sequences for ``predictr``, one time step at a time for a stepper."""

from __future__ import annotations

import numpy as np

from pytrainr.exact.group import Chunk, Plan, Wiring, clear_states, copy_outputs, forward_pass, keep_states, loss_of
from pytrainr.exact.shapes import block
from pytrainr.numerics.jit import fast, strict
from pytrainr.numerics.scaling import all_finite, normalise, raw
from pytrainr.numerics.views import keep, view

__all__ = ["predict_rows", "step"]


@fast
def predict_rows(cell, wiring, tables, weights, memory, X, Y, states, out, at_once):
    """The forward pass of X (n, T, input) into ``out`` (n, output steps, outputs); the loss if Y has targets, else 0.

    A ``Plan`` comes in pieces, as plain tuples are handed over quickest: ``wiring``, ``tables`` = (layers, levels,
    readout, attention). ``at_once`` samples are computed together, as many as ``memory`` has room for. ``states``
    (n, width) begin as what an earlier piece of the sequences ended with and end as what this one ends with; of width
    0, the sequences begin here.
    """
    steps, loss = X.shape[1], 0.0
    layers, levels, readout, attention = tables
    plan = Plan(cell, layers, levels, readout, attention, Wiring(*wiring))
    order = np.empty(X.shape[0], np.int64)
    for row in range(order.size):
        order[row] = row
    for begin in range(0, X.shape[0], at_once):
        end = min(X.shape[0], begin + at_once)
        n = end - begin
        chunk = Chunk(order[begin:end], 0, steps, steps, np.uint64(0), 0)
        if states.shape[1] > 0:
            keep_states(plan, memory, n, steps, states[begin:end], False)
        else:
            clear_states(plan, memory, n, steps)
        forward_pass(plan, weights, memory, X, chunk)
        if states.shape[1] > 0:
            keep_states(plan, memory, n, steps, states[begin:end], True)
        copy_outputs(plan, memory, steps, out[begin:end])
        if Y.shape[1] > 0:
            loss += float(loss_of(plan, memory, Y, chunk))
    keep(order)
    return loss


@strict
def step(cell, wiring, tables, weights, room, scales, state, x, out):
    """One time step: ``out`` (n, output) for ``x`` (n, input), both raw; ``state`` (n, width) is replaced.

    The network is a ``Plan`` of one step, in pieces as above. ``room`` = the workspace, (n, 1, input) for the
    normalised ``x`` and the numbers of its rows. Returns whether ``x`` is finite; if not, nothing is changed. With
    ``padded`` a sample with NaN has no entry: its state is held, its output NaN.
    """
    padded = wiring[5]
    if not padded and not all_finite(x):
        return False
    layers, levels, readout, attention = tables
    plan = Plan(cell, layers, levels, readout, attention, Wiring(*wiring))
    memory, scaled = room[0], room[1]
    n, inputs = x.shape
    normalise(view(scaled, 0, (n, inputs)), x, scales[0])
    if padded:
        for s in range(n):
            if np.isnan(scaled[s, 0]).any():
                scaled[s, 0, :] = np.nan
    keep_states(plan, memory, n, 1, state, False)
    forward_pass(plan, weights, memory, scaled, Chunk(room[2], 0, 1, 1, np.uint64(0), 0))
    keep_states(plan, memory, n, 1, state, True)
    raw(out, block(memory, plan.readout[0].y * n, 1, n, out.shape[1])[0], scales[1])
    if padded:
        for s in range(n):
            if np.isnan(scaled[s, 0, 0]):
                out[s, :] = np.nan
    return True
