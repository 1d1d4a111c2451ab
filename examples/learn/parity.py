"""Parity of the last three bits: exclusive or through time, which no network without memory computes.

python examples/learn/parity.py
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pytrainr import RRandom, epoch_annealing, predictr, trainr


def sequences(random: np.random.Generator, count: int, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Random bits X (count, steps, 1) and at each step whether the last three have an odd number of ones."""
    bits = random.integers(0, 2, (count, steps))
    padded = np.concatenate([np.zeros((count, 2), dtype=bits.dtype), bits], axis=1)
    parity = (padded[:, 2:] + padded[:, 1:-1] + padded[:, :-2]) % 2
    return bits[:, :, np.newaxis].astype(float), parity[:, :, np.newaxis].astype(float)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", choices=["rnn", "gru", "lstm"], default="lstm")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    X, Y = sequences(random, 2000, 20)
    started = time.perf_counter()
    model = trainr(
        Y,
        X,
        exact=True,
        network_type=options.cell,
        hidden_activation="tanh",
        hidden_dim=16,
        use_bias=True,
        init="glorot",
        update_rule="adam",
        loss="binary_crossentropy",
        learningrate=0.01,
        batch_size=20,
        numepochs=30,
        epoch_function=epoch_annealing,
        rng=RRandom(1),
    )
    seconds = time.perf_counter() - started
    X, Y = sequences(random, 2000, 40)
    right = np.mean(np.round(predictr(model, X)) == Y[:, :, 0])
    print(
        f"3-bit parity, {options.cell}: {100 * right:.2f} % of 80,000 fresh bits right after {seconds:.1f} s "
        f"of training"
    )


if __name__ == "__main__":
    main()
