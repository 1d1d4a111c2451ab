"""Whether cost per sample is flat in the number of samples, and linear in time steps and layers; memory of a training.

    python benchmarks/scaling.py [--rounds 3] [--output build/benchmarks]

Numbers are microseconds per sample for one epoch, each divided by what it should be proportional to, against the first
of its row; the smallest of the rounds counts. Writes ``scaling.json``.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from pytrainr import RRandom
from pytrainr.training import Training

BUILD = Path(__file__).parents[1] / "build" / "benchmarks"


def microseconds(samples: int, steps: int = 8, layers: int = 1, rounds: int = 3, **options: Any) -> float:
    """Per sample of one epoch, drawing its groups and all: the best of the rounds, of some 100,000 samples each."""
    X = np.random.default_rng(0).integers(0, 2, (samples, steps, 2)).astype(np.float64)
    epochs = max(1, 100_000 * 8 // (samples * steps * layers))
    training = Training(
        X[:, :, :1],
        X,
        learningrate=1e-6,
        hidden_dim=[16] * layers,
        numepochs=1 + rounds * epochs,
        epoch_function=[],
        rng=RRandom(1),
        **options,
    )
    training.advance(3600.0)
    times = []
    for _ in range(rounds):
        started = time.perf_counter()
        for _ in range(epochs):
            training.advance(3600.0)
        times.append(time.perf_counter() - started)
    return min(times) / (samples * epochs) * 1e6


def row(exact: bool, name: str, values: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """µs per sample, and per 8 steps or per layer where these change."""
    shape = {"samples": 2_000, "steps": 8, "layers": 1}
    unit = {"samples": lambda n: 1, "steps": lambda n: n / 8, "layers": lambda n: n}[name]
    options: dict[str, Any] = {"exact": exact, "batch_size": 10, "rounds": rounds}
    measured = [microseconds(**{**shape, name: value}, **options) / unit(value) for value in values]
    ratios = [value / measured[0] for value in measured]
    return {"arithmetic": "exact" if exact else "R", "in": name, "values": values, "µs": measured, "to first": ratios}


def rows(rounds: int) -> list[dict[str, Any]]:
    axes = {"samples": (1_000, 10_000, 100_000, 1_000_000), "steps": (8, 32, 128, 512), "layers": (1, 2, 4, 8, 16)}
    return [row(exact, name, values, rounds) for exact in (False, True) for name, values in axes.items()]


MEMORY = """
import sys, numpy as np
from pathlib import Path
from pytrainr import RRandom
from pytrainr.training import Training
def peak():  # of this process; what getrusage says begins with the parent's
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) * 1024
def train(samples):
    X, Y = np.zeros((samples, 8, 2)), np.zeros((samples, 8, 1))
    X[:], Y[:] = 0.5, 0.5
    before = peak()
    training = Training(Y, X, learningrate=1e-6, hidden_dim=16, epoch_function=[], rng=RRandom(1), batch_size=10)
    while not training.finished:
        training.advance()
    return peak() - before - training.model.error.nbytes
train(1000)
print(train(int(sys.argv[1])))
"""


def extra_memory(samples: int) -> float:
    """MB that a training needs beyond X, Y and error, at its peak."""
    done = subprocess.run([sys.executable, "-c", MEMORY, str(samples)], capture_output=True, text=True, check=True)
    return int(done.stdout) / 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=BUILD)
    arguments = parser.parse_args()
    results = rows(arguments.rounds)
    for row in results:
        cells = "  ".join(
            f"{value}: {µs:.3f} ({ratio:.2f})"
            for value, µs, ratio in zip(row["values"], row["µs"], row["to first"], strict=True)
        )
        print(f"{row['arithmetic']:6} {row['in']:8} {cells}")
    memory = {samples: extra_memory(samples) for samples in (10_000, 100_000, 1_000_000)}
    print("MB beyond X, Y and error:", ", ".join(f"{samples}: {size:.0f}" for samples, size in memory.items()))
    arguments.output.mkdir(parents=True, exist_ok=True)
    report = {"results": results, "megabytes": memory}
    (arguments.output / "scaling.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
    print(f"written to {arguments.output / 'scaling.json'}")


if __name__ == "__main__":
    main()
