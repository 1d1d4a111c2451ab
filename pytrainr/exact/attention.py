"""Attention as the layers use it: of one sample, who looks at whom, what is seen, and the way back.

    A = softmax(E),  Y = A V

E (T, S) says how well each of T queries likes each of S keys: by their product, or additively (Bahdanau et al. 2015).
The rows are softmaxes over the keys that have an entry and, where it is causal, are no later than the query.
"""

from __future__ import annotations

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import flat
from pytrainr.exact.products import product, transpose, transposed_product
from pytrainr.exact.scalars import tanh
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.views import columns, view

__all__ = [
    "additive_scores",
    "additive_scores_backward",
    "look",
    "look_backward",
    "of_sample",
    "product_scores",
    "product_scores_backward",
    "square",
]

_SOFTMAX, _LOWEST = number_of("softmax"), -1e30


@fast_part
def of_sample(a, s, first, count):
    """Of (steps, n, width) some columns of one sample, (steps, count)."""
    return columns(a[:, s], first, count)


@fast_part
def square(rows, s, number, height, width):
    """Of (n, ·) the matrix (height, width) of one sample, the ``number``-th of several."""
    return view(rows, s * rows.shape[1] + number * height * width, (height, width))


@fast_part
def _hide(scores, present, s, causal, value):
    """``value`` where key j has no entry, or comes after query t."""
    for t in range(scores.shape[0]):
        if present.size > 0:
            for j in range(scores.shape[1]):
                if present[j, s] == 0.0:
                    scores[t, j] = value
        if causal != 0:
            for j in range(t + 1, scores.shape[1]):
                scores[t, j] = value


@fast_part
def look(y, share, values, present, s, causal):
    """A = softmax(E) in the place of E;  Y = A V. Who can look at nothing sees 0."""
    _hide(share, present, s, causal, _LOWEST)
    activate_rows(_SOFTMAX, share, share)
    _hide(share, present, s, causal, 0.0)
    product(y, share, values)


@fast_part
def look_backward(d_scores, d_values, d_y, share, values, room):
    """dV = Aᵀ dY;  dA = dY Vᵀ,  dE = A∘(dA − Σ A∘dA). ``room`` is for Vᵀ."""
    transpose(room, values)
    product(d_scores, d_y, room)
    slope_of_rows(_SOFTMAX, d_scores, d_scores, share)
    transposed_product(d_values, share, d_y)


@fast_part
def product_scores(scores, queries, keys, scale, room):
    """E = g·Q Kᵀ. ``room`` is for Kᵀ."""
    transpose(room, keys)
    product(scores, queries, room)
    every = flat(scores)
    for k in range(every.size):
        every[k] *= scale


@fast_part
def product_scores_backward(d_queries, d_keys, d_scores, queries, keys, scale):
    """dQ = g·dE K;  dK = g·dEᵀ Q. ``d_scores`` is multiplied by g."""
    every = flat(d_scores)
    for k in range(every.size):
        every[k] *= scale
    product(d_queries, d_scores, keys)
    transposed_product(d_keys, d_scores, queries)


@fast_part
def additive_scores(scores, query, keys, s, score):
    """e_j = vᵀ tanh(q + k_j), of one query of sample s."""
    for j in range(scores.size):
        key, energy = keys[j, s], query[0] * 0
        for k in range(query.size):
            energy += score[k] * tanh(key[k] + query[k])
        scores[j] = energy


@fast_part
def additive_scores_backward(d_query, d_keys, d_score, d_scores, query, keys, s, score):
    """de_j goes to v∘(1 − tanh²), from there to q and to k_j; to v goes tanh. All three are added to."""
    for j in range(d_scores.size):
        key, d_key, d = keys[j, s], d_keys[j, s], d_scores[j]
        for k in range(query.size):
            bent = tanh(key[k] + query[k])
            d_score[k] += d * bent
            through = d * score[k] * (1.0 - bent * bent)
            d_key[k] += through
            d_query[k] += through
