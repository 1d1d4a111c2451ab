"""The compiled forward pass alone: whole sequences for ``predictr``, one time step at a time for a stepper."""

from __future__ import annotations

import numpy as np

from pytrainr.exact.run import Chunk, Room, clear_states, copy_outputs, forward_pass, keep_states, loss_of
from pytrainr.numerics.jit import fast, strict
from pytrainr.numerics.scaling import all_finite, normalise, raw
from pytrainr.numerics.views import keep, view

__all__ = ["predict_rows", "step"]


@fast
def predict_rows(program, weights, memory, call, X, Y, states, out, at_once):
    """The forward pass of X (n, T, input) into ``out`` (n, output steps, outputs); the loss if Y has targets, else 0.

    ``at_once`` samples are computed together, as many as ``memory`` has room for. ``states`` (n, width) begin as what
    an earlier piece of the sequences ended with and end as what this one ends with; of width 0, the sequences begin
    here.
    """
    loss = 0.0
    room = Room(memory, memory, memory, call, call)  # a forward pass has no gradient
    order = np.empty(X.shape[0], np.int64)
    for row in range(order.size):
        order[row] = row
    for begin in range(0, X.shape[0], at_once):
        end = min(X.shape[0], begin + at_once)
        chunk = Chunk(order[begin:end], 0, np.uint64(0), 0)
        if states.shape[1] > 0:
            keep_states(program, memory, states[begin:end], False)
        else:
            clear_states(program, memory, end - begin)
        forward_pass(program, weights, room, X, chunk)
        copy_outputs(program, memory, out[begin:end])
        if states.shape[1] > 0:
            keep_states(program, memory, states[begin:end], True)
        if Y.shape[1] > 0:
            loss += loss_of(program, room, Y, chunk)
    keep(order)
    return loss


@strict
def step(program, weights, room, scales, state, x, out):
    """One time step: ``out`` (n, output) for ``x`` (n, input), both raw; ``state`` (n, width) is replaced.

    The program is that of one step. ``room`` = the workspace, what the layers are called with, (n, 1, input) for the
    normalised ``x`` and the numbers of its rows. Returns whether ``x`` is finite; if not, nothing is changed. Where
    sequences may end early a sample with NaN has no entry: its state is held, its output NaN.
    """
    padded = program.ends.present >= 0
    if not padded and not all_finite(x):
        return False
    memory, call, scaled = room[0], room[1], room[2]
    n, inputs = x.shape
    normalise(view(scaled, 0, (n, inputs)), x, scales[0])
    if padded:
        for s in range(n):
            if np.isnan(scaled[s, 0]).any():
                scaled[s, 0, :] = np.nan
    keep_states(program, memory, state, False)
    chunk = Chunk(room[3], 0, np.uint64(0), 0)
    forward_pass(program, weights, Room(memory, memory, memory, call, call), scaled, chunk)
    keep_states(program, memory, state, True)
    ends = program.ends
    raw(out, view(memory, ends.output * n, (n, out.shape[1])), scales[1])
    if padded:
        for s in range(n):
            if np.isnan(scaled[s, 0, 0]):
                out[s, :] = np.nan
    if ends.output_present >= 0:
        present = view(memory, ends.output_present * n, (n,))
        for s in range(n):
            if present[s] == 0.0:
                out[s, :] = np.nan
    return True
