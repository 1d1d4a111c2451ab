"""The neural Turing machine (Graves, Wayne & Danihelka 2014): a controller with a memory M (slots, width) that its
heads read and write.

At each step the controller reads x_t and what its heads read before, r_{t−1}. Its state h_t says, by an affine map,
for each head a key k, its strength β, a gate g, a distribution s over shifts and a sharpness γ, and for each write
head what to erase, e, and to add, a. Where a head looks is a weighting w of the slots, which add up to 1:

    κ_i = k·M_i / (|k| |M_i| + ε)              content: how like the key is each slot of M_{t−1}
    c = softmax(β κ)
    q = g c + (1 − g) w_{t−1}                  interpolation with where it looked before
    v_i = Σ_j s_j q_{i−j}                      circular shift
    w_i = v_i^γ / Σ_j v_j^γ                    sharpening

All write heads erase, then all add; then the others read: with products of entries,

    M_t = M_{t−1} ∘ Π_heads (1 − w eᵀ) + Σ_heads w aᵀ,    r_t = M_tᵀ w

β = softplus(·), g, e = σ(·), s = softmax(·), γ = 1 + softplus(·), a = tanh(·). Read heads come before write heads.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from pytrainr.exact.activations import activate_rows, number_of, slope_of_rows, times_logistic_slope, times_tanh_slope
from pytrainr.exact.arrays import Matrix, Rows, Steps, Vector, flattened, following, past, rows
from pytrainr.exact.cells.gradients import input_gradient
from pytrainr.exact.cells.lstm import back_to_cell, back_to_gates, next_cell, next_state
from pytrainr.exact.initial import Weight
from pytrainr.exact.layers.layer import Part, check_range
from pytrainr.exact.layers.recurrent import Recurrent, recurrent_kernels
from pytrainr.exact.products import add_column_sums, add_product, product, transposed_product
from pytrainr.exact.reductions import dot
from pytrainr.exact.scalars import exp
from pytrainr.numerics.elementwise import add, add_times, copy, fast_logistic_, fast_tanh, fast_tanh_, fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map
from pytrainr.numerics.views import columns, four_gates, view

if TYPE_CHECKING:
    from pytrainr.r_random import RRandom

__all__ = ["NTM"]

_SOFTMAX = number_of("softmax")
_SMALL, _SMALLEST = 1e-8, 1e-16  # ε of the cosine; added to v, so that its logarithm is finite


class Ntm(NamedTuple):
    """``lstm`` is 1 where the controller is an LSTM, 0 where it is a dense layer; ``shifts``: how far a head moves."""

    slots: int
    width: int
    reads: int
    writes: int
    shifts: int
    lstm: int


class NtmWeights(NamedTuple):
    """``head_kernel`` (units, parameters) and ``head_bias`` (parameters): from h to what the heads do, those of each
    head side by side, k, β, g, s, γ, then e and a of each write head. ``initial_memory`` (slots, width),
    ``initial_weighting`` (heads, slots): its softmax is where the heads look at first."""

    head_kernel: Matrix
    head_bias: Vector
    initial_memory: Matrix
    initial_weighting: Matrix


class NtmTape(NamedTuple):
    """Beside what every cell keeps, of whose ``cell`` the parts are c of an LSTM, M, w of each head, and 1, 0 before
    the first step.

    heads, d_heads    (steps, n, parameters)     what the heads do; its gradient before the activations
    likeness          (steps, n, heads·slots)    κ
    content           (steps, n, heads·slots)    c
    shifted           (steps, n, heads·slots)    v
    d_weighting       (n, heads·slots)           gradient by w
    d_shifted, d_kept (n, slots)                 gradient by v and by q of one head
    d_erased          (n, width)                 gradient by what is left of one slot, 1 − w e
    """

    heads: Steps
    d_heads: Steps
    likeness: Steps
    content: Steps
    shifted: Steps
    d_weighting: Rows
    d_shifted: Rows
    d_kept: Rows
    d_erased: Rows


# the parts of a sample's vectors --------------------------------------------------------------------------------------


@fast_part
def _units(cell, tape):
    return tape.hidden.shape[2] - cell.reads * cell.width


@fast_part
def _memory(cell, tape, vector):
    """M (slots, width) of a sample's cell state."""
    return view(vector, cell.lstm * _units(cell, tape), (cell.slots, cell.width))


