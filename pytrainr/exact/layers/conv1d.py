"""The convolution over time: a matrix product for each tap, on shifted views of the sequence; nothing is copied."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows
from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector, flattened, rows
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, Weight, check_activation, check_range
from pytrainr.exact.layers.sliding import SlidingWindow, pass_presence
from pytrainr.exact.layers.structure import blanked
from pytrainr.exact.products import add_column_sums, add_product, add_transposed_product, transpose
from pytrainr.numerics.elementwise import copy, fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.views import columns

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream
    from pytrainr.r_random import RRandom

__all__ = ["Conv1D"]

_ROWS_IN_CACHE = 128


class Options(NamedTuple):
    """``slope`` is the activation whose slope is taken on the way back: none where the loss has cancelled it.

    The first window begins ``before`` steps ahead of the sequence; a window has an entry where its step ``entry`` has.
    """

    activation: int
    slope: int
    strides: int
    dilation: int
    before: int
    entry: int


class Weights(NamedTuple):
    """``kernel`` (taps·inputs, filters), tap after tap."""

    kernel: Matrix
    bias: Vector


class Tape(NamedTuple):
    """``past`` (n, steps·inputs) are the steps before the first, sample by sample, and ``after`` those before what
    comes next; empty where the sequence begins here and nothing goes on from its end."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    y_present: Presence
    past: Rows
    after: Rows


@fast_part
def _pieces(layer, n):
    """How many rows of y, step after step of n each, are computed at once: with strides, those of one step."""
    return _ROWS_IN_CACHE if layer.strides == 1 else n


@fast_part
def _reads(layer, tape, tap, begin, end):
    """Of the rows ``begin`` to ``end`` of y those for which the tap lies within x: the first, how many, and by how
    much their rows of x have higher numbers."""
    steps, n = tape.x.shape[0], tape.x.shape[1]
    offset = tap * layer.dilation - layer.before
    if layer.strides == 1:
        first, last = max(begin, -offset * n), min(end, (steps - offset) * n)
        return first, last - first, offset * n
    step = begin // n
    source = step * layer.strides + offset
    return begin, end - begin if 0 <= source < steps else 0, (source - step) * n


@fast_part
def _tap(kernel, tap, width):
    return rows(kernel, tap * width, width)


@fast_part
def _goes_on(past):
    """Whether there was anything before the first step: zeros are what padding is."""
    for s in range(past.shape[0]):
        for k in range(past.shape[1]):
            if past[s, k] != 0.0:
                return True
    return False


@fast_part
def _begin(y, bias):
    if bias.size > 0:
        copy(y, bias)
    else:
        fill(y, 0.0)


