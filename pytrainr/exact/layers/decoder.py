"""A decoder: a cell with steps of its own, which reads what attention finds in the sequence, and its own last output.

    x_t = [Σ_j α_j k_j, y_{t−1}],  α = softmax(e),  h_t = cell(x_t, h_{t−1}),  y_t = f(h_t V + c)

k_j is the sequence at step j. Additive attention (Bahdanau et al. 2015) scores it as e_j = vᵀ tanh(k_j K + h_{t−1} Q),
"dot" (Luong et al. 2015) as e_j = k_j·h_{t−1}; without attention x_t has the sequence's last step (Cho et al. 2014).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector, flattened, following, past, rows
from pytrainr.exact.attention import ADDITIVE, ATTENTION, DOT, attend, attend_backward
from pytrainr.exact.kernels import AFTER_LAST, BEFORE_FIRST, Driving, Kernels, take_steps
from pytrainr.exact.layers.dense import Dense
from pytrainr.exact.layers.embedding import Embedding, row_of
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit, Part, Weight, check_range
from pytrainr.exact.layers.recurrent import Recurrent
from pytrainr.exact.products import add_column_sums, add_product, product, transpose, transposed_product
from pytrainr.exact.reductions import dot
from pytrainr.numerics.compiled_once import fast_compiled_once
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Decoder"]

FEEDS = ("nothing", "own", "teacher")


class Options(NamedTuple):
    """``attention`` by its place in ``ATTENTION``; the output's ``activation_of_output``, and whose ``slope`` is taken
    on the way back from the loss: none where the loss has cancelled it."""

    attention: int
    activation_of_output: int
    slope: int


class Weights(NamedTuple):
    """``query`` Q (decoder, units), ``key`` K (encoder, units), ``score`` v (units); ``output_kernel`` V (decoder,
    outputs), ``output_bias`` c; ``embeddings`` (outputs, width) of tokens fed back."""

    query: Matrix
    key: Matrix
    score: Vector
    output_kernel: Matrix
    output_bias: Vector
    embeddings: Matrix


class Tape(NamedTuple):
    """Of the cell's tape what it reads, ``x``, and its state ``hidden``, with the gradients by them, ``d_x``, ``d_y``
    and, of the state before and past the recurrent product, ``direct``.

    With S encoder and T decoder steps: the ``encoder``'s output (S, n, width), ``keys`` k K (S, n, units), ``queries``
    h Q (T, n, units), or h, ``share`` α (T, n, S); the ``output`` y and, where it is taught, the ``target`` (T, n,
    outputs); ``fed`` (T + 1, n, ·) is what each step is fed, an output or a token's number, and what the step after the
    last would be; ``d_fed`` (n, outputs) what comes back from there."""

    x: Steps
    d_x: Steps
    hidden: Steps
    d_y: Steps
    direct: Rows
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
def _look(layer, weights, tape, t):
    """What attention finds for h_{t−1}, in the place of what step t reads."""
    if layer.attention == ADDITIVE:
        product(tape.queries[t], tape.hidden[t], weights.query)
    elif layer.attention == DOT:
        copy(tape.queries[t], tape.hidden[t])
    seen = tape.encoder, tape.encoder_present
    attend(layer.attention, tape.x[t], tape.share[t], seen, tape.keys, tape.queries[t], weights.score)


@fast_part
def _look_backward(layer, weights, gradient, tape, t):
    """From dx_t to the encoder's steps, the keys and v, and by the query to h_{t−1}."""
    seen, d_query = (tape.encoder, tape.encoder_present), tape.d_queries[t]
    keys, query = (tape.keys, tape.d_keys), (tape.queries[t], d_query)
    score, share = (weights.score, gradient.score), (tape.share[t], tape.d_scores)
    attend_backward(layer.attention, tape.d_x[t], share, seen, tape.d_encoder, keys, query, score)
    if layer.attention == ADDITIVE:
        for s in range(d_query.shape[0]):
            for k in range(weights.query.shape[0]):
                tape.direct[s, k] += dot(d_query[s], weights.query[k])
    elif layer.attention == DOT:
        add(tape.direct, d_query)


@fast_part
def _highest(values):
    """The place of the largest value."""
    best = 0
    for k in range(1, values.size):
        if values[k] > values[best]:
            best = k
    return best


@fast_compiled_once
def _feed(x, fed, target, embeddings):
    """What a step is fed, y_{t−1} or its token, as the last columns of what it reads: itself, or the token's row.

    Where there is a ``target`` (n, outputs) that takes its place.
    """
    for s in range(fed.shape[0]):
        taught = target.size > 0 and target[s, 0] == target[s, 0]
        if embeddings.size > 0:
            if taught:
                fed[s, 0] = _highest(target[s])
            row = embeddings[row_of(fed[s, 0], embeddings.shape[0])]
            copy(x[s, x.shape[1] - row.size :], row)
        else:
            if taught:
                copy(fed[s], target[s])
            copy(x[s, x.shape[1] - fed.shape[1] :], fed[s])


@fast_compiled_once
def _feed_backward(d_fed, d_x, fed, target, d_embeddings):
    """To the row of the token, or to y_{t−1} where it was that."""
    fill(d_fed, 0.0)
    for s in range(fed.shape[0]):
        if d_embeddings.size > 0:
            row = d_embeddings[row_of(fed[s, 0], d_embeddings.shape[0])]
            add(row, d_x[s, d_x.shape[1] - row.size :])
        elif target.size == 0 or target[s, 0] != target[s, 0]:
            copy(d_fed[s], d_x[s, d_x.shape[1] - fed.shape[1] :])


