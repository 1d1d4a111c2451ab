"""The relatives of the recurrent network on one task: same data, about as many numbers to learn, as many epochs.

python examples/lectures/variants.py
"""

from __future__ import annotations

import itertools
import sys
from functools import cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import COLOURS, Lecture, figure
from pytrainr import Model, RRandom, epoch_annealing, predictr, trainr
from pytrainr.layers import GRU, LSTM, Bidirectional, Dense, EchoState, Jordan, Layer, Pyramid, SimpleRNN

lecture = Lecture("variants")
EPOCHS, SEEDS = 15, (1, 2)


class Digits(NamedTuple):
    """Images of digits as sequences of 16 half rows of 4 pixels, X (samples, 16, 4) from 0 to 1, Y (samples, 1, 1)."""

    X: np.ndarray
    Y: np.ndarray


@cache
def digits(quick: bool) -> tuple[Digits, Digits, Digits]:
    """Train, validation, test: 60, 20 and 20 % of scikit-learn's 1,797, shuffled."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(1).permutation(len(labels))[: 200 if quick else None]
    X, Y = images[order].reshape(-1, 16, 4) / 16.0, labels[order].astype(float).reshape(-1, 1, 1)
    ends = [0, int(0.6 * len(order)), int(0.8 * len(order)), len(order)]
    train, validation, test = (Digits(X[a:b], Y[a:b]) for a, b in itertools.pairwise(ends))
    return train, validation, test


# f, i, o = σ(x_t W + h_{t−1} R + b), g = tanh(…), c_t = f∘c_{t−1} + i∘g, h_t = o∘tanh(c_t) is the lstm's equation
VARIANTS: dict[str, list[Layer]] = {
    "Elman": [SimpleRNN(44)],  # h_t = tanh(x_t W + h_{t−1} R + b)
    "Jordan": [Jordan(100, outputs=10)],  # h_t = tanh(x_t W + y_{t−1} R + b), y_t = σ(h_t V + c)
    "gru": [GRU(25)],  # h_t = (1 − z)∘h_{t−1} + z∘g
    "lstm": [LSTM(22)],
    "lstm, peephole": [LSTM(22, peephole=True)],  # f, i, o = σ(x_t W + h_{t−1} R + c∘p + b)
    "lstm, projection": [LSTM(31, projection=12)],  # h_t = (o∘tanh(c_t)) P
    "lstm, bidirectional": [Bidirectional(LSTM(15))],  # h_t = [h→_t, h←_t]
    "lstm, stacked": [LSTM(13, return_sequences=True), LSTM(13)],  # x²_t = h¹_t
    "lstm, pyramid": [LSTM(13, return_sequences=True), Pyramid(2), LSTM(10)],  # x²_t = [h¹_{2t−1}, h¹_{2t}]
}
RADII = (0.5, 0.7, 0.9, 1.1)


@cache
def trained(name: str, seed: int, quick: bool) -> Model:
    """Of its epochs the one with the smallest loss on the validation data."""
    train, validation, _ = digits(quick)
    layers = [*VARIANTS[name], Dense(10, activation="softmax")]
    options: dict[str, Any] = {"update_rule": "adam", "learningrate": 0.01, "batch_size": 32, "clip_norm": 10.0}
    return trainr(
        *(train.Y, train.X),
        **{"exact": True, "layers": layers, "loss": "sparse_categorical_crossentropy", "rng": RRandom(seed), **options},
        **{"numepochs": 1 if quick else EPOCHS, "validation": (validation.X, validation.Y)},
        epoch_function=epoch_annealing,
    )


@cache
def reservoir(radius: float, seed: int, quick: bool) -> Model:
    """h_t = (1 − a)·h_{t−1} + a·tanh(x_t W + h_{t−1} R + b), all fixed; its readout is fitted to one-hot digits."""
    train = digits(quick)[0]
    layers = [EchoState(260, leak=0.5, spectral_radius=radius), Dense(10)]
    wanted = np.eye(10)[train.Y[:, 0, 0].astype(int)][:, np.newaxis]
    return trainr(
        *(wanted, train.X),
        **{"exact": True, "layers": layers, "ridge": 1e-2, "learningrate": 1.0, "rng": RRandom(seed)},
        epoch_function=epoch_annealing,
    )


def right(model: Model, part: Digits) -> float:
    """The share of digits that are named rightly: argmax_k p_k = y."""
    said = predictr(model, part.X).reshape(len(part.Y), 10).argmax(axis=1)
    return float((said == part.Y[:, 0, 0]).mean())


table = lecture.table("right", "network", "numbers that are learnt", "chosen", "validation, right", "test, right")


def _cells(models: list[Model], quick: bool) -> list[str]:
    _, validation, test = digits(quick)
    found = [[100 * right(model, part) for model in models] for part in (validation, test)]
    return [f"{np.mean(shares):.1f} % ({min(shares):.1f} to {max(shares):.1f})" for shares in found]


def _variant(name: str, quick: bool) -> list[str]:
    models = [trained(name, seed, quick) for seed in SEEDS]
    epochs = ", ".join(str(model.best_epoch) for model in models)
    return [f"{models[0].count_params():,}", f"epochs {epochs}", *_cells(models, quick)]


for name in VARIANTS:
    table.row(name)(partial(_variant, name))


@table.row("echo state network")
def _echo_state(quick: bool) -> list[str]:
    validation = digits(quick)[1]
    radius = max(RADII, key=lambda radius: sum(right(reservoir(radius, seed, quick), validation) for seed in SEEDS))
    models = [reservoir(radius, seed, quick) for seed in SEEDS]
    return [f"{260 * 10 + 10:,}", f"radius {radius:g}", *_cells(models, quick)]


@lecture.picture("curves")
def draw_curves(quick: bool, path: Path) -> None:
    """The loss on the validation data, epoch by epoch."""
    with figure(path, columns=2) as axes:
        shown = list(VARIANTS)
        for ax, names in zip(axes, (shown[:4], ["lstm", *shown[4:]]), strict=True):
            for colour, name in zip(COLOURS, names, strict=False):
                loss = trained(name, 1, quick).validation_loss
                ax.semilogy(range(1, len(loss) + 1), loss, color=colour, label=name)
            ax.set(xlabel="epoch", ylabel="validation loss")
            ax.legend(fontsize=8)


if __name__ == "__main__":
    lecture.main()