@fast_part
def _weightings(cell, tape, vector):
    """w (heads, slots) of a sample's cell state."""
    first = cell.lstm * _units(cell, tape) + cell.slots * cell.width
    return view(vector, first, (cell.reads + cell.writes, cell.slots))


@fast_part
def _by_head(cell, vector):
    """(heads, slots) of a sample's likeness, content or the like."""
    return view(vector, 0, (cell.reads + cell.writes, cell.slots))


@fast_part
def _addressing(cell, vector, head):
    """k, and [β, g, s, γ] of a head."""
    size = cell.width + 3 + 2 * cell.shifts + 1
    return view(vector, head * size, (cell.width,)), view(vector, head * size + cell.width, (size - cell.width,))


@fast_part
def _writing(cell, vector, head):
    """e and a of a write head."""
    first = (cell.reads + cell.writes) * (cell.width + 4 + 2 * cell.shifts) + head * 2 * cell.width
    return view(vector, first, (cell.width,)), view(vector, first + cell.width, (cell.width,))


@fast_part
def _logistic(x):
    return 1.0 / (1.0 + exp(-x))


@fast_part
def _softplus(x):
    return max(x, 0.0) + math.log1p(exp(-abs(x)))


@fast_part
def _norm(vector):
    return math.sqrt(dot(vector, vector))


@fast_map("slot")
def _erase(slot, w, erase):
    return slot * (1.0 - w * erase)


@fast_map("d_left")
def _back_to_left(d_slot, slot):
    return -d_slot * slot


@fast_map("to")
def _add_difference(to, a, x, b, y):
    return to + a * x - b * y


@fast_map("gates, h")
def _dense(gates):
    h = fast_tanh(gates)
    return h, h


# forward --------------------------------------------------------------------------------------------------------------


@fast_part
def _begin(cell, weights, tape):
    """The memory and the weightings before the first step, where this is the first of a sequence."""
    last = tape.cell.shape[2] - 1
    for s in range(tape.cell.shape[1]):
        if tape.cell[0, s, last] == 0.0:
            copy(_memory(cell, tape, tape.cell[0, s]), weights.initial_memory)
            activate_rows(_SOFTMAX, _weightings(cell, tape, tape.cell[0, s]), weights.initial_weighting)


@fast_part
def _control(cell, tape, t):
    """h_t of the controller, from its gates; tanh(c) is kept in ``gate_delta``."""
    units = _units(cell, tape)
    h = columns(tape.hidden[t + 1], 0, units)
    if cell.lstm == 0:
        _dense(h, tape.gates[t])
    else:
        f, i, g, o = four_gates(tape.gates[t])
        before, after = columns(tape.cell[t], 0, units), columns(tape.cell[t + 1], 0, units)
        next_cell(after, f, i, g, before)
        next_state(tape.gate_delta[t], h, o, after)


@fast_part
def _activate_heads(cell, heads):
    """What a sample's heads do, from the affine map."""
    for head in range(cell.reads + cell.writes):
        _, rest = _addressing(cell, heads, head)
        last = rest.size - 1
        rest[0], rest[1], rest[last] = _softplus(rest[0]), _logistic(rest[1]), 1.0 + _softplus(rest[last])
        shift = view(rest, 2, (1, last - 2))
        activate_rows(_SOFTMAX, shift, shift)
    for head in range(cell.writes):
        erase, more = _writing(cell, heads, head)
        fast_logistic_(erase)
        fast_tanh_(more)


