"""Memory outside the network: a neural Turing machine on copy, repeat copy and recall; thinking as long as it takes.

python examples/lectures/memory.py
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import COLOURS, Lecture, figure
from examples.lectures.rounds import Learner
from pytrainr import Model, RRandom, epoch_annealing, layer_states, predictr, trainr
from pytrainr.layers import LSTM, NTM, AdaptiveComputation, Dense, Layer, SimpleRNN

lecture = Lecture("memory")
BITS = 8  # of a vector; the last of the inputs is a sign


# tasks --------------------------------------------------------------------------------------------------------------


class Task(NamedTuple):
    """X (samples, steps, variables), Y (samples, steps, bits), and where it counts (samples, steps): 1, elsewhere 0."""

    X: np.ndarray
    Y: np.ndarray
    counts: np.ndarray


def nothing(count: int, steps: int, signs: int, bits: int) -> Task:
    return Task(np.zeros((count, steps, bits + signs)), np.zeros((count, steps, bits)), np.zeros((count, steps)))


def copy(random: np.random.Generator, count: int, shortest: int, longest: int) -> Task:
    """So many vectors, a sign; then the same vectors are wanted."""
    task = nothing(count, 2 * longest + 1, 1, BITS)
    for X, Y, counts in zip(*task, strict=True):
        length = random.integers(shortest, longest + 1)
        said = random.integers(0, 2, (length, BITS))
        X[:length, :BITS], X[length, BITS] = said, 1.0
        Y[length + 1 : 2 * length + 1], counts[length + 1 : 2 * length + 1] = said, 1.0
    return task


def repeat_copy(random: np.random.Generator, count: int, shortest: int, longest: int) -> Task:
    """Vectors of 4 bits, then how often they are wanted, 1 to 4 times (a quarter of it), and after the last a sign."""
    task = nothing(count, 5 * longest + 2, 1, 5)
    for X, Y, counts in zip(*task, strict=True):
        length, times = random.integers(shortest, longest + 1), random.integers(1, 5)
        said, end = random.integers(0, 2, (length, 4)), (times + 1) * length + 1
        X[:length, :4], X[length, 5] = said, times / 4
        Y[length + 1 : end, :4], Y[end, 4], counts[length + 1 : end + 1] = np.tile(said, (times, 1)), 1.0, 1.0
    return task


def recall(random: np.random.Generator, count: int, fewest: int, most: int) -> Task:
    """Items of two vectors of 6 bits, each after a sign; one of them again after another sign: the next is wanted."""
    task = nothing(count, 3 * most + 6, 2, 6)
    for X, Y, counts in zip(*task, strict=True):
        number = random.integers(fewest, most + 1)
        items = random.integers(0, 2, (number, 2, 6))
        asked, end = random.integers(0, number - 1), 3 * number
        X[:end:3, 6] = 1.0
        X[1:end:3, :6], X[2:end:3, :6] = items[:, 0], items[:, 1]
        X[end, 7], X[end + 1 : end + 3, :6], X[end + 3, 7] = 1.0, items[asked], 1.0
        Y[end + 4 : end + 6], counts[end + 4 : end + 6] = items[asked + 1], 1.0
    return task


class Training(NamedTuple):
    """Sequences of which sizes the networks learn, and of which others are chosen by and tested; in how many rounds of
    how many new sequences; adam's rate, after each round times its decay; the longest gradient; the machine's
    controller and places; how often at most all is begun anew, from other weights, until it is ``LEARNT``."""

    make: Callable[[np.random.Generator, int, int, int], Task]
    sizes: tuple[int, int]
    tested: tuple[int, ...]
    rounds: int
    sequences: int
    rate: tuple[float, float]
    clip_norm: float
    controller: tuple[str, int]
    slots: int
    starts: int


LEARNT = 0.3  # bits a sequence on validation, the geometric mean of the sizes
TASKS = {
    "copy": Training(copy, (1, 20), (20, 40, 80, 120), 10, 1000, (0.005, 0.95), 10.0, ("dense", 64), 256, 12),
    "repeat copy": Training(repeat_copy, (1, 5), (5, 10), 70, 2000, (0.005, 0.98), 1.0, ("lstm", 64), 128, 1),
    "recall": Training(recall, (2, 6), (6, 12), 20, 2000, (0.005, 0.95), 10.0, ("lstm", 64), 128, 3),
}


def network(task: str, kind: str, bits: int, quick: bool) -> list[Layer]:
    """An lstm; or a network that has a memory beside it. Each says p = σ(y_t·w + b) of every bit."""
    if kind == "lstm":
        below: Layer = LSTM(8 if quick else 64, return_sequences=True)
    else:
        controller, units = TASKS[task].controller
        units, slots = (8, 8) if quick else (units, TASKS[task].slots)
        below = NTM(units, memory_slots=slots, memory_width=10, controller=controller, return_sequences=True)
    return [below, Dense(bits, activation="sigmoid")]


@cache
def trained(task: str, kind: str, quick: bool) -> Model:
    """Sequences of all sizes up to the largest; where nothing is wanted nothing counts. Of all rounds of all starts,
    until one has learnt it, the network that loses fewest bits on validation, 20 other sequences of each size that is
    tested."""
    given = TASKS[task]
    if quick:
        given = given._replace(sizes=(2, 3), tested=(3,), rounds=1, sequences=32, starts=2)
    held = [given.make(np.random.default_rng(1000 + size), 20, size, size) for size in given.tested]
    rate, decay = given.rate
    options = {
        **{"exact": True, "layers": network(task, kind, held[0].Y.shape[2], quick), "dtype": "float32"},
        **{"loss": "binary_crossentropy", "clip_norm": given.clip_norm, "batch_size": 16, "update_rule": "adam"},
        **{"learningrate": rate, "learningrate_decay": decay, "epoch_function": epoch_annealing},
    }
    learners: list[Learner] = []
    while len(learners) < given.starts and not (learners and min(learners[-1].losses) < LEARNT):
        learners.append(Learner(options, seed=100 * (1 + len(learners))))
        random = np.random.default_rng(len(learners))
        for _ in range(given.rounds):
            X, Y, counts = given.make(random, given.sequences, *given.sizes)
            learners[-1].learn(lambda model: validated(model, held), X=X, Y=Y, sample_weight=counts)
    best = min(learners, key=lambda learner: min(learner.losses)).best
    assert best is not None
    return best


def validated(model: Model, held: Sequence[Task]) -> float:
    """Bits a sequence, the geometric mean of the sizes: long sequences lose a thousand times what short ones do."""
    return float(np.exp(np.mean([np.log(lost(model, task)) for task in held])))


def bits_lost(p: np.ndarray, Y: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """−Σ_t Σ_k y log₂ p + (1 − y) log₂(1 − p) of each sequence (samples,), over the steps that count."""
    sure = np.clip(p, 1e-12, 1 - 1e-12)
    bits = -(Y * np.log2(sure) + (1 - Y) * np.log2(1 - sure)).sum(axis=2)
    return (bits * counts).sum(axis=1)


def lost(model: Model, task: Task) -> float:
    """Bits a sequence, the mean."""
    return float(bits_lost(predictr(model, task.X), task.Y, task.counts).mean())


def _error(task: str, kind: str, quick: bool) -> list[str]:
    """Bits a sequence and, after a comma, the share of wrong bits, of 50 new sequences of each size."""
    model, cells = trained(task, kind, quick), []
    for size in (3,) if quick else TASKS[task].tested:
        X, Y, counts = TASKS[task].make(np.random.default_rng(size), 50, size, size)
        p = predictr(model, X)
        wrong = (((p > 0.5) != (Y > 0.5)).sum(axis=2) * counts).sum() / (counts.sum() * Y.shape[2])
        cells.append(f"{bits_lost(p, Y, counts).mean():.3g}, {100 * wrong:.2g} %")
    return [f"{model.count_params():,}", *cells]


for task, unit in (("copy", "length"), ("repeat copy", "length"), ("recall", "items")):
    of_task = lecture.table(
        *(task.replace(" ", "_"), "bits a sequence, wrong bits", "parameters"),
        *(f"{unit} {size}" for size in TASKS[task].tested),
    )
    for kind in ("ntm", "lstm"):
        of_task.row(f"{task}, {kind}")(partial(_error, task, kind))


# thinking -----------------------------------------------------------------------------------------------------------

ENTRIES, SHOWN = 16, (1, 4, 8, 12, 16)


def parity(random: np.random.Generator, count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """X (count, 1, 16): the first 1 to 16 entries are 1 or −1, the others 0; Y (count, 1, 1): whether the number of
    ones is odd; how many entries there are (count,)."""
    there = random.integers(1, ENTRIES + 1, count)
    X = random.choice([-1.0, 1.0], (count, ENTRIES)) * (np.arange(ENTRIES) < there[:, np.newaxis])
    return X[:, np.newaxis], ((X > 0.0).sum(axis=1) % 2.0).reshape(-1, 1, 1), there


THINKERS = {
    "one step": (1, 0.0),
    "each step costs 0.01": (16, 0.01),
    "each step costs 0.001": (16, 0.001),
}  # most steps


@cache
def thinker(name: str, quick: bool) -> Model:
    most, cost = THINKERS[name]
    X, Y, _ = parity(np.random.default_rng(1), 64 if quick else 40000)
    cell = SimpleRNN(4 if quick else 16, return_sequences=True)
    layers = [AdaptiveComputation(cell, max_steps=most, ponder_cost=cost), Dense(1, activation="sigmoid")]
    return trainr(
        *(Y, X),
        **{"exact": True, "layers": layers, "loss": "binary_crossentropy", "rng": RRandom(1), "clip_norm": 10.0},
        **{"update_rule": "adam", "learningrate": 0.005, "batch_size": 32, "numepochs": 1 if quick else 20},
        epoch_function=epoch_annealing,
    )


def thought(name: str, quick: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of 2,000 new vectors: the steps N that were taken, whether the answer is right, how many entries there are."""
    X, Y, there = parity(np.random.default_rng(2), 2000)
    model = thinker(name, quick)
    steps = layer_states(model, X)["adaptive_computation"]["ponder_steps"][:, 0]
    return steps, (predictr(model, X)[:, 0] > 0.5) == (Y[:, 0, 0] > 0.5), there


