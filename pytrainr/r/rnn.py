"""R's simple recurrent (Elman) network."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.numerics.elementwise import gompertz_, logistic_, tanh_
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.linalg import product
from pytrainr.r.layers import (
    add_recurrent_product,
    add_recycled_bias,
    add_share_of_means,
    add_share_of_products,
    add_through_recurrent,
    flattened,
    past,
    present,
    times_logistic_slope,
)

SIGMOIDS = ("logistic", "tanh", "Gompertz")

GATES = 1
KEPT = (0, 0, 0)  # states besides the hidden one: cell, gates, extra
STORED = 1  # arrays of `store`: the hidden state


class Rnn(NamedTuple):
    """h_t = σ(x_t W + h_{t−1} R [+ b]), output σ(h_t W_out [+ b_out]); σ is ``SIGMOIDS[sigmoid]``."""

    sigmoid: int
    use_bias: bool
    vectorised: bool


@strict_part
def activate(cell, values):
    """σ in place, on the hidden units and on the output alike."""
    if cell.sigmoid == 0:
        logistic_(values, cell.vectorised)
    elif cell.sigmoid == 1:
        tanh_(values, cell.vectorised)
    else:
        gompertz_(values, cell.vectorised)


@strict_part
def forward(cell, weights, x, states, rows):
    """Fill ``states.hidden`` from the inputs ``x`` (T, n, input)."""
    h = states.hidden
    product(flattened(present(h)), flattened(x), weights.time)
    for t in range(x.shape[0]):
        add_recurrent_product(h[t + 1], h[t], weights, 0, GATES)
        if cell.use_bias:
            add_recycled_bias(h[t + 1], weights.bias[0], rows)
        activate(cell, h[t + 1])


@strict_part
def backward(cell, weights, transposed, states, gradient, scratch):
    """δ_t = (δ_{t+1} Rᵀ + up_t) h_t (1 − h_t), in place of ``up``: the logistic derivative whatever σ is."""
    h, delta = states.hidden, gradient.up
    steps = delta.shape[0]
    for t in range(steps - 1, -1, -1):
        if t < steps - 1:
            add_through_recurrent(delta[t], delta[t + 1], transposed, 0)
        times_logistic_slope(delta[t], h[t + 1])
    if not gradient.first:
        product(flattened(gradient.down), flattened(delta), transposed.time)


@strict_part
def add_updates(cell, updates, x, states, delta, first, share):
    """ΔR += h_{t−1}ᵀ δ_t, ΔW += x_tᵀ δ_t; a bias gets means where weights get sums, the first layer's nothing."""
    add_share_of_products(updates.recurrent, past(states.hidden), delta, share)
    add_share_of_products(updates.time, x, delta, share)
    if not first:
        add_share_of_means(updates.bias[0], delta, share)


@strict_part
def stored(cell, states, t, sample, k, unit):
    """Entry k of R's ``store`` for one unit: the hidden state."""
    return states.hidden[t + 1, sample, unit]
