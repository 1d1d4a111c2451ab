"""Adaptive computation time (Graves 2016): a cell takes as many steps over each entry as it thinks it needs.

At step t the cell reads x_t and a sign that is 1 at the first of its own steps, n = 1, 2, …, N, and 0 afterwards:

    s_n = cell([x_t, 1 or 0], s_{n−1}),  s_0 = s_{t−1};    p_n = σ(h_n·w + b)     how sure it is that it has finished
    N = the first n with p_1 + … + p_n ≥ 1 − ε, at most max_steps;    R = 1 − p_1 − … − p_{N−1}     the remainder
    s_t = Σ_n π_n s_n,  π_n = p_n, π_N = R;    loss += ponder_cost · Σ_t (N_t + R_t)

N counts as constant on the way back. The state s is all that the cell carries on, for an LSTM h and c; what the layer
gives out is h of s_t.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector
from pytrainr.exact.initial import Weight
from pytrainr.exact.kernels import AFTER_LAST, BEFORE_FIRST, Driving, Kernels, take_steps
from pytrainr.exact.layers.dropout import SpatialDropout1D
from pytrainr.exact.layers.last_steps import LastSteps
from pytrainr.exact.layers.layer import Layer, Part, check_range
from pytrainr.exact.layers.recurrent import Recurrent
from pytrainr.exact.products import product, transpose
from pytrainr.exact.scalars import exp
from pytrainr.numerics.elementwise import copy, fill
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["AdaptiveComputation"]

_ENOUGH = 0.01  # ε, which lets a cell that is sure finish after one step


class Options(NamedTuple):
    """``most``: the most steps of the cell over an entry."""

    most: int
    ponder_cost: float


class Weights(NamedTuple):
    """The cell's ``kernel`` W (inputs + 1, gates·units); ``halting_kernel`` w (outputs), ``halting_bias`` b (1)."""

    kernel: Matrix
    halting_kernel: Vector
    halting_bias: Vector


class Tape(NamedTuple):
    """The cell's tape, of which the arrays from ``x`` to ``carried_cell`` are, has ``most`` + 1 places for each step of
    the sequence: place 0 holds the state before, s_0, the following ones s_1, s_2, …; s_t is place 0 of the next step.

    outer, d_outer    (T, n, inputs)              what the layer reads, and the gradient by it
    result, d_result  (T, n, outputs)             what it gives out, h of s_t
    outer_present     (T, n)                      where there are entries
    halting, share    (T·(most + 1), n, 1)        p and π
    ponder            (T, n, 1)                   N; 0 where there is no entry
    cost              (n, 1)                      ponder_cost · Σ_t (N_t + R_t)
    everything        (n, ·)                      all that the cell keeps, one array after the other
    d_read            (n, inputs + 1)             room for the gradient by what the cell reads
    d_state, d_cell   (n, ·)                      gradient by s_t
    """

    x: Steps
    hidden: Steps
    cell: Steps
    delta: Steps
    d_y: Steps
    carried: Rows
    direct: Rows
    carried_cell: Rows
    outer: Steps
    d_outer: Steps
    result: Steps
    d_result: Steps
    outer_present: Presence
    halting: Steps
    share: Steps
    ponder: Steps
    cost: Rows
    everything: Rows
    d_read: Rows
    d_state: Rows
    d_cell: Rows


@fast_part
def _there(tape, t, s):
    return tape.outer_present.size == 0 or tape.outer_present[t, s] > 0.0


@fast_part
def _taken(tape, t):
    """How many steps the cell has taken for the slowest of the samples."""
    most = 0
    for s in range(tape.ponder.shape[1]):
        most = max(most, int(tape.ponder[t, s, 0]))
    return most


@fast_part
def _dot(a, b):
    total = 0.0
    for k in range(a.size):
        total += a[k] * b[k]
    return total


@fast_part
def _read(tape, t, place, first):
    """The cell's input, x_t and the sign."""
    x, outer = tape.x[place], tape.outer[t]
    for s in range(outer.shape[0]):
        copy(x[s, : outer.shape[1]], outer[s])
        x[s, outer.shape[1]] = 1.0 if first else 0.0


@fast_part
def _finished(layer, weights, tape, t, place, n):
    """p_n and π_n of every sample; whether all have finished. Of one that has, ``ponder`` is N."""
    finished = True
    for s in range(tape.ponder.shape[1]):
        if tape.ponder[t, s, 0] > 0.0 or not _there(tape, t, s):
            continue
        p = 1.0 / (1.0 + exp(-(_dot(weights.halting_kernel, tape.hidden[place + 1, s]) + weights.halting_bias[0])))
        before = 0.0
        for k in range(place - n, place):
            before += tape.halting[k, s, 0]
        tape.halting[place, s, 0] = p
        if before + p >= 1.0 - _ENOUGH or n + 1 == layer.most:
            tape.share[place, s, 0] = 1.0 - before
            tape.ponder[t, s, 0] = n + 1
            tape.cost[s, 0] += layer.ponder_cost * (n + 1 + 1.0 - before)
        else:
            tape.share[place, s, 0] = p
            finished = False
    return finished


