"""A round through the package in a minute: what shows whether a Python, a Numba or a NumPy fits.

    python -m tests.versions.round

Trainings that R recorded, an exact gradient against differences, prediction in one go and step by step, and, where
gRPC is installed, the same training on a server; then what the extras bring (``extras.py``).
"""

from __future__ import annotations

import importlib.util
import sys
from typing import Any

import numpy as np

import pytrainr
from pytrainr import RRandom, doctor, predictr, trainr
from tests.versions import extras

X = np.linspace(0.0, 1.0, 60).reshape(5, 6, 2)
Y = X[:, :, :1] * 0.5


def options(network_type: str) -> dict[str, Any]:
    return {
        "learningrate": 0.3,
        "hidden_dim": 3,
        "network_type": network_type,
        "numepochs": 3,
        "epoch_function": [],
        "rng": RRandom(1),
    }


def golden() -> None:
    assert doctor.main([]) == 0


def exact_gradient() -> None:
    from tests.exact.checking import Case

    for network_type in ("gru", "lstm"):
        assert Case(network_type=network_type).worst_difference() < 1e-6


def prediction() -> None:
    for network_type in ("rnn", "gru", "lstm"):
        model = trainr(Y, X, **options(network_type))
        at_once = predictr(model, X[:1])
        stepper = model.stepper()
        steps = [float(stepper(x)[0]) for x in X[0]]
        assert np.array_equal(at_once[0], steps), network_type


def service() -> None:
    if importlib.util.find_spec("grpc") is None:
        print("service: gRPC is not installed", flush=True)
        return
    from pytrainr_client import connect
    from pytrainr_server.local import start_local_server

    here = trainr(Y, X, **options("rnn"))
    with start_local_server() as server, connect(server.address) as client:
        there = client.trainr(Y, X, **options("rnn"))
        assert np.array_equal(there.error, here.error)
        assert np.array_equal(client.predictr(there, X), predictr(here, X))


def main() -> int:
    for part in (golden, exact_gradient, prediction, service, extras.run):
        part()
        print(f"{part.__name__}: passed", flush=True)
    print(f"all passed with pytrainr {pytrainr.__version__}, Python {sys.version.split()[0]}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
