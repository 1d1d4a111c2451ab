"""R's gated recurrent unit."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.numerics.elementwise import logistic_, tanh_
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.linalg import add_product, add_transposed_products, product
from pytrainr.numerics.long_double import add_column_means
from pytrainr.r.layers import add_recycled_bias, flattened, vector

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


@strict_part
def forward(cell, weights, x, states, rows):
    """Fill ``states``: gates z, r, g; hidden; h_{t−1}·r in ``extra``."""
    h, _, gates, reset_h = states
    n, hidden = h.shape[1], h.shape[2]
    product(flattened(gates), flattened(x), weights.time)
    for t in range(x.shape[0]):
        z_and_r, g = gates[t][:, : 2 * hidden], gates[t][:, 2 * hidden :]
        add_product(z_and_r, h[t], weights.recurrent[:, : 2 * hidden])
        if cell.use_bias:
            add_recycled_bias(z_and_r[:, :hidden], weights.bias[0], rows)
            add_recycled_bias(z_and_r[:, hidden:], weights.bias[1], rows)
        for s in range(n):
            logistic_(gates[t, s, : 2 * hidden], cell.vectorised)
            r, before, reset = gates[t, s, hidden : 2 * hidden], h[t, s], reset_h[t, s]
            for k in range(hidden):
                reset[k] = before[k] * r[k]
        add_product(g, reset_h[t], weights.recurrent[:, 2 * hidden :])
        if cell.use_bias:
            add_recycled_bias(g, weights.bias[2], rows)
        for s in range(n):
            tanh_(gates[t, s, 2 * hidden :], cell.vectorised)
            z, candidate = gates[t, s, :hidden], gates[t, s, 2 * hidden :]
            before, after = h[t, s], h[t + 1, s]
            for k in range(hidden):
                after[k] = (1.0 - z[k]) * before[k] + z[k] * candidate[k]


@strict_part
def backward(cell, weights, transposed, updates, x, states, gradient, scratch):
    """R's backward pass; ``post`` is the gradient after a gate's activation, ``pre`` before it.

    d = up + future (in the last layer the future is added twice);
    g_post = d·z, g_pre = g_post·(1 − g²); z_post = 1 − d·h_{t−1} (R's sign), z_pre = z_post·z(1 − z); d ← d·(1 − z);
    r_post = h_{t−1}·(g_pre R_gᵀ), r_pre = r_post·r(1 − r); d ← d + r·(g_pre R_gᵀ);
    future = d + (r_pre R_rᵀ + z_pre R_zᵀ); down = (r_post W_rᵀ + z_pre W_zᵀ) + g_pre W_gᵀ.
    The updates use post where the gradient has pre.
    """
    h, _, gates, reset_h = states
    steps, n, hidden = x.shape[0], h.shape[1], h.shape[2]
    future, through_g, pre = scratch.future, scratch.product, scratch.pre
    z_pre, r_pre, g_pre = pre[:, :hidden], pre[:, hidden : 2 * hidden], pre[:, 2 * hidden :]
    future[:] = 0.0
    post = gates  # each step's gates give way to what the updates need of them
    for t in range(steps - 1, -1, -1):
        up = gradient.up[t]
        for s in range(n):
            row, pre_row = gates[t, s], pre[s]
            z, g = row[:hidden], row[2 * hidden :]
            pre_z, pre_g = pre_row[:hidden], pre_row[2 * hidden :]
            d, before, carried = up[s], h[t, s], future[s]
            for k in range(hidden):
                if gradient.last:
                    d[k] += carried[k]
                dk = d[k] + carried[k]
                g_post, z_post = dk * z[k], 1.0 - dk * before[k]
                d[k] = dk * (1.0 - z[k])
                pre_g[k] = g_post * (1.0 - g[k] * g[k])
                pre_z[k] = z_post * (z[k] * (1.0 - z[k]))
                z[k], g[k] = z_post, g_post
        product(through_g, g_pre, transposed.recurrent[2 * hidden :])
        for s in range(n):
            r, pre_r = gates[t, s, hidden : 2 * hidden], pre[s, hidden : 2 * hidden]
            d, before, back = up[s], h[t, s], through_g[s]
            for k in range(hidden):
                r_post = before[k] * back[k]
                pre_r[k] = r_post * (r[k] * (1.0 - r[k]))
                d[k] += r[k] * back[k]
                r[k] = r_post
        if t > 0:
            product(future, r_pre, transposed.recurrent[hidden : 2 * hidden])
            add_product(future, z_pre, transposed.recurrent[:hidden])
            for s in range(n):
                for k in range(hidden):
                    future[s, k] += up[s, k]
        if not gradient.first:
            down = gradient.down[t]
            product(down, post[t][:, hidden : 2 * hidden], transposed.time[hidden : 2 * hidden])
            add_product(down, z_pre, transposed.time[:hidden])
            add_product(down, g_pre, transposed.time[2 * hidden :])
    add_transposed_products(updates.recurrent[:, : 2 * hidden], h[:-1], post[:, :, : 2 * hidden])
    add_transposed_products(updates.recurrent[:, 2 * hidden :], reset_h, post[:, :, 2 * hidden :])
    add_transposed_products(updates.time, x, post)
    for t in range(steps - 1, -1, -1):
        add_column_means(vector(updates.bias), post[t])


@strict_part
def stored(cell, states, t, sample, k, unit):
    """Entry k of R's ``store`` for one unit: hidden, z, r, candidate."""
    if k == 0:
        return states.hidden[t + 1, sample, unit]
    return states.gates[t, sample, (k - 1) * states.hidden.shape[2] + unit]