@fast_part
def _average(tape, t, begin, places, taken):
    """s_t = Σ π_n s_n, or where there is no entry as before."""
    after = begin + places
    for s in range(tape.ponder.shape[1]):
        h, c = tape.hidden[after, s], tape.cell[after, s]
        if _there(tape, t, s):
            fill(h, 0.0)
            fill(c, 0.0)
            for place in range(begin, begin + taken):
                share = tape.share[place, s, 0]
                for k in range(h.size):
                    h[k] += share * tape.hidden[place + 1, s, k]
                for k in range(c.size):
                    c[k] += share * tape.cell[place + 1, s, k]
        else:
            copy(h, tape.hidden[begin, s])
            copy(c, tape.cell[begin, s])
        copy(tape.result[t, s], h)


@fast_part
def _clear(tape):
    """All that the cell keeps but the state before: what is not computed adds nothing to the gradient."""
    copy(tape.d_state, tape.hidden[0])
    copy(tape.d_cell, tape.cell[0])
    fill(tape.everything, 0.0)
    copy(tape.hidden[0], tape.d_state)
    copy(tape.cell[0], tape.d_cell)


@fast_part
def forward(layer, weights, tape, cell, call):
    """Step by step of the sequence, as many of the cell as the slowest sample needs."""
    _clear(tape)
    take_steps(cell.forward, cell, call, BEFORE_FIRST, 0)
    fill(tape.cost, 0.0)
    fill(tape.ponder, 0.0)
    places = layer.most + 1
    for t in range(tape.outer.shape[0]):
        begin, n, finished = t * places, 0, False
        while not finished:
            _read(tape, t, begin + n, n == 0)
            take_steps(cell.forward, cell, call, begin + n, begin + n + 1)
            finished = _finished(layer, weights, tape, t, begin + n, n)
            n += 1
        _average(tape, t, begin, places, n)


@fast_part
def _back_to_average(tape, t):
    """ds_t: from above, and from the step after."""
    for s in range(tape.d_state.shape[0]):
        for k in range(tape.d_state.shape[1]):
            tape.d_state[s, k] = tape.d_result[t, s, k] + tape.carried[s, k] + tape.direct[s, k]
    copy(tape.d_cell, tape.carried_cell)
    fill(tape.carried, 0.0)
    fill(tape.direct, 0.0)
    fill(tape.carried_cell, 0.0)


@fast_part
def _back_to_step(layer, weights, gradient, tape, t, begin, n):
    """dπ_n = ds_t·s_n;  dp_n = dπ_n − dπ_N − ponder_cost for n < N, δ = dp p (1 − p), dw += δ h_n, db += δ;
    ds_n = π_n ds_t + δ w, to which the cell adds what the step n + 1 gives back."""
    place = begin + n
    for s in range(tape.d_state.shape[0]):
        last, share, delta = int(tape.ponder[t, s, 0]) - 1, tape.share[place, s, 0], 0.0
        if n < last:
            d_share = _dot(tape.d_state[s], tape.hidden[place + 1, s]) + _dot(tape.d_cell[s], tape.cell[place + 1, s])
            end = begin + last + 1
            d_share -= _dot(tape.d_state[s], tape.hidden[end, s]) + _dot(tape.d_cell[s], tape.cell[end, s])
            p = tape.halting[place, s, 0]
            delta = (d_share - layer.ponder_cost) * p * (1.0 - p)
            gradient.halting_bias[0] += delta
        d_h, h = tape.d_y[place, s], tape.hidden[place + 1, s]
        for k in range(d_h.size):
            gradient.halting_kernel[k] += delta * h[k]
            d_h[k] = share * tape.d_state[s, k] + delta * weights.halting_kernel[k]
        for k in range(tape.d_cell.shape[1]):
            tape.carried_cell[s, k] += share * tape.d_cell[s, k]


@fast_part
def _back_to_input(weights, transposed, tape, t, place):
    """dx_t += δ Wᵀ, but for the sign."""
    product(tape.d_read, tape.delta[place], transposed.kernel)
    for s in range(tape.d_outer.shape[1]):
        for k in range(tape.d_outer.shape[2]):
            tape.d_outer[t, s, k] += tape.d_read[s, k]


