"""Connectionist temporal classification (Graves et al. 2006): a sequence of labels, and nobody says at which steps.

At each step the network puts out the probabilities y of every label and of the ``blank``. A path names one of them at
each step; it reads as the labels that remain when repeats are joined and blanks left out: a a – b b reads a b. The
loss is −ln of the probability of all paths that read as the target. They run through the extended target l′ =
–, l₁, –, l₂, –, … of S = 2L + 1 places:

    α_t(s) = ln y_t(l′_s) + ln Σ exp α_{t−1}(s, s − 1, and s − 2 where l′_s is no blank and not l′_{s−2})
    β_t(s) = ln Σ exp (β_{t+1} + ln y_{t+1}(l′))(s, s + 1, and s + 2 where l′_{s+2} is no blank and not l′_s)
    loss = −ln Σ exp α_T(S, S − 1),    γ_t(s) = exp(α_t(s) + β_t(s) + loss)

γ is the probability that a path which reads as the target is at s at step t.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np

from pytrainr.exact.arrays import Presence, extended
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import check_range
from pytrainr.exact.losses import loss as each_step
from pytrainr.exact.losses.loss import Loss
from pytrainr.exact.scalars import exp
from pytrainr.numerics.elementwise import fill
from pytrainr.numerics.jit import fast_part

__all__ = ["CTC"]

_NEVER, _SMALLEST = -math.inf, 1e-300  # the latter keeps the logarithm of an output that rounded to 0 finite


class _Options(NamedTuple):
    blank: int


class _Tape(NamedTuple):
    """``target`` (steps, n, 1): a sample's labels from the first on, then NaN, or the blank; ``present``: the steps
    that the network has put out. The target's weight is that of the first step."""

    present: Presence


Options = extended(each_step.Options, _Options)
Tape = extended(each_step.Tape, _Tape)


@fast_part
def _read(loss, tape, s, labels, steps):
    """The labels of sample ``s`` and the steps that it has; how many there are of both."""
    length, count = 0, 0
    for t in range(tape.target.shape[0]):
        label = tape.target[t, s, 0]
        if label != label or label == loss.blank:
            break
        labels[length] = min(max(int(label), 0), tape.y.shape[2] - 1)  # it has been checked
        length += 1
    for t in range(tape.y.shape[0]):
        if tape.present.size == 0 or tape.present[t, s] > 0.0:
            steps[count] = t
            count += 1
    return length, count


@fast_part
def _log_sum(a, b, c):
    """ln(eᵃ + eᵇ + eᶜ)."""
    largest = max(a, b, c)
    if a == _NEVER and b == _NEVER and c == _NEVER:
        return largest
    return largest + math.log(exp(a - largest) + exp(b - largest) + exp(c - largest))


@fast_part
def _label(loss, labels, s):
    """l′_s."""
    return labels[s // 2] if s % 2 == 1 else loss.blank


@fast_part
def _skips(labels, s):
    """Whether a path may come to l′_s from l′_{s−2}: not past a blank between equal labels."""
    return s % 2 == 1 and s > 1 and labels[s // 2] != labels[s // 2 - 1]


@fast_part
def _log(y):
    y = float(y)
    return math.log(_SMALLEST if y < _SMALLEST else y)  # so that NaN stays NaN


@fast_part
def _forward(loss, y, sample, labels, steps, alpha):
    """``alpha`` (steps, places) = α; the loss: infinite where no path reads as the target."""
    count, places = alpha.shape
    if count == 0:
        return 0.0 if places == 1 else -_NEVER
    for s in range(places):
        alpha[0, s] = _log(y[steps[0], sample, _label(loss, labels, s)]) if s < 2 else _NEVER
    for t in range(1, count):
        for s in range(places):
            one = alpha[t - 1, s - 1] if s > 0 else _NEVER
            two = alpha[t - 1, s - 2] if _skips(labels, s) else _NEVER
            alpha[t, s] = _log(y[steps[t], sample, _label(loss, labels, s)]) + _log_sum(alpha[t - 1, s], one, two)
    last = alpha[count - 1, places - 2] if places > 1 else _NEVER
    return -_log_sum(alpha[count - 1, places - 1], last, _NEVER)


@fast_part
def _backward(loss, y, sample, labels, steps, alpha, value, beta, d):
    """``d`` −= γ_t at the labels of each step, from the last step to the first; ``beta`` (2, places) is room for β_t
    and for β_{t+1} + ln y_{t+1}."""
    count, places = alpha.shape
    for t in range(count - 1, -1, -1):
        for s in range(places):
            if t == count - 1:
                beta[0, s] = 0.0 if s >= places - 2 else _NEVER
            else:
                one = beta[1, s + 1] if s + 1 < places else _NEVER
                two = beta[1, s + 2] if s + 2 < places and _skips(labels, s + 2) else _NEVER
                beta[0, s] = _log_sum(beta[1, s], one, two)
        for s in range(places):
            label = _label(loss, labels, s)
            d[steps[t], sample, label] -= exp(alpha[t, s] + beta[0, s] + value)
            beta[1, s] = beta[0, s] + _log(y[steps[t], sample, label])


@fast_part
def forward(layer, tape):
    """The loss of each sample."""
    labels, steps = np.empty(tape.y.shape[0], np.int64), np.empty(tape.y.shape[0], np.int64)
    for s in range(tape.value.shape[0]):
        length, count = _read(layer, tape, s, labels, steps)
        value = _forward(layer, tape.y, s, labels, steps, np.empty((count, 2 * length + 1)))
        tape.value[s, 0] = tape.weight[0, s] * value if tape.weight.size > 0 else value


@fast_part
def backward(layer, tape):
    """The loss of each sample, and its gradient by y, −Σ_s γ_t(s) [l′_s = k] / y_t(k); or before a softmax
    y − Σ_s γ_t(s) [l′_s = k], without the division that would cancel."""
    y, d = tape.y, tape.d_y
    labels, steps = np.empty(y.shape[0], np.int64), np.empty(y.shape[0], np.int64)
    fill(d, 0.0)
    for s in range(tape.value.shape[0]):
        weight = tape.weight[0, s] if tape.weight.size > 0 else 1.0
        length, count = _read(layer, tape, s, labels, steps)
        alpha = np.empty((count, 2 * length + 1))
        value = _forward(layer, y, s, labels, steps, alpha)
        tape.value[s, 0] = weight * value
        if value == math.inf:
            continue
        _backward(layer, y, s, labels, steps, alpha, value, np.empty((2, 2 * length + 1)), d)
        for t in steps[:count]:
            for k in range(y.shape[2]):
                if layer.canonical != 0:
                    d[t, s, k] = weight * (y[t, s, k] + d[t, s, k])
                else:
                    d[t, s, k] *= weight / max(float(y[t, s, k]), _SMALLEST)


@dataclass(frozen=True)
class CTC(Loss):
    """−ln of the probability of all the ways to read the target; Y is (samples, labels), of whole numbers, a shorter
    sequence filled up with the ``blank``. The last layer is a softmax with a unit for each label and the blank."""

    blank: int = 0

    kernels = Kernels("CTC", forward, backward, options=Options, tape=Tape)
    canonical: ClassVar[str | None] = "softmax"
    targets: ClassVar[str] = "labels"

    def check(self) -> None:
        check_range(self, "blank", self.blank >= 0, "is the number of an output")

    def numbers(self) -> dict[str, float]:
        return {"blank": self.blank}
