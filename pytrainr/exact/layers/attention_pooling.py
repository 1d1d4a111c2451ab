"""Attention that makes one vector of a sequence (Yang et al. 2016): the mean of the steps that matter.

y = Σ_j α_j x_j,  α = softmax(e),  e_j = vᵀ tanh(x_j K + b), or e_j = x_j·v
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector, flattened
from pytrainr.exact.attention import look, look_backward, of_sample, square
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.attention import SCORE_MODES
from pytrainr.exact.layers.layer import Layer, Part, Weight, check_range
from pytrainr.exact.products import add_column_sums, add_product, product, transpose, transposed_product
from pytrainr.exact.reductions import dot
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["AttentionPooling"]

_TANH = number_of("tanh")


class Weights(NamedTuple):
    """``key`` K (width, units) and ``bias`` b (units), without "dot"; ``score`` v (units)."""

    key: Matrix
    bias: Vector
    score: Vector


class Tape(NamedTuple):
    """``keys`` (steps, n, units) tanh(x K + b), or x itself; ``share`` (n, steps) is α."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    keys: Steps
    d_keys: Steps
    d_values: Steps
    share: Rows
    d_scores: Rows
    turned: Rows


@fast_part
def forward(weights, tape):
    """e_j = v·tanh(x_j K + b), or v·x_j;  y = Σ_j α_j x_j with α = softmax(e)."""
    steps, n, width = tape.x.shape
    if weights.key.size > 0:
        keys = flattened(tape.keys)
        product(keys, flattened(tape.x), weights.key)
        add(keys, weights.bias)
        activate_rows(_TANH, keys, keys)
    for s in range(n):
        for j in range(steps):
            tape.share[s, j] = dot(tape.keys[j, s], weights.score)
        look(
            of_sample(tape.y, s, 0, width),
            square(tape.share, s, 0, 1, steps),
            of_sample(tape.x, s, 0, width),
            tape.present,
            s,
            0,
        )


@fast_part
def backward(weights, transposed, gradient, tape):
    """dx_j = α_j dy + dk_j, dk_j = v de_j, through tanh and K where they are;  dv = Σ_j k_j de_j."""
    steps, n, width = tape.x.shape
    fill(gradient.score, 0.0)
    for s in range(n):
        share, d_scores = square(tape.share, s, 0, 1, steps), square(tape.d_scores, s, 0, 1, steps)
        x, d_values, d_y = tape.x[:, s], tape.d_values[:, s], tape.d_y[:, s]
        look_backward(d_scores, d_values, d_y, share, x, square(tape.turned, s, 0, width, steps))
        for j in range(steps):
            for k in range(weights.score.size):
                gradient.score[k] += d_scores[0, j] * tape.keys[j, s, k]
                tape.d_keys[j, s, k] = d_scores[0, j] * weights.score[k]
    d_keys = flattened(tape.d_keys)
    if weights.key.size > 0:
        slope_of_rows(_TANH, d_keys, d_keys, flattened(tape.keys))
        transposed_product(gradient.key, flattened(tape.x), d_keys)
        fill(gradient.bias, 0.0)
        add_column_sums(gradient.bias, d_keys)
    if tape.d_x.size > 0:
        copy(tape.d_x, tape.d_values)
        if weights.key.size > 0:
            transpose(transposed.key, weights.key)
            add_product(flattened(tape.d_x), d_keys, transposed.key)
        else:
            add(tape.d_x, tape.d_keys)


@dataclass(frozen=True)
class AttentionPooling(Layer):
    """y = Σ_j α_j x_j, α = softmax(e): e_j = vᵀ tanh(x_j K + b) with so many ``units`` (``score_mode="additive"``;
    None: as many as variables), or x_j·v (``"dot"``). Steps without an entry have no share."""

    score_mode: str = "additive"
    units: int | None = None

    kernels = Kernels("AttentionPooling", forward, backward, weights=Weights, tape=Tape)
    causal: ClassVar[bool] = False

    def check(self) -> None:
        check_range(self, "score_mode", self.score_mode in SCORE_MODES, "should be one of 'dot', 'additive'")
        check_range(self, "units", self.units is None or self.units >= 1, "should be 1 or more, or None")
        alone = self._additive or self.units is None
        check_range(self, "units", alone, "belong to the score_mode 'additive'")

    @property
    def _additive(self) -> bool:
        return self.score_mode == "additive"

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return 1, width

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        units = self.units or width
        score = Weight("score", (units,), "glorot")
        return (Weight("key", (width, units), "glorot"), Weight("bias", (units,), "zeros"), score)[
            0 if self._additive else 2 :
        ]

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        units = self.units or width
        keys = {"keys": (steps, units)} if self._additive else {}
        rooms = {"share": (steps,), "d_scores": (steps,), "turned": (width * steps,)}
        return {**keys, "d_keys": (steps, units), "d_values": (steps, width), **rooms}

    def shown(self, steps: int) -> dict[str, Part]:
        return {"attention": ("share", 0, 0, (steps,))}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        arrays = plan.arrays(self.memory(x.steps, x.width))
        arrays.setdefault("keys", [x.place, x.steps, x.width])
        return plan.row(self, x, path, y=plan.stream(1, x.width, x, present=None), arrays=arrays)
