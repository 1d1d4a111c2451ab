"""A recurrent layer: a cell driven over all time steps, whatever the cell.

The input's share of all gates is one product over all time steps. Then, step by step, recurrent dropout, the cell, and,
for sequences of different length, holding the state where a sample has no entry.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar, NamedTuple

from pytrainr.exact.arrays import Matrix, Presence, Rows, Steps, Vector, extended, flattened, steps_of
from pytrainr.exact.cells.step import add_gradient, cell_backward, cell_forward
from pytrainr.exact.dropout import fill_recurrent_mask
from pytrainr.exact.kernels import BEFORE_FIRST, Kernels
from pytrainr.exact.layers.dropout import SpatialDropout1D
from pytrainr.exact.layers.last_steps import LastSteps
from pytrainr.exact.layers.layer import Layer, Part, Weight, check_range
from pytrainr.exact.products import add_column_sums, product, transpose
from pytrainr.numerics.compiled_once import compiled_on_demand
from pytrainr.numerics.elementwise import add, copy, fill, multiply
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Recurrent", "Tape", "Weights", "recurrent_kernels"]


class Driven(NamedTuple):
    """The layer's number and recurrent dropout, which come before the cell's own options."""

    number: int
    recurrent_dropout: float


class Weights(NamedTuple):
    """All gates of a matrix stand side by side.

    ``kernel`` (inputs, gates·units), ``recurrent_kernel`` (outputs, gates·units), ``bias`` (gates·units), and, where
    the cell has them, ``recurrent_bias`` (gates·units), ``peephole`` (3, units), ``projection`` (units, outputs) and
    ``projection_bias`` (outputs): what the layer gives out is then its units times the projection. Where they are
    learnt, ``initial_state`` (outputs) and ``initial_cell`` are the state before a sequence's first step.
    """

    kernel: Matrix
    recurrent_kernel: Matrix
    bias: Vector
    recurrent_bias: Vector
    peephole: Matrix
    projection: Matrix
    projection_bias: Vector
    initial_state: Vector
    initial_cell: Vector


class Tape(NamedTuple):
    """What the layer computes of n samples, kept for the way back.

    x               (steps, n, inputs)         the input
    gates           (steps, n, gates·units)    x·W + b, then activated
    delta           (steps, n, gates·units)    gradient by the gates before their activation
    hidden          (steps + 1, n, outputs)    what the layer gives out; entry 0 is the state before the first step
    context         (steps + 1, n, outputs)    what enters the recurrent product: hidden, after recurrent dropout if any
    cell            (steps + 1, n, ·)          lstm's cell state
    memory          (steps, n, ·)              a cell's own: gru h∘r, lstm o∘tanh(c), jordan's hidden units
    gate_delta, memory_delta                   a cell's own, on the way back
    d_y             (steps, n, outputs)        gradient by ``hidden``, from above and, once added, from later steps
    d_x             (steps, n, inputs)         gradient by ``x``
    product         (n, gates·units)           room for a product
    carried, direct (n, outputs)               gradient by the state before: through the product, and past it
    carried_cell    (n, ·)                     gradient by the cell state before
    present         (steps, n)                 where there are entries
    mask            (n, outputs)               recurrent dropout
    held, held_cell (n, ·)                     room for gradients that pass by a step without entry
    """

    x: Steps
    gates: Steps
    delta: Steps
    hidden: Steps
    context: Steps
    cell: Steps
    memory: Steps
    gate_delta: Steps
    memory_delta: Steps
    d_y: Steps
    d_x: Steps
    product: Rows
    carried: Rows
    direct: Rows
    carried_cell: Rows
    present: Presence
    mask: Rows
    held: Rows
    held_cell: Rows
    begun: Steps


@fast_map("d_hidden, direct")
def _add_later(d_hidden, carried, direct):
    return d_hidden + (carried + direct), direct.constant(0.0)


@fast_map("context")
def _masked(hidden, mask):
    return hidden * mask


# What most networks do without is compiled by itself, once for all cells, when it is first needed.


@compiled_on_demand
def _replace_absent(present, state, other_state, cell, other_cell):
    """Give the samples without an entry the other state (n, outputs) and cell (n, ·)."""
    for s in range(present.size):
        if present[s] == 0.0:
            copy(state[s], other_state[s])
            copy(cell[s], other_cell[s])


@compiled_on_demand
def _hold(present, held, d_state, held_cell, d_cell):
    """Put aside the gradients of the samples without an entry, of which the cell sees none."""
    for s in range(present.size):
        if present[s] == 0.0:
            copy(held[s], d_state[s])
            copy(held_cell[s], d_cell[s])
            fill(d_state[s], 0.0)
            fill(d_cell[s], 0.0)


@compiled_on_demand
def _begin_as_learnt(begun, state, cell, initial_state, initial_cell):
    """The learnt state, for the sequences that begin here; ``begun`` (2, n, 1) says whose have."""
    for s in range(state.shape[0]):
        if begun[0, s, 0] == 0.0:
            copy(state[s], initial_state)
            copy(cell[s], initial_cell)
        begun[1, s, 0] = 1.0


@compiled_on_demand
def _learn_beginning(begun, initial_state, initial_cell, carried, direct, d_cell):
    """The gradient by the learnt state, from what comes back to before the first step."""
    fill(initial_state, 0.0)
    fill(initial_cell, 0.0)
    for s in range(carried.shape[0]):
        if begun[0, s, 0] == 0.0:
            add(initial_state, carried[s])
            add(initial_state, direct[s])
            add(initial_cell, d_cell[s])


@fast_part
def step_forward(layer, weights, tape, t):
    """One time step: dropout of the state, the cell's equations, the state held where there is no entry."""
    if tape.mask.size > 0:
        _masked(tape.context[t], tape.hidden[t], tape.mask)
    cell_forward(layer, weights, tape, t)
    if tape.present.size > 0:
        _replace_absent(tape.present[t], tape.hidden[t + 1], tape.hidden[t], tape.cell[t + 1], tape.cell[t])


