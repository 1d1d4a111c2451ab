"""Pooling: the largest, or the mean, of each variable over a window of steps. Steps without entry are left out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from pytrainr.exact.arrays import Presence, Steps
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer, check_range
from pytrainr.exact.layers.sliding import SlidingWindow, pass_presence
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["AveragePooling1D", "GlobalAveragePooling1D", "GlobalMaxPooling1D", "MaxPooling1D"]


class Options(NamedTuple):
    """Windows of ``span`` steps, one every ``strides``, the first ``before`` steps ahead of the sequence; one has an
    entry where its step ``entry`` has."""

    span: int
    strides: int
    before: int
    entry: int


class Tape(NamedTuple):
    """``chosen`` (windows, n, width): the step of the largest."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    y_present: Presence
    chosen: Steps


class AverageTape(NamedTuple):
    """``share`` (windows, n, 1): 1/(steps of the window that have an entry)."""

    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    y_present: Presence
    share: Steps


@fast_part
def _window(layer, t, steps):
    """The first step of a window, and the first after it."""
    begin = t * layer.strides - layer.before
    return max(begin, 0), min(begin + layer.span, steps)


@fast_map("best, chosen")
def _larger(best, chosen, x, step):
    taken = x > best
    # a NaN is kept, so that one sees it
    return taken.where(x, x.equals(x).where(best, x)), taken.where(step, chosen)


@fast_part
def max_forward(layer, tape):
    """y_t = max_s x_s over the steps s of window t; 0 where none has an entry."""
    steps, n = tape.x.shape[0], tape.x.shape[1]
    for t in range(tape.y.shape[0]):
        begin, end = _window(layer, t, steps)
        if tape.present.size == 0:
            copy(tape.y[t], tape.x[begin])
            fill(tape.chosen[t], begin)
            for step in range(begin + 1, end):
                _larger(tape.y[t], tape.chosen[t], tape.x[step], step)
        else:
            for s in range(n):
                best, chosen = tape.y[t, s], tape.chosen[t, s]
                fill(best, 0.0)
                fill(chosen, -1)
                for step in range(begin, end):
                    if tape.present[step, s] > 0.0:
                        if chosen[0] < 0.0:
                            copy(best, tape.x[step, s])
                            fill(chosen, step)
                        else:
                            _larger(best, chosen, tape.x[step, s], step)
    pass_presence(layer, tape)


@fast_map("d_x")
def _to_chosen(d_x, d_y, chosen, step):
    return d_x + chosen.equals(step).where(d_y, 0.0)


@fast_part
def max_backward(layer, tape):
    """dx_s = Σ dy_t over the windows t of which s is the largest, the first if there are several."""
    if tape.d_x.size > 0:
        fill(tape.d_x, 0.0)
        for t in range(tape.d_y.shape[0]):
            begin, end = _window(layer, t, tape.d_x.shape[0])
            for step in range(begin, end):
                _to_chosen(tape.d_x[step], tape.d_y[t], tape.chosen[t], step)


@fast_map("y")
def _scaled(y, share):
    return y * share


@fast_map("d_x")
def _add_scaled(d_x, d_y, share):
    return d_x + d_y * share


@fast_part
def average_forward(layer, tape):
    """y_t = Σ_s x_s / N over the N steps s of window t that have an entry; 0 where none has."""
    steps, n = tape.x.shape[0], tape.x.shape[1]
    for t in range(tape.y.shape[0]):
        begin, end = _window(layer, t, steps)
        if tape.present.size == 0:
            share = 1.0 / (end - begin)
            fill(tape.share[t], share)
            copy(tape.y[t], tape.x[begin])
            for step in range(begin + 1, end):
                add(tape.y[t], tape.x[step])
            _scaled(tape.y[t], share)
        else:
            for s in range(n):
                count = 0
                fill(tape.y[t, s], 0.0)
                for step in range(begin, end):
                    if tape.present[step, s] > 0.0:
                        add(tape.y[t, s], tape.x[step, s])
                        count += 1
                tape.share[t, s, 0] = 1.0 / max(count, 1)
                _scaled(tape.y[t, s], tape.share[t, s, 0])
    pass_presence(layer, tape)


@fast_part
def average_backward(layer, tape):
    """dx_s = Σ dy_t / N over the windows t that s is in."""
    if tape.d_x.size > 0:
        fill(tape.d_x, 0.0)
        for t in range(tape.d_y.shape[0]):
            begin, end = _window(layer, t, tape.d_x.shape[0])
            for step in range(begin, end):
                if tape.present.size == 0:
                    _add_scaled(tape.d_x[step], tape.d_y[t], tape.share[t, 0, 0])
                else:
                    for s in range(tape.d_x.shape[1]):
                        if tape.present[step, s] > 0.0:
                            _add_scaled(tape.d_x[step, s], tape.d_y[t, s], tape.share[t, s, 0])


_MAX = Kernels("MaxPooling1D", max_forward, max_backward, options=Options, tape=Tape)
_AVERAGE = Kernels("AveragePooling1D", average_forward, average_backward, options=Options, tape=AverageTape)


@dataclass(frozen=True)
class _Pooling(Layer):
    """What both kinds have in common."""

    pool_size: int = 2
    strides: int | None = None
    padding: str = "valid"

    def check(self) -> None:
        check_range(self, "pool_size", self.pool_size >= 1, "should be 1 or more")
        check_range(self, "strides", self.strides is None or self.strides >= 1, "should be 1 or more, or None")
        check_range(self, "padding", self.padding in ("valid", "same"), "should be 'valid' or 'same'")

    @property
    def window(self) -> SlidingWindow:
        """The window through which it reads."""
        return SlidingWindow(self.pool_size, self.strides or self.pool_size, self.padding)

    def looks_ahead(self) -> str | None:
        return type(self).__name__

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return self.window.count(steps), width

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        return _laid(self, self.window, plan, x, path, self.window.stream(plan, x, x.width))


@dataclass(frozen=True)
class _GlobalPooling(Layer):
    """One window of all steps."""

    def looks_ahead(self) -> str | None:
        return type(self).__name__

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return 1, width

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        window = SlidingWindow(x.steps, 1, "valid")
        return _laid(self, window, plan, x, path, plan.stream(1, x.width, x, present=None))


def _laid(layer: Layer, window: SlidingWindow, plan: Planner, x: Stream, path: Path, y: Stream) -> Stream:
    own = {"chosen": (y.steps, y.width)} if layer.kernels is _MAX else {"share": (y.steps, 1)}
    options = {"span": window.span, "strides": window.strides, "entry": window.entry}
    options["before"] = window.before(x.steps)
    return plan.row(layer, x, path, y=y, arrays=plan.arrays(own), options=options)


@dataclass(frozen=True)
class MaxPooling1D(_Pooling):
    """The largest of each variable over windows of ``pool_size`` steps, one every ``strides`` (None: ``pool_size``).

    ``padding`` "valid" leaves out the last window where it is not whole, "same" takes what there is of it.
    """

    kernels = _MAX


@dataclass(frozen=True)
class AveragePooling1D(_Pooling):
    """The mean of each variable over windows of ``pool_size`` steps, one every ``strides`` (None: ``pool_size``).

    ``padding`` "valid" leaves out the last window where it is not whole, "same" takes the mean of what there is of it.
    """

    kernels = _AVERAGE


@dataclass(frozen=True)
class GlobalMaxPooling1D(_GlobalPooling):
    """The largest of each variable over all steps."""

    kernels = _MAX


@dataclass(frozen=True)
class GlobalAveragePooling1D(_GlobalPooling):
    """The mean of each variable over all steps."""

    kernels = _AVERAGE
