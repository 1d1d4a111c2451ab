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
def _steps_at_once(layer, n):
    """How many steps of y, of n rows each, are computed together: those that stay in the cache; with strides, one."""
    return max(1, _ROWS_IN_CACHE // n) if layer.strides == 1 else 1


@fast_part
def _reads(layer, tape, tap, begin, end):
    """Of the steps ``begin`` to ``end`` of y those for which the tap lies within x: the first, how many, and the step
    of x that the first reads. Those after it read the following ones."""
    steps, offset = tape.x.shape[0], tap * layer.dilation - layer.before
    if layer.strides == 1:
        first, last = max(begin, -offset), min(end, steps - offset)
        return first, last - first, first + offset
    source = begin * layer.strides + offset
    return begin, 1 if 0 <= source < steps else 0, source


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
def _add_past(layer, weights, tape, t):
    """What the steps before the first add to y_t."""
    width = tape.x.shape[2]
    for tap in range(weights.kernel.shape[0] // width):
        step = t + tap * layer.dilation
        if step < layer.before:
            add_product(tape.y[t], columns(tape.past, step * width, width), _tap(weights.kernel, tap, width))


@fast_part
def _add_past_gradient(layer, gradient, tape, t):
    width = tape.x.shape[2]
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
    steps, (n, width) = tape.y.shape[0], tape.x.shape[1:]
    x, y, goes_on = flattened(tape.x), flattened(tape.y), _goes_on(tape.past)
    for begin in range(0, steps, _steps_at_once(layer, n)):
        end = min(begin + _steps_at_once(layer, n), steps)
        piece = rows(y, begin * n, (end - begin) * n)
        if weights.bias.size > 0:
            copy(piece, weights.bias)
        else:
            fill(piece, 0.0)
        for t in range(begin, min(end, layer.before) if goes_on else begin):
            _add_past(layer, weights, tape, t)
        for tap in range(weights.kernel.shape[0] // width):
            first, count, source = _reads(layer, tape, tap, begin, end)
            if count > 0:
                seen = rows(x, source * n, count * n)
                add_product(rows(y, first * n, count * n), seen, _tap(weights.kernel, tap, width))
        activate_rows(layer.activation, piece, piece)
    if tape.after.size > 0:
        _keep_past(layer, tape)
    pass_presence(layer, tape)


@fast_part
def backward(layer, weights, transposed, gradient, tape):
    """δ = dy∘f′;  dW_k = Σ_t x_{t·strides + k·dilation − before}ᵀ δ_t,  db = Σ_t δ_t;  what x_s was multiplied by W_k
    for passes δ W_kᵀ on to dx_s."""
    steps, (n, width) = tape.y.shape[0], tape.x.shape[1:]
    x, y, delta, d_x = flattened(tape.x), flattened(tape.y), flattened(tape.d_y), flattened(tape.d_x)
    goes_on = _goes_on(tape.past)
    fill(gradient.kernel, 0.0)
    fill(gradient.bias, 0.0)
    if d_x.size > 0:
        transpose(transposed.kernel, weights.kernel)
        fill(d_x, 0.0)
    for begin in range(0, steps, _steps_at_once(layer, n)):
        end = min(begin + _steps_at_once(layer, n), steps)
        piece = rows(delta, begin * n, (end - begin) * n)
        slope_of_rows(layer.slope, piece, piece, rows(y, begin * n, (end - begin) * n))
        if gradient.bias.size > 0:
            add_column_sums(gradient.bias, piece)
        for t in range(begin, min(end, layer.before) if goes_on else begin):
            _add_past_gradient(layer, gradient, tape, t)
        for tap in range(weights.kernel.shape[0] // width):
            first, count, source = _reads(layer, tape, tap, begin, end)
            if count > 0:
                d = rows(delta, first * n, count * n)
                add_transposed_product(_tap(gradient.kernel, tap, width), rows(x, source * n, count * n), d)
                if d_x.size > 0:
                    add_product(rows(d_x, source * n, count * n), d, columns(transposed.kernel, tap * width, width))


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
