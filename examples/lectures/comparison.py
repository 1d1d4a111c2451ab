"""The empirical table of Bai, Kolter & Koltun (2018): lstm, gru, rnn and TCN on six tasks, one budget for all.

python examples/lectures/comparison.py
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures import language
from examples.lectures.book import COLOURS, Lecture, figure
from examples.lectures.rounds import Learner
from pytrainr import Model, predictr
from pytrainr.layers import GRU, LSTM, TCN, Dense, Embedding, Layer, SimpleRNN

lecture = Lecture("comparison")
KINDS = ("lstm", "gru", "rnn", "tcn")  # as the table has them


# data ---------------------------------------------------------------------------------------------------------------


class Data(NamedTuple):
    """X (samples, steps, variables) and Y (samples, steps or 1, 1)."""

    X: np.ndarray
    Y: np.ndarray


class Parts(NamedTuple):
    """What a round trains on, the same or each time anew; what is chosen by; what is tested on, once."""

    train: Callable[[], Data]
    validation: Data
    test: Data


def digits(permuted: bool, quick: bool) -> Parts:
    """60, 20 and 20 % of scikit-learn's 1,797 digits, pixel by pixel (samples, 64, 1), in one order for all."""
    from sklearn.datasets import load_digits

    pixels, labels = load_digits(return_X_y=True)
    images = np.random.default_rng(1).permutation(len(labels))[: 200 if quick else None]
    order = np.random.default_rng(2).permutation(64) if permuted else np.arange(64)
    X, Y = pixels[images][:, order, np.newaxis] / 16.0, labels[images].astype(float).reshape(-1, 1, 1)
    ends = [0, int(0.6 * len(X)), int(0.8 * len(X)), len(X)]
    train, validation, test = (Data(X[a:b], Y[a:b]) for a, b in itertools.pairwise(ends))
    return Parts(lambda: train, validation, test)


