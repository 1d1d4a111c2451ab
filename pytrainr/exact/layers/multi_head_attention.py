"""Multi-head self-attention (Vaswani et al. 2017): several attentions side by side, each in a space of its own.

A_h = softmax(X Q_h (X K_h)ᵀ/√d),  Y = [A_1 X V_1, A_2 X V_2, …] O
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector, flattened
from pytrainr.exact.attention import (
    look,
    look_backward,
    of_sample,
    product_scores,
    product_scores_backward,
    square,
)
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, Part, Weight, check_range
from pytrainr.exact.products import add_column_sums, add_product, product, transpose, transposed_product
from pytrainr.numerics.elementwise import add, fill
from pytrainr.numerics.jit import fast_part

__all__ = ["MultiHeadAttention"]


class Options(NamedTuple):
    """``scale`` is 1/√d."""

    heads: int
    scale: float
    causal: int


class Weights(NamedTuple):
    """All heads side by side: Q and K (width, heads·d), V (width, heads·d_v), O (heads·d_v, width), and biases."""

    query: Matrix
    query_bias: Vector
    key: Matrix
    key_bias: Vector
    value: Matrix
    value_bias: Vector
    output: Matrix
    output_bias: Vector


class Tape(NamedTuple):
    """``queries`` x Q, ``keys`` x K, ``values`` x V and ``seen`` A x V (steps, n, heads·d); ``share`` (n,
    heads·steps·steps) is A of each sample and head, ``turned`` room for a transposed matrix."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    queries: Steps
    keys: Steps
    values: Steps
    seen: Steps
    d_queries: Steps
    d_keys: Steps
    d_values: Steps
    d_seen: Steps
    share: Rows
    d_scores: Rows
    turned: Rows


@fast_part
def _project(y, x, kernel, bias):
    """y = x W [+ b]."""
    product(flattened(y), flattened(x), kernel)
    if bias.size > 0:
        add(flattened(y), bias)


@fast_part
def _project_backward(d_kernel, d_bias, x, d_y):
    """dW = Σ_t x_tᵀ dy_t,  db = Σ_t dy_t."""
    transposed_product(d_kernel, flattened(x), flattened(d_y))
    if d_bias.size > 0:
        fill(d_bias, 0.0)
        add_column_sums(d_bias, flattened(d_y))


@fast_part
def forward(layer, weights, tape):
    """E_h = X Q_h (X K_h)ᵀ/√d;  Y = [softmax(E_h) X V_h] O, over the heads h."""
    _project(tape.queries, tape.x, weights.query, weights.query_bias)
    _project(tape.keys, tape.x, weights.key, weights.key_bias)
    _project(tape.values, tape.x, weights.value, weights.value_bias)
    steps, n, _ = tape.x.shape
    d, d_value = tape.keys.shape[2] // layer.heads, tape.values.shape[2] // layer.heads
    for s in range(n):
        for h in range(layer.heads):
            share, turned = square(tape.share, s, h, steps, steps), square(tape.turned, s, 0, d, steps)
            queries, keys = of_sample(tape.queries, s, h * d, d), of_sample(tape.keys, s, h * d, d)
            values, seen = (
                of_sample(tape.values, s, h * d_value, d_value),
                of_sample(tape.seen, s, h * d_value, d_value),
            )
            product_scores(share, queries, keys, layer.scale, turned)
            look(seen, share, values, tape.present, s, layer.causal)
    _project(tape.y, tape.seen, weights.output, weights.output_bias)


