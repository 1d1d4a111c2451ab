"""A decoder with additive attention (Bahdanau et al. 2015): at each of its steps it looks over all of the encoder's.

    e_j = vᵀ tanh(k_j K + h_{t−1} Q),  α = softmax(e),  x_t = Σ_j α_j k_j

k_j is the encoder's output at step j, h_{t−1} the decoder's state; x_t is what the decoder's cell reads at step t.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Matrix, Presence, Steps, Vector, extended, flattened, past
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, Weight, check_range
from pytrainr.exact.layers.recurrent import (
    Recurrent,
    begin_backward,
    draw_mask,
    finish_gradient,
    step_backward,
    step_forward,
)
from pytrainr.exact.products import product, transpose, transposed_product
from pytrainr.exact.reductions import dot, largest, total
from pytrainr.exact.scalars import exp, tanh
from pytrainr.numerics.elementwise import add, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Decoder"]


class _Weights(NamedTuple):
    """``query`` Q (decoder, units), ``key`` K (encoder, units), ``score`` v (units)."""

    query: Matrix
    key: Matrix
    score: Vector


class _Tape(NamedTuple):
    """With S encoder and T decoder steps: the ``encoder``'s output (S, n, width), ``keys`` k K (S, n, units),
    ``queries`` h Q (T, n, units), ``share`` α (T, n, S)."""

    encoder: Steps
    d_encoder: Steps
    encoder_present: Presence
    keys: Steps
    d_keys: Steps
    queries: Steps
    d_queries: Steps
    share: Steps


@fast_part
def _look(weights, tape, t):
    """x_t = Σ_j α_j k_j, over the encoder's steps that have an entry."""
    encoder, keys, share, x = tape.encoder, tape.keys, tape.share[t], tape.x[t]
    for s in range(encoder.shape[1]):
        alpha, query = share[s], tape.queries[t, s]
        for j in range(encoder.shape[0]):
            energy = query[0] * 0
            for k in range(query.size):
                energy += weights.score[k] * tanh(keys[j, s, k] + query[k])
            alpha[j] = energy if tape.encoder_present.size == 0 or tape.encoder_present[j, s] > 0.0 else -1e30
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
def _look_backward(weights, gradient, tape, t):
    """dα_j = dx·k_j;  de = α∘(dα − Σ α dα);  from de_j to v, k_j K and h Q through the tanh."""
    encoder, d_query = tape.encoder, tape.d_queries[t]
    for s in range(encoder.shape[1]):
        alpha, query, down = tape.share[t, s], tape.queries[t, s], tape.d_x[t, s]
        mean = alpha[0] * 0
        for j in range(alpha.size):
            mean += alpha[j] * dot(down, encoder[j, s])
        for j in range(alpha.size):
            d_energy = alpha[j] * (dot(down, encoder[j, s]) - mean)
            if tape.d_encoder.size > 0:
                for k in range(down.size):
                    tape.d_encoder[j, s, k] += alpha[j] * down[k]
            for k in range(query.size):
                bent = tanh(tape.keys[j, s, k] + query[k])
                gradient.score[k] += d_energy * bent
                through = d_energy * weights.score[k] * (1.0 - bent * bent)
                tape.d_keys[j, s, k] += through
                d_query[s, k] += through


@fast_part
def forward(layer, weights, tape, call):
    """The decoder over all its steps."""
    draw_mask(layer, tape, call)
    product(flattened(tape.keys), flattened(tape.encoder), weights.key)
    for t in range(tape.x.shape[0]):
        product(tape.queries[t], tape.hidden[t], weights.query)
        _look(weights, tape, t)
        product(tape.gates[t], tape.x[t], weights.kernel)
        if weights.bias.size > 0:
            add(tape.gates[t], weights.bias)
        step_forward(layer, weights, tape, t)


@fast_part
def backward(layer, weights, transposed, gradient, tape):
    """From ``tape.d_y`` to ``tape.d_encoder`` and the gradient."""
    begin_backward(layer, weights, transposed, tape)
    transpose(transposed.kernel, weights.kernel)
    fill(tape.d_keys, 0.0)
    fill(tape.d_queries, 0.0)
    fill(tape.d_encoder, 0.0)
    fill(gradient.score, 0.0)
    for t in range(tape.x.shape[0] - 1, -1, -1):
        step_backward(layer, weights, transposed, tape, t)
        product(tape.d_x[t], tape.delta[t], transposed.kernel)
        _look_backward(weights, gradient, tape, t)
        for s in range(tape.encoder.shape[1]):
            for k in range(weights.query.shape[0]):
                tape.direct[s, k] += dot(tape.d_queries[t, s], weights.query[k])
    transposed_product(gradient.query, flattened(past(tape.hidden)), flattened(tape.d_queries))
    transposed_product(gradient.key, flattened(tape.encoder), flattened(tape.d_keys))
    finish_gradient(layer, gradient, weights, tape)
    if tape.d_encoder.size > 0:
        d_keys, d_states = flattened(tape.d_keys), flattened(tape.d_encoder)
        for row in range(d_states.shape[0]):
            for k in range(weights.key.shape[0]):
                d_states[row, k] += dot(d_keys[row], weights.key[k])


@cache
def _kernels(cell: Kernels) -> Kernels:
    # made when first used, so that no helper knows of it
    weights, tape = extended(cell.shown_weights, _Weights), extended(cell.shown_tape, _Tape)
    part = {"options": cell.shown_options, "weights": weights, "tape": tape, "announced": False}
    return Kernels(f"Decoder.{cell.name}", forward, backward, **part)


@dataclass(frozen=True)
class Decoder(Layer):
    """``cell`` runs over ``steps`` steps of its own; what it reads is what its attention finds in the sequence."""

    cell: Recurrent
    steps: int

    causal: ClassVar[bool] = False

    @property
    def kernels(self) -> Kernels:  # type: ignore[override]
        return _kernels(self.cell.kernels)

    def check(self) -> None:
        check_range(self, "steps", self.steps >= 1, "should be 1 or more")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return self.steps, self.cell.outputs

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        units = self.cell.units
        return (
            *self.cell.weights(steps, width),
            Weight("query", (self.cell.outputs, units), "glorot"),
            Weight("key", (width, units), "glorot"),
            Weight("score", (units,), "glorot"),
        )

    def numbers(self) -> dict[str, float]:
        return self.cell.numbers()

    def recorded(self) -> list[tuple[str, int]]:
        """What ``hidden=True`` shows: the cell's states."""
        return self.cell.recorded()

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        units, width = self.cell.units, x.width
        arrays = plan.arrays(
            {
                **{"x": (self.steps, width), "d_x": (self.steps, width), "share": (self.steps, x.steps)},
                **dict.fromkeys(("keys", "d_keys"), (x.steps, units)),
                **dict.fromkeys(("queries", "d_queries"), (self.steps, units)),
            }
        )
        arrays["encoder"] = [x.place, x.steps, width]
        if x.gradient is not None:
            arrays["d_encoder"] = [x.gradient, x.steps, width]
        if x.present is not None:
            arrays["encoder_present"] = [x.present, x.steps]
        own = replace(x, steps=self.steps, present=None, place=arrays["x"][0], gradient=None, turned=False)
        return self.cell.lay_cell(plan, own, path, plan.next_number(), self, arrays)
