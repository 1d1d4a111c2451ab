"""The network's output: its activation over rows (one sample at one time step each), and what the loss sends back."""

from __future__ import annotations

from pytrainr.exact.losses import loss_gradient, loss_value
from pytrainr.exact.scalars import exp, logistic, tanh
from pytrainr.exact.vectors import dot, largest, total
from pytrainr.numerics.jit import part

__all__ = ["OUTPUTS", "activate_output", "output_delta", "output_loss", "output_slope"]

OUTPUTS = ("logistic", "linear", "tanh", "softmax")
"""Names of the output activations; compiled code knows each by its place."""

_LOGISTIC, _LINEAR, _TANH, _SOFTMAX = range(4)


@part
def activate_output(output, y):
    """``y = f(y)`` for y (rows, outputs); softmax over the outputs of a row."""
    if output == _LINEAR:
        return
    for row in range(y.shape[0]):
        values = y[row]
        if output == _LOGISTIC:
            for k in range(values.size):
                values[k] = logistic(values[k])
        elif output == _TANH:
            for k in range(values.size):
                values[k] = tanh(values[k])
        else:
            highest = largest(values)
            for k in range(values.size):
                values[k] = exp(values[k] - highest)
            mass = total(values)
            for k in range(values.size):
                values[k] /= mass


@part
def output_slope(output, gradient, y):
    """``gradient = gradient · ∂y/∂s`` for rows: y(1−y), 1, 1−y²; for softmax y∘(d − Σ d∘y)."""
    for row in range(y.shape[0]):
        d, values = gradient[row], y[row]
        if output == _LOGISTIC:
            for k in range(values.size):
                d[k] *= values[k] * (1.0 - values[k])
        elif output == _TANH:
            for k in range(values.size):
                d[k] *= 1.0 - values[k] * values[k]
        elif output == _SOFTMAX:
            inner = dot(d, values)
            for k in range(values.size):
                d[k] = values[k] * (d[k] - inner)


@part
def output_delta(output, loss, canonical, width, d, y, target):
    """``d`` = gradient of the loss before the output's activation, for rows.

    Where activation and loss belong together (``canonical``) it is y − target, and for softmax y·Σtarget − target,
    without the division that would cancel.
    """
    if not canonical:
        for row in range(y.shape[0]):
            loss_gradient(loss, d[row], y[row], target[row], width)
        output_slope(output, d, y)
        return
    for row in range(y.shape[0]):
        mass = total(target[row]) if output == _SOFTMAX else target.dtype.type(1.0)
        for k in range(y.shape[1]):
            d[row, k] = y[row, k] * mass - target[row, k]


@part
def output_loss(loss, width, y, target):
    """The loss summed over the rows that have a target (NaN is none)."""
    total = 0.0
    for row in range(y.shape[0]):
        if target[row, 0] == target[row, 0]:
            total += loss_value(loss, y[row], target[row], width)
    return total