def adding(random: np.random.Generator, count: int, steps: int) -> Data:
    """Numbers from 0 to 1, and marks, 1 at one step of either half: the sum of the two that are marked is wanted."""
    X = np.zeros((count, steps, 2))
    X[:, :, 0] = random.random((count, steps))
    for half in (0, steps // 2):
        X[np.arange(count), half + random.integers(0, steps // 2, count), 1] = 1.0
    return Data(X, (X[:, :, 0] * X[:, :, 1]).sum(axis=1).reshape(-1, 1, 1))


def copying(random: np.random.Generator, count: int, blanks: int) -> Data:
    """Ten symbols from 1 to 8, ``blanks`` steps of 0 and of 9 in the end: after them all ten again, 0 before."""
    X, Y = np.zeros((2, count, blanks + 20, 1))
    X[:, :10] = Y[:, -10:] = random.integers(1, 9, (count, 10, 1))
    X[:, -11:] = 9.0
    return Data(X, Y)


def drawn(draw: Callable[[np.random.Generator, int, int], Data], steps: int, seed: int | None, quick: bool) -> Parts:
    """2,000 new sequences a round; 500 others to choose by, from ``seed`` or out of the same stream, and to test on."""
    count, held, steps = (32, 16, 20) if quick else (2000, 500, steps)
    random = np.random.default_rng(1)
    first = draw(random, count, steps)
    validation, test = (draw(np.random.default_rng(source), held, steps) for source in (seed or random, 3))
    rounds = itertools.chain([first], (draw(random, count, steps) for _ in itertools.count()))
    return Parts(lambda: next(rounds), validation, test)


# measures -----------------------------------------------------------------------------------------------------------


def mean_square(model: Model, data: Data) -> float:
    """(y − p)², the mean over sequences."""
    return float(((predictr(model, data.X).ravel() - data.Y.ravel()) ** 2).mean())


def probabilities(model: Model, data: Data) -> np.ndarray:
    """p of each symbol (samples, steps or 1, symbols)."""
    return predictr(model, data.X).reshape(*data.Y.shape[:2], -1)


def cross_entropy(model: Model, data: Data) -> float:
    """−ln p(y), the mean over all steps that have an answer."""
    p = np.take_along_axis(probabilities(model, data), data.Y.astype(int), axis=2)
    return float(-np.log(np.maximum(p, 1e-30)).mean())


def right(model: Model, data: Data) -> float:
    """The share of answers that are right, in percent."""
    return 100.0 * float((probabilities(model, data).argmax(axis=2) == data.Y[:, :, 0]).mean())


# tasks --------------------------------------------------------------------------------------------------------------


class Pace(NamedTuple):
    """At most how many rounds; adam's rate, which after so many rounds is multiplied by ``decay`` after each."""

    rounds: int
    rate: float
    steady: int = 0
    decay: float = 1.0


class Task(NamedTuple):
    """The networks of a task, what they learn from, by which loss, at which pace, found by trial on validation; they
    end where the loss on validation is below ``enough``."""

    networks: dict[str, list[Layer]]
    parts: Callable[[bool], Parts]
    loss: str
    chosen_by: Callable[[Model, Data], float]
    reported: Callable[[Model, Data], float]
    paces: dict[str, Pace]
    enough: float


LABELS = "sparse_categorical_crossentropy"
IMAGES: dict[str, list[Layer]] = {  # 3,400 to 5,000 weights; the table's have 70,000
    "lstm": [LSTM(32), Dense(10, activation="softmax")],
    "gru": [GRU(32), Dense(10, activation="softmax")],
    "rnn": [SimpleRNN(64), Dense(10, activation="softmax")],
    "tcn": [TCN(8, 7, dilations=(1, 2, 4, 8)), Dense(10, activation="softmax")],
}
SUMS: dict[str, list[Layer]] = {  # 3,400 to 51,000; the table's have 70,000; the TCN looks back 2·7·63 = 882 steps
    "lstm": [LSTM(32), Dense(1)],
    "gru": [GRU(32), Dense(1)],
    "rnn": [SimpleRNN(64), Dense(1)],
    "tcn": [TCN(24, 8, dilations=(1, 2, 4, 8, 16, 32)), Dense(1)],
}
MEMORIES: dict[str, Layer] = {  # the TCN's 16,000, as in the table; it looks back 2·7·127 = 1,778 steps
    "lstm": LSTM(32, return_sequences=True),
    "gru": GRU(32, return_sequences=True),
    "rnn": SimpleRNN(64, return_sequences=True),
    "tcn": TCN(12, 8, dilations=(1, 2, 4, 8, 16, 32, 64), return_sequences=True),
}
COPIERS = {k: [Embedding(10, 10), cell, Dense(10, activation="softmax")] for k, cell in MEMORIES.items()}

PATIENCE = 12  # rounds without a smaller loss on validation, after which all is learnt or nothing
BY_LABELS = (LABELS, cross_entropy, right)
IMAGE_PACES = dict.fromkeys(KINDS, Pace(30, 0.005, 0, 0.95))
TASKS = {
    "sequential digits": Task(IMAGES, partial(digits, False), *BY_LABELS, IMAGE_PACES, 0.0),
    "permuted digits": Task(IMAGES, partial(digits, True), *BY_LABELS, IMAGE_PACES, 0.0),
    "adding problem": Task(
        *(SUMS, partial(drawn, adding, 600, None), "squared", mean_square, mean_square),
        *({**dict.fromkeys(KINDS, Pace(36, 0.01)), "tcn": Pace(40, 0.004, 16, 0.88)}, 5e-4),
    ),
    "copy memory": Task(
        *(COPIERS, partial(drawn, copying, 1000, 2), LABELS, cross_entropy, cross_entropy),
        *(dict.fromkeys(KINDS, Pace(4, 0.005, 0, 0.8)), 5e-5),
    ),
}


class Outcome(NamedTuple):
    """What a network reached, its size, and its losses on validation, round by round."""

    reported: float
    weights: int
    losses: list[float]


def learnt(task: str, kind: str, quick: bool) -> Outcome:
    """Of all rounds the network with the smallest loss on validation is tested."""
    given, pace = TASKS[task], TASKS[task].paces[kind]
    train, validation, test = given.parts(quick)
    learner = Learner(
        {
            **{"exact": True, "layers": given.networks[kind], "loss": given.loss, "dtype": "float32"},
            **{"learningrate": pace.rate},
            **{"update_rule": "adam", "batch_size": 32, "clip_norm": 1.0, "epoch_function": []},
        }
    )
    for _ in range(1 if quick else pace.rounds):
        learner.learn(lambda model: given.chosen_by(model, validation), **train()._asdict())
        if len(learner.losses) > pace.steady:
            learner.slow(pace.decay)
        if learner.losses[-1] < given.enough or learner.waited >= PATIENCE:
            break
    assert learner.best is not None
    return Outcome(given.reported(learner.best, test), learner.best.count_params(), learner.losses)


# tables -------------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """A row of the lecture's table: what is measured, how that is written, and what the lecture has for KINDS."""

    measure: str
    written: str
    lectures: tuple[str, str, str, str]


ROWS = {
    "sequential digits": Row("right, %", ".1f", ("87.2", "96.2", "21.5", "99.0")),
    "permuted digits": Row("right, %", ".1f", ("85.7", "87.3", "25.3", "97.2")),
    "adding problem": Row("(y − p)²", ".2g", ("0.164", "5.3e-5", "0.177", "5.8e-5")),
    "copy memory": Row("−ln p a step", ".2g", ("0.0204", "0.0197", "0.0202", "3.5e-5")),
    "chorales": Row("−ln p a chord", ".2f", ("8.45", "8.43", "8.91", "8.10")),
    "characters": Row("−log₂ p a letter", ".2f", ("1.36", "1.37", "1.48", "1.31")),
}
ELSEWHERE = {"chorales": "chords", "characters": "letters"}  # tables of the lecture on language

details = lecture.table("details", "network", "weights", "rounds", "loss on validation", "test")
results = lecture.table("results", "here (the lecture's)", "measured", *KINDS)


def _losses(task: str, kind: str, quick: bool) -> Path:
    return lecture.kept(quick) / f"{task}, {kind}.txt"


def _detail(task: str, kind: str, quick: bool) -> list[str]:
    outcome = learnt(task, kind, quick)
    np.savetxt(_losses(task, kind, quick), outcome.losses)
    rounds = f"{len(outcome.losses)}, best {1 + int(np.argmin(outcome.losses))}"
    best = f"{min(outcome.losses):.2g}"
    return [f"{outcome.weights:,}", rounds, best, f"{outcome.reported:{ROWS[task].written}}"]


def _reported(task: str, kind: str, quick: bool) -> str:
    """What a network reached; on music and letters what the lecture on language found."""
    if task in ELSEWHERE:
        table = ELSEWHERE[task]
        return language.lecture.cells(table, f"{table}, {kind}", quick)[0]
    return lecture.cells("details", f"{task}, {kind}", quick)[-1]


def _result(task: str, quick: bool) -> list[str]:
    row = ROWS[task]
    here = [_reported(task, kind, quick) for kind in KINDS]
    return [row.measure, *(f"{ours} ({there})" for ours, there in zip(here, row.lectures, strict=True))]


for task, kind in itertools.product(TASKS, KINDS):
    details.row(f"{task}, {kind}")(partial(_detail, task, kind))
for task in ROWS:
    results.row(task)(partial(_result, task))


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("curves")
def draw_curves(quick: bool, path: Path) -> None:
    """The loss on validation after each round, of 2,000 new sequences or of all the digits."""
    with figure(path, columns=2, rows=2) as axes:
        for ax, task in zip(axes, TASKS, strict=True):
            for kind, colour in zip(KINDS, COLOURS, strict=False):
                losses = np.loadtxt(_losses(task, kind, quick), ndmin=1)
                ax.semilogy(range(1, len(losses) + 1), losses, color=colour, label=kind)
            ax.set(title=task, xlabel="round")
        axes[0].set(ylabel="loss on validation")
        axes[0].legend(fontsize=8)


if __name__ == "__main__":
    lecture.main()
