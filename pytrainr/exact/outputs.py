"""The network's output: its activation over rows (one sample at one time step each), and what the loss sends back."""

from __future__ import annotations

from pytrainr.exact.activations import times_logistic_slope, times_tanh_slope
from pytrainr.exact.losses import loss_gradient, loss_value
from pytrainr.exact.scalars import exp
from pytrainr.exact.vectors import dot, flat, largest, total
from pytrainr.numerics.compiled_once import fast_compiled_once
from pytrainr.numerics.elementwise import fast_logistic_, fast_tanh_
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map

__all__ = ["OUTPUTS", "activate_output", "output_delta", "output_loss", "output_slope"]

OUTPUTS = ("logistic", "linear", "tanh", "softmax")
"""Names of the output activations; compiled code knows each by its place."""

_LOGISTIC, _LINEAR, _TANH, _SOFTMAX = range(4)


@fast_map("d")
def _difference(y, target):
    return y - target


@fast_part
def activate_output(output, y):
    """``y = f(y)`` for y (rows, outputs); softmax over the outputs of a row."""
    if output == _LOGISTIC:
        fast_logistic_(y)
    elif output == _TANH:
        fast_tanh_(y)
    elif output == _SOFTMAX:
        for row in range(y.shape[0]):
            values = y[row]
            highest = largest(values)
            for k in range(values.size):
                values[k] = exp(values[k] - highest)
            mass = total(values)
            for k in range(values.size):
                values[k] /= mass


@fast_part
def output_slope(output, gradient, y):
    """``gradient = gradient · ∂y/∂s`` for rows: y(1−y), 1, 1−y²; for softmax y∘(d − Σ d∘y)."""
    if output == _LOGISTIC:
        times_logistic_slope(gradient, gradient, y)
    elif output == _TANH:
        times_tanh_slope(gradient, gradient, y)
    elif output == _SOFTMAX:
        for row in range(y.shape[0]):
            d, values = gradient[row], y[row]
            inner = dot(d, values)
            for k in range(values.size):
                d[k] = values[k] * (d[k] - inner)


@fast_compiled_once
def output_delta(output, loss, canonical, width, d, y, target):
    """``d`` = gradient of the loss before the output's activation, for rows.

    Where activation and loss belong together (``canonical``) it is y − target, and for softmax y·Σtarget − target,
    without the division that would cancel.
    """
    if not canonical:
        loss_gradient(loss, flat(d), flat(y), flat(target), width)
        output_slope(output, d, y)
    elif output == _SOFTMAX:
        for row in range(y.shape[0]):
            mass = total(target[row])
            for k in range(y.shape[1]):
                d[row, k] = y[row, k] * mass - target[row, k]
    else:
        _difference(d, y, target)


@fast_compiled_once
def output_loss(loss, width, y, target) -> float:
    """The loss summed over the rows that have a target (NaN is none)."""
    total = 0.0
    for row in range(y.shape[0]):
        if target[row, 0] == target[row, 0]:
            total += loss_value(loss, y[row], target[row], width)
    return total