@fast_part
def _look(cell, tape, t, s):
    """w_t of all heads, by the memory of before."""
    memory, before = _memory(cell, tape, tape.cell[t, s]), _weightings(cell, tape, tape.cell[t, s])
    after, heads = _weightings(cell, tape, tape.cell[t + 1, s]), tape.heads[t, s]
    likeness, content = _by_head(cell, tape.likeness[t, s]), _by_head(cell, tape.content[t, s])
    shifted = _by_head(cell, tape.shifted[t, s])
    for head in range(cell.reads + cell.writes):
        key, rest = _addressing(cell, heads, head)
        size = _norm(key)
        for i in range(cell.slots):
            likeness[head, i] = dot(key, memory[i]) / (size * _norm(memory[i]) + _SMALL)
            content[head, i] = rest[0] * likeness[head, i]
    activate_rows(_SOFTMAX, content, content)
    for head in range(cell.reads + cell.writes):
        _, rest = _addressing(cell, heads, head)
        gate, sharpness = rest[1], rest[rest.size - 1]
        for i in range(cell.slots):
            total = 0.0
            for j in range(-cell.shifts, cell.shifts + 1):
                place = (i - j) % cell.slots
                total += rest[2 + cell.shifts + j] * (gate * content[head, place] + (1.0 - gate) * before[head, place])
            shifted[head, i] = total
            after[head, i] = sharpness * math.log(total + _SMALLEST)
    activate_rows(_SOFTMAX, after, after)


@fast_part
def _write_and_read(cell, tape, t, s):
    """M_t and r_t."""
    before, memory = _memory(cell, tape, tape.cell[t, s]), _memory(cell, tape, tape.cell[t + 1, s])
    looked = _weightings(cell, tape, tape.cell[t + 1, s])
    copy(memory, before)
    for head in range(cell.writes):
        erase, _ = _writing(cell, tape.heads[t, s], head)
        for i in range(cell.slots):
            _erase(memory[i], looked[cell.reads + head, i], erase)
    for head in range(cell.writes):
        _, more = _writing(cell, tape.heads[t, s], head)
        for i in range(cell.slots):
            add_times(memory[i], looked[cell.reads + head, i], more)
    read = view(tape.hidden[t + 1, s], _units(cell, tape), (cell.reads, cell.width))
    product(read, rows(looked, 0, cell.reads), memory)


@fast_part
def forward(cell, weights, tape, t):
    """The controller, what its heads are to do, where they look, and what they write and read there."""
    if t == 0:
        _begin(cell, weights, tape)
    read = weights.recurrent_kernel.shape[0]
    context = columns(tape.context[t], tape.hidden.shape[2] - read, read)
    add_product(tape.gates[t], context, weights.recurrent_kernel)
    _control(cell, tape, t)
    product(tape.heads[t], columns(tape.hidden[t + 1], 0, _units(cell, tape)), weights.head_kernel)
    if weights.head_bias.size > 0:
        add(tape.heads[t], weights.head_bias)
    for s in range(tape.hidden.shape[1]):
        _activate_heads(cell, tape.heads[t, s])
        _look(cell, tape, t, s)
        _write_and_read(cell, tape, t, s)
        tape.cell[t + 1, s, tape.cell.shape[2] - 1] = 1.0


# backward -------------------------------------------------------------------------------------------------------------


@fast_part
def _write_and_read_backward(cell, tape, t, s):
    """dM_t += Σ w dr, dw = M_t dr for a read head;  da = dM_tᵀ w, de = −(dM_t∘M_{t−1}∘Π′)ᵀ w, dw = dM_t a
    − (dM_t∘M_{t−1}∘Π′) e for a write head, Π′ of the other heads;  dM_{t−1} = dM_t∘Π."""
    before, memory = _memory(cell, tape, tape.cell[t, s]), _memory(cell, tape, tape.cell[t + 1, s])
    looked, d_memory = _weightings(cell, tape, tape.cell[t + 1, s]), _memory(cell, tape, tape.carried_cell[s])
    d_looked = _by_head(cell, tape.d_weighting[s])
    d_read = view(tape.d_y[t, s], _units(cell, tape), (cell.reads, cell.width))
    copy(d_looked, _weightings(cell, tape, tape.carried_cell[s]))
    for head in range(cell.reads):
        for i in range(cell.slots):
            d_looked[head, i] += dot(d_read[head], memory[i])
            add_times(d_memory[i], looked[head, i], d_read[head])
    d_erased = tape.d_erased[s]
    for head in range(cell.writes):
        erase, more = _writing(cell, tape.heads[t, s], head)
        d_erase, d_more = _writing(cell, tape.d_heads[t, s], head)
        fill(d_erase, 0.0)
        fill(d_more, 0.0)
        for i in range(cell.slots):
            w = looked[cell.reads + head, i]
            _back_to_left(d_erased, d_memory[i], before[i])
            for other in range(cell.writes):
                if other != head:
                    its, _ = _writing(cell, tape.heads[t, s], other)
                    _erase(d_erased, looked[cell.reads + other, i], its)
            add_times(d_erase, w, d_erased)
            add_times(d_more, w, d_memory[i])
            d_looked[cell.reads + head, i] += dot(erase, d_erased) + dot(more, d_memory[i])
        times_logistic_slope(d_erase, d_erase, erase)
        times_tanh_slope(d_more, d_more, more)
    for head in range(cell.writes):
        erase, _ = _writing(cell, tape.heads[t, s], head)
        for i in range(cell.slots):
            _erase(d_memory[i], looked[cell.reads + head, i], erase)


