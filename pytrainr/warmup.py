"""``pytrainr warmup``: compile every kernel of R's arithmetic, and of the plain exact cells, into the cache."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence

import numpy as np

from pytrainr.predictr import predictr
from pytrainr.prepare import NETWORK_TYPES
from pytrainr.r_random import RRandom
from pytrainr.trainr import trainr

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile what is not in the cache yet and say how long each network took; returns the exit status."""
    parser = argparse.ArgumentParser(prog="pytrainr warmup", description=__doc__)
    parser.parse_args(arguments)
    X = np.linspace(0, 1, 12).reshape(2, 3, 2)
    for exact in (False, True):
        for network_type in NETWORK_TYPES:
            started = time.perf_counter()
            model = trainr(
                X[:, :, :1],
                X,
                learningrate=0.1,
                hidden_dim=2,
                network_type=network_type,
                exact=exact,
                epoch_function=[],
                rng=RRandom(1),
            )
            predictr(model, X)
            kind = "exact" if exact else "R's arithmetic"
            print(f"{network_type:5} {kind:15} {time.perf_counter() - started:6.1f} s", flush=True)
    return 0
