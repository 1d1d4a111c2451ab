"""Adding binary numbers, least significant bit first: every sum of 2,000 fresh pairs right.

python examples/learn/adder.py --bits 8 --cell gru
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pytrainr import RRandom, bin2int, epoch_annealing, int2bin, predictr, trainr


def pairs(random: np.random.Generator, count: int, bits: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Two numbers whose sum has at most ``bits`` bits: X (count, bits, 2), Y (count, bits, 1), and the sums."""
    a, b = (random.integers(0, 2 ** (bits - 1), count) for _ in range(2))
    X = np.stack([int2bin(a, bits), int2bin(b, bits)], axis=2)
    return X, int2bin(a + b, bits)[:, :, np.newaxis], a + b


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bits", type=int, default=8)
    parser.add_argument("--cell", choices=["rnn", "gru", "lstm"], default="gru")
    options = parser.parse_args()
    random = np.random.default_rng(1)
    X, Y, _ = pairs(random, 5000, options.bits)
    started = time.perf_counter()
    model = trainr(
        Y,
        X,
        exact=True,
        network_type=options.cell,
        hidden_dim=16,
        use_bias=True,
        init="glorot",
        update_rule="adam",
        loss="binary_crossentropy",
        learningrate=0.01,
        learningrate_decay=0.9,
        batch_size=20,
        numepochs=20,
        epoch_function=epoch_annealing,
        rng=RRandom(1),
    )
    seconds = time.perf_counter() - started
    X, _, sums = pairs(random, 2000, options.bits)
    right = int((bin2int(np.round(predictr(model, X))) == sums).sum())
    print(
        f"adder, {options.bits} bits, {options.cell}: {right} of 2000 fresh sums right after {seconds:.1f} s "
        f"of training"
    )


if __name__ == "__main__":
    main()
