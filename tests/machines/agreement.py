"""What two machines compute, compared: ``record FILE`` on one, ``compare FILE`` on the other.

``compare`` also trains all that R recorded. It ends with status 1 where a number is farther off than promised.
"""

from __future__ import annotations

import platform
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import pytrainr
from pytrainr import RRandom, predictr, trainr
from tests.r_parity.golden import RUNS, array, run, train

PROMISED = 1e-10  # of R's results on processors other than R's, README
NETWORKS = {
    "rnn": {"network_type": "rnn"},
    "gru": {"network_type": "gru"},
    "exact gru": {"network_type": "gru", "exact": True, "update_rule": "adam"},
}


def results() -> Iterator[tuple[str, np.ndarray]]:
    """Numbers by name: a training of each network, its predictions in one thread and two, and step by step."""
    X = RRandom(5).unif_rand(40 * 9 * 2).reshape(40, 9, 2)
    Y = X.mean(axis=2, keepdims=True)
    for name, options in NETWORKS.items():
        model = trainr(
            Y, X, learningrate=0.05, hidden_dim=11, numepochs=3, batch_size=8, use_bias=True, epoch_function=[],
            rng=RRandom(3), **options,
        )  # fmt: skip
        yield f"{name}: error", model.error
        pytrainr.set_threads(2)
        yield f"{name}: predictions, two threads", predictr(model, np.tile(X, (50, 1, 1)))
        pytrainr.set_threads(None)
        step = model.stepper()
        yield f"{name}: steps", np.array([step(x) for x in X[0]])


def off(ours: np.ndarray, theirs: np.ndarray) -> float:
    """The largest difference, relative to numbers beyond 1."""
    ours = np.asarray(ours, dtype=np.float64).reshape(theirs.shape, order="F")
    same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
    return float(np.max(np.where(same, 0.0, np.abs(ours - theirs)) / np.maximum(1.0, np.abs(theirs)), initial=0.0))


def golden(name: str) -> float:
    """How far a training that R recorded and its predictions are from R's."""
    recorded = run(name)
    model, _ = train(name)
    pairs = [(model.error, recorded["error"]), (predictr(model, array(recorded["X"])), recorded["predict"])]
    for field, weights in recorded["final"].items():
        pairs += zip(model[field], weights, strict=True)
    return max(off(ours, array(theirs)) for ours, theirs in pairs)


def compare(file: Path) -> bool:
    """Print how far this machine is from the one that wrote ``file`` and from R; whether it is as near as promised."""
    distances: dict[str, float] = {}
    with np.load(file) as recorded:
        for name, ours in results():
            distances[name] = off(ours, recorded[name])
            print(f"{name:40} {distances[name]:.2g} from the other machine", flush=True)
    equal, started = 0, time.monotonic()
    for name in RUNS:
        distances[name] = golden(name)
        equal += distances[name] == 0
        print(f"{name:40} {distances[name]:.2g} from R", flush=True)
    worst = max(RUNS, key=distances.__getitem__)
    print(
        f"{platform.machine()}, Python {platform.python_version()}: {equal} of {len(RUNS)} golden runs to the bit, "
        f"the worst ({worst}) {distances[worst]:.2g} off; {time.monotonic() - started:.0f} s"
    )
    return max(distances.values()) <= PROMISED


if __name__ == "__main__":
    what, path = sys.argv[1], Path(sys.argv[2])
    if what == "record":
        np.savez(path, **dict(results()))
    else:
        sys.exit(0 if compare(path) else 1)
