"""A decoder: a cell with steps of its own, which reads what attention finds in the sequence, and its own last output.

    x_t = [Σ_j α_j k_j, y_{t−1}],  α = softmax(e),  h_t = cell(x_t, h_{t−1}),  y_t = f(h_t V + c)

k_j is the sequence at step j. Additive attention (Bahdanau et al. 2015) scores it as e_j = vᵀ tanh(k_j K + h_{t−1} Q),
"dot" (Luong et al. 2015) as e_j = k_j·h_{t−1}; without attention x_t has the sequence's last step (Cho et al. 2014).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector, extended, flattened, following, past
from pytrainr.exact.attention import additive_scores, additive_scores_backward, look
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.dense import Dense
from pytrainr.exact.layers.embedding import Embedding, row_of
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit, Weight, check_range
from pytrainr.exact.layers.recurrent import (
    Recurrent,
    begin_backward,
    begin_forward,
    finish_gradient,
    step_backward,
    step_forward,
)
from pytrainr.exact.products import add_column_sums, add_product, product, transpose, transposed_product
from pytrainr.exact.reductions import dot
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.views import columns, view

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Decoder"]

ATTENTION, FEEDS = (None, "additive", "dot"), ("nothing", "own", "teacher")
_NONE, _ADDITIVE, _DOT = range(len(ATTENTION))


class _Options(NamedTuple):
    """``attention`` by its place in ``ATTENTION``; the output's ``activation_of_output``, and whose ``slope`` is taken
    on the way back from the loss: none where the loss has cancelled it."""

    attention: int
    activation_of_output: int
    slope: int


class _Weights(NamedTuple):
    """``query`` Q (decoder, units), ``key`` K (encoder, units), ``score`` v (units); ``output_kernel`` V (decoder,
    outputs), ``output_bias`` c; ``embeddings`` (outputs, width) of tokens fed back."""

    query: Matrix
    key: Matrix
    score: Vector
    output_kernel: Matrix
    output_bias: Vector
    embeddings: Matrix


class _Tape(NamedTuple):
    """With S encoder and T decoder steps: the ``encoder``'s output (S, n, width), ``keys`` k K (S, n, units),
    ``queries`` h Q (T, n, units), or h, ``share`` α (T, n, S); the ``output`` y and, where it is taught, the ``target``
    (T, n, outputs); ``fed`` (T + 1, n, ·) is what each step is fed, an output or a token's number, and what the step
    after the last would be; ``d_fed`` (n, outputs) what comes back from there."""

    encoder: Steps
    d_encoder: Steps
    encoder_present: Presence
    keys: Steps
    d_keys: Steps
    queries: Steps
    d_queries: Steps
    share: Steps
    d_scores: Rows
    output: Steps
    d_output: Steps
    target: Steps
    fed: Steps
    d_fed: Rows


# what a step reads ----------------------------------------------------------------------------------------------------


@fast_part
def _last(present, steps, s):
    """The last step of the sequence that has an entry."""
    last = steps - 1
    while present.size > 0 and last > 0 and present[last, s] == 0.0:
        last -= 1
    return last


@fast_part
def _look(layer, weights, tape, t):
    """Σ_j α_j k_j, over the encoder's steps that have an entry; without attention the last of them."""
    steps, n, width = tape.encoder.shape
    if layer.attention == _ADDITIVE:
        product(tape.queries[t], tape.hidden[t], weights.query)
    elif layer.attention == _DOT:
        copy(tape.queries[t], tape.hidden[t])
    for s in range(n):
        if layer.attention == _NONE:
            copy(tape.x[t, s, :width], tape.encoder[_last(tape.encoder_present, steps, s), s])
            continue
        query = tape.queries[t, s]
        share = view(tape.share, (t * n + s) * steps, (1, steps))
        if layer.attention == _ADDITIVE:
            additive_scores(share[0], query, tape.keys, s, weights.score)
        else:
            for j in range(steps):
                share[0, j] = dot(query, tape.encoder[j, s])
        look(columns(tape.x[t, s : s + 1], 0, width), share, tape.encoder[:, s], tape.encoder_present, s, 0)


