"""``pytrainr warmup``: compile every kernel of R's arithmetic, and of the exact cells, into the cache."""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from pytrainr.loss_functions import loss_L1
from pytrainr.prediction import predictr
from pytrainr.r_arguments import NETWORK_TYPES
from pytrainr.r_random import RRandom
from pytrainr.trainr import trainr

__all__ = ["main", "warm_up"]

EXACT_TYPES = (*NETWORK_TYPES, "jordan", "esn")


def main(arguments: Sequence[str] | None = None) -> int:
    """Compile what is not in the cache yet and say how long each network took; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="pytrainr warmup",
        description="Compile every kernel into the cache, so that no later run waits for it: training, prediction and "
        "steppers of R's arithmetic and of all exact cells, in double precision.",
    )
    parser.add_argument(
        "--float32", action="store_true", help="those of exact networks with dtype='float32' too: twice as long"
    )
    options = parser.parse_args(arguments)
    for network_type in NETWORK_TYPES:
        _timed(network_type, "R's arithmetic")
    for network_type in EXACT_TYPES:
        _timed(network_type, "exact", exact=True)
    if options.float32:
        for network_type in EXACT_TYPES:
            _timed(network_type, "exact, float32", exact=True, dtype="float32")
    return 0


def _timed(network_type: str, arithmetic: str, **options: Any) -> None:
    started = time.perf_counter()
    warm_up(network_type, **options)
    print(f"{network_type:6} {arithmetic:14} {time.perf_counter() - started:6.1f} s", flush=True)


def warm_up(network_type: str, **options: Any) -> None:
    """Train, predict and step once, with a loss function of the caller's too: its update is a kernel of its own."""
    X = np.linspace(0, 1, 12).reshape(2, 3, 2)
    for loss_function in (loss_L1,) if network_type == "esn" else (loss_L1, lambda model: loss_L1(model)):
        model = trainr(
            X[:, :, :1],
            X,
            learningrate=0.1,
            hidden_dim=2,
            network_type=network_type,
            epoch_function=[],
            loss_function=loss_function,
            rng=RRandom(1),
            **options,
        )
    predictr(model, X)
    repr(model)  # its mean error
    model.stepper()(X[0, 0])
