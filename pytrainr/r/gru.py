"""R's gated recurrent unit."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.numerics.elementwise import add, fill, logistic_, tanh_
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.linalg import add_product, product
from pytrainr.numerics.vectors import strict_map
from pytrainr.numerics.views import columns, three_gates
from pytrainr.r.layers import (
    add_recurrent_product,
    add_recycled_bias,
    add_share_of_means,
    add_share_of_products,
    add_through_recurrent,
    flattened,
    gate_rows,
    past,
    through_recurrent,
    vector,
)

GATES = 3  # update z, reset r, candidate g
KEPT = (0, 3, 1)  # states besides the hidden one: cell, gates, extra
STORED = 4  # arrays of `store`: hidden, z, r, candidate


class Gru(NamedTuple):
    """z, r = logistic(x W + h R [+ b]), g = tanh(x W_g + (h·r) R_g [+ b_g]); h ← (1 − z)·h + z·g."""

    use_bias: bool
    vectorised: bool


@strict_part
def activate(cell, values):
    """The output layer's activation: always logistic."""
    logistic_(values, cell.vectorised)


@strict_map("reset_h")
def _reset(before, r):
    return before * r


@strict_map("after")
def _next_state(z, before, g):
    return (1.0 - z) * before + z * g


@strict_part
def forward(cell, weights, x, states, rows):
    """Fill ``states``: gates z, r, g; hidden; h_{t−1}·r in ``extra``."""
    h, _, gates, reset_h = states
    hidden = h.shape[2]
    product(flattened(gates), flattened(x), weights.time)
    for t in range(x.shape[0]):
        z, r, g = three_gates(gates[t])
        z_and_r = columns(gates[t], 0, 2 * hidden)
        add_recurrent_product(z_and_r, h[t], weights, 0, 2)
        if cell.use_bias:
            add_recycled_bias(z, weights.bias[0], rows)
            add_recycled_bias(r, weights.bias[1], rows)
        logistic_(z_and_r, cell.vectorised)
        _reset(reset_h[t], h[t], r)
        add_recurrent_product(g, reset_h[t], weights, 2, 1)
        if cell.use_bias:
            add_recycled_bias(g, weights.bias[2], rows)
        tanh_(g, cell.vectorised)
        _next_state(h[t + 1], z, h[t], g)


@strict_map("z_pre, g_pre, d, z, g")
def _back_to_z_and_g(d, future, before, z, g):
    d = d + future
    g_post, z_post = d * z, 1.0 - d * before
    return z_post * (z * (1.0 - z)), g_post * (1.0 - g * g), d * (1.0 - z), z_post, g_post


@strict_map("r_pre, d, r")
def _back_to_r(d, through_g, before, r):
    r_post = before * through_g
    return r_post * (r * (1.0 - r)), d + r * through_g, r_post


@strict_part
def backward(cell, weights, transposed, states, gradient, scratch):
    """R's backward pass; ``post``, in the gates' place, is the gradient after a gate's activation, ``pre`` before it.

    d = up + future (in the last layer the future is added twice);
    g_post = d·z, g_pre = g_post·(1 − g²); z_post = 1 − d·h_{t−1} (R's sign), z_pre = z_post·z(1 − z); d ← d·(1 − z);
    r_post = h_{t−1}·(g_pre R_gᵀ), r_pre = r_post·r(1 − r); d ← d + r·(g_pre R_gᵀ);
    future = d + (r_pre R_rᵀ + z_pre R_zᵀ); down = (r_post W_rᵀ + z_pre W_zᵀ) + g_pre W_gᵀ.
    """
    h, _, gates, _ = states
    steps, hidden = gates.shape[0], h.shape[2]
    future, through_g = scratch.future, scratch.product
    z_pre, r_pre, g_pre = three_gates(scratch.pre)
    fill(future, 0.0)
    for t in range(steps - 1, -1, -1):
        z, r, g = three_gates(gates[t])
        d = gradient.up[t]
        if gradient.last:
            add(d, future)
        _back_to_z_and_g(z_pre, g_pre, d, future, h[t], z, g)
        through_recurrent(through_g, g_pre, transposed, 2)
        _back_to_r(r_pre, d, through_g, h[t], r)
        if t > 0:
            through_recurrent(future, r_pre, transposed, 1)
            add_through_recurrent(future, z_pre, transposed, 0)
            add(future, d)
        if not gradient.first:
            down = gradient.down[t]
            product(down, r, gate_rows(transposed.time, 1, hidden))
            add_product(down, z_pre, gate_rows(transposed.time, 0, hidden))
            add_product(down, g_pre, gate_rows(transposed.time, 2, hidden))


@strict_part
def add_updates(cell, updates, x, states, delta, first, share):
    """ΔR_{z,r} += h_{t−1}ᵀ post, ΔR_g += (h_{t−1}·r)ᵀ post, ΔW += xᵀ post, Δb += means (a gradient would have pre)."""
    h, _, post, reset_h = states
    hidden = h.shape[2]
    z_and_r, g = columns(post, 0, 2 * hidden), columns(post, 2 * hidden, hidden)
    add_share_of_products(columns(updates.recurrent, 0, 2 * hidden), past(h), z_and_r, share)
    add_share_of_products(columns(updates.recurrent, 2 * hidden, hidden), reset_h, g, share)
    add_share_of_products(updates.time, x, post, share)
    add_share_of_means(vector(updates.bias), post, share)


@strict_part
def stored(cell, states, t, sample, k, unit):
    """Entry k of R's ``store`` for one unit: hidden, z, r, candidate."""
    if k == 0:
        return states.hidden[t + 1, sample, unit]
    return states.gates[t, sample, (k - 1) * states.hidden.shape[2] + unit]
