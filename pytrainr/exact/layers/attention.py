"""Self-attention: every step looks over all steps of its sequence, and sees a mean of them.

    y_t = Σ_j α_tj x_j,  α_t = softmax(e_t)

by the product e_tj = g·x_t·x_j (Luong et al. 2015), or additively e_tj = vᵀ tanh(x_t Q + x_j K) (Bahdanau et al. 2015).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector, flat, flattened
from pytrainr.exact.attention import (
    additive_scores,
    additive_scores_backward,
    look,
    look_backward,
    of_sample,
    product_scores,
    product_scores_backward,
    square,
)
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, Part, Weight, check_range
from pytrainr.exact.products import add_product, product, transpose, transposed_product
from pytrainr.exact.reductions import dot
from pytrainr.numerics.compiled_once import fast_compiled_on_demand
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["SCORE_MODES", "Attention"]

SCORE_MODES = ("dot", "additive")


class Options(NamedTuple):
    causal: int


class Weights(NamedTuple):
    """Of the product ``scale`` g (1), where it is learnt; else ``query`` Q and ``key`` K (width, units), ``score`` v
    (units)."""

    scale: Vector
    query: Matrix
    key: Matrix
    score: Vector


class Tape(NamedTuple):
    """``queries`` x Q and ``keys`` x K (steps, n, units), of the product x itself; ``share`` (n, steps·steps) is α of
    each sample, ``turned`` room for a transposed matrix."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    queries: Steps
    keys: Steps
    d_queries: Steps
    d_keys: Steps
    d_values: Steps
    share: Rows
    d_scores: Rows
    turned: Rows


@fast_part
def _scale(weights):
    return weights.scale[0] if weights.scale.size > 0 else 1.0


# What the additive way needs beside the product's is compiled by itself, when it is first needed.


@fast_compiled_on_demand
def _project(queries, keys, x, query, key):
    product(queries, x, query)
    product(keys, x, key)


@fast_compiled_on_demand
def _additive_scores(share, queries, keys, s, score):
    for t in range(share.shape[0]):
        additive_scores(share[t], queries[t, s], keys, s, score)


@fast_compiled_on_demand
def _additive_scores_backward(d_queries, d_keys, d_score, d_scores, queries, keys, s, score):
    for t in range(d_scores.shape[0]):
        additive_scores_backward(d_queries[t, s], d_keys, d_score, d_scores[t], queries[t, s], keys, s, score)


@fast_compiled_on_demand
def _project_backward(d_x, gradient, x, d_projected, weights, transposed):
    """Through Q or K."""
    transposed_product(gradient, x, d_projected)
    if d_x.size > 0:
        transpose(transposed, weights)
        add_product(d_x, d_projected, transposed)


@fast_part
def forward(layer, weights, tape):
    """E = g·X Xᵀ, or e_tj = vᵀ tanh(x_t Q + x_j K);  Y = softmax(E) X."""
    steps, n, width = tape.x.shape
    additive = weights.score.size > 0
    if additive:
        queries, keys = flattened(tape.queries), flattened(tape.keys)
        _project(queries, keys, flattened(tape.x), weights.query, weights.key)
    for s in range(n):
        x, share = of_sample(tape.x, s, 0, width), square(tape.share, s, 0, steps, steps)
        if additive:
            _additive_scores(share, tape.queries, tape.keys, s, weights.score)
        else:
            product_scores(share, x, x, _scale(weights), square(tape.turned, s, 0, width, steps))
        look(of_sample(tape.y, s, 0, width), share, x, tape.present, s, layer.causal)