@fast_part
def _add_past(layer, weights, tape):
    """What the steps before the first add to y."""
    width = tape.x.shape[2]
    for t in range(min(tape.y.shape[0], layer.before)):
        for tap in range(weights.kernel.shape[0] // width):
            step = t + tap * layer.dilation
            if step < layer.before:
                add_product(tape.y[t], columns(tape.past, step * width, width), _tap(weights.kernel, tap, width))


@fast_part
def _add_past_gradient(layer, gradient, tape):
    width = tape.x.shape[2]
    for t in range(min(tape.y.shape[0], layer.before)):
        for tap in range(gradient.kernel.shape[0] // width):
            step = t + tap * layer.dilation
            if step < layer.before:
                past = columns(tape.past, step * width, width)
                add_transposed_product(_tap(gradient.kernel, tap, width), past, tape.d_y[t])


@fast_part
def _keep_past(layer, tape):
    """``after`` = the last steps of past and sequence."""
    steps, n, width = tape.x.shape
    for j in range(layer.before):
        step = steps - layer.before + j
        for s in range(n):
            to = tape.after[s, j * width : (j + 1) * width]
            if step >= 0:
                copy(to, tape.x[step, s])
            else:
                copy(to, tape.past[s, (j + steps) * width : (j + steps + 1) * width])


@fast_part
def forward(layer, weights, tape):
    """y_t = f(Σ_k x_{t·strides + k·dilation − before} W_k [+ b]), where steps beyond the ends are 0."""
    n, width = tape.x.shape[1], tape.x.shape[2]
    x, y = flattened(tape.x), flattened(tape.y)
    goes_on = _goes_on(tape.past)
    if goes_on:
        _begin(y, weights.bias)
        _add_past(layer, weights, tape)
    for begin in range(0, y.shape[0], _pieces(layer, n)):
        end = min(begin + _pieces(layer, n), y.shape[0])
        piece = rows(y, begin, end - begin)
        if not goes_on:
            _begin(piece, weights.bias)
        for tap in range(weights.kernel.shape[0] // width):
            first, count, ahead = _reads(layer, tape, tap, begin, end)
            if count > 0:
                add_product(rows(y, first, count), rows(x, first + ahead, count), _tap(weights.kernel, tap, width))
        activate_rows(layer.activation, piece, piece)
    if tape.after.size > 0:
        _keep_past(layer, tape)
    pass_presence(layer, tape)


@fast_part
def backward(layer, weights, transposed, gradient, tape):
    """δ = dy∘f′;  dW_k = Σ_t x_{t·strides + k·dilation − before}ᵀ δ_t,  db = Σ_t δ_t;  what x_s was multiplied by W_k
    for passes δ W_kᵀ on to dx_s."""
    n, width = tape.x.shape[1], tape.x.shape[2]
    x, y, delta, d_x = flattened(tape.x), flattened(tape.y), flattened(tape.d_y), flattened(tape.d_x)
    fill(gradient.kernel, 0.0)
    fill(gradient.bias, 0.0)
    if d_x.size > 0:
        transpose(transposed.kernel, weights.kernel)
        fill(d_x, 0.0)
    for begin in range(0, y.shape[0], _pieces(layer, n)):
        end = min(begin + _pieces(layer, n), y.shape[0])
        piece = rows(delta, begin, end - begin)
        slope_of_rows(layer.slope, piece, piece, rows(y, begin, end - begin))
        if gradient.bias.size > 0:
            add_column_sums(gradient.bias, piece)
        for tap in range(weights.kernel.shape[0] // width):
            first, count, ahead = _reads(layer, tape, tap, begin, end)
            if count > 0:
                d = rows(delta, first, count)
                add_transposed_product(_tap(gradient.kernel, tap, width), rows(x, first + ahead, count), d)
                if d_x.size > 0:
                    add_product(rows(d_x, first + ahead, count), d, columns(transposed.kernel, tap * width, width))
    if _goes_on(tape.past):
        _add_past_gradient(layer, gradient, tape)


def _glorot(taps: int, shape: tuple[int, ...], rng: RRandom) -> np.ndarray:
    """Keras's: U(−a, a), a = √(6/(taps·(inputs + filters)))."""
    limit = math.sqrt(6.0 / (shape[0] + taps * shape[1]))
    return rng.runif(shape[0] * shape[1], -limit, limit).reshape(shape, order="F")


@dataclass(frozen=True)
class Conv1D(Layer):
    """y_t = f(Σ_k x_{t·strides + k·dilation_rate − before} W_k + b) over the ``kernel_size`` taps k.

    ``padding``: "valid" reads no step beyond the ends, "same" as many before as after them, "causal" only before the
    first (before = (kernel_size − 1)·dilation_rate), so that y_t depends on no later step. Steps beyond the ends, and
    those that a mask leaves out, are 0. Its kernel is Keras's (kernel_size, inputs, filters) as a matrix
    (kernel_size·inputs, filters).
    """

    filters: int
    kernel_size: int
    strides: int = 1
    padding: str = "valid"
    dilation_rate: int = 1
    activation: str | None = None
    use_bias: bool = True

    kernels = Kernels("Conv1D", forward, backward, options=Options, weights=Weights, tape=Tape)

    def check(self) -> None:
        for name in ("filters", "kernel_size", "strides", "dilation_rate"):
            check_range(self, name, getattr(self, name) >= 1, "should be 1 or more")
        paddings = ("valid", "same", "causal")
        check_range(self, "padding", self.padding in paddings, "should be 'valid', 'same' or 'causal'")
        check_activation(self, "activation")

    @property
    def window(self) -> SlidingWindow:
        """The window through which it reads."""
        return SlidingWindow((self.kernel_size - 1) * self.dilation_rate + 1, self.strides, self.padding)

    def looks_ahead(self) -> str | None:
        if self.strides > 1:
            return f"Conv1D(strides={self.strides})"
        return None if self.padding == "causal" or self.kernel_size == 1 else f"Conv1D(padding={self.padding!r})"

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return self.window.count(steps), self.filters

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        bias = (Weight("bias", (self.filters,), "zeros"),) if self.use_bias else ()
        shape = self.kernel_size * width, self.filters
        return Weight("kernel", shape, partial(_glorot, self.kernel_size)), *bias

    def numbers(self) -> dict[str, float]:
        activation = number_of(self.activation)
        own = {"strides": self.strides, "dilation": self.dilation_rate, "entry": self.window.entry}
        return {"activation": activation, "slope": activation, **own}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        x = blanked(plan, x, path)
        y = self.window.stream(plan, x, self.filters)
        before = self.window.before(x.steps)
        arrays = {}
        if plan.stateful and before and self.looks_ahead() is None:
            arrays = plan.arrays(dict.fromkeys(("past", "after"), (before * x.width,)))
            plan.keep_state(arrays["past"][0], arrays["after"][0], before * x.width)
        return plan.row(self, x, path, y=y, arrays=arrays, options={"before": before})
