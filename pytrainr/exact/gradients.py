"""The gradient of a layer's weights, from what the steps back left on the tape: one product over all time steps."""

from __future__ import annotations

from pytrainr.exact.products import add_column_sums, transposed_product
from pytrainr.exact.shapes import flattened
from pytrainr.exact.vectors import fill
from pytrainr.numerics.jit import fast_inline_part

__all__ = ["add_plain_gradient", "input_gradient"]


@fast_inline_part
def input_gradient(gradient, tape):
    """dW = Σ_t x_tᵀ δ_t,  db = Σ_t Σ_samples δ_t."""
    delta = flattened(tape.delta)
    transposed_product(gradient.time, flattened(tape.x), delta)
    fill(gradient.bias, 0.0)
    add_column_sums(gradient.bias, delta)


@fast_inline_part
def add_plain_gradient(cell, gradient, weights, tape):
    """dW, db, and dR = Σ_t h_{t−1}ᵀ δ_t: for cells whose recurrent product is of the state itself."""
    input_gradient(gradient, tape)
    transposed_product(gradient.recurrent, flattened(tape.context[:-1]), flattened(tape.delta))
