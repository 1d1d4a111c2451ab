"""RNN, GRU and LSTM step by step: one step in numbers, two schedules, letters to letters, gates over a sequence.

python examples/lectures/steps.py
"""

from __future__ import annotations

import sys
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import COLOURS, Lecture, figure
from pytrainr import Model, RRandom, epoch_annealing, gates, predictr, trainr
from pytrainr.layers import GRU, LSTM, Dense, Layer, SimpleRNN

lecture = Lecture("steps")
CELLS = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}


# one step in numbers ------------------------------------------------------------------------------------------------


@cache
def worked_step() -> dict[str, tuple[float, float]]:
    """The lecture's step of an lstm with one unit, whose biases alone open its gates, from c = 3: (by hand, ours)."""
    f, i, g, o, before = 0.9, 0.5, 0.97, 0.92, 3.0
    x = np.zeros((1, 1, 1))
    model = trained([LSTM(1, return_sequences=True), Dense(1)], x, x, numepochs=1, batch_size=1)
    logits = [np.log(p / (1 - p)) for p in (f, i, o)]
    bias = np.array([logits[0], logits[1], np.arctanh(g), logits[2]])
    model.lstm_weights = [np.zeros((1, 4)), np.zeros((1, 4)), bias]
    opened = {gate: float(values[0, 0, 0]) for gate, values in gates(model, x)["lstm"].items()}
    h, c = predictr(model, x, state=np.array([[0.0, before]]), return_state=True)[1][0]
    cell = f * before + i * g  # c_t = f·c_{t−1} + i·g
    return {
        "forget gate f": (f, opened["forget"]),
        "input gate i": (i, opened["input"]),
        "candidate g": (g, opened["candidate"]),
        "cell c = f · 3 + i · g": (cell, c),
        "output gate o": (o, opened["output"]),
        "state h = o · tanh(c)": (o * np.tanh(cell), h),  # 0.92 · tanh(3.185)
    }


worked = lecture.table("worked", "of one step", "by hand", "pytrainr")


def _worked(name: str, quick: bool) -> list[str]:
    return [f"{value:.4f}" for value in worked_step()[name]]


for quantity in (
    *("forget gate f", "input gate i", "candidate g", "cell c = f · 3 + i · g", "output gate o"),
    "state h = o · tanh(c)",
):
    worked.row(quantity)(partial(_worked, quantity))


# schedules ----------------------------------------------------------------------------------------------------------

DRIVERS = ("Anna", "Ben", "Cem", "nobody")
WEEK = (0, 0, 1, 1, 2, 3, 3)  # Anna drives on Monday and Tuesday, …; nobody at the weekend
EXERCISES = ("shoulder", "biceps", "cardio", "rest")
REST = 3


