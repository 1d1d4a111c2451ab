"""Attention as the layers use it: of one sample, who looks at whom, what is seen, and the way back.

    A = softmax(E),  Y = A V

E (T, S) says how well each of T queries likes each of S keys: by their product, or additively (Bahdanau et al. 2015).
The rows are softmaxes over the keys that have an entry and, where it is causal, are no later than the query.
"""

from __future__ import annotations

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import flat
from pytrainr.exact.products import product, transpose, transposed_product
from pytrainr.exact.reductions import dot
from pytrainr.exact.scalars import tanh
from pytrainr.numerics.compiled_once import fast_compiled_once
from pytrainr.numerics.elementwise import add, add_times, copy, fast_tanh
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map
from pytrainr.numerics.views import columns, view

__all__ = [
    "ADDITIVE",
    "ATTENTION",
    "DOT",
    "additive_scores",
    "additive_scores_backward",
    "attend",
    "attend_backward",
    "look",
    "look_backward",
    "of_sample",
    "product_scores",
    "product_scores_backward",
    "square",
]

ATTENTION = (None, "additive", "dot")
"""How a decoder looks at the sequence; compiled code knows each by its place."""

NONE, ADDITIVE, DOT = range(len(ATTENTION))

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


@fast_map("d_query, d_key, d_score")
def _additive_score_backward(d_query, d_key, d_score, d, query, key, score):
    bent = fast_tanh(key + query)
    through = d * score * (1.0 - bent * bent)
    return d_query + through, d_key + through, d_score + d * bent


@fast_part
def additive_scores_backward(d_query, d_keys, d_score, d_scores, query, keys, s, score):
    """de_j goes to v∘(1 − tanh²), from there to q and to k_j; to v goes tanh. All three are added to."""
    for j in range(d_scores.size):
        _additive_score_backward(d_query, d_keys[j, s], d_score, d_scores[j], query, keys[j, s], score)


# one query for each sample: a decoder's -------------------------------------------------------------------------------


@fast_part
def _last(present, steps, s):
    """The last step of the sequence that has an entry."""
    last = steps - 1
    while present.size > 0 and last > 0 and present[last, s] == 0.0:
        last -= 1
    return last


@fast_compiled_once
def attend(attention, y, share, sequence, keys, query, score):
    """y = Σ_j α_j x_j for each sample's query, over the steps x_j that have an entry, in the first columns of y.

    α = softmax(e) by e_j = vᵀ tanh(q + k_j) or q·x_j; without attention y is the last of the steps. ``sequence`` is x
    (steps, n, width) with its presence; ``share`` (n, steps) is α.
    """
    x, present = sequence
    steps, n, width = x.shape
    for s in range(n):
        if attention == NONE:
            copy(y[s, :width], x[_last(present, steps, s), s])
            continue
        if attention == ADDITIVE:
            additive_scores(share[s], query[s], keys, s, score)
        else:
            for j in range(steps):
                share[s, j] = dot(query[s], x[j, s])
        look(columns(y[s : s + 1], 0, width), view(share, s * steps, (1, steps)), x[:, s], present, s, 0)


@fast_compiled_once
def attend_backward(attention, d_y, share, sequence, d_x, keys, query, score):
    """dα_j = dy·x_j;  de = α∘(dα − Σ α dα);  from de_j to v, k_j and q through the tanh, or to x_j and q. All are added
    to.

    ``share``, ``keys``, ``query`` and ``score`` come with their gradients.
    """
    (x, present), (alphas, all_d_scores), (k, d_k), (q, d_q), (v, d_v) = sequence, share, keys, query, score
    steps, n, width = x.shape
    for s in range(n):
        down = d_y[s, :width]
        if attention == NONE:
            if d_x.size > 0:
                add(d_x[_last(present, steps, s), s], down)
            continue
        alpha, d_scores = alphas[s], all_d_scores[s]
        for j in range(steps):
            d_scores[j] = dot(down, x[j, s])
        mean = dot(alpha, d_scores)
        for j in range(steps):
            d_scores[j] = alpha[j] * (d_scores[j] - mean)
            if d_x.size > 0:
                add_times(d_x[j, s], alpha[j], down)
        if attention == ADDITIVE:
            additive_scores_backward(d_q[s], d_k, d_v, d_scores, q[s], k, s, v)
            continue
        for j in range(steps):
            add_times(d_q[s], d_scores[j], x[j, s])
            if d_x.size > 0:
                add_times(d_x[j, s], d_scores[j], q[s])
