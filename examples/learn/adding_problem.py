"""The adding problem (Hochreiter & Schmidhuber 1997): add the two marked numbers of a long sequence.

    python examples/learn/adding_problem.py --length 100 --cell lstm

Predicting the mean gives a squared error of 0.167; below 0.01 the network has learned to remember.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pytrainr import RRandom, epoch_annealing, predictr, trainr


def sequences(random: np.random.Generator, count: int, length: int) -> tuple[np.ndarray, np.ndarray]:
    """X (count, length, 2): numbers in [0, 1] and marks, one in each half; Y (count, 1, 1) the sum of the marked
    ones."""
    numbers, marks = random.uniform(size=(count, length)), np.zeros((count, length))
    first, second = random.integers(0, length // 2, count), random.integers(length // 2, length, count)
    rows = np.arange(count)
    marks[rows, first] = marks[rows, second] = 1.0
    sums = numbers[rows, first] + numbers[rows, second]
    return np.stack([numbers, marks], axis=2), sums[:, np.newaxis, np.newaxis]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--length", type=int, default=100)
    parser.add_argument("--cell", choices=["gru", "lstm"], default="gru")
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    X, Y = sequences(random, 10000, options.length)
    started = time.perf_counter()
    model = trainr(
        Y,
        X,
        exact=True,
        network_type=options.cell,
        hidden_dim=32,
        use_bias=True,
        init="orthogonal",
        forget_bias=1.0 if options.cell == "lstm" else None,
        output="linear",
        update_rule="adam",
        learningrate=0.005,
        learningrate_decay=0.95,
        clip_norm=10.0,
        batch_size=50,
        numepochs=options.epochs,
        epoch_function=epoch_annealing,
        rng=RRandom(1),
    )
    seconds = time.perf_counter() - started
    X, Y = sequences(random, 2000, options.length)
    loss = np.mean((predictr(model, X) - Y[:, :, 0]) ** 2)
    print(
        f"adding problem, length {options.length}, {options.cell}: mean squared error {loss:.5f} on 2,000 "
        f"fresh sequences "
        f"after {seconds:.0f} s of training (the mean: {np.var(Y):.3f})"
    )


if __name__ == "__main__":
    main()