@fast_part
def _pass_by(tape, t):
    """Where there is no entry, the gradient by the state after is that by the state before."""
    for s in range(tape.d_state.shape[0]):
        if not _there(tape, t, s):
            fill(tape.carried[s], 0.0)
            copy(tape.direct[s], tape.d_state[s])
            copy(tape.carried_cell[s], tape.d_cell[s])


@fast_part
def backward(layer, weights, transposed, gradient, tape, cell, call):
    """All the way back, from the last step of the cell over the last entry."""
    take_steps(cell.backward, cell, call, tape.x.shape[0], AFTER_LAST)
    transpose(transposed.kernel, weights.kernel)
    fill(gradient.halting_kernel, 0.0)
    fill(gradient.halting_bias, 0.0)
    fill(tape.d_outer, 0.0)
    fill(tape.carried, 0.0)
    for t in range(tape.outer.shape[0] - 1, -1, -1):
        begin = t * (layer.most + 1)
        _back_to_average(tape, t)
        for n in range(_taken(tape, t) - 1, -1, -1):
            _back_to_step(layer, weights, gradient, tape, t, begin, n)
            take_steps(cell.backward, cell, call, begin + n, begin + n + 1)
            if tape.d_outer.size > 0:
                _back_to_input(weights, transposed, tape, t, begin + n)
        _pass_by(tape, t)
    take_steps(cell.backward, cell, call, BEFORE_FIRST, 0)


_KERNELS = Kernels("AdaptiveComputation", forward, backward, options=Options, weights=Weights, tape=Tape)


@dataclass(frozen=True)
class AdaptiveComputation(Layer):
    """``cell`` takes up to ``max_steps`` steps over each entry, as many as it thinks it needs; each adds
    ``ponder_cost`` to the loss. ``layer_states`` shows how many it took.
    """

    cell: Recurrent
    max_steps: int = 10
    ponder_cost: float = 0.01

    @property
    def kernels(self) -> Driving:  # type: ignore[override]
        return Driving(_KERNELS, self.cell.kernels)

    def check(self) -> None:
        check_range(self, "cell", not self.cell.learn_initial_state, "should begin at 0, without learn_initial_state")
        check_range(self, "max_steps", self.max_steps >= 1, "should be 1 or more")
        check_range(self, "ponder_cost", self.ponder_cost >= 0.0, "should be 0 or more")
        trained = type(self.cell).__name__ != "EchoState"
        check_range(self, "cell", trained, "should be a recurrent layer that is trained, as GRU or LSTM")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return self.cell.output_shape(steps, width)

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        halting = Weight("halting_kernel", (self.cell.outputs,), "glorot"), Weight("halting_bias", (1,), "ones")
        return *self.cell.weights(steps, width), *halting

    def numbers(self) -> dict[str, float]:
        return {**self.cell.numbers(), "most": self.max_steps, "ponder_cost": self.ponder_cost}

    def recorded(self) -> list[tuple[str, int]]:
        """What ``hidden=True`` shows: the states that it gives out."""
        return [("result", 1)]

    def shown(self, steps: int) -> dict[str, Part]:
        return {"ponder_steps": ("ponder", 0, 0, ())}

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        number, cell = plan.next_number(), self.cell
        if cell.dropout:
            x = SpatialDropout1D(cell.dropout).lay_numbered(plan, x, path, number)
        steps, wide = x.steps * (self.max_steps + 1), x.width + 1
        cells = cell.widths().get("cell", 0)
        rows = {"cost": (1,), "d_state": (cell.outputs,), "d_cell": (cells,), "d_read": (wide,)}
        arrays = plan.arrays({**rows, "ponder": (x.steps, 1)})
        y = plan.stream(x.steps, cell.outputs, x)
        for name, stream in (("outer", x), ("result", y)):
            arrays[name] = [stream.place, stream.steps, stream.width]
            if stream.gradient is not None:
                arrays[f"d_{name}"] = [stream.gradient, stream.steps, stream.width]
        if x.present is not None:
            arrays["outer_present"] = [x.present, x.steps]
        plan.add_cost(arrays["cost"][0])
        # what follows is all that has to be cleared
        arrays |= plan.arrays({"x": (steps, wide), "halting": (steps, 1), "share": (steps, 1)})
        everything = arrays["everything"] = [arrays["x"][0], 0]
        own = replace(x, steps=steps, width=wide, place=arrays["x"][0], gradient=None, present=None)
        cell.lay_cell(plan, own, path, number, self, arrays)
        everything[1] = plan.take(1) - everything[0]
        return y if cell.return_sequences else LastSteps(1).lay(plan, y, path)