@fast_part
def _look_backward(cell, tape, t, s):
    """d ln v^γ = w∘(dw − Σ w dw), dγ = Σ d ln v^γ ln v, dv = γ d ln v^γ / v;  ds_j = Σ dv_i q_{i−j},
    dq = Σ s_j dv_{i+j};
    dg = Σ dq (c − w_{t−1}), dw_{t−1} = (1 − g) dq, dc = g dq;  d(βκ) = c∘(dc − Σ c dc), dβ = Σ d(βκ) κ, dκ = β d(βκ);
    dk = Σ dκ_i (M_i − κ_i |M_i| k/|k|) / n_i, dM_i += dκ_i (k − κ_i |k| M_i/|M_i|) / n_i, n_i = |k| |M_i| + ε."""
    memory, d_memory = _memory(cell, tape, tape.cell[t, s]), _memory(cell, tape, tape.carried_cell[s])
    before, after = _weightings(cell, tape, tape.cell[t, s]), _weightings(cell, tape, tape.cell[t + 1, s])
    d_before, d_after = _weightings(cell, tape, tape.carried_cell[s]), _by_head(cell, tape.d_weighting[s])
    d_shifted, d_kept = tape.d_shifted[s], tape.d_kept[s]
    for head in range(cell.reads + cell.writes):
        key, rest = _addressing(cell, tape.heads[t, s], head)
        d_key, d_rest = _addressing(cell, tape.d_heads[t, s], head)
        last = rest.size - 1
        strength, gate, sharpness = rest[0], rest[1], rest[last]
        likeness = _by_head(cell, tape.likeness[t, s])[head]
        content, shifted = _by_head(cell, tape.content[t, s])[head], _by_head(cell, tape.shifted[t, s])[head]

        mean, d_sharpness = dot(after[head], d_after[head]), 0.0
        for i in range(cell.slots):
            d_log = after[head, i] * (d_after[head, i] - mean)
            d_sharpness += d_log * math.log(shifted[i] + _SMALLEST)
            d_shifted[i] = sharpness * d_log / (shifted[i] + _SMALLEST)
        d_rest[last] = d_sharpness * (1.0 - exp(1.0 - sharpness))

        fill(d_kept, 0.0)
        mean = 0.0
        for j in range(-cell.shifts, cell.shifts + 1):
            d_shift, share = 0.0, rest[2 + cell.shifts + j]
            for i in range(cell.slots):
                place = (i - j) % cell.slots
                d_shift += d_shifted[i] * (gate * content[place] + (1.0 - gate) * before[head, place])
                d_kept[place] += share * d_shifted[i]
            d_rest[2 + cell.shifts + j] = d_shift
            mean += share * d_shift
        for j in range(2, last):
            d_rest[j] = rest[j] * (d_rest[j] - mean)

        d_gate, mean = 0.0, 0.0
        for i in range(cell.slots):
            d_gate += d_kept[i] * (content[i] - before[head, i])
            d_before[head, i] = (1.0 - gate) * d_kept[i]
            mean += content[i] * gate * d_kept[i]
        d_rest[1] = d_gate * gate * (1.0 - gate)

        size, d_strength = _norm(key), 0.0
        fill(d_key, 0.0)
        for i in range(cell.slots):
            d_scaled = content[i] * (gate * d_kept[i] - mean)
            d_strength += d_scaled * likeness[i]
            length = _norm(memory[i])
            part = strength * d_scaled / (size * length + _SMALL)
            by_key = part * likeness[i] * length / size if size > 0.0 else 0.0
            by_slot = part * likeness[i] * size / length if length > 0.0 else 0.0
            _add_difference(d_key, part, memory[i], by_key, key)
            _add_difference(d_memory[i], part, key, by_slot, memory[i])
        d_rest[0] = d_strength * (1.0 - exp(-strength))


