"""Seconds from the import to the first result where no kernel has been compiled yet, and what further layers add.

    python benchmarks/first_use.py [--only rnn] [--warmup]

Each network is trained in a process of its own with an empty folder of kernels: as R does, exact, and then, with
the kernels of an exact network at hand, with one further kind of layer or in a new arrangement of known ones. Of
those, the figures are what the first training takes beyond a second one. First the clock's seconds, then the
processor's of that process without its helpers, and last what was asked. ``--warmup`` also runs ``pytrainr warmup`` in
an empty folder. It wants a quiet machine.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
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
FURTHER = (  # in the midst of the known network, which goes on with whatever comes out of it
    "Activation('tanh')",
    "Dropout(0.1)",
    "SpatialDropout1D(0.1)",
    "LayerNormalization()",
    "TimeDistributed(Dense(3))",
    "SimpleRNN(4, return_sequences=True)",
    "LSTM(4, return_sequences=True)",
    "Jordan(4, outputs=2, return_sequences=True)",
    "NTM(4, memory_slots=3, memory_width=2, return_sequences=True)",
    "AdaptiveComputation(GRU(4, return_sequences=True), max_steps=2)",
    "Bidirectional(GRU(4, return_sequences=True))",
    "Decoder(GRU(4), 3)",
    "Conv1D(4, 3)",
    "TCN(4, 2, dilations=(1, 2), return_sequences=True)",
    "MaxPooling1D(2)",
    "AveragePooling1D(2)",
    "Pyramid(2)",
    "Residual(Dense(4))",
    "Attention()",
    "Attention('additive')",
    "MultiHeadAttention(2, 3)",
    "PositionalEncoding()",
    "PositionEmbedding(12)",
    "GlobalMaxPooling1D(), RepeatVector(2)",
    "GlobalAveragePooling1D(), RepeatVector(2)",
    "AttentionPooling(), RepeatVector(2)",
    "Flatten(), RepeatVector(2)",
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


class Taken(NamedTuple):
    """Seconds by the clock, and of the processor."""

    clock: float
    processor: float

    def beyond(self, other: Taken) -> Taken:
        return Taken(self.clock - other.clock, self.processor - other.processor)


def processor_seconds() -> float:
    """Of all processes that were started here and have ended; those that compile for them end later."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def taken_by(script: str, kernels: str) -> Taken | None:
    """Seconds of ``script``, which prints the clock's itself; None, with the reason shown, where it failed."""
    before = processor_seconds()
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
    return Taken(float(run.stdout.split()[-1]), processor_seconds() - before)


def measured(first: First, known: Path) -> Taken | None:
    """In an empty folder; after something else, what it takes beyond the same a second time."""
    with tempfile.TemporaryDirectory(prefix="pytrainr-first-use-") as kernels:
        if first.after is None:
            return taken_by(first.script, kernels)
        if not known.exists() and taken_by(first.after, str(known)) is None:
            return None
        shutil.copytree(known, kernels, dirs_exist_ok=True)
        taken, warm = taken_by(first.script, kernels), taken_by(first.script, kernels)
        return None if taken is None or warm is None else taken.beyond(warm)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the name")
    parser.add_argument("--warmup", action="store_true", help="pytrainr warmup as well")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="pytrainr-first-use-") as folder:
        for first in firsts():
            if arguments.only in first.name:
                taken = measured(first, Path(folder) / "known")
                shown = "failed" if taken is None else f"{taken.clock:6.2f} s {taken.processor:6.2f} s"
                print(f"{first.name:<76}{shown}   asked {first.asked:g}", flush=True)
    if arguments.warmup:
        with tempfile.TemporaryDirectory(prefix="pytrainr-first-use-") as kernels:
            started = time.perf_counter()
            command = [sys.executable, "-m", "pytrainr", "warmup"]
            subprocess.run(command, env=os.environ | {"NUMBA_CACHE_DIR": kernels}, check=True, capture_output=True)
            print(f"{'pytrainr warmup':<76}{time.perf_counter() - started:6.2f} s   asked 60")


if __name__ == "__main__":
    main()
