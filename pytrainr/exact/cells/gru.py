"""The gated recurrent unit (Cho et al. 2014). The equations here are R's, the reset gate before the matrix product;
``gru_reset_after.py`` has those of Keras and PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from pytrainr.exact.arrays import flattened, past, rows
from pytrainr.exact.cells.gradients import input_gradient, reaches_back
from pytrainr.exact.cells.gru_reset_after import GruResetAfter
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.layers.layer import Weight
from pytrainr.exact.layers.recurrent import Recurrent, recurrent_kernels
from pytrainr.exact.products import add_product, product, transposed_product
from pytrainr.numerics.elementwise import fast_logistic, fast_tanh
from pytrainr.numerics.jit import fast_part
from pytrainr.numerics.vectors import fast_map
from pytrainr.numerics.views import columns, three_gates


class Gru(NamedTuple):
    """z, r = σ(x W + h R [+ b]);  g = tanh(x W_g + (h∘r) R_g [+ b_g]);  h ← (1 − z)∘h + z∘g."""


@fast_map("z, r, reset")
def _gates(z, r, context):
    z, r = fast_logistic(z), fast_logistic(r)
    return z, r, context * r


@fast_map("g, after")
def _next_state(g, z, before):
    g = fast_tanh(g)
    return g, before + z * (g - before)


@fast_part
def forward(cell, weights, tape, t):
    """z, r = σ(x_t W + h_{t−1} R);  g = tanh(x_t W_g + (h_{t−1}∘r) R_g);  h_t = (1 − z)∘h_{t−1} + z∘g."""
    hidden = tape.carried.shape[1]
    z, r, g = three_gates(tape.gates[t])
    recurrent = weights.recurrent_kernel
    add_product(columns(tape.gates[t], 0, 2 * hidden), tape.context[t], columns(recurrent, 0, 2 * hidden))
    _gates(tape.memory[t], z, r, tape.context[t])
    add_product(g, tape.memory[t], columns(recurrent, 2 * hidden, hidden))
    _next_state(tape.hidden[t + 1], g, z, tape.hidden[t])


@fast_map("delta_z, delta_g, direct")
def _back_to_z_and_g(d_h, before, z, g):
    return d_h * (g - before) * (z * (1.0 - z)), d_h * z * (1.0 - g * g), d_h * (1.0 - z)


@fast_map("delta_r")
def _back_to_r(d_reset, context, r):
    return d_reset * context * (r * (1.0 - r))


@fast_map("carried")
def _add_through_reset(carried, d_reset, r):
    return carried + d_reset * r


@fast_part
def backward(cell, weights, transposed, tape, t):
    """dz = dh∘(g − h_{t−1}), dg = dh∘z, d(h∘r) = δ_g R_gᵀ, dr = d(h∘r)∘h_{t−1};  δ = d∘f′;

    dh_{t−1} = dh∘(1 − z) + d(h∘r)∘r + δ_{z,r} R_{z,r}ᵀ.
    """
    hidden = tape.carried.shape[1]
    z, r, g = three_gates(tape.gates[t])
    delta_z, delta_r, delta_g = three_gates(tape.delta[t])
    d_reset = columns(tape.product, 0, hidden)
    _back_to_z_and_g(delta_z, delta_g, tape.direct, tape.d_y[t], tape.hidden[t], z, g)
    product(d_reset, delta_g, rows(transposed.recurrent_kernel, 2 * hidden, hidden))
    _back_to_r(delta_r, d_reset, tape.context[t], r)
    if reaches_back(weights, t):
        delta_z_and_r = columns(tape.delta[t], 0, 2 * hidden)
        product(tape.carried, delta_z_and_r, rows(transposed.recurrent_kernel, 0, 2 * hidden))
        _add_through_reset(tape.carried, d_reset, r)


@fast_part
def add_gradient(cell, gradient, weights, tape):
    """dR_{z,r} = Σ_t h_{t−1}ᵀ δ_{z,r},  dR_g = Σ_t (h_{t−1}∘r)ᵀ δ_g."""
    hidden, delta = tape.carried.shape[1], flattened(tape.delta)
    input_gradient(gradient, tape)
    recurrent = gradient.recurrent_kernel
    z_and_r, g = columns(recurrent, 0, 2 * hidden), columns(recurrent, 2 * hidden, hidden)
    transposed_product(z_and_r, flattened(past(tape.context)), columns(delta, 0, 2 * hidden))
    transposed_product(g, flattened(tape.memory), columns(delta, 2 * hidden, hidden))


_BEFORE, _AFTER = recurrent_kernels("GRU", Gru), recurrent_kernels("GRU.reset_after", GruResetAfter)


@dataclass(frozen=True)
class GRU(Recurrent):
    """z, r = σ(x W + h R + b);  g = tanh(x W_g + r∘(h R_g + c_g) + b_g);  h ← (1 − z)∘h + z∘g, as Keras and PyTorch.

    ``reset_after=False`` resets the state before the product, g = tanh(x W_g + (h∘r) R_g + b_g), as R's gru and the
    paper (Cho et al. 2014). After it, the recurrent product has a bias c of its own.
    """

    reset_after: bool = True

    gates: ClassVar[tuple[str, ...]] = ("update", "reset", "candidate")

    @property
    def kernels(self) -> Kernels:  # type: ignore[override]
        return _AFTER if self.reset_after else _BEFORE

    def widths(self) -> dict[str, int]:
        """``memory`` is h∘r, or with ``reset_after`` h R + c, of which ``gate_delta`` is the gradient."""
        gates = len(self.gates) * self.units
        return {"memory": gates, "gate_delta": gates} if self.reset_after else {"memory": self.units}

    def cell_weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        weights = super().cell_weights(steps, width)
        if not (self.reset_after and self.use_bias):
            return weights
        return (*weights, weights[-1]._replace(name="recurrent_bias"))

    def recorded(self) -> list[tuple[str, int]]:
        return [("hidden", 1), ("gates", 3)]
