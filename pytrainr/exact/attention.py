"""Additive attention (Bahdanau et al. 2015): at each of its steps a decoder looks over all steps of the encoder.

    e_j = vᵀ tanh(k_j K + h_{t−1} Q),  α = softmax(e),  x_t = Σ_j α_j k_j

k_j is the encoder's output at step j, h_{t−1} the decoder's state; x_t is what the decoder's cell reads at step t.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.exact.layer import step_backward, step_forward
from pytrainr.exact.products import product, transposed_product
from pytrainr.exact.scalars import exp, tanh
from pytrainr.exact.shapes import block, flattened, matrix, past, vector
from pytrainr.exact.vectors import dot, largest, total
from pytrainr.numerics.elementwise import add, fill
from pytrainr.numerics.jit import fast_part

__all__ = ["ATTENTION", "Attention", "attention_of", "decoder_backward", "decoder_forward"]

ATTENTION = np.dtype(
    [
        (name, np.int64)
        for name in (
            *("units", "encoder_width", "decoder_width"),
            *("query", "key", "score"),  # first entries in the flat weight vector
            *("keys", "d_keys", "queries", "d_queries", "share"),  # first entries in the workspace, per sample
        )
    ]
)


class Attention(NamedTuple):
    """Weights ``query`` Q (decoder, units), ``key`` K (encoder, units), ``score`` v (units) and what is remembered.

    With S encoder and T decoder steps: ``keys`` k K (S, n, units), ``queries`` h Q (T, n, units), ``share`` α (T, n,
    S).
    """

    query: np.ndarray
    key: np.ndarray
    score: np.ndarray
    keys: np.ndarray
    d_keys: np.ndarray
    queries: np.ndarray
    d_queries: np.ndarray
    share: np.ndarray


@fast_part
def attention_of(table, weights, memory, encoder_steps, steps, n):
    """The attention's weights (or their gradient) and its arrays in the workspace."""
    units = table.units
    return Attention(
        matrix(weights, table.query, table.decoder_width, units),
        matrix(weights, table.key, table.encoder_width, units),
        vector(weights, table.score, units),
        block(memory, table.keys * n, encoder_steps, n, units),
        block(memory, table.d_keys * n, encoder_steps, n, units),
        block(memory, table.queries * n, steps, n, units),
        block(memory, table.d_queries * n, steps, n, units),
        block(memory, table.share * n, steps, n, encoder_steps),
    )


@fast_part
def _look(attention, encoder, present, x, t):
    """x_t = Σ_j α_j k_j, over the encoder's steps that have an entry."""
    keys, share = attention.keys, attention.share[t]
    for s in range(encoder.shape[1]):
        alpha, query = share[s], attention.queries[t, s]
        for j in range(encoder.shape[0]):
            energy = query[0] * 0
            for k in range(query.size):
                energy += attention.score[k] * tanh(keys[j, s, k] + query[k])
            alpha[j] = energy if present.shape[0] == 0 or present[j, s] > 0.0 else -1e30
        highest = largest(alpha)
        for j in range(alpha.size):
            alpha[j] = exp(alpha[j] - highest) if alpha[j] > -1e29 else 0.0
        mass = 1.0 / total(alpha)
        for j in range(alpha.size):
            alpha[j] *= mass
        fill(x[s], 0.0)
        for j in range(alpha.size):
            for k in range(x.shape[1]):
                x[s, k] += alpha[j] * encoder[j, s, k]


@fast_part
def _look_backward(attention, gradient, encoder, d_encoder, d_x, t):
    """dα_j = dx·k_j;  de = α∘(dα − Σ α dα);  from de_j to v, k_j K and h Q through the tanh."""
    d_query = attention.d_queries[t]
    for s in range(encoder.shape[1]):
        alpha, query, down = attention.share[t, s], attention.queries[t, s], d_x[s]
        mean = alpha[0] * 0
        for j in range(alpha.size):
            mean += alpha[j] * dot(down, encoder[j, s])
        for j in range(alpha.size):
            d_energy = alpha[j] * (dot(down, encoder[j, s]) - mean)
            for k in range(down.size):
                d_encoder[j, s, k] += alpha[j] * down[k]
            for k in range(query.size):
                bent = tanh(attention.keys[j, s, k] + query[k])
                gradient.score[k] += d_energy * bent
                through = d_energy * attention.score[k] * (1.0 - bent * bent)
                attention.d_keys[j, s, k] += through
                d_query[s, k] += through


@fast_part
def decoder_forward(cell, around, weights, tape, attention, encoder, present):
    """The decoder over all its steps; ``encoder`` (S, n, width) and where it has entries."""
    product(flattened(attention.keys), flattened(encoder), attention.key)
    for t in range(tape.x.shape[0]):
        product(attention.queries[t], tape.hidden[t], attention.query)
        _look(attention, encoder, present, tape.x[t], t)
        product(tape.gates[t], tape.x[t], weights.time)
        if around.use_bias:
            add(tape.gates[t], weights.bias)
        step_forward(cell, around, weights, tape, t)


@fast_part
def decoder_backward(cell, around, weights, transposed, tape, attention, gradient, encoder, d_encoder):
    """From ``tape.upstream`` to ``d_encoder`` and the attention's ``gradient``; ``tape.delta`` holds the decoder's
    own."""
    fill(tape.direct, 0.0)
    fill(tape.carried_cell, 0.0)
    fill(attention.d_keys, 0.0)
    fill(attention.d_queries, 0.0)
    fill(gradient.score, 0.0)
    for t in range(tape.x.shape[0] - 1, -1, -1):
        step_backward(cell, around, weights, transposed, tape, t)
        product(tape.downstream[t], tape.delta[t], transposed.time)
        _look_backward(attention, gradient, encoder, d_encoder, tape.downstream[t], t)
        for s in range(encoder.shape[1]):
            for k in range(attention.query.shape[0]):
                tape.direct[s, k] += dot(attention.d_queries[t, s], attention.query[k])
    transposed_product(gradient.query, flattened(past(tape.hidden)), flattened(attention.d_queries))
    transposed_product(gradient.key, flattened(encoder), flattened(attention.d_keys))
    d_keys = flattened(attention.d_keys)
    d_states = flattened(d_encoder)
    for row in range(d_states.shape[0]):
        for k in range(attention.key.shape[0]):
            d_states[row, k] += dot(d_keys[row], attention.key[k])