@fast_part
def backward(weights, transposed, gradient, tape):
    """dx = dx_as_what_is_seen + dx_as_query + dx_as_key, the latter two through Q and K;  dg = Σ dE∘X Xᵀ."""
    steps, n, width = tape.x.shape
    additive = weights.score.size > 0
    fill(gradient.scale, 0.0)
    fill(gradient.score, 0.0)
    fill(tape.d_queries, 0.0)
    fill(tape.d_keys, 0.0)
    for s in range(n):
        x, turned = of_sample(tape.x, s, 0, width), square(tape.turned, s, 0, width, steps)
        share, d_scores = square(tape.share, s, 0, steps, steps), square(tape.d_scores, s, 0, steps, steps)
        d_queries, d_keys = of_sample(tape.d_queries, s, 0, width), of_sample(tape.d_keys, s, 0, width)
        look_backward(d_scores, tape.d_values[:, s], tape.d_y[:, s], share, x, turned)
        if additive:
            _additive_scores_backward(
                tape.d_queries, tape.d_keys, gradient.score, d_scores, tape.queries, tape.keys, s, weights.score
            )
        else:
            if gradient.scale.size > 0:
                product_scores(share, x, x, 1.0, turned)
                gradient.scale[0] += dot(flat(d_scores), flat(share))
            product_scores_backward(d_queries, d_keys, d_scores, x, x, _scale(weights))
    if tape.d_x.size > 0:
        copy(tape.d_x, tape.d_values)
    if additive:
        x, d_x = flattened(tape.x), flattened(tape.d_x)
        _project_backward(d_x, gradient.query, x, flattened(tape.d_queries), weights.query, transposed.query)
        _project_backward(d_x, gradient.key, x, flattened(tape.d_keys), weights.key, transposed.key)
    elif tape.d_x.size > 0:
        add(tape.d_x, tape.d_queries)
        add(tape.d_x, tape.d_keys)


@dataclass(frozen=True)
class Attention(Layer):
    """y_t = Σ_j α_tj x_j, α_t = softmax(e_t): e_tj = g·x_t·x_j (``score_mode="dot"``; g is 1, or learnt with
    ``use_scale``), or vᵀ tanh(x_t Q + x_j K) with so many ``units`` (``"additive"``; None: as many as variables).

    With ``use_causal_mask`` no step sees a later one.
    """

    score_mode: str = "dot"
    units: int | None = None
    use_scale: bool = False
    use_causal_mask: bool = False

    kernels = Kernels("Attention", forward, backward, options=Options, weights=Weights, tape=Tape)
    causal: ClassVar[bool] = False

    def check(self) -> None:
        check_range(self, "score_mode", self.score_mode in SCORE_MODES, "should be one of 'dot', 'additive'")
        check_range(self, "units", self.units is None or self.units >= 1, "should be 1 or more, or None")
        if self._additive:
            check_range(self, "use_scale", not self.use_scale, "belongs to the score_mode 'dot': v has its own scale")
        else:
            check_range(self, "units", self.units is None, "belong to the score_mode 'additive'")

    @property
    def _additive(self) -> bool:
        return self.score_mode == "additive"

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        units = self.units or width
        if self._additive:
            matrices = (Weight(name, (width, units), "glorot") for name in ("query", "key"))
            return (*matrices, Weight("score", (units,), "glorot"))
        return (Weight("scale", (1,), "ones"),) if self.use_scale else ()

    def numbers(self) -> dict[str, float]:
        return {"causal": self.use_causal_mask}

    def shown(self, steps: int) -> dict[str, Part]:
        return {"attention": ("share", 0, 0, (steps, steps))}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        arrays = plan.arrays(self.memory(x.steps, x.width))
        for name in ("queries", "keys"):
            arrays.setdefault(name, [x.place, x.steps, x.width])
        return plan.row(self, x, path, arrays=arrays)

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        units = (self.units or width) if self._additive else width
        projected = dict.fromkeys(("queries", "keys") if self._additive else (), (steps, units))
        deltas = {"d_queries": (steps, units), "d_keys": (steps, units), "d_values": (steps, width)}
        rooms = {"share": (steps * steps,), "d_scores": (steps * steps,), "turned": (width * steps,)}
        return {**projected, **deltas, **rooms}
