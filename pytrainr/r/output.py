"""R's output layer: its delta and errors, and the two ways R goes back through it."""

from __future__ import annotations

from typing import Any

from pytrainr.numerics.elementwise import fill
from pytrainr.numerics.jit import strict_part
from pytrainr.numerics.linalg import add_transposed_product, add_transposed_products, product, transpose
from pytrainr.numerics.long_double import add, add_column_means, divided, long_double
from pytrainr.numerics.vectors import strict_map
from pytrainr.numerics.views import view
from pytrainr.r.layers import flattened, times_logistic_slope

__all__ = ["output_errors", "through_pending_update", "through_weights"]


@strict_map("y, delta")
def _errors(y, out):
    error = y - out
    return error, error * (out * (1.0 - out))


@strict_part
def output_errors(out, y, delta, error, unused_steps):
    """E = Y − out, δ = E·out·(1 − out), and Σ|E| of each sample.

    ``out`` and ``delta`` (T, n, output), ``y`` (T, n, output) in, E out. E and δ are 0 at the first ``unused_steps``
    steps (``seq_to_seq_unsync``). The derivative is the logistic one whatever the sigmoid is.
    """
    steps, n, outputs = out.shape
    unused = min(unused_steps, steps) * n * outputs
    fill(view(y, 0, (unused,)), 0.0)
    fill(view(delta, 0, (unused,)), 0.0)
    used = (y.size - unused,)
    _errors(view(delta, unused, used), view(y, unused, used), view(out, unused, used))
    for s in range(n):
        total: Any = long_double(0.0)
        for k in range(outputs):
            for t in range(steps):
                total = add(total, abs(y[t, s, k]))
        error[s] = divided(total, 1.0)


@strict_part
def through_weights(cell, weights, transposed, updates, bias_update, delta, h, up):
    """The rnn's: ΔW += h_tᵀ δ_t, Δb += column means of δ_t, up_t = δ_t Wᵀ."""
    add_transposed_products(updates, h, delta)
    add_column_means(bias_update, delta)
    product(flattened(up), flattened(delta), transposed)


# For a single sample, the two products at once; R's sums begin at +0.


@strict_map("pending, up")
def _through_first_output(pending, h, delta):
    pending = pending + (h * delta + 0.0)
    return pending, delta * pending + 0.0


@strict_map("pending, up")
def _through_next_output(pending, up, h, delta):
    pending = pending + (h * delta + 0.0)
    return pending, up + delta * pending


@strict_part
def through_pending_update(cell, weights, transposed, updates, bias_update, delta, h, up):
    """The gru's and lstm's: the same updates, but up_t = (δ_t ΔWᵀ)·h_t(1 − h_t): the pending update, not the weight."""
    pending = transposed  # the weights are not needed here
    transpose(pending, updates)
    for t in range(delta.shape[0] - 1, -1, -1):
        if delta.shape[1] == 1:
            _through_first_output(up[t, 0], pending[0], h[t, 0], delta[t, 0, 0])
            for o in range(1, delta.shape[2]):
                _through_next_output(pending[o], up[t, 0], h[t, 0], delta[t, 0, o])
        else:
            add_transposed_product(pending, delta[t], h[t])
            product(up[t], delta[t], pending)
    transpose(updates, pending)
    times_logistic_slope(up, h)
    add_column_means(bias_update, delta)
