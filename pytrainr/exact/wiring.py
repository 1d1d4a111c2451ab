"""Between the layers: two directions side by side, steps joined by the pyramid, dropout of a layer's input.

A level's sequence (steps, n, width) is what the layer above reads: X for the first, the hidden states below for the
others.
"""

from __future__ import annotations

from pytrainr.numerics.elementwise import add, copy, fill, multiply
from pytrainr.numerics.jit import fast_part

__all__ = ["arrange", "gather", "join", "pooled_presence", "return_gradient", "split"]


@fast_part
def gather(sequence, present, X, rows, first):
    """``sequence[t, s] = X[rows[s], first + t]``; where sequences may end early, a step of NaN has no entry."""
    padded = present.shape[0] > 0
    for t in range(sequence.shape[0]):
        for s in range(sequence.shape[1]):
            to, source = sequence[t, s], X[rows[s], first + t]
            for k in range(to.size):
                to[k] = source[k]
            if padded:
                there = source[0] == source[0]
                present[t, s] = 1.0 if there else 0.0
                if not there:
                    fill(to, 0.0)


@fast_part
def pooled_presence(above, below, pyramid):
    """A step of the level above has an entry where any of its ``pyramid`` steps below has one."""
    for t in range(above.shape[0]):
        for s in range(above.shape[1]):
            above[t, s] = 0.0
            for step in range(t * pyramid, min((t + 1) * pyramid, below.shape[0])):
                above[t, s] = max(above[t, s], below[step, s])


@fast_part
def arrange(x, sequence, mask, pyramid, backwards):
    """A layer's input from the level's sequence: ``pyramid`` steps side by side, dropout, time reversed if
    ``backwards``."""
    steps, n, width = x.shape[0], x.shape[1], sequence.shape[2]
    for t in range(steps):
        place = steps - 1 - t if backwards else t
        for s in range(n):
            for place_in in range(pyramid):
                to, source = x[t, s, place_in * width : (place_in + 1) * width], place * pyramid + place_in
                if source < sequence.shape[0]:
                    copy(to, sequence[source, s])
                else:
                    fill(to, 0.0)
            if mask.shape[0] > 0:
                multiply(x[t, s], mask[s])


@fast_part
def return_gradient(sequence, x, mask, pyramid, backwards):
    """The way back of ``arrange``: add the gradient by x to the gradient by the sequence."""
    steps, n, width = x.shape[0], x.shape[1], sequence.shape[2]
    for t in range(steps):
        place = steps - 1 - t if backwards else t
        for s in range(n):
            if mask.shape[0] > 0:
                multiply(x[t, s], mask[s])
            for place_in in range(pyramid):
                source = place * pyramid + place_in
                if source < sequence.shape[0]:
                    add(sequence[source, s], x[t, s, place_in * width : (place_in + 1) * width])


@fast_part
def join(sequence, hidden, side, reverse):
    """Put one direction's hidden states (steps + 1, n, outputs) on its side of the sequence, time put right."""
    steps, width = sequence.shape[0], hidden.shape[2]
    for t in range(steps):
        source = steps - t if reverse else t + 1
        for s in range(sequence.shape[1]):
            copy(sequence[t, s, side * width : (side + 1) * width], hidden[source, s])


@fast_part
def split(upstream, sequence, side, reverse):
    """The way back of ``join``."""
    steps, width = sequence.shape[0], upstream.shape[2]
    for t in range(steps):
        source = steps - 1 - t if reverse else t
        for s in range(sequence.shape[1]):
            copy(upstream[source, s], sequence[t, s, side * width : (side + 1) * width])