of_parity = lecture.table("parity", "parity of 1 to 16 numbers", "right", *(f"steps, of {k}" for k in SHOWN))


def _parity(name: str, quick: bool) -> list[str]:
    steps, right, there = thought(name, quick)
    return [f"{100 * right.mean():.1f} %", *(f"{steps[there == k].mean():.2f}" for k in SHOWN)]


for name in THINKERS:
    of_parity.row(f"parity, {name}")(partial(_parity, name))


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("copy")
def draw_copy(quick: bool, path: Path) -> None:
    """A word of 20 vectors: what is read, wanted and said by both networks; where the heads write and read."""
    X, Y, _ = copy(np.random.default_rng(3), 1, *((3, 3) if quick else (20, 20)))
    seen = layer_states(trained("copy", "ntm", quick), X)["ntm"]
    said = {kind: predictr(trained("copy", kind, quick), X)[0].T for kind in ("ntm", "lstm")}
    shown = {
        **{"read": X[0].T, "wanted": Y[0].T, "said by the ntm": said["ntm"], "said by the lstm": said["lstm"]},
        **{
            "where it writes": seen["write_weightings"][0, :, 0].T,
            "where it reads": seen["read_weightings"][0, :, 0].T,
        },
    }
    with figure(path, columns=2, rows=3, size=(4.6, 2.2)) as axes:
        for ax, (title, values) in zip(axes, shown.items(), strict=True):
            rows = values[values.max(axis=1) > 0.05] if title.startswith("where") else values
            ax.imshow(rows, aspect="auto", cmap="viridis", vmin=0.0, vmax=1.0)
            ax.set(title=title, xlabel="step", ylabel="place" if title.startswith("where") else "bit", yticks=[])


