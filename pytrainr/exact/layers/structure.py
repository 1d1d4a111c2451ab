"""What containers are laid out with: a sequence read twice, turned round, two side by side, two added."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Presence, Steps
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Layer
from pytrainr.numerics.elementwise import add, copy, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Reverse", "added", "blanked", "forked", "joined"]


class Two(NamedTuple):
    """Two sequences ``a`` and ``b``, and ``y`` made of them."""

    a: Steps
    b: Steps
    y: Steps
    d_a: Steps
    d_b: Steps
    d_y: Steps


class Blanked(NamedTuple):
    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence


class Turned(NamedTuple):
    x: Steps
    y: Steps
    d_x: Steps
    d_y: Steps
    present: Presence
    y_present: Presence


@fast_part
def fork_backward(tape):
    """What two readers send back is added: dy = da + db."""
    if tape.d_y.size > 0:
        copy(tape.d_y, tape.d_a)
        add(tape.d_y, tape.d_b)


@fast_part
def join_forward(tape):
    """y = [a, b], side by side."""
    width = tape.a.shape[2]
    for t in range(tape.y.shape[0]):
        for s in range(tape.y.shape[1]):
            copy(tape.y[t, s, :width], tape.a[t, s])
            copy(tape.y[t, s, width:], tape.b[t, s])


@fast_part
def join_backward(tape):
    """da, db = the two sides of dy."""
    width = tape.a.shape[2]
    for t in range(tape.d_y.shape[0]):
        for s in range(tape.d_y.shape[1]):
            if tape.d_a.size > 0:
                copy(tape.d_a[t, s], tape.d_y[t, s, :width])
            if tape.d_b.size > 0:
                copy(tape.d_b[t, s], tape.d_y[t, s, width:])


@fast_part
def add_forward(tape):
    """y = a + b."""
    copy(tape.y, tape.a)
    add(tape.y, tape.b)


@fast_part
def add_backward(tape):
    """da = db = dy."""
    if tape.d_a.size > 0:
        copy(tape.d_a, tape.d_y)
    if tape.d_b.size > 0:
        copy(tape.d_b, tape.d_y)


@fast_part
def reverse_forward(tape):
    """y_t = x_{T−1−t}."""
    steps = tape.x.shape[0]
    for t in range(steps):
        copy(tape.y[t], tape.x[steps - 1 - t])
    for t in range(tape.y_present.shape[0]):
        copy(tape.y_present[t], tape.present[steps - 1 - t])


@fast_part
def reverse_backward(tape):
    """dx_t = dy_{T−1−t}."""
    steps = tape.d_x.shape[0]
    for t in range(steps):
        copy(tape.d_x[t], tape.d_y[steps - 1 - t])


@fast_part
def _where_present(tape, to, source):
    for t in range(to.shape[0]):
        for s in range(to.shape[1]):
            if tape.present[t, s] > 0.0:
                copy(to[t, s], source[t, s])
            else:
                fill(to[t, s], 0.0)


@fast_part
def blank_forward(tape):
    """y_t = x_t, or 0 where there is no entry."""
    _where_present(tape, tape.y, tape.x)


@fast_part
def blank_backward(tape):
    """dx_t = dy_t, or 0 where there is no entry."""
    _where_present(tape, tape.d_x, tape.d_y)


@dataclass(frozen=True)
class Reverse(Layer):
    """The steps in the opposite order."""

    kernels = Kernels("Reverse", reverse_forward, reverse_backward, tape=Turned)
    causal: ClassVar[bool] = False

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        y = plan.stream(x.steps, x.width, x, turned=not x.turned)
        if x.present is not None:
            y = y.with_presence(plan.take(x.steps))
        return plan.row(self, x, path, y=y)


@dataclass(frozen=True)
class _Fork(Layer):
    kernels = Kernels("Fork", None, fork_backward, tape=Two)


@dataclass(frozen=True)
class _Join(Layer):
    kernels = Kernels("Join", join_forward, join_backward, tape=Two)


@dataclass(frozen=True)
class _Add(Layer):
    kernels = Kernels("Add", add_forward, add_backward, tape=Two)


@dataclass(frozen=True)
class _Blank(Layer):
    kernels = Kernels("Blank", blank_forward, blank_backward, tape=Blanked)


def blanked(plan: Planner, x: Stream, path: Path) -> Stream:
    """``x`` with zeros in the steps without entry, as what the network reads has already."""
    return x if x.present is None or x.place == plan.input else plan.row(_Blank(), x, path)


def forked(plan: Planner, x: Stream, path: Path) -> tuple[Stream, Stream]:
    """``x`` for two readers, each with a gradient of its own."""
    if x.gradient is None:
        return x, x
    a, b = (plan.stream(x.steps, x.width, x, place=x.place) for _ in range(2))
    plan.row_of_two(_Fork(), a, b, x, path)
    return a, b


def joined(plan: Planner, a: Stream, b: Stream, path: Path) -> Stream:
    """Two sequences of as many steps side by side."""
    y = plan.stream(a.steps, a.width + b.width, a)
    return plan.row_of_two(_Join(), a, b, y, path)


def added(plan: Planner, a: Stream, b: Stream, path: Path) -> Stream:
    """The sum of two sequences of one shape."""
    y = plan.stream(a.steps, a.width, a)
    return plan.row_of_two(_Add(), a, b, y, path)
