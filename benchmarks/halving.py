"""What successive halving saves, and whether the best model of the full grid survives it.

Usage: python benchmarks/halving.py [--seeds N] [--eta ETA] [--epochs N]      prints the table of docs/training.md

Each task is a grid of nine learning rates and three widths, trained to the end and once more with ``halving``; each
seed is a trial of its own. The loss is that of the samples held out, where there are some, else the mean error.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import pytrainr
from pytrainr import Halving, Trained, TrainingDropped, int2bin, trainr_many
from pytrainr.series import Normalisation, windows

EPOCHS = 81
RATES = [float(rate) for rate in np.geomspace(0.001, 3.0, 9)]
GRID = {"learningrate": RATES, "hidden_dim": [4, 8, 16]}
DATA = Path(pytrainr.__file__).parent / "data"


class Task(NamedTuple):
    """What is trained on what."""

    name: str
    data: Callable[[], tuple[np.ndarray, np.ndarray]]
    options: dict[str, Any]


def adder() -> tuple[np.ndarray, np.ndarray]:
    """R's own task: the sum of two numbers of eight bits."""
    numbers = np.random.default_rng(1).integers(0, 128, (2, 200))
    X = np.stack([int2bin(row, 8) for row in numbers], axis=2)
    return int2bin(numbers.sum(axis=0), 8)[:, :, None].astype(float), X.astype(float)


def series(file: str, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Forecasts of the next month from the twelve before."""
    values = np.loadtxt(DATA / file, delimiter=",", skiprows=1, usecols=column)[-400:, None]
    cut = windows(Normalisation.by_range(values).apply(values), lookback=12)
    return cut.Y, cut.X


TASKS = (
    Task("binary addition, rnn (R's arithmetic)", adder, {"network_type": "rnn"}),
    Task("sunspots, gru, exact, Adam", lambda: series("sunspots.csv", 1), {"network_type": "gru"}),
    Task("nottem, lstm, exact, Adam", lambda: series("nottem.csv", 1), {"network_type": "lstm"}),
)
EXACT = {"exact": True, "update_rule": "adam", "validation": 0.25, "batch_size": 32, "output": "linear"}


class Outcome(NamedTuple):
    """One grid, full and halved."""

    epochs: tuple[int, int]
    seconds: tuple[float, float]
    rank: int
    loss: tuple[float, float]


def loss(one: Trained) -> float:
    """What halving compares, after the last epoch."""
    if one.model is None or (one.error is not None and not isinstance(one.error, TrainingDropped)):
        return float("inf")
    losses = one.model.get("validation_loss")
    return float((one.model.mean_error if losses is None else losses)[-1])


def trained(task: Task, seed: int, **options: Any) -> tuple[list[Trained], float]:
    """The models of the grid, and the processor seconds that they took."""
    Y, X = task.data()
    more = {} if "R's" in task.name else EXACT
    began = time.process_time()
    found = trainr_many(Y, X, GRID, seeds=[seed], numepochs=EPOCHS, progress=False, **task.options, **more, **options)
    return found, time.process_time() - began


def compared(task: Task, seed: int, halving: Halving) -> Outcome:
    """Both ways."""
    full, full_seconds = trained(task, seed)
    halved, seconds = trained(task, seed, halving=halving)
    epochs = tuple(sum(int(one.model.current_epoch) for one in many if one.model) for many in (full, halved))
    losses = [loss(one) for one in full]
    chosen = min((place for place, one in enumerate(halved) if one.error is None), key=lambda place: losses[place])
    rank = sorted(range(len(losses)), key=lambda place: losses[place]).index(chosen) + 1
    return Outcome((epochs[0], epochs[1]), (full_seconds, seconds), rank, (min(losses), losses[chosen]))


def rows(seeds: int, halving: Halving) -> Iterator[str]:
    """The table, a row for each task."""
    yield "| 27 models × 81 epochs | epochs | processor seconds | the winner's place among all | its loss, the best |"
    yield "|---|---|---|---|---|"
    for task in TASKS:
        compared(task, 1, halving)  # compiles
        found = [compared(task, seed, halving) for seed in range(1, seeds + 1)]
        epochs = [sum(one.epochs[way] for one in found) for way in (0, 1)]
        seconds = [sum(one.seconds[way] for one in found) for way in (0, 1)]
        ranks = ", ".join(str(one.rank) for one in found)
        losses = "; ".join(f"{one.loss[1]:.4g}, {one.loss[0]:.4g}" for one in found)
        yield (
            f"| {task.name} | {epochs[1]} of {epochs[0]} ({epochs[1] / epochs[0]:.0%}) | {seconds[1]:.1f} of "
            f"{seconds[0]:.1f} ({seconds[1] / seconds[0]:.0%}) | {ranks} | {losses} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--eta", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=1, help="how many all train at least")
    given = parser.parse_args()
    for row in rows(given.seeds, Halving(given.eta, given.epochs)):
        print(row, flush=True)


if __name__ == "__main__":
    main()