@fast_part
def step_backward(layer, weights, transposed, tape, t):
    """One time step back. A held state passes its gradient on as it is; the cell sees none of it."""
    padded = tape.present.size > 0
    if t + 1 < tape.x.shape[0]:
        _add_later(tape.d_y[t], tape.carried, tape.direct)
    if padded:
        _hold(tape.present[t], tape.held, tape.d_y[t], tape.held_cell, tape.carried_cell)
    cell_backward(layer, weights, transposed, tape, t)
    if tape.mask.size > 0:
        multiply(tape.carried, tape.mask)
    if padded:
        _replace_absent(tape.present[t], tape.direct, tape.held, tape.carried_cell, tape.held_cell)


@fast_part
def begin_forward(layer, weights, tape, call):
    """The group's recurrent dropout, and the learnt state, where there is one, of sequences that begin here."""
    if tape.mask.size > 0:
        fill_recurrent_mask(tape.mask, layer.recurrent_dropout, call.key, layer.number, call.first_sample)
    if tape.begun.size > 0:
        _begin_as_learnt(tape.begun, tape.hidden[0], tape.cell[0], weights.initial_state, weights.initial_cell)


@fast_part
def forward(layer, weights, tape, call):
    """Fill ``tape.hidden[1:]`` from ``tape.x`` and the state ``tape.hidden[0]``, ``tape.cell[0]``: all steps, or those
    that another layer asks for."""
    if call.begin == BEFORE_FIRST:
        begin_forward(layer, weights, tape, call)
    begin, end = max(0, call.begin), min(tape.x.shape[0], call.end)
    gates = steps_of(tape.gates, begin, end)
    product(gates, steps_of(tape.x, begin, end), weights.kernel)
    if weights.bias.size > 0:
        add(gates, weights.bias)
    for t in range(begin, end):
        step_forward(layer, weights, tape, t)


@fast_part
def begin_backward(layer, weights, transposed, tape):
    """Nothing comes back from after the last step; the weights as the way back multiplies by them."""
    fill(tape.direct, 0.0)
    fill(tape.carried_cell, 0.0)
    transpose(transposed.recurrent_kernel, weights.recurrent_kernel)
    transpose(transposed.projection, weights.projection)
    if tape.d_x.size > 0:
        transpose(transposed.kernel, weights.kernel)


@fast_part
def finish_gradient(layer, gradient, weights, tape):
    """The weights' gradient once all steps back are taken."""
    add_gradient(layer, gradient, weights, tape)
    if gradient.bias.size > 0:
        fill(gradient.bias, 0.0)
        add_column_sums(gradient.bias, flattened(tape.delta))
    if tape.begun.size > 0:
        initial_state, initial_cell = gradient.initial_state, gradient.initial_cell
        _learn_beginning(tape.begun, initial_state, initial_cell, tape.carried, tape.direct, tape.carried_cell)


@fast_part
def backward(layer, weights, transposed, gradient, tape, call):
    """From ``tape.d_y`` to the weights' gradient and, where it is asked for, ``tape.d_x``; the same steps."""
    begin, end = max(0, call.begin), min(tape.x.shape[0], call.end)
    if call.end > tape.x.shape[0]:
        begin_backward(layer, weights, transposed, tape)
    for t in range(end - 1, begin - 1, -1):
        step_backward(layer, weights, transposed, tape, t)
    if tape.d_x.size > 0:
        product(steps_of(tape.d_x, begin, end), steps_of(tape.delta, begin, end), transposed.kernel)
    if call.begin == BEFORE_FIRST:
        finish_gradient(layer, gradient, weights, tape)


