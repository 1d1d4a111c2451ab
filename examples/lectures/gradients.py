"""Vanishing and exploding gradients: what reaches the first of 10 to 200 steps, and what training makes of it.

python examples/lectures/gradients.py
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import COLOURS, Lecture, figure
from pytrainr import DivergedError, Model, RRandom, epoch_annealing, gradient_norms, predictr, trainr
from pytrainr.layers import GRU, LSTM, Dense, Layer, SimpleRNN

lecture = Lecture("gradients")
LENGTHS = (10, 50, 100, 200)
CELLS = {
    "rnn, logistic": partial(SimpleRNN, activation="sigmoid"),
    "rnn, tanh": SimpleRNN,
    "rnn, relu": partial(SimpleRNN, activation="relu"),
    "gru": GRU,
    "lstm": LSTM,
}


def latch(samples: int, steps: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The first step of X (samples, steps, 1) is 1 or -1, noise follows; Y (samples, 1, 1), 1 or 0, asks which."""
    random = np.random.default_rng(seed)
    X = 0.2 * random.standard_normal((samples, steps, 1))
    sign = random.choice([-1.0, 1.0], samples)
    X[:, 0, 0] = sign
    return X, (sign[:, np.newaxis, np.newaxis] + 1.0) / 2.0


def trained(layers: list[Layer], X: Any, Y: Any, **options: Any) -> Model:
    """A network that says yes or no, trained quietly from seed 1."""
    given = {"learningrate": 0.1, "update_rule": "sgd", "batch_size": 20, "numepochs": 20, **options}
    layers = [*layers, Dense(1, activation="sigmoid")]
    return trainr(
        *(Y, X),
        **{"exact": True, "layers": layers, "loss": "binary_crossentropy", "rng": RRandom(1)},
        **{"epoch_function": epoch_annealing, **given},
    )


# what reaches the first step ------------------------------------------------------------------------------------------


@cache
def untrained(cell: str, steps: int, gain: float = 1.0) -> np.ndarray:
    """‖∂L/∂h_t‖ (steps,), the mean of 50 sequences, at the initial weights, the recurrent ones times ``gain``."""
    X, Y = latch(50, steps, 1)
    model = trained([CELLS[cell](32)], X, Y, learningrate=1e-12, numepochs=1)
    field = {"gru": "gru_weights", "lstm": "lstm_weights"}.get(cell, "simple_rnn_weights")
    kernel, recurrent, *biases = model[field]
    model[field] = [kernel, gain * recurrent, *biases]
    (norms,) = gradient_norms(model, X, Y).values()
    return norms.mean(axis=0)


def reaching(norms: np.ndarray) -> str:
    """What is left of the gradient at the first step, ∂L/∂h_1 = ∂L/∂h_T · Π_t ∂h_t/∂h_{t−1}, of that at the last."""
    return f"{norms[0] / norms[-1]:.1e}"


first = lecture.table("first", "‖∂L/∂h₁‖ / ‖∂L/∂h_T‖", *(f"T = {steps}" for steps in LENGTHS))
gains = lecture.table("gains", "of 100 steps", *(f"R · {gain:g}" for gain in (0.5, 1.0, 1.5, 2.0)))


def _first(cell: str, quick: bool) -> list[str]:
    return [reaching(untrained(cell, steps)) for steps in LENGTHS]


def _gains(cell: str, quick: bool) -> list[str]:
    return [reaching(untrained(cell, 100, gain)) for gain in (0.5, 1.0, 1.5, 2.0)]


for cell in CELLS:
    first.row(cell)(partial(_first, cell))
for cell in ("rnn, tanh", "rnn, relu", "lstm"):
    gains.row(f"{cell}, recurrent weights times")(partial(_gains, cell))


# what training makes of it -------------------------------------------------------------------------------------------

WAYS: dict[str, tuple[str, dict[str, Any]]] = {
    "rnn, plain": ("rnn, tanh", {}),
    "rnn, the gradient clipped to 1": ("rnn, tanh", {"clip_norm": 1.0}),
    "rnn, cut after 10 steps": ("rnn, tanh", {"bptt_steps": 10}),
    "rnn, RMSProp": ("rnn, tanh", {"update_rule": "rmsprop", "learningrate": 0.001}),
    "rnn, relu, clipped": ("rnn, relu", {"clip_norm": 1.0, "learningrate": 0.01}),
    "gru, RMSProp": ("gru", {"update_rule": "rmsprop", "learningrate": 0.001}),
    "lstm, RMSProp": ("lstm", {"update_rule": "rmsprop", "learningrate": 0.001}),
}


@cache
def right(way: str, steps: int, quick: bool) -> float:
    """The share of new sequences that the trained network answers rightly; guessing has 0.5."""
    cell, options = WAYS[way]
    X, Y = latch(100 if quick else 600, steps, 2)
    options = {"numepochs": 2 if quick else 40, **options}
    if options.get("bptt_steps", 0) >= steps:
        options = {name: value for name, value in options.items() if name != "bptt_steps"}
    try:
        model = trained([CELLS[cell](32)], X, Y, **options)
    except DivergedError:
        return 0.5
    X, Y = latch(1000, steps, 3)
    return float(((predictr(model, X)[:, 0] > 0.5) == (Y[:, 0, 0] > 0.5)).mean())


remembered = lecture.table("remembered", "right after training", *(f"T = {steps}" for steps in LENGTHS))


def _remembered(way: str, quick: bool) -> Iterator[str]:
    return (f"{100 * right(way, steps, quick):.1f} %" for steps in (LENGTHS[:2] if quick else LENGTHS))


for way in WAYS:
    remembered.row(way)(lambda quick, way=way: list(_remembered(way, quick)))  # type: ignore[misc]


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("norms")
def draw_norms(quick: bool, path: Path) -> None:
    """‖∂L/∂h_t‖ over the steps, at the initial weights, as the lectures draw it."""
    with figure(path, columns=2) as axes:
        for ax, steps in zip(axes, (50, 200), strict=True):
            for colour, cell in zip(COLOURS, CELLS, strict=False):
                ax.semilogy(range(1, steps + 1), untrained(cell, steps), color=colour, label=cell)
            ax.set(title=f"{steps} steps, the loss at the last", xlabel="step t", ylabel="‖∂L/∂h_t‖", ylim=(1e-30, 10))
        axes[0].legend(fontsize=8)


@lecture.picture("gains")
def draw_gains(quick: bool, path: Path) -> None:
    """The same of a relu network: below, at and above the weights that keep the gradient's length."""
    with figure(path, columns=2) as axes:
        for ax, cell in zip(axes, ("rnn, relu", "rnn, tanh"), strict=True):
            for colour, gain in zip(COLOURS, (0.5, 1.0, 1.5, 2.0), strict=False):
                ax.semilogy(range(1, 101), untrained(cell, 100, gain), color=colour, label=f"R · {gain:g}")
            ax.set(title=cell, xlabel="step t", ylabel="‖∂L/∂h_t‖")
        axes[0].legend(fontsize=8)


if __name__ == "__main__":
    lecture.main()
