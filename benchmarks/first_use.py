"""Seconds from the import to the first result where no kernel has been compiled yet, and what further layers add.

    python benchmarks/first_use.py [--only rnn] [--warmup]

Each network is trained in a process of its own with an empty folder of kernels: as R does, exact, and then, with
the kernels of an exact network at hand, with one further kind of layer or in a new arrangement of known ones. The last
column is what was asked. ``--warmup`` also runs ``pytrainr warmup`` in an empty folder. It wants a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

SCRIPT = """
import time
started = time.perf_counter()
import numpy as np
import pytrainr
from pytrainr.layers import *
X = np.linspace(0, 1, 120).reshape(5, 12, 2)
pytrainr.trainr(X[:, -1:, :1], X, learningrate=0.1, numepochs=1, epoch_function=[], exact=True, layers={layers})
print(time.perf_counter() - started)
"""
PLAIN = """
import time
started = time.perf_counter()
import numpy as np
import pytrainr
X = np.linspace(0, 1, 120).reshape(5, 12, 2)
pytrainr.trainr(X[:, :, :1], X, learningrate=0.1, hidden_dim=3, numepochs=1, epoch_function=[], {options})
print(time.perf_counter() - started)
"""
FIRST = "[GRU(4, return_sequences=True), LastSteps(1), Dense(1)]"
ARRANGED = "[GRU(6, return_sequences=True), GRU(3, return_sequences=True), LastSteps(1), Dense(2), Dense(1)]"
FURTHER = (
    "Dropout(0.1)",
    "LayerNormalization()",
    "Activation('tanh')",
    "LSTM(4, return_sequences=True)",
    "SimpleRNN(4, return_sequences=True)",
    "Conv1D(4, 3)",
    "MaxPooling1D(2)",
)


class First(NamedTuple):
    """What is trained after what, and the most seconds that were asked."""

    name: str
    script: str
    asked: float
    after: str | None = None  # trained in the same folder before


def firsts() -> list[First]:
    found = [
        First(f"R {kind}", PLAIN.format(options=f"network_type='{kind}'"), asked)
        for kind, asked in (("rnn", 5.0), ("gru", 7.0), ("lstm", 7.0))
    ]
    found += [
        First(f"exact {kind}", PLAIN.format(options=f"network_type='{kind}', exact=True"), 5.0)
        for kind in ("rnn", "gru", "lstm")
    ]
    known = SCRIPT.format(layers=FIRST)
    found.append(First("a new arrangement", SCRIPT.format(layers=ARRANGED), 0.1, known))
    for layer in FURTHER:
        layers = FIRST.replace(", LastSteps", f", {layer}, LastSteps")
        found.append(First(f"further: {layer}", SCRIPT.format(layers=layers), 1.5, known))
    return found


def seconds(script: str, kernels: str) -> float | None:
    """What ``script`` printed last; None, with the reason shown, where it failed."""
    run = subprocess.run(
        [sys.executable, "-c", script],
        env=os.environ | {"NUMBA_CACHE_DIR": kernels},
        capture_output=True,
        text=True,
        check=False,
    )
    if run.returncode:
        print(run.stderr.strip().splitlines()[-1])
        return None
    return float(run.stdout.split()[-1])


def measured(first: First) -> float | None:
    """Its seconds in an empty folder; after something else, those beyond what the same takes a second time."""
    with tempfile.TemporaryDirectory(prefix="pytrainr-first-use-") as kernels:
        if first.after is None:
            return seconds(first.script, kernels)
        if seconds(first.after, kernels) is None:
            return None
        taken = seconds(first.script, kernels)
        warm = seconds(first.script, kernels)
        return None if taken is None or warm is None else taken - warm


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the name")
    parser.add_argument("--warmup", action="store_true", help="pytrainr warmup as well")
    arguments = parser.parse_args()
    for first in firsts():
        if arguments.only in first.name:
            taken = measured(first)
            asked = f"{first.asked:g}"
            print(f"{first.name:<44}{'failed' if taken is None else f'{taken:6.2f} s'}   asked {asked}", flush=True)
    if arguments.warmup:
        with tempfile.TemporaryDirectory(prefix="pytrainr-first-use-") as kernels:
            started = time.perf_counter()
            command = [sys.executable, "-m", "pytrainr", "warmup"]
            subprocess.run(command, env=os.environ | {"NUMBA_CACHE_DIR": kernels}, check=True, capture_output=True)
            print(f"{'pytrainr warmup':<44}{time.perf_counter() - started:6.2f} s   asked 60")


if __name__ == "__main__":
    main()