@fast_part
def backward(layer, weights, transposed, gradient, tape):
    """From dY through O to each head, through its softmax to Q, K and V, and from all of them to dX."""
    _project_backward(gradient.output, gradient.output_bias, tape.seen, tape.d_y)
    transpose(transposed.output, weights.output)
    product(flattened(tape.d_seen), flattened(tape.d_y), transposed.output)
    steps, n, _ = tape.x.shape
    d, d_value = tape.keys.shape[2] // layer.heads, tape.values.shape[2] // layer.heads
    for s in range(n):
        for h in range(layer.heads):
            share, d_scores = square(tape.share, s, h, steps, steps), square(tape.d_scores, s, 0, steps, steps)
            values, d_values = (
                of_sample(tape.values, s, h * d_value, d_value),
                of_sample(tape.d_values, s, h * d_value, d_value),
            )
            d_seen, turned = of_sample(tape.d_seen, s, h * d_value, d_value), square(tape.turned, s, 0, d_value, steps)
            look_backward(d_scores, d_values, d_seen, share, values, turned)
            queries, keys = of_sample(tape.queries, s, h * d, d), of_sample(tape.keys, s, h * d, d)
            d_queries, d_keys = of_sample(tape.d_queries, s, h * d, d), of_sample(tape.d_keys, s, h * d, d)
            product_scores_backward(d_queries, d_keys, d_scores, queries, keys, layer.scale)
    _project_backward(gradient.query, gradient.query_bias, tape.x, tape.d_queries)
    _project_backward(gradient.key, gradient.key_bias, tape.x, tape.d_keys)
    _project_backward(gradient.value, gradient.value_bias, tape.x, tape.d_values)
    if tape.d_x.size > 0:
        transpose(transposed.query, weights.query)
        transpose(transposed.key, weights.key)
        transpose(transposed.value, weights.value)
        product(flattened(tape.d_x), flattened(tape.d_queries), transposed.query)
        add_product(flattened(tape.d_x), flattened(tape.d_keys), transposed.key)
        add_product(flattened(tape.d_x), flattened(tape.d_values), transposed.value)


@dataclass(frozen=True)
class MultiHeadAttention(Layer):
    """Y = [A_1 X V_1, A_2 X V_2, …] O with A_h = softmax(X Q_h (X K_h)ᵀ/√d), d = ``key_dim``, for ``num_heads`` heads.

    V_h has ``value_dim`` columns, None: as many as K_h. With ``use_causal_mask`` no step sees a later one.
    """

    num_heads: int
    key_dim: int
    value_dim: int | None = None
    use_bias: bool = True
    use_causal_mask: bool = False

    kernels = Kernels("MultiHeadAttention", forward, backward, options=Options, weights=Weights, tape=Tape)
    causal: ClassVar[bool] = False

    def check(self) -> None:
        for name in ("num_heads", "key_dim"):
            check_range(self, name, getattr(self, name) >= 1, "should be 1 or more")
        check_range(self, "value_dim", self.value_dim is None or self.value_dim >= 1, "should be 1 or more, or None")

    @property
    def _widths(self) -> dict[str, int]:
        """Of all heads' queries, keys and values."""
        keys = self.num_heads * self.key_dim
        return {"query": keys, "key": keys, "value": self.num_heads * (self.value_dim or self.key_dim)}

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        shapes = {name: (width, columns) for name, columns in self._widths.items()}
        shapes["output"] = self._widths["value"], width
        pairs = (
            (Weight(name, shape, "glorot"), Weight(f"{name}_bias", shape[1:], "zeros"))
            for name, shape in shapes.items()
        )
        return tuple(weight for pair in pairs for weight in pair[: 1 + self.use_bias])

    def numbers(self) -> dict[str, float]:
        scale = 1.0 / math.sqrt(self.key_dim)
        return {"heads": self.num_heads, "scale": scale, "causal": self.use_causal_mask}

    def shown(self, steps: int) -> dict[str, Part]:
        return {"attention": ("share", 0, 0, (self.num_heads, steps, steps))}

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        widths = self._widths
        names = {"queries": "query", "keys": "key", "values": "value", "seen": "value"}
        projected = {name: (steps, widths[kind]) for name, kind in names.items()}
        square = steps * steps
        rooms = {
            "share": (self.num_heads * square,),
            "d_scores": (square,),
            "turned": (steps * max(widths.values()) // self.num_heads,),
        }
        return {**projected, **{f"d_{name}": shape for name, shape in projected.items()}, **rooms}
