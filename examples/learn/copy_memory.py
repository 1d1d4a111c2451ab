"""Copy memory (Hochreiter & Schmidhuber 1997): ten symbols, a blank delay, then all of them again in order.

python examples/learn/copy_memory.py --delay 10
"""

from __future__ import annotations

import argparse
import math
import time

import numpy as np

from pytrainr import RRandom, epoch_annealing, predictr, trainr

SYMBOLS, LENGTH = 8, 10


def sequences(random: np.random.Generator, count: int, delay: int) -> tuple[np.ndarray, np.ndarray]:
    """One-hot X and Y (count, 2·10 + delay, 8 symbols + blank [+ the sign to begin])."""
    words = random.integers(0, SYMBOLS, (count, LENGTH))
    steps = 2 * LENGTH + delay
    given, wanted = np.full((count, steps), SYMBOLS), np.full((count, steps), SYMBOLS)
    given[:, :LENGTH] = words
    given[:, LENGTH + delay - 1] = SYMBOLS + 1
    wanted[:, LENGTH + delay :] = words
    return np.eye(SYMBOLS + 2)[given], np.eye(SYMBOLS + 1)[wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--delay", type=int, default=10)
    parser.add_argument("--cell", choices=["gru", "lstm"], default="gru")
    parser.add_argument("--epochs", type=int, default=60)
    options = parser.parse_args()
    random = np.random.default_rng(1)
    X, Y = sequences(random, 10000, options.delay)
    started = time.perf_counter()
    model = trainr(
        Y,
        X,
        exact=True,
        network_type=options.cell,
        hidden_dim=128,
        use_bias=True,
        init="orthogonal",
        forget_bias=1.0 if options.cell == "lstm" else None,
        output="softmax",
        update_rule="adam",
        learningrate=0.004,
        learningrate_decay=0.97,
        clip_norm=50.0,
        batch_size=50,
        numepochs=options.epochs,
        epoch_function=epoch_annealing,
        rng=RRandom(1),
    )
    seconds = time.perf_counter() - started
    X, Y = sequences(random, 2000, options.delay)
    guess, truth = predictr(model, X)[:, -LENGTH:], Y[:, -LENGTH:]
    right = np.mean(guess.argmax(axis=2) == truth.argmax(axis=2))
    loss = -np.mean(np.log(np.maximum((guess * truth).sum(axis=2), 1e-300)))
    print(
        f"copy memory, delay {options.delay}, {options.cell}: {100 * right:.2f} % of the symbols right, "
        f"cross-entropy {loss:.4f} "
        f"(without memory {math.log(SYMBOLS):.3f}) after {seconds:.0f} s of training"
    )


if __name__ == "__main__":
    main()
