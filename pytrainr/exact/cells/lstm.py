"""Long short-term memory (Hochreiter & Schmidhuber 1997; Gers et al. 2000), with peepholes and projection if wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.arrays import flattened
from pytrainr.exact.cells.gradients import add_plain_gradient, reaches_back
from pytrainr.exact.layers.layer import Weight, check_range
from pytrainr.exact.layers.recurrent import Recurrent, recurrent_kernels
from pytrainr.exact.products import add_product, product, transposed_product
from pytrainr.numerics.compiled_once import fast_compiled_on_demand
from pytrainr.numerics.elementwise import fast_logistic, fast_tanh, fill
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map
from pytrainr.numerics.views import four_gates


class Lstm(NamedTuple):
    """f, i, o = σ(x W + h R [+ b] [+ c∘p]);  g = tanh(…);  c ← f∘c + i∘g;  m = o∘tanh(c);  h ← m, or m P."""


@fast_map("s")
def _peep(s, c, p):
    return s + c * p


# What most networks do without is compiled by itself, when it is first needed.


@fast_compiled_on_demand
def _peep_at(s, c, p):
    _peep(s, c, p)


@fast_compiled_on_demand
def _add_peephole_gradient(gradient, deltas, cell):
    hidden = cell.shape[2]
    fill(gradient, 0.0)
    for t in range(deltas.shape[0]):
        for s in range(deltas.shape[1]):
            delta, before, after = deltas[t, s], cell[t, s], cell[t + 1, s]
            for k in range(hidden):
                gradient[0, k] += delta[k] * before[k]
                gradient[1, k] += delta[hidden + k] * before[k]
                gradient[2, k] += delta[3 * hidden + k] * after[k]


@fast_map("f, i, g, after")
def next_cell(f, i, g, before):
    f, i, g = fast_logistic(f), fast_logistic(i), fast_tanh(g)
    return f, i, g, f * before + i * g


@fast_map("o, squashed, m")
def next_state(o, after):
    o, squashed = fast_logistic(o), fast_tanh(after)
    return o, squashed, o * squashed


@fast_part
def forward(cell, weights, tape, t):
    """f, i, o = σ(x_t W + h_{t−1} R + peepholes);  c_t = f∘c_{t−1} + i∘tanh(…);  h_t = (o∘tanh(c_t)) P.

    The forget and input gates see c_{t−1}, the output gate sees c_t.
    """
    f, i, g, o = four_gates(tape.gates[t])
    before, after, squashed = tape.cell[t], tape.cell[t + 1], tape.gate_delta[t]
    add_product(tape.gates[t], tape.context[t], weights.recurrent_kernel)
    peephole, projection = weights.peephole, weights.projection
    if peephole.size > 0:
        _peep_at(f, before, peephole[0])
        _peep_at(i, before, peephole[1])
    next_cell(after, f, i, g, before)
    if peephole.size > 0:
        _peep_at(o, after, peephole[2])
    m = tape.memory[t] if projection.size > 0 else tape.hidden[t + 1]
    next_state(squashed, m, o, after)
    if projection.size > 0:
        product(tape.hidden[t + 1], m, projection)


@fast_map("delta_o, d_c")
def back_to_cell(d_m, d_c, squashed, o):
    return d_m * squashed * (o * (1.0 - o)), d_c + d_m * o * (1.0 - squashed * squashed)


@fast_map("delta_f, delta_i, delta_g, d_c")
def back_to_gates(d_c, before, f, i, g):
    delta_f, delta_i = d_c * before * (f * (1.0 - f)), d_c * g * (i * (1.0 - i))
    return delta_f, delta_i, d_c * i * (1.0 - g * g), d_c * f


@fast_part
def backward(cell, weights, transposed, tape, t):
    """dm = dh Pᵀ;  δ_o = dm∘tanh(c)∘o′;  dc = dm∘o∘(1 − tanh²c) + dc_{t+1} [+ δ_o∘p_o];

    δ_f = dc∘c_{t−1}∘f′, δ_i = dc∘g∘i′, δ_g = dc∘i∘g′;
    dc_{t−1} = dc∘f [+ δ_f∘p_f + δ_i∘p_i];  dh_{t−1} = δ Rᵀ.
    """
    f, i, g, o = four_gates(tape.gates[t])
    delta_f, delta_i, delta_g, delta_o = four_gates(tape.delta[t])
    d_c, squashed = tape.carried_cell, tape.gate_delta[t]
    peephole, projection = weights.peephole, weights.projection
    d_m = tape.memory_delta[t] if projection.size > 0 else tape.d_y[t]
    if projection.size > 0:
        product(d_m, tape.d_y[t], transposed.projection)
    back_to_cell(delta_o, d_m, d_c, squashed, o)
    if peephole.size > 0:
        _peep_at(d_c, delta_o, peephole[2])
    back_to_gates(delta_f, delta_i, delta_g, d_c, tape.cell[t], f, i, g)
    if peephole.size > 0:
        _peep_at(d_c, delta_f, peephole[0])
        _peep_at(d_c, delta_i, peephole[1])
    if reaches_back(weights, t):
        product(tape.carried, tape.delta[t], transposed.recurrent_kernel)


@fast_part
def add_gradient(cell, gradient, weights, tape):
    """dR = Σ_t h_{t−1}ᵀ δ;  dp_f, dp_i = Σ_t δ∘c_{t−1}, dp_o = Σ_t δ_o∘c_t;  dP = Σ_t m_tᵀ dh_t."""
    add_plain_gradient(cell, gradient, weights, tape)
    if weights.projection.size > 0:
        transposed_product(gradient.projection, flattened(tape.memory), flattened(tape.d_y))
    if weights.peephole.size > 0:
        _add_peephole_gradient(gradient.peephole, tape.delta, tape.cell)


@dataclass(frozen=True)
class LSTM(Recurrent):
    """f, i, o = σ(x W + h R + b);  g = tanh(…);  c ← f∘c + i∘g;  h ← o∘tanh(c).

    The forget gate's bias begins as 1 (``unit_forget_bias``). With ``peephole`` the gates see c as well; with
    ``projection`` the state is (o∘tanh(c)) P of so many numbers.
    """

    unit_forget_bias: bool = True
    peephole: bool = False
    projection: int = 0

    kernels = recurrent_kernels("LSTM", Lstm)
    gates: ClassVar[tuple[str, ...]] = ("forget", "input", "candidate", "output")

    def check(self) -> None:
        super().check()
        right = 0 <= self.projection < self.units
        check_range(self, "projection", right, "should be 0 (none) or fewer than the units")

    @property
    def outputs(self) -> int:
        return self.projection or self.units

    def widths(self) -> dict[str, int]:
        """``cell`` is c; ``gate_delta`` keeps tanh(c); ``memory`` is m, if projected; ``memory_delta`` its gradient."""
        projected = {"memory": self.units, "memory_delta": self.units} if self.projection else {}
        return {"cell": self.units, "gate_delta": self.units, **projected}

    def cell_weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        kernel, recurrent_kernel, *bias = super().cell_weights(steps, width)
        if self.unit_forget_bias:
            bias = [weight._replace(initial="forget") for weight in bias]
        more = [Weight("peephole", (3, self.units), "glorot")] if self.peephole else []
        if self.projection:
            more.append(Weight("projection", (self.units, self.projection), "glorot"))
        return (kernel, recurrent_kernel, *bias, *more)

    def recorded(self) -> list[tuple[str, int]]:
        return [("hidden", 1)] if self.projection else [("hidden", 1), ("cell", 1), ("gates", 4)]
