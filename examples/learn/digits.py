"""Sequential digits: scikit-learn's bundled 8×8 digits read row by row, the class told after the last row.

    python examples/learn/digits.py

Five seeds, each with a stratified 80/20 split and nothing chosen on the test set: the options below were chosen on
splits inside the training part. The split of scikit-learn's own example, the last 360 digits, is reported as well.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from pytrainr import RRandom, epoch_annealing, predictr, trainr


def accuracy(X_train, y_train, X_test, y_test, cell: str, seed: int) -> float:
    """The share of test digits recognised after the last epoch."""
    model = trainr(
        np.eye(10)[y_train][:, np.newaxis],
        X_train,
        exact=True,
        network_type=cell,
        hidden_dim=128,
        use_bias=True,
        init="orthogonal",
        forget_bias=1.0 if cell == "lstm" else None,
        recurrent_dropout=0.2,
        output="softmax",
        update_rule="adam",
        learningrate=0.003,
        learningrate_decay=0.97,
        batch_size=32,
        numepochs=90,
        epoch_function=epoch_annealing,
        rng=RRandom(seed),
    )
    return float(np.mean(predictr(model, X_test)[:, 0].argmax(axis=1) == y_test))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cell", choices=["gru", "lstm"], default="lstm")
    parser.add_argument("--seeds", type=int, default=5)
    options = parser.parse_args()
    digits = load_digits()
    X, y = digits.images / 16.0, digits.target
    started = time.perf_counter()
    scores = []
    for seed in range(options.seeds):
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, stratify=y, random_state=seed)
        scores.append(accuracy(X_train, y_train, X_test, y_test, options.cell, seed))
        print(f"seed {seed}: {100 * scores[-1]:.2f} %", flush=True)
    last = accuracy(X[:-360], y[:-360], X[-360:], y[-360:], options.cell, 0)
    seconds = time.perf_counter() - started
    print(
        f"sequential digits, {options.cell}: mean test accuracy {100 * np.mean(scores):.2f} % over "
        f"{options.seeds} seeds; "
        f"the last 360 digits {100 * last:.2f} %; {seconds:.0f} s in all"
    )


if __name__ == "__main__":
    main()