@fast_part
def _control_backward(cell, weights, tape, t):
    """dh += d(heads) Hᵀ, then the equations of the LSTM, or δ = dh∘(1 − h²)."""
    units = _units(cell, tape)
    for s in range(tape.hidden.shape[1]):
        for k in range(units):
            tape.d_y[t, s, k] += dot(tape.d_heads[t, s], weights.head_kernel[k])
    d_h = columns(tape.d_y[t], 0, units)
    if cell.lstm == 0:
        times_tanh_slope(tape.delta[t], d_h, tape.gates[t])
    else:
        f, i, g, o = four_gates(tape.gates[t])
        delta_f, delta_i, delta_g, delta_o = four_gates(tape.delta[t])
        before, d_c = columns(tape.cell[t], 0, units), columns(tape.carried_cell, 0, units)
        back_to_cell(delta_o, d_h, d_c, tape.gate_delta[t], o)
        back_to_gates(delta_f, delta_i, delta_g, d_c, before, f, i, g)


@fast_part
def backward(cell, weights, transposed, tape, t):
    """From dr, dM, dw to what the heads do, from there to h_t, and through the controller."""
    for s in range(tape.hidden.shape[1]):
        _write_and_read_backward(cell, tape, t, s)
        _look_backward(cell, tape, t, s)
    _control_backward(cell, weights, tape, t)
    if t > 0:
        fill(tape.carried, 0.0)
        read = weights.recurrent_kernel.shape[0]
        product(columns(tape.carried, tape.hidden.shape[2] - read, read), tape.delta[t], transposed.recurrent_kernel)


@fast_part
def add_gradient(cell, gradient, weights, tape):
    """dR = Σ_t [h_{t−1}, r_{t−1}]ᵀ δ;  dH = Σ_t h_tᵀ d(heads);  and of memory and weightings before the first step."""
    input_gradient(gradient, tape)
    units, read = _units(cell, tape), weights.recurrent_kernel.shape[0]
    context = columns(flattened(past(tape.context)), tape.hidden.shape[2] - read, read)
    transposed_product(gradient.recurrent_kernel, context, flattened(tape.delta))
    fill(gradient.head_kernel, 0.0)
    fill(gradient.head_bias, 0.0)
    d_heads, h = flattened(tape.d_heads), columns(flattened(following(tape.hidden)), 0, units)
    transposed_product(gradient.head_kernel, h, d_heads)
    if gradient.head_bias.size > 0:
        add_column_sums(gradient.head_bias, d_heads)
    fill(gradient.initial_memory, 0.0)
    fill(gradient.initial_weighting, 0.0)
    for s in range(tape.delta.shape[1]):
        if tape.cell[0, s, tape.cell.shape[2] - 1] == 0.0:
            add(gradient.initial_memory, _memory(cell, tape, tape.carried_cell[s]))
            looked, d_looked = _weightings(cell, tape, tape.cell[0, s]), _weightings(cell, tape, tape.carried_cell[s])
            slope_of_rows(_SOFTMAX, d_looked, d_looked, looked)
            add(gradient.initial_weighting, d_looked)


# the layer ------------------------------------------------------------------------------------------------------------


def _hardly_anything(shape: tuple[int, ...], rng: RRandom) -> np.ndarray:
    """A memory that is as good as empty, which is learnt from fastest (Collier & Beel 2018)."""
    return np.full(shape, 1e-6)


def _at_the_first_slot(shape: tuple[int, ...], rng: RRandom) -> np.ndarray:
    """Weightings with 95 % at the first slot."""
    scores = np.zeros(shape)
    scores[:, 0] = 3.0 + math.log(shape[1])
    return scores