def recurrent_kernels(name: str, cell: type, weights: type | None = None, tape: type | None = None) -> Kernels:
    """The kernels of the layer that drives a cell; ``cell`` is the NamedTuple of its options, whose file has its
    equations. What it has beside the ``weights`` and ``tape`` of all cells comes after them."""
    return Kernels(
        name,
        forward,
        backward,
        options=extended(Driven, cell),
        weights=extended(Weights, weights) if weights else Weights,
        tape=extended(Tape, tape) if tape else Tape,
        module=cell.__module__,
    )


@dataclass(frozen=True)
class Recurrent(Layer):
    """What all recurrent layers have in common."""

    units: int
    use_bias: bool = True
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    return_sequences: bool = False
    learn_initial_state: bool = field(default=False, kw_only=True)

    gates: ClassVar[tuple[str, ...]] = ("hidden",)
    trainable: ClassVar[bool] = True
    """Whether its weights follow the gradient."""

    def check(self) -> None:
        trained = self.trainable or not self.learn_initial_state
        check_range(self, "learn_initial_state", trained, "needs weights that are trained")
        check_range(self, "units", self.units >= 1, "should be 1 or more")
        for name in ("dropout", "recurrent_dropout"):
            check_range(self, name, 0.0 <= getattr(self, name) < 1.0, f"is the share left out: 0 <= {name} < 1")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return steps if self.return_sequences else 1, self.outputs

    def shortens(self) -> bool:
        return not self.return_sequences

    @property
    def outputs(self) -> int:
        """The width of the state that it gives out."""
        return self.units

    def widths(self) -> dict[str, int]:
        """What the cell keeps: names of ``Tape`` fields of its own and their widths."""
        return {}

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        return (*self.cell_weights(steps, width), *self._initial_weights())

    def _initial_weights(self) -> Iterator[Weight]:
        """The state before the first step, where it is learnt."""
        cell = self.widths().get("cell", 0)
        if self.learn_initial_state:
            yield Weight("initial_state", (self.outputs,), "zeros")
            if cell:
                yield Weight("initial_cell", (cell,), "zeros")

    def cell_weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        """The weights of the cell."""
        gates = len(self.gates)
        wide = gates * self.units
        bias = (Weight("bias", (wide,), "zeros", gates),) if self.use_bias else ()
        return (
            Weight("kernel", (width, wide), "glorot", gates),
            Weight("recurrent_kernel", (self.outputs, wide), "orthogonal", gates),
            *bias,
        )

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        wide, outputs, own = len(self.gates) * self.units, self.outputs, self.widths()
        cells = own.get("cell", 0)
        sizes: dict[str, tuple[int, ...]] = {
            **{"gates": (steps, wide), "delta": (steps, wide), "hidden": (steps + 1, outputs)},
            **{name: (steps, width_of) for name, width_of in own.items()},
            **{"product": (wide,), "carried": (outputs,), "direct": (outputs,), "carried_cell": (cells,)},
            **{"held": (outputs,), "held_cell": (cells,), "cell": (steps + 1, cells)},
        }
        if self.recurrent_dropout:
            sizes |= {"mask": (outputs,), "context": (steps + 1, outputs)}
        if self.learn_initial_state:
            sizes["begun"] = (2, 1)
        return sizes

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        number = plan.next_number()
        if self.dropout:
            x = SpatialDropout1D(self.dropout).lay_numbered(plan, x, path, number)
        y = self.lay_cell(plan, x, path, number)
        return y if self.return_sequences else LastSteps(1).lay(plan, y, path)

    def lay_cell(
        self,
        plan: Planner,
        x: Stream,
        path: Path,
        number: int,
        driver: Layer | None = None,
        more: Mapping[str, list[int]] | None = None,
    ) -> Stream:
        """The row of the cell driven over all steps: its states are what comes out, where they lie.

        Another ``driver`` than this layer's may have ``more`` arrays.
        """
        sizes = self.memory(x.steps, x.width)
        if not plan.training:
            sizes = {name: size for name, size in sizes.items() if name not in ("mask", "context")}
        arrays = plan.arrays(sizes)
        arrays.setdefault("context", arrays["hidden"])
        y = plan.stream(x.steps, self.outputs, x, place=arrays["hidden"][0] + self.outputs)
        for name in ("hidden", "cell"):
            place, steps, width = arrays[name]
            plan.keep_state(place, place + (steps - 1) * width, width)
        if self.learn_initial_state:  # 0 where a sequence begins, as all states are; 1 where it goes on
            begun = arrays["begun"][0]
            plan.keep_state(begun, begun + 1, 1)
        options = {"number": number, "recurrent_dropout": self.recurrent_dropout}
        return plan.row(driver or self, x, path, y=y, arrays={**arrays, **(more or {})}, options=options)

    def recorded(self) -> list[tuple[str, int]]:
        """What ``hidden=True`` shows of the layer: names of its arrays, and into how many parts each falls."""
        return [("hidden", 1)]

    def shown_gates(self) -> dict[str, Part]:
        units = self.units
        found: dict[str, Part] = {gate: ("gates", 0, k * units, (units,)) for k, gate in enumerate(self.gates)}
        return found if len(found) > 1 else {}