@fast_part
def _target_before(tape, t):
    """The targets of step t − 1 (n, outputs), where the decoder is taught and there is such a step."""
    taught = tape.target.size > 0 and t > 0
    step = tape.target[t - 1 if taught else 0]
    return rows(step, 0, step.shape[0] if taught else 0)


# what it puts out -----------------------------------------------------------------------------------------------------


@fast_compiled_once
def _put_out(activation, y, following, h, kernel, bias, as_token):
    """y_t = f(h_t V + c); what the next step is fed, y_t or the likeliest token."""
    product(y, h, kernel)
    if bias.size > 0:
        add(y, bias)
    activate_rows(activation, y, y)
    if as_token:
        for s in range(y.shape[0]):
            following[s, 0] = _highest(y[s])
    elif following.size > 0:
        copy(following, y)


@fast_compiled_once
def _put_out_backward(activation, slope, d_h, delta, d_fed, y, turned_kernel):
    """δ_t = dy_t∘f′, dy_t from the loss and, in ``d_fed``, from the step that was fed y_t;  dh_t = δ_t Vᵀ."""
    slope_of_rows(slope, delta, delta, y)
    if d_fed.size > 0:
        slope_of_rows(activation, d_fed, d_fed, y)
        add(delta, d_fed)
    product(d_h, delta, turned_kernel)


@fast_part
def forward(layer, weights, tape, cell, call):
    """The decoder over all its steps."""
    take_steps(cell.forward, cell, call, BEFORE_FIRST, 0)
    if layer.attention == ADDITIVE:
        product(flattened(tape.keys), flattened(tape.encoder), weights.key)
    for t in range(tape.x.shape[0]):
        _look(layer, weights, tape, t)
        if tape.fed.size > 0:
            _feed(tape.x[t], tape.fed[t], _target_before(tape, t), weights.embeddings)
        take_steps(cell.forward, cell, call, t, t + 1)
        if tape.output.size > 0:
            _put_out(
                layer.activation_of_output,
                tape.output[t],
                tape.fed[t + 1],
                tape.hidden[t + 1],
                weights.output_kernel,
                weights.output_bias,
                weights.embeddings.size > 0,
            )


@fast_part
def backward(layer, weights, transposed, gradient, tape, cell, call):
    """From ``tape.d_output``, or ``tape.d_y``, to ``tape.d_encoder`` and the gradient."""
    steps = tape.x.shape[0]
    take_steps(cell.backward, cell, call, steps, AFTER_LAST)
    transpose(transposed.output_kernel, weights.output_kernel)
    fill(tape.d_keys, 0.0)
    fill(tape.d_queries, 0.0)
    fill(tape.d_encoder, 0.0)
    fill(gradient.score, 0.0)
    fill(gradient.embeddings, 0.0)
    fill(tape.d_fed, 0.0)
    for t in range(steps - 1, -1, -1):
        if tape.output.size > 0:
            activation, slope, delta = layer.activation_of_output, layer.slope, tape.d_output[t]
            kernel = transposed.output_kernel
            _put_out_backward(activation, slope, tape.d_y[t], delta, tape.d_fed, tape.output[t], kernel)
        take_steps(cell.backward, cell, call, t, t + 1)
        _look_backward(layer, weights, gradient, tape, t)
        if tape.fed.size > 0:
            _feed_backward(tape.d_fed, tape.d_x[t], tape.fed[t], _target_before(tape, t), gradient.embeddings)
    take_steps(cell.backward, cell, call, BEFORE_FIRST, 0)
    if tape.output.size > 0:
        delta = flattened(tape.d_output)
        transposed_product(gradient.output_kernel, flattened(following(tape.hidden)), delta)
        if gradient.output_bias.size > 0:
            fill(gradient.output_bias, 0.0)
            add_column_sums(gradient.output_bias, delta)
    if layer.attention == ADDITIVE:
        transposed_product(gradient.query, flattened(past(tape.hidden)), flattened(tape.d_queries))
        transposed_product(gradient.key, flattened(tape.encoder), flattened(tape.d_keys))
        if tape.d_encoder.size > 0:
            transpose(transposed.key, weights.key)
            add_product(flattened(tape.d_encoder), flattened(tape.d_keys), transposed.key)


_KERNELS = Kernels("Decoder", forward, backward, options=Options, weights=Weights, tape=Tape)


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
    def kernels(self) -> Driving:  # type: ignore[override]
        return Driving(_KERNELS, self.cell.kernels)

    def check(self) -> None:
        check_range(self, "cell", self.cell.trainable, "should have weights that are trained")
        at_the_input = "should have no dropout, which the decoder's input has none of; recurrent_dropout it may have"
        check_range(self, "cell", self.cell.dropout == 0.0, at_the_input)
        check_range(self, "steps", self.steps >= 1, "should be 1 or more")
        check_range(self, "attention", self.attention in ATTENTION, "should be 'additive', 'dot' or None")
        check_range(self, "feed", self.feed in FEEDS, "should be 'own', 'teacher' or 'nothing'")
        if self.feeds_back:
            needed = f"needs output=Dense(…), what is fed back, inside the Decoder: feed is {self.feed!r}"
            check_range(self, "output", self.output is not None, needed)
        if self.embedding is not None:
            self._check_tokens(self.embedding)

    def _check_tokens(self, embedding: Embedding) -> None:
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

    def shown(self, steps: int) -> dict[str, Part]:
        return {"attention": ("share", 0, 0, (-1,))} if self.attention else {}

    def shown_gates(self) -> dict[str, Part]:
        return self.cell.shown_gates()

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
