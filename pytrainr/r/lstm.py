"""R's long short-term memory."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.numerics.elementwise import logistic_, tanh_
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.linalg import add_product, add_transposed_products, product
from pytrainr.numerics.long_double import add_column_means
from pytrainr.r.layers import add_recycled_bias, flattened, vector

GATES = 4  # forget, input, candidate, output
KEPT = (1, 4, 1)  # states besides the hidden one: cell, gates, extra
STORED = 6  # arrays of `store`: hidden, cell, forget, input, candidate, output


class Lstm(NamedTuple):
    """f, i, o = logistic(x W + h R [+ b]), c = tanh(likewise); cell ← f·cell + i·c; h = o·tanh(cell)."""

    use_bias: bool
    vectorised: bool


@strict_part
def activate(cell, values):
    """The output layer's activation: always logistic."""
    logistic_(values, cell.vectorised)


@strict_part
def forward(cell, weights, x, states, rows):
    """Fill ``states``: gates f, i, c, o; cell; hidden; tanh(cell) in ``extra``."""
    h, memory, gates, tanh_memory = states
    n, hidden = h.shape[1], h.shape[2]
    product(flattened(gates), flattened(x), weights.time)
    for t in range(x.shape[0]):
        add_product(gates[t], h[t], weights.recurrent)
        if cell.use_bias:
            for gate in range(GATES):
                add_recycled_bias(gates[t][:, gate * hidden : (gate + 1) * hidden], weights.bias[gate], rows)
        for s in range(n):
            row = gates[t, s]
            logistic_(row[: 2 * hidden], cell.vectorised)
            tanh_(row[2 * hidden : 3 * hidden], cell.vectorised)
            logistic_(row[3 * hidden :], cell.vectorised)
            f, i, c = row[:hidden], row[hidden : 2 * hidden], row[2 * hidden : 3 * hidden]
            before, after, squashed = memory[t, s], memory[t + 1, s], tanh_memory[t, s]
            for k in range(hidden):
                after[k] = f[k] * before[k] + i[k] * c[k]
                squashed[k] = after[k]
        tanh_(vector(tanh_memory[t]), cell.vectorised)
        for s in range(n):
            o, squashed, out = gates[t, s, 3 * hidden :], tanh_memory[t, s], h[t + 1, s]
            for k in range(hidden):
                out[k] = o[k] * squashed[k]


@strict_part
def backward(cell, weights, transposed, updates, x, states, gradient, scratch):
    """R's backward pass; ``post`` is the gradient after a gate's activation, ``pre`` before it.

    dc = up·o·(1 − cell²) + dc_{t+1}·f_{t+1} (the derivative taken at the cell, not at tanh(cell));
    post = (f: dc·cell_{t−1}, i: dc·c, c: dc·i, o: up·tanh(cell)); pre = post · the gate's derivative.
    The updates use post where the gradient has pre; what flows on, pre Rᵀ and pre Wᵀ, adds them in order o, c, i, f.
    Only the last layer receives its own future hidden gradient.
    """
    h, memory, gates, tanh_memory = states
    steps, n, hidden = x.shape[0], h.shape[1], h.shape[2]
    future, future_memory, pre = scratch.future, scratch.future_cell, scratch.pre
    future[:] = 0.0
    future_memory[:] = 0.0
    post = gates  # each step's gates give way to what the updates need of them
    for t in range(steps - 1, -1, -1):
        up = gradient.up[t]
        if gradient.last:
            for s in range(n):
                for k in range(hidden):
                    up[s, k] += future[s, k]
        for s in range(n):
            row, pre_row = gates[t, s], pre[s]
            f, i = row[:hidden], row[hidden : 2 * hidden]
            c, o = row[2 * hidden : 3 * hidden], row[3 * hidden :]
            pre_f, pre_i = pre_row[:hidden], pre_row[hidden : 2 * hidden]
            pre_c, pre_o = pre_row[2 * hidden : 3 * hidden], pre_row[3 * hidden :]
            u, m, before, squashed, carried = up[s], memory[t + 1, s], memory[t, s], tanh_memory[t, s], future_memory[s]
            for k in range(hidden):
                dc = (u[k] * o[k]) * (1.0 - m[k] * m[k]) + carried[k]
                post_f, post_i, post_c, post_o = dc * before[k], dc * c[k], dc * i[k], u[k] * squashed[k]
                carried[k] = dc * f[k]
                pre_f[k] = post_f * (f[k] * (1.0 - f[k]))
                pre_i[k] = post_i * (i[k] * (1.0 - i[k]))
                pre_c[k] = post_c * (1.0 - c[k] * c[k])
                pre_o[k] = post_o * (o[k] * (1.0 - o[k]))
                f[k], i[k], c[k], o[k] = post_f, post_i, post_c, post_o
        if t > 0 and gradient.last:
            through_gates(future, pre, transposed.recurrent)
        if not gradient.first:
            through_gates(gradient.down[t], pre, transposed.time)
    add_transposed_products(updates.recurrent, h[:-1], post)
    add_transposed_products(updates.time, x, post)
    for t in range(steps - 1, -1, -1):
        add_column_means(vector(updates.bias), post[t])


@strict_part
def through_gates(out, pre, transposed):
    """``out = pre_o W_oᵀ + pre_c W_cᵀ + pre_i W_iᵀ + pre_f W_fᵀ``, added in that order."""
    hidden = pre.shape[1] // GATES
    product(out, pre[:, 3 * hidden :], transposed[3 * hidden :])
    for gate in (2, 1, 0):
        add_product(out, pre[:, gate * hidden : (gate + 1) * hidden], transposed[gate * hidden : (gate + 1) * hidden])


@strict_part
def stored(cell, states, t, sample, k, unit):
    """Entry k of R's ``store`` for one unit: hidden, cell, forget, input, candidate, output."""
    if k == 0:
        return states.hidden[t + 1, sample, unit]
    if k == 1:
        return states.cell[t + 1, sample, unit]
    return states.gates[t, sample, (k - 2) * states.hidden.shape[2] + unit]
