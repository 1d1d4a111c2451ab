"""Initial weights: R's uniform ones from R's stream, or Glorot's, or orthogonal."""

from __future__ import annotations

import math

import numpy as np

from pytrainr.exact.options import Options
from pytrainr.parameters import Block, Flat, Layout
from pytrainr.r_random import RRandom

__all__ = ["initial_weights"]

_R_FIELDS = ("time_synapse", "recurrent_synapse", "bias_synapse")


def initial_weights(options: Options, layout: Layout, rng: RRandom) -> Flat:
    """Draw the initial weights, every array column-major.

    ``uniform``: R's, in R's order, so that a seed gives the same weights as in R's arithmetic: rnn (and jordan, esn)
    all
    of time_synapse, recurrent_synapse U(−1, 1), bias_synapse U(−0.1, 0.1); gru and lstm layer by layer time,
    recurrent, bias
    U(−1, 1), then the output's weights U(−1, 1) and bias U(−0.1, 0.1). What R's networks lack follows, U(−1, 1).
    ``glorot`` (Glorot & Bengio 2010): U(−a, a), a = √(6/(rows + columns)), biases 0. ``orthogonal`` (Saxe et al.
    2014): the
    same, and each gate's square recurrent matrix orthogonal. ``forget_bias`` sets the bias of the lstm's forget gates.
    """
    flat = layout.zeros()
    simple = options.network_type in ("rnn", "jordan", "esn")
    if simple:
        first = sorted((b for b in layout if b.field in _R_FIELDS), key=lambda block: _R_FIELDS.index(block.field))
    else:
        first = [block for block in layout if block.field in _R_FIELDS]
    output = max(block.layer for block in layout if block.field == "bias_synapse")
    for block in [*first, *(block for block in layout if block.field not in _R_FIELDS)]:
        if options.init == "uniform":
            narrow = block.field == "bias_synapse" and (simple or block.layer == output)
            limit = 0.1 if narrow else 1.0
        else:
            limit = 0.0 if "bias" in block.field else math.sqrt(6.0 / (block.rows + block.columns))
        values = rng.runif(block.size, -limit, limit) if limit else np.zeros(block.size)
        block.view(flat)[...] = values.reshape(block.shape, order="F")
        if options.init == "orthogonal" and block.field.endswith("recurrent_synapse") and block.rows == block.columns:
            _make_orthogonal(block, flat, rng)
    if options.forget_bias is not None:
        for block in layout:
            if block.field.endswith("bias_synapse") and block.gates:
                block.view(flat)[:, 0] = options.forget_bias
    if options.network_type == "esn":
        _make_reservoir(options, layout, flat, rng)
    return flat


def _make_orthogonal(block: Block, flat: Flat, rng: RRandom) -> None:
    matrices = block.view(flat).reshape(block.rows, block.columns, max(block.gates, 1))
    for gate in range(matrices.shape[2]):
        q, r = np.linalg.qr(rng.rnorm(block.rows * block.columns).reshape(block.rows, block.columns, order="F"))
        matrix = q * np.sign(np.diag(r))
        view = block.view(flat)
        if block.gates:
            view[:, :, gate] = matrix
        else:
            view[...] = matrix


def _make_reservoir(options: Options, layout: Layout, flat: Flat, rng: RRandom) -> None:
    """Keep the share ``density`` of the recurrent connections and scale them to the spectral radius."""
    for block in layout:
        if not block.field.endswith("recurrent_synapse"):
            continue
        view = block.view(flat)
        kept = rng.runif(block.size, 0.0, 1.0).reshape(block.shape, order="F") < options.density
        view[...] = np.where(kept, view, 0.0)
        radius = np.abs(np.linalg.eigvals(view)).max()
        if radius > 0.0:
            view[...] *= options.spectral_radius / radius