@fast_part
def _look_backward(layer, weights, gradient, tape, t):
    """dα_j = dx·k_j;  de = α∘(dα − Σ α dα);  from de_j to v, k_j K and h Q through the tanh, or to k_j and h."""
    steps, n, width = tape.encoder.shape
    for s in range(n):
        down = tape.d_x[t, s, :width]
        if layer.attention == _NONE:
            if tape.d_encoder.size > 0:
                add(tape.d_encoder[_last(tape.encoder_present, steps, s), s], down)
            continue
        query, alpha, d_scores = tape.queries[t, s], tape.share[t, s], tape.d_scores[s]
        for j in range(steps):
            d_scores[j] = dot(down, tape.encoder[j, s])
        mean = dot(alpha, d_scores)
        for j in range(steps):
            d_scores[j] = alpha[j] * (d_scores[j] - mean)
            if tape.d_encoder.size > 0:
                for k in range(width):
                    tape.d_encoder[j, s, k] += alpha[j] * down[k]
        if layer.attention == _ADDITIVE:
            d_query, keys, d_keys = tape.d_queries[t, s], tape.keys, tape.d_keys
            additive_scores_backward(d_query, d_keys, gradient.score, d_scores, query, keys, s, weights.score)
        else:
            for j in range(steps):
                for k in range(width):
                    tape.d_queries[t, s, k] += d_scores[j] * tape.encoder[j, s, k]
                    if tape.d_encoder.size > 0:
                        tape.d_encoder[j, s, k] += d_scores[j] * query[k]
    if layer.attention == _ADDITIVE:
        for s in range(n):
            for k in range(weights.query.shape[0]):
                tape.direct[s, k] += dot(tape.d_queries[t, s], weights.query[k])
    elif layer.attention == _DOT:
        add(tape.direct, tape.d_queries[t])


@fast_part
def _highest(values):
    """The place of the largest value."""
    best = 0
    for k in range(1, values.size):
        if values[k] > values[best]:
            best = k
    return best


@fast_part
def _is_taught(tape, t, s):
    """Whether step t is fed the target of the step before, rather than what came out there."""
    return tape.target.size > 0 and t > 0 and tape.target[t - 1, s, 0] == tape.target[t - 1, s, 0]


@fast_part
def _feed(weights, tape, t):
    """y_{t−1} beside what has been seen, or the row of its token, or, where it is taught, the target's."""
    n, width = tape.encoder.shape[1], tape.encoder.shape[2]
    for s in range(n):
        fed, to = tape.fed[t, s], tape.x[t, s, width:]
        if weights.embeddings.size > 0:
            if _is_taught(tape, t, s):
                fed[0] = _highest(tape.target[t - 1, s])
            copy(to, weights.embeddings[row_of(fed[0], weights.embeddings.shape[0])])
        else:
            if _is_taught(tape, t, s):
                copy(fed, tape.target[t - 1, s])
            copy(to, fed)


@fast_part
def _feed_backward(weights, gradient, tape, t):
    """To the row of the token, or to y_{t−1}, where that was what was fed."""
    n, width = tape.encoder.shape[1], tape.encoder.shape[2]
    fill(tape.d_fed, 0.0)
    for s in range(n):
        down = tape.d_x[t, s, width:]
        if weights.embeddings.size > 0:
            add(gradient.embeddings[row_of(tape.fed[t, s, 0], weights.embeddings.shape[0])], down)
        elif t > 0 and not _is_taught(tape, t, s):
            copy(tape.d_fed[s], down)


# what it puts out -----------------------------------------------------------------------------------------------------


@fast_part
def _put_out(layer, weights, tape, t):
    """y_t = f(h_t V + c), which the next step is fed."""
    y = tape.output[t]
    product(y, tape.hidden[t + 1], weights.output_kernel)
    if weights.output_bias.size > 0:
        add(y, weights.output_bias)
    activate_rows(layer.activation_of_output, y, y)
    if weights.embeddings.size > 0:
        for s in range(y.shape[0]):
            tape.fed[t + 1, s, 0] = _highest(y[s])
    elif tape.fed.size > 0:
        copy(tape.fed[t + 1], y)


@fast_part
def _put_out_backward(layer, weights, transposed, tape, t):
    """δ_t = dy_t∘f′, from the loss and from the step that was fed y_t;  dh_t = δ_t Vᵀ."""
    delta, y = tape.d_output[t], tape.output[t]
    slope_of_rows(layer.slope, delta, delta, y)
    if tape.d_fed.size > 0 and t + 1 < tape.output.shape[0]:
        slope_of_rows(layer.activation_of_output, tape.d_fed, tape.d_fed, y)
        add(delta, tape.d_fed)
    product(tape.d_y[t], delta, transposed.output_kernel)


