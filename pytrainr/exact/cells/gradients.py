"""The gradient of a cell's weights, from what the steps back left on the tape: one product over all time steps."""

from __future__ import annotations

from pytrainr.exact.arrays import flattened, past
from pytrainr.exact.products import transposed_product
from pytrainr.numerics.jit import fast_part

__all__ = ["add_plain_gradient", "input_gradient", "reaches_back"]


@fast_part
def reaches_back(weights, t):
    """Whether the gradient goes on before step t: to the step before, or to a learnt initial state."""
    return t > 0 or weights.initial_state.size > 0


@fast_part
def input_gradient(gradient, tape):
    """dW = Σ_t x_tᵀ δ_t."""
    transposed_product(gradient.kernel, flattened(tape.x), flattened(tape.delta))


@fast_part
def add_plain_gradient(cell, gradient, weights, tape):
    """dW, and dR = Σ_t h_{t−1}ᵀ δ_t: for cells whose recurrent product is of the state itself."""
    input_gradient(gradient, tape)
    transposed_product(gradient.recurrent_kernel, flattened(past(tape.context)), flattened(tape.delta))
