"""What a loss is: a row after the last, that reads what the network puts out and the targets.

A loss is a file with ``value(loss, y, target)`` for one sample at one step and its ``gradient(loss, d, y, target)``
by y, beside a NamedTuple of its options for compiled code, and the :class:`Loss` with them. Where one output activation
cancels against it, so that the gradient before the activation is y − target, it names that as ``canonical``. A new loss
is a file like these and one line in ``LOSSES``. Losses are summed over the group, as R does; NaN is no target.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.activations import number_of
from pytrainr.exact.arrays import Presence, Rows, Steps, extended, flat, flattened
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer
from pytrainr.exact.reductions import total
from pytrainr.numerics.elementwise import fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.numba_internals import by_class
from pytrainr.numerics.vectors import fast_map

__all__ = ["Loss", "loss_kernels"]

_DIFFERENCE, _SOFTMAX = 1, 2


class Options(NamedTuple):
    """``canonical``: 0, or 1 where the loss goes back past the output's activation, 2 where that is softmax."""

    canonical: int


class Tape(NamedTuple):
    """What the network puts out and should; ``value`` (n, 1) is the loss of each sample, ``weight`` (steps, n) that of
    each target."""

    y: Steps
    target: Steps
    d_y: Steps
    value: Rows
    weight: Presence


loss_value = by_class("value", lambda options: sys.modules[options.__module__].value)
"""(loss, y, target): the loss of one sample at one time step."""

loss_gradient = by_class("gradient", lambda options: sys.modules[options.__module__].gradient)
"""(loss, d, y, target): ``d`` = its gradient by y."""


@fast_map("d")
def _difference(y, target):
    return y - target


@fast_part
def forward(layer, tape):
    """The loss of each sample, summed over the steps that have a target."""
    for s in range(tape.value.shape[0]):
        summed = 0.0
        for t in range(tape.y.shape[0]):
            if tape.target[t, s, 0] == tape.target[t, s, 0]:
                value = loss_value(layer, tape.y[t, s], tape.target[t, s])
                summed += tape.weight[t, s] * value if tape.weight.size > 0 else value
        tape.value[s, 0] = summed


@fast_part
def backward(layer, tape):
    """The gradient by y, or where they belong together before y's activation: y − target, and for softmax
    y·Σtarget − target, without the division that would cancel."""
    d, y, target = flattened(tape.d_y), flattened(tape.y), flattened(tape.target)
    if layer.canonical == _DIFFERENCE:
        _difference(d, y, target)
    for row in range(y.shape[0]):
        if target[row, 0] != target[row, 0]:
            fill(d[row], 0.0)
        elif layer.canonical == _SOFTMAX:
            mass = total(target[row])
            for k in range(y.shape[1]):
                d[row, k] = y[row, k] * mass - target[row, k]
        elif layer.canonical == 0:
            loss_gradient(layer, d[row], y[row], target[row])
    if tape.weight.size > 0:
        weight = flat(tape.weight)
        for row in range(weight.size):
            for k in range(d.shape[1]):
                d[row, k] *= weight[row]


def loss_kernels(name: str, options: type) -> Kernels:
    """The kernels of a loss whose file has its value and gradient."""
    return Kernels(name, forward, backward, options=extended(Options, options), tape=Tape, module=options.__module__)


@dataclass(frozen=True)
class Loss(Layer):
    """A loss."""

    canonical: ClassVar[str | None] = None
    targets: ClassVar[str] = "any"
    """What a target is: "any" number, a "share" from 0 to 1, rows of "probabilities", the number of a "class",
    or for all steps of a sample together a sequence of "labels"."""

    def canonical_of(self, activation: str | None) -> int:
        """How the loss goes back past an output's activation: see ``Options``."""
        if self.canonical is None or number_of(self.canonical) != number_of(activation):
            return 0
        return _SOFTMAX if self.canonical == "softmax" else _DIFFERENCE