@lecture.picture("memory")
def draw_memory(quick: bool, path: Path) -> None:
    """The memory after the word was read, and how the error grows with the length."""
    length = 3 if quick else 20
    X, _, _ = copy(np.random.default_rng(3), 1, length, length)
    memory = layer_states(trained("copy", "ntm", quick), X)["ntm"]["memory"][0, length]
    with figure(path, columns=2) as (left, right):
        left.imshow(memory.T, aspect="auto", cmap="RdBu", vmin=-1.0, vmax=1.0)
        left.set(title="memory after the word", xlabel="place", ylabel="variable")
        lengths = (2, 3) if quick else (5, 10, 20, 30, 40, 60, 80, 100, 120)
        for colour, kind in zip(COLOURS, ("ntm", "lstm"), strict=False):
            tasks = [copy(np.random.default_rng(size), 20, size, size) for size in lengths]
            bits = [lost(trained("copy", kind, quick), task) for task in tasks]
            right.semilogy(lengths, bits, "o-", color=colour, label=kind)
        right.axvline(lengths[-1] if quick else 20, color="gray", linestyle=":")
        right.set(title="trained up to the dotted line", xlabel="length", ylabel="bits a sequence")
        right.legend(fontsize=8)


@lecture.picture("parity")
def draw_parity(quick: bool, path: Path) -> None:
    """Steps taken against difficulty, the number of entries."""
    with figure(path) as (ax,):
        for colour, name in zip(COLOURS, THINKERS, strict=False):
            steps, _, there = thought(name, quick)
            ks = np.arange(1, ENTRIES + 1)
            ax.plot(ks, [steps[there == k].mean() for k in ks], "o-", color=colour, label=name)
        ax.set(xlabel="numbers", ylabel="steps", title="how long it thinks")
        ax.legend(fontsize=8)


if __name__ == "__main__":
    lecture.main()
