"""R's long short-term memory."""

from __future__ import annotations

from typing import NamedTuple

from pytrainr.numerics.elementwise import add, fill, logistic_, tanh_
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.linalg import add_product, product
from pytrainr.numerics.vectors import strict_map
from pytrainr.numerics.views import columns, four_gates
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


@strict_map("after, squashed")
def _next_cell(before, f, i, c):
    after = f * before + i * c
    return after, after


@strict_map("h")
def _next_state(o, squashed):
    return o * squashed


@strict_part
def forward(cell, weights, x, states, rows):
    """Fill ``states``: gates f, i, c, o; cell; hidden; tanh(cell) in ``extra``."""
    h, memory, gates, tanh_memory = states
    hidden = h.shape[2]
    product(flattened(gates), flattened(x), weights.time)
    for t in range(x.shape[0]):
        f, i, c, o = four_gates(gates[t])
        add_recurrent_product(gates[t], h[t], weights, 0, GATES)
        if cell.use_bias:
            add_recycled_bias(f, weights.bias[0], rows)
            add_recycled_bias(i, weights.bias[1], rows)
            add_recycled_bias(c, weights.bias[2], rows)
            add_recycled_bias(o, weights.bias[3], rows)
        logistic_(columns(gates[t], 0, 2 * hidden), cell.vectorised)
        tanh_(c, cell.vectorised)
        logistic_(o, cell.vectorised)
        _next_cell(memory[t + 1], tanh_memory[t], memory[t], f, i, c)
        tanh_(tanh_memory[t], cell.vectorised)
        _next_state(h[t + 1], o, tanh_memory[t])


@strict_map("f_pre, i_pre, c_pre, o_pre, f, i, c, o, future")
def _back(up, future, before, after, squashed, f, i, c, o):
    d = (up * o) * (1.0 - after * after) + future
    f_post, i_post, c_post, o_post = d * before, d * c, d * i, up * squashed
    f_pre, i_pre = f_post * (f * (1.0 - f)), i_post * (i * (1.0 - i))
    c_pre, o_pre = c_post * (1.0 - c * c), o_post * (o * (1.0 - o))
    return f_pre, i_pre, c_pre, o_pre, f_post, i_post, c_post, o_post, d * f


@strict_part
def backward(cell, weights, transposed, states, gradient, scratch):
    """R's backward pass; ``post``, in the gates' place, is the gradient after a gate's activation, ``pre`` before it.

    dc = up·o·(1 − cell²) + dc_{t+1}·f_{t+1} (the derivative taken at the cell, not at tanh(cell));
    post = (f: dc·cell_{t−1}, i: dc·c, c: dc·i, o: up·tanh(cell)); pre = post · the gate's derivative.
    What flows on, pre Rᵀ and pre Wᵀ, adds them in order o, c, i, f.
    Only the last layer receives its own future hidden gradient.
    """
    _, memory, gates, tanh_memory = states
    future, future_memory, pre = scratch.future, scratch.future_cell, scratch.pre
    f_pre, i_pre, c_pre, o_pre = four_gates(pre)
    fill(future, 0.0)
    fill(future_memory, 0.0)
    for t in range(gates.shape[0] - 1, -1, -1):
        f, i, c, o = four_gates(gates[t])
        up = gradient.up[t]
        if gradient.last:
            add(up, future)
        before, after = memory[t], memory[t + 1]
        _back(f_pre, i_pre, c_pre, o_pre, up, future_memory, before, after, tanh_memory[t], f, i, c, o)
        if t > 0 and gradient.last:
            through_recurrent(future, o_pre, transposed, 3)
            add_through_recurrent(future, c_pre, transposed, 2)
            add_through_recurrent(future, i_pre, transposed, 1)
            add_through_recurrent(future, f_pre, transposed, 0)
        if not gradient.first:
            down, hidden = gradient.down[t], gates.shape[2] // GATES
            product(down, o_pre, gate_rows(transposed.time, 3, hidden))
            add_product(down, c_pre, gate_rows(transposed.time, 2, hidden))
            add_product(down, i_pre, gate_rows(transposed.time, 1, hidden))
            add_product(down, f_pre, gate_rows(transposed.time, 0, hidden))


@strict_part
def add_updates(cell, updates, x, states, delta, first, share):
    """ΔR += h_{t−1}ᵀ post, ΔW += xᵀ post, Δb += means (a gradient would have pre)."""
    post = states.gates
    add_share_of_products(updates.recurrent, past(states.hidden), post, share)
    add_share_of_products(updates.time, x, post, share)
    add_share_of_means(vector(updates.bias), post, share)


@strict_part
def stored(cell, states, t, sample, k, unit):
    """Entry k of R's ``store`` for one unit: hidden, cell, forget, input, candidate, output."""
    if k == 0:
        return states.hidden[t + 1, sample, unit]
    if k == 1:
        return states.cell[t + 1, sample, unit]
    return states.gates[t, sample, (k - 2) * states.hidden.shape[2] + unit]