def driving(weeks: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Who drives today, one-hot (weeks, 14, 4), and who tomorrow, as a number (weeks, 14, 1), from any weekday on."""
    days = (random.integers(0, 7, weeks)[:, np.newaxis] + np.arange(15)) % 7
    who = np.array(WEEK)[days]
    return np.eye(4)[who[:, :-1]], who[:, 1:, np.newaxis]


def exercise(people: int, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """What was done each day, one-hot (people, 20, 4), and the next exercise due (people, 20, 1): shoulder, biceps,
    cardio in turn. One day in five is missed; the turn then waits."""
    begin, missed = random.integers(0, 3, people), random.random((people, 20)) < 0.2
    done = ~missed
    turn = (begin[:, np.newaxis] + np.cumsum(done, axis=1)) % 3  # what is due after the day
    before = (turn - 1) % 3
    return np.eye(4)[np.where(missed, REST, before)], turn[:, :, np.newaxis]


def trained(layers: list[Layer], X: Any, Y: Any, **options: Any) -> Model:
    """A network trained quietly with adam, from seed 1."""
    given = {"learningrate": 0.01, "update_rule": "adam", "batch_size": 20, "numepochs": 30, **options}
    return trainr(Y, X, exact=True, layers=layers, rng=RRandom(1), epoch_function=epoch_annealing, **given)


def network(kind: str, outputs: int) -> list[Layer]:
    """Dense with a softmax, above a recurrent layer of 8 units or, without memory, one of 8 dense units."""
    below = Dense(8, activation="tanh") if kind == "dense" else CELLS[kind](8, return_sequences=True)
    return [below, Dense(outputs, activation="softmax")]


def scheduled(kind: str, schedule: str, quick: bool) -> tuple[Model, np.ndarray, np.ndarray, np.ndarray]:
    """The trained network, and X, Y, prediction of new sequences."""
    random, make = np.random.default_rng(1), {"driving": driving, "exercise": exercise}[schedule]
    X, Y = make(100 if quick else 400, random)
    options = {"loss": "sparse_categorical_crossentropy", "numepochs": 3 if quick else 40}
    model = trained(network(kind, 4 if schedule == "driving" else 3), X, Y, **options)
    X, Y = make(500, random)
    return model, X, Y[:, :, 0], predictr(model, X).argmax(axis=2)


drive = lecture.table("driving", "network", "who drives tomorrow, right", "after a first day", "from the third day on")
train = lecture.table("exercise", "network", "next exercise, right", "after a day done", "after a day missed")


def percent(right: np.ndarray) -> str:
    return f"{100 * right.mean():.1f} %"


def _driving(kind: str, quick: bool) -> list[str]:
    _, _, Y, predicted = scheduled(kind, "driving", quick)
    right = predicted == Y
    return [percent(right), percent(right[:, 0]), percent(right[:, 2:])]


def _exercise(kind: str, quick: bool) -> list[str]:
    _, X, Y, predicted = scheduled(kind, "exercise", quick)
    right, done = predicted == Y, X[:, :, REST] == 0.0
    known = done.cumsum(axis=1) > 0  # before a first exercise nobody can know the turn
    return [percent(right[known]), percent(right[done]), percent(right[known & ~done])]


for kind in ("dense", *CELLS):
    drive.row(f"driving, {kind}")(partial(_driving, kind))
    train.row(f"exercise, {kind}")(partial(_exercise, kind))


# letters ------------------------------------------------------------------------------------------------------------

LETTERS = "helo"
letters = lecture.table("letters", "of hello", "next letter", "probability by dense", "by rnn", "by lstm")


@cache
def spelt(kind: str, quick: bool) -> np.ndarray:
    """The probability of each next letter of "hello" (4,)."""
    word = [LETTERS.index(letter) for letter in "hello"]
    X, Y = np.eye(4)[[word[:-1]]], np.array([word[1:]])[:, :, np.newaxis]
    options = {"loss": "sparse_categorical_crossentropy", "numepochs": 20 if quick else 500, "batch_size": 1}
    model = trained(network(kind, 4), X, Y, **options)
    return predictr(model, X)[0, np.arange(4), word[1:]]


def _spelt(place: int, quick: bool) -> list[str]:
    return ["hello"[place + 1], *(f"{spelt(kind, quick)[place]:.3f}" for kind in ("dense", "rnn", "lstm"))]


for place in range(4):
    letters.row(f"{'hello'[place]}, letter {place + 1}")(partial(_spelt, place))


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("softmax")
def draw_softmax(quick: bool, path: Path) -> None:
    """Softmax of the same numbers at three temperatures: p_k = exp(y_k/τ) / Σ_j exp(y_j/τ)."""
    y = np.array([2.0, 1.0, 0.1, -1.0])
    with figure(path, columns=4, size=(2.6, 2.4)) as axes:
        axes[0].bar(range(4), y, color="#999999")
        axes[0].set(title="y", xticks=range(4))
        for ax, temperature, colour in zip(axes[1:], (0.5, 1.0, 2.0), COLOURS, strict=False):
            p = np.exp(y / temperature) / np.exp(y / temperature).sum()
            bars = ax.bar(range(4), p, color=colour)
            ax.bar_label(bars, [f"{value:.2f}" for value in p], fontsize=8)
            ax.set(title=f"softmax(y / {temperature:g})", xticks=range(4), ylim=(0, 1))


@lecture.picture("gates")
def draw_gates(quick: bool, path: Path) -> None:
    """Every gate of a gru and an lstm, unit by unit, over twenty days of exercise; a dash is a missed day."""
    shown = {kind: scheduled(kind, "exercise", quick)[:2] for kind in ("gru", "lstm")}
    with figure(path, columns=4, rows=2, size=(4.0, 2.2)) as axes:
        for row, (kind, (model, X)) in enumerate(shown.items()):
            days = "".join("–" if day == REST else EXERCISES[day][0] for day in X[0].argmax(axis=1))
            opened = gates(model, X[:1])[kind]
            for ax, (gate, values) in zip(axes[4 * row :], opened.items(), strict=False):
                low = -1.0 if gate == "candidate" else 0.0
                ax.imshow(values[0].T, aspect="auto", vmin=low, vmax=1.0, cmap="viridis")
                ax.set(title=f"{kind}: {gate}", xticks=range(len(days)), xticklabels=list(days), ylabel="unit")
            for ax in axes[4 * row + len(opened) : 4 * row + 4]:
                ax.set_axis_off()


if __name__ == "__main__":
    lecture.main()