@dataclass(frozen=True)
class NTM(Recurrent):
    """A neural Turing machine: a ``controller`` of ``units``, "lstm" or "dense", and a memory of ``memory_slots``
    vectors of ``memory_width`` numbers, which its heads read and write.

    Gives the controller's state and what the heads have read, side by side: units + read_heads·memory_width numbers. A
    head moves up to ``shift_range`` slots a step. ``layer_states`` shows the memory and where the heads look.
    """

    memory_slots: int = 128
    memory_width: int = 20
    read_heads: int = 1
    write_heads: int = 1
    shift_range: int = 1
    controller: str = "lstm"

    kernels = recurrent_kernels("NTM", Ntm, weights=NtmWeights, tape=NtmTape)

    def check(self) -> None:
        super().check()
        alone = not self.learn_initial_state
        check_range(self, "learn_initial_state", alone, "is for others: what it begins with is learnt anyway")
        for name in ("memory_width", "read_heads", "write_heads"):
            check_range(self, name, getattr(self, name) >= 1, "should be 1 or more")
        check_range(self, "controller", self.controller in ("lstm", "dense"), "should be 'lstm' or 'dense'")
        check_range(self, "shift_range", self.shift_range >= 0, "should be 0 or more")
        wide = 2 * self.shift_range + 1
        check_range(self, "memory_slots", self.memory_slots >= wide, f"should be {wide} or more, as many as shifts")

    @property
    def gates(self) -> tuple[str, ...]:  # type: ignore[override]
        return ("forget", "input", "candidate", "output") if self.controller == "lstm" else ("hidden",)

    @property
    def outputs(self) -> int:
        return self.units + self.read_heads * self.memory_width

    @property
    def _heads(self) -> int:
        return self.read_heads + self.write_heads

    @property
    def _parameters(self) -> int:
        """How many numbers say what the heads do."""
        addressing = self.memory_width + 4 + 2 * self.shift_range
        return self._heads * addressing + self.write_heads * 2 * self.memory_width

    @property
    def _controller_cells(self) -> int:
        return self.units if self.controller == "lstm" else 0

    def widths(self) -> dict[str, int]:
        looked = self._heads * self.memory_slots
        cells = self._controller_cells + self.memory_slots * self.memory_width + looked + 1
        return {
            **({"gate_delta": self.units} if self.controller == "lstm" else {}),
            **{"cell": cells, "heads": self._parameters, "d_heads": self._parameters},
            **dict.fromkeys(("likeness", "content", "shifted"), looked),
        }

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        slots = (self.memory_slots,)
        rows = {
            "d_weighting": (self._heads * self.memory_slots,),
            "d_shifted": slots,
            "d_kept": slots,
            "d_erased": (self.memory_width,),
        }
        return {**super().memory(steps, width), **rows}

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        kernel, recurrent_kernel, *bias = super().weights(steps, width)
        if self.controller == "dense":  # it has no memory of its own
            reads = self.read_heads * self.memory_width
            recurrent_kernel = recurrent_kernel._replace(shape=(reads, self.units), initial="glorot")
        if self.controller == "lstm":
            bias = [weight._replace(initial="forget") for weight in bias]
        heads = [Weight("head_kernel", (self.units, self._parameters), "glorot")]
        if self.use_bias:
            heads.append(Weight("head_bias", (self._parameters,), "zeros"))
        return (
            *(kernel, recurrent_kernel, *bias, *heads),
            Weight("initial_memory", (self.memory_slots, self.memory_width), _hardly_anything),
            Weight("initial_weighting", (self._heads, self.memory_slots), _at_the_first_slot),
        )

    def shown(self, steps: int) -> dict[str, Part]:
        memory, looked = self._controller_cells, self._controller_cells + self.memory_slots * self.memory_width
        writes = looked + self.read_heads * self.memory_slots
        return {
            "memory": ("cell", 1, memory, (self.memory_slots, self.memory_width)),
            "read_weightings": ("cell", 1, looked, (self.read_heads, self.memory_slots)),
            "write_weightings": ("cell", 1, writes, (self.write_heads, self.memory_slots)),
        }

    def numbers(self) -> dict[str, float]:
        return {
            **{"slots": self.memory_slots, "width": self.memory_width, "reads": self.read_heads},
            **{"writes": self.write_heads, "shifts": self.shift_range, "lstm": self.controller == "lstm"},
        }
