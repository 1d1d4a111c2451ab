"""Initial weights: R's uniform ones from R's stream, or Glorot's, or orthogonal; for lists of layers, Keras's."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np

from pytrainr.parameters import Block, Flat, Layout
from pytrainr.r_random import RRandom

__all__ = ["Weight", "draw", "initial_weights", "reservoir"]

_EIGENVALUES, _FACTORISATION = 25.0, 4.0
"""Floating point operations for each n³: all eigenvalues of a matrix, and its QR factorisation (Golub & Van Loan)."""
_R_FIELDS = ("time_synapse", "recurrent_synapse", "bias_synapse")


class Weight(NamedTuple):
    """One array of a layer's weights, (size,) or (rows, columns); a matrix for all of several ``gates`` side by side.

    ``initial`` is the name of its initial values, see :func:`draw`, or a function of shape and random stream.
    Of a ``sparse`` matrix a group reads, and changes, only some rows; the layer's memory has their numbers,
    ``touched``, and the ``number`` of them.
    """

    name: str
    shape: tuple[int, ...]
    initial: str | Callable[[tuple[int, ...], RRandom], np.ndarray]
    gates: int = 1
    sparse: bool = False


class Described(Protocol):
    """What the initial weights of a shorthand depend on; see ``exact/shorthand.py``."""

    @property
    def layout(self) -> Layout: ...
    @property
    def network_type(self) -> str: ...
    @property
    def init(self) -> str: ...
    @property
    def forget_bias(self) -> float | None: ...
    @property
    def density(self) -> float: ...
    @property
    def spectral_radius(self) -> float: ...


def initial_weights(options: Described, rng: RRandom) -> Flat:
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
    layout = options.layout
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


def _make_reservoir(options: Described, layout: Layout, flat: Flat, rng: RRandom) -> None:
    """Keep the share ``density`` of the recurrent connections and scale them to the spectral radius."""
    for block in layout:
        if not block.field.endswith("recurrent_synapse"):
            continue
        _make_sparse(block.view(flat), rng, options.density, options.spectral_radius)


def _make_sparse(matrix: np.ndarray, rng: RRandom, density: float, spectral_radius: float) -> None:
    kept = rng.runif(matrix.size, 0.0, 1.0).reshape(matrix.shape, order="F") < density
    matrix[...] = np.where(kept, matrix, 0.0)
    radius = np.abs(np.linalg.eigvals(matrix)).max()
    if radius > 0.0:
        matrix[...] *= spectral_radius / radius


def reservoir(shape: tuple[int, ...], rng: RRandom, *, density: float, spectral_radius: float) -> np.ndarray:
    """A reservoir's connections: U(−1, 1), a share of them kept, scaled to the spectral radius."""
    matrix = _uniform(1.0, shape, rng)
    _make_sparse(matrix, rng, density, spectral_radius)
    return matrix


def drawing_operations(options: Described) -> float:
    """About how many floating point operations :func:`initial_weights` takes beyond drawing the numbers."""
    reservoirs, orthogonal = options.network_type == "esn", options.init == "orthogonal"
    squares = [block for block in options.layout if block.field.endswith("recurrent_synapse")]
    each = _EIGENVALUES * reservoirs + _FACTORISATION * orthogonal
    return sum(each * max(block.gates, 1) * float(block.rows) ** 3 for block in squares)


def operations(weight: Weight) -> float:
    """The same for one weight of :func:`draw`."""
    if callable(weight.initial):
        return _EIGENVALUES * float(max(weight.shape)) ** 3
    if weight.initial == "orthogonal":
        return _FACTORISATION * float(max(weight.shape)) * float(min(weight.shape)) ** 2
    return 0.0


def _uniform(limit: float, shape: tuple[int, ...], rng: RRandom) -> np.ndarray:
    return rng.runif(int(np.prod(shape)), -limit, limit).reshape(shape, order="F")


def draw(weight: Weight, rng: RRandom) -> np.ndarray:
    """Initial values by the name that the weight has for them, or its function, column-major.

    ``zeros``, ``ones``; ``glorot``: U(−a, a), a = √(6/(rows + columns)); ``orthogonal`` rows or columns; ``uniform``:
    U(−0.05, 0.05), ``narrow``: U(−0.1, 0.1), ``wide``: U(−1, 1); ``forget``: 1 for the first of the gates, 0 for the
    others.
    """
    shape = weight.shape
    if callable(weight.initial):
        return weight.initial(shape, rng)
    if weight.initial in ("zeros", "ones"):
        return np.full(shape, float(weight.initial == "ones"))
    if weight.initial == "forget":
        values = np.zeros(shape)
        values[: shape[0] // weight.gates] = 1.0
        return values
    if weight.initial == "orthogonal":
        tall, narrow = max(shape), min(shape)
        q, r = np.linalg.qr(rng.rnorm(tall * narrow).reshape(tall, narrow, order="F"))
        q *= np.sign(np.diag(r))
        return q if shape[0] == tall else q.T
    limits = {"uniform": 0.05, "narrow": 0.1, "wide": 1.0, "glorot": math.sqrt(6.0 / sum(shape))}
    return _uniform(limits[weight.initial], shape, rng)