@fast_part
def forward(layer, weights, tape, call):
    """The decoder over all its steps."""
    begin_forward(layer, weights, tape, call)
    if layer.attention == _ADDITIVE:
        product(flattened(tape.keys), flattened(tape.encoder), weights.key)
    for t in range(tape.x.shape[0]):
        _look(layer, weights, tape, t)
        if tape.fed.size > 0:
            _feed(weights, tape, t)
        product(tape.gates[t], tape.x[t], weights.kernel)
        if weights.bias.size > 0:
            add(tape.gates[t], weights.bias)
        step_forward(layer, weights, tape, t)
        if tape.output.size > 0:
            _put_out(layer, weights, tape, t)


@fast_part
def backward(layer, weights, transposed, gradient, tape):
    """From ``tape.d_output``, or ``tape.d_y``, to ``tape.d_encoder`` and the gradient."""
    begin_backward(layer, weights, transposed, tape)
    transpose(transposed.kernel, weights.kernel)
    transpose(transposed.output_kernel, weights.output_kernel)
    fill(tape.d_keys, 0.0)
    fill(tape.d_queries, 0.0)
    fill(tape.d_encoder, 0.0)
    fill(gradient.score, 0.0)
    fill(gradient.embeddings, 0.0)
    for t in range(tape.x.shape[0] - 1, -1, -1):
        if tape.output.size > 0:
            _put_out_backward(layer, weights, transposed, tape, t)
        step_backward(layer, weights, transposed, tape, t)
        product(tape.d_x[t], tape.delta[t], transposed.kernel)
        _look_backward(layer, weights, gradient, tape, t)
        if tape.fed.size > 0:
            _feed_backward(weights, gradient, tape, t)
    finish_gradient(layer, gradient, weights, tape)
    if tape.output.size > 0:
        delta = flattened(tape.d_output)
        transposed_product(gradient.output_kernel, flattened(following(tape.hidden)), delta)
        if gradient.output_bias.size > 0:
            fill(gradient.output_bias, 0.0)
            add_column_sums(gradient.output_bias, delta)
    if layer.attention == _ADDITIVE:
        transposed_product(gradient.query, flattened(past(tape.hidden)), flattened(tape.d_queries))
        transposed_product(gradient.key, flattened(tape.encoder), flattened(tape.d_keys))
        if tape.d_encoder.size > 0:
            transpose(transposed.key, weights.key)
            add_product(flattened(tape.d_encoder), flattened(tape.d_keys), transposed.key)


@cache
def _kernels(cell: Kernels) -> Kernels:
    # made when first used, so that no helper knows of it
    weights, tape = extended(cell.shown_weights, _Weights), extended(cell.shown_tape, _Tape)
    part = {"options": extended(_Options, cell.shown_options), "weights": weights, "tape": tape, "announced": False}
    return Kernels(f"Decoder.{cell.name}", forward, backward, **part)


