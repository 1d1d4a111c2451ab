"""Activity 9.2, develop your own trainr: a recurrent cell of your own, whole in this file.

python examples/own_cell.py

The minimal gated unit below is a gru with one gate. With

    z_t = σ(x_t W_z + h_{t−1} R_z + b_z)          how much of the state is made anew
    g_t = tanh(x_t W_g + h_{t−1} R_g + b_g)       what it is made of

the state is h_t = (1 − z_t)∘h_{t−1} + z_t∘g_t.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from pytrainr import Model, RRandom, epoch_annealing, predictr, trainr
from pytrainr.exact.cells.gradients import add_plain_gradient, reaches_back
from pytrainr.exact.layers.recurrent import Recurrent, recurrent_kernels
from pytrainr.exact.products import add_product, product
from pytrainr.layers import LAYERS, Dense
from pytrainr.numerics.jit import fast_part


# 1. The options of the cell as compiled code sees them. It has none; the name tells it from other cells.
class MinimalGate(NamedTuple):
    """h ← (1 − z)∘h + z∘g."""


# 2. One step forward. tape.gates[t] (samples, 2·units) comes with x_t W + b in it, z's columns before g's.
@fast_part
def forward(cell, weights, tape, t):
    """z, g = σ, tanh (x_t W + h_{t−1} R + b);  h_t = (1 − z)∘h_{t−1} + z∘g."""
    gates, before, after = tape.gates[t], tape.hidden[t], tape.hidden[t + 1]
    add_product(gates, tape.context[t], weights.recurrent_kernel)  # context is h_{t−1}, after recurrent dropout
    samples, units = after.shape
    for s in range(samples):
        for k in range(units):
            z = 1.0 / (1.0 + np.exp(-gates[s, k]))
            g = np.tanh(gates[s, units + k])
            after[s, k] = (1.0 - z) * before[s, k] + z * g
            gates[s, k], gates[s, units + k] = z, g  # kept for the way back


# 3. The same step backward: from the gradient by h_t to that by what enters σ and tanh, and by h_{t−1}.
@fast_part
def backward(cell, weights, transposed, tape, t):
    """δ_z = dh∘(g − h_{t−1})∘z(1 − z),  δ_g = dh∘z∘(1 − g²);  dh_{t−1} = dh∘(1 − z) + [δ_z, δ_g] Rᵀ."""
    gates, before, d_h, delta = tape.gates[t], tape.hidden[t], tape.d_y[t], tape.delta[t]
    samples, units = d_h.shape
    for s in range(samples):
        for k in range(units):
            z, g = gates[s, k], gates[s, units + k]
            delta[s, k] = d_h[s, k] * (g - before[s, k]) * z * (1.0 - z)
            delta[s, units + k] = d_h[s, k] * z * (1.0 - g * g)
            tape.direct[s, k] = d_h[s, k] * (1.0 - z)  # past the product, straight to the step before
    if reaches_back(weights, t):
        product(tape.carried, delta, transposed.recurrent_kernel)


# 4. The gradient of the weights, once all steps are done: dW = Σ_t x_tᵀ δ_t, dR = Σ_t h_{t−1}ᵀ δ_t.
add_gradient = add_plain_gradient


# 5. The layer: what the list of layers calls it, and the names of its gates.
@dataclass(frozen=True)
class MGU(Recurrent):
    """h_t = (1 − z)∘h_{t−1} + z∘g."""

    kernels = recurrent_kernels("MGU", MinimalGate)
    gates = ("update", "candidate")


# 6. The name by which a model knows it: so it is trained, saved and loaded like any other.
LAYERS["MGU"] = MGU


def loss(kernel: np.ndarray, model: Model, X: np.ndarray, Y: np.ndarray) -> float:
    """Half the squared error with another recurrent kernel: what the derivative is checked against."""
    weights = model.mgu_weights
    model.mgu_weights = [weights[0], kernel, *weights[2:]]
    error = 0.5 * np.sum((predictr(model, X) - Y) ** 2)
    model.mgu_weights = weights
    return float(error)


def main() -> None:
    """Remember the first of ten numbers."""
    random = np.random.default_rng(1)
    X = random.uniform(-1.0, 1.0, (400, 10, 1))
    Y = X[:, :1]
    options = {"exact": True, "layers": [MGU(8), Dense(1)], "rng": RRandom(1), "epoch_function": epoch_annealing}

    # 7. The check that finds every mistake: one step of plain gradient descent against central differences.
    begun = trainr(Y, X, learningrate=1e-9, batch_size=400, **options)
    moved = trainr(Y, X, begun, epoch_function=epoch_annealing)
    kernel, h = np.array(begun.mgu_weights[1]), 1e-5
    ours = (kernel - np.array(moved.mgu_weights[1])) / 1e-9
    numeric = np.zeros_like(kernel)
    for place in np.ndindex(*kernel.shape):
        more, less = kernel.copy(), kernel.copy()
        more[place] += h
        less[place] -= h
        numeric[place] = (loss(more, begun, X, Y[:, 0]) - loss(less, begun, X, Y[:, 0])) / (2 * h)
    print(f"largest difference of the gradient from central differences: {np.abs(ours - numeric).max():.1e}")

    options |= {"update_rule": "adam", "learningrate": 0.01, "batch_size": 20, "numepochs": 40}
    model = trainr(Y, X, **options)
    fresh = random.uniform(-1.0, 1.0, (400, 10, 1))
    error = np.mean((predictr(model, fresh)[:, 0] - fresh[:, 0, 0]) ** 2)
    print(f"mean squared error: {error:.4f}; of guessing 0: {np.mean(fresh[:, 0] ** 2):.4f}")


if __name__ == "__main__":
    main()
