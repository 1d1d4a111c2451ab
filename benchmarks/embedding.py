"""Microseconds per update of a network that reads words, by the size of its vocabulary: only the rows read are touched.

    python benchmarks/embedding.py [--updates 1000] [--seconds 3]

``Embedding(words, 32), GRU(32), Dense(1)`` on samples of 20 words, eight a group. Ten or a hundred times as many words
should take hardly longer, for the cache that they miss, whatever the rule; were all rows touched, a hundred times.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

from pytrainr.layers import GRU, Dense, Embedding
from pytrainr.r_random import RRandom
from pytrainr.threads import limited_threads
from pytrainr.training import Training

WORDS = (1_000, 10_000, 100_000)
RULES = ("sgd", "adam")
GROUP, STEPS, WIDTH = 8, 20, 32


def training(words: int, rule: str, updates: int) -> Training:
    random = np.random.default_rng(1)
    X = random.integers(0, words, (GROUP * updates, STEPS, 1)).astype(np.float64)
    Y = random.uniform(size=(GROUP * updates, 1, 1))
    return Training(
        Y,
        X,
        exact=True,
        rng=RRandom(1),
        learningrate=1e-4,
        layers=[Embedding(words, WIDTH), GRU(WIDTH), Dense(1)],
        update_rule=rule,
        batch_size=GROUP,
        numepochs=1000,
        epoch_function=lambda model: model,
    )


def microseconds(words: int, rule: str, updates: int, seconds: float) -> float:
    """Of processor time for an update, in the quickest of the epochs of some seconds."""
    taken, ends = [], time.process_time() + seconds
    run = training(words, rule, updates)
    run.advance(3600.0)  # compiled
    while time.process_time() < ends or len(taken) < 3:
        started = time.process_time()
        run.advance(3600.0)
        taken.append(time.process_time() - started)
    return min(taken) / updates * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--updates", type=int, default=1000, help="in an epoch (default: 1000)")
    parser.add_argument("--seconds", type=float, default=3.0, help="of epochs for each (default: 3)")
    arguments = parser.parse_args()
    for rule in RULES:
        with limited_threads(1):
            times = {words: microseconds(words, rule, arguments.updates, arguments.seconds) for words in WORDS}
        print(f"{rule:<6}" + "  ".join(f"{words:>7,} words: {us:8.1f} µs" for words, us in times.items()), flush=True)


if __name__ == "__main__":
    main()