@dataclass(frozen=True)
class Decoder(Layer):
    """``cell`` runs over ``steps`` steps of its own; what it reads is what its ``attention`` finds in the sequence:
    "additive", "dot" or, with None, the last step of it.

    ``output`` is a Dense layer that each step's state goes through. ``feed`` says whether the cell reads, beside that,
    what came out at the step before: "own" in training too; "teacher" in training the target instead, which makes the
    decoder the last layer. With an ``embedding`` the outputs are tokens: the likeliest is fed back, as its row. What is
    fed to the first step is 0, or token 0.
    """

    cell: Recurrent
    steps: int
    attention: str | None = "additive"
    feed: str = "nothing"
    output: Dense | None = None
    embedding: Embedding | None = None

    causal: ClassVar[bool] = False

    @property
    def kernels(self) -> Kernels:  # type: ignore[override]
        return _kernels(self.cell.kernels)

    def check(self) -> None:
        check_range(self, "cell", isinstance(self.cell, Recurrent), "should be a recurrent layer such as GRU(32)")
        check_range(self, "cell", self.cell.trainable, "should have weights that are trained")
        at_the_input = "should have no dropout, which the decoder's input has none of; recurrent_dropout it may have"
        check_range(self, "cell", self.cell.dropout == 0.0, at_the_input)
        check_range(self, "steps", self.steps >= 1, "should be 1 or more")
        check_range(self, "attention", self.attention in ATTENTION, "should be 'additive', 'dot' or None")
        check_range(self, "feed", self.feed in FEEDS, "should be 'own', 'teacher' or 'nothing'")
        check_range(self, "output", self.output is None or isinstance(self.output, Dense), "should be a Dense layer")
        if self.feeds_back:
            needed = f"needs output=Dense(…), what is fed back, inside the Decoder: feed is {self.feed!r}"
            check_range(self, "output", self.output is not None, needed)
        if self.embedding is not None:
            self._check_tokens(self.embedding)

    def _check_tokens(self, embedding: Any) -> None:
        check_range(self, "embedding", isinstance(embedding, Embedding), "should be an Embedding layer")
        check_range(self, "embedding", self.feeds_back, "is of tokens fed back: feed should be 'own' or 'teacher'")
        check_range(self, "embedding", not embedding.mask_zero, "should be without mask_zero: what is fed is there")
        tokens = self.output.units if self.output else 0
        alike = f"should have a row for each of the {tokens} outputs"
        check_range(self, "embedding", embedding.input_dim == tokens, alike)

    @property
    def feeds_back(self) -> bool:
        """Whether a step is fed what came out at the step before."""
        return self.feed != "nothing"

    @property
    def activation(self) -> str | None:
        """That of what it puts out."""
        return self.output.activation if self.output else None

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        if self.attention == "dot" and width != self.cell.outputs:
            raise LayerDoesNotFit(
                f"attention 'dot' needs as many variables as the cell has units, {self.cell.outputs}; 'additive' takes "
                "any number"
            )
        return self.steps, self.output.units if self.output else self.cell.outputs

    def _fed_width(self) -> int:
        """How many numbers of what it reads were fed back."""
        if not self.feeds_back or self.output is None:
            return 0
        return self.embedding.output_dim if self.embedding else self.output.units

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        """Of ``width`` variables that a step reads, those fed back among them."""
        units, outputs = self.cell.units, self.cell.outputs
        weights = list(self.cell.weights(steps, width))
        if self.attention == "additive":
            weights.append(Weight("query", (outputs, units), "glorot"))
            weights.append(Weight("key", (width - self._fed_width(), units), "glorot"))
            weights.append(Weight("score", (units,), "glorot"))
        if self.output:
            named = self.output.weights(self.steps, outputs)
            weights += [weight._replace(name=f"output_{weight.name}") for weight in named]
        if self.embedding:
            weights += [weight._replace(sparse=False) for weight in self.embedding.weights(self.steps, 1)]
        return tuple(weights)

    def numbers(self) -> dict[str, float]:
        activation = number_of(self.activation)
        own = {"attention": ATTENTION.index(self.attention), "activation_of_output": activation, "slope": activation}
        return {**self.cell.numbers(), **own}

    def recorded(self) -> list[tuple[str, int]]:
        """What ``hidden=True`` shows: the cell's states."""
        return self.cell.recorded()

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        width = x.width + self._fed_width()
        arrays = plan.arrays({"x": (self.steps, width), "d_x": (self.steps, width), **self._memory_of_attention(x)})
        arrays["encoder"] = [x.place, x.steps, x.width]
        if x.gradient is not None:
            arrays["d_encoder"] = [x.gradient, x.steps, x.width]
        if x.present is not None:
            arrays["encoder_present"] = [x.present, x.steps]
        own = replace(x, steps=self.steps, width=width, present=None, place=arrays["x"][0], gradient=None, turned=False)
        y = self._lay_output(plan, own, arrays)
        states = self.cell.lay_cell(plan, own, path, plan.next_number(), self, arrays)
        if y is None:
            return states
        return y if states.gradient is not None else replace(y, gradient=None)

    def _memory_of_attention(self, x: Stream) -> dict[str, tuple[int, ...]]:
        if self.attention is None:
            return {}
        units = self.cell.units if self.attention == "additive" else self.cell.outputs
        keys = dict.fromkeys(("keys", "d_keys") if self.attention == "additive" else (), (x.steps, units))
        queries = dict.fromkeys(("queries", "d_queries"), (self.steps, units))
        return {"share": (self.steps, x.steps), "d_scores": (x.steps,), **keys, **queries}

    def _lay_output(self, plan: Planner, x: Stream, arrays: dict[str, list[int]]) -> Stream | None:
        """What the output layer needs, and what is fed back."""
        if self.output is None:
            return None
        outputs = self.output.units
        y = plan.stream(self.steps, outputs, x)
        arrays["output"] = [y.place, self.steps, outputs]
        if y.gradient is not None:
            arrays["d_output"] = [y.gradient, self.steps, outputs]
        if self.feeds_back:
            fed = 1 if self.embedding else outputs
            arrays |= plan.arrays({"fed": (self.steps + 1, fed), "d_fed": (outputs,)})
            place = arrays["fed"][0]
            plan.keep_state(place, place + self.steps * fed, fed)
        if self.feed == "teacher" and plan.training:
            arrays["target"] = [plan.targets(y), self.steps, outputs]
        return y
