"""The opponents in C++: compiled into ``build/benchmarks`` on first use, called with the groups pytrainr trains on."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np

SOURCES = Path(__file__).parent / "cpp"
BUILD = Path(__file__).parents[1] / "build" / "benchmarks"
PROCESSOR = os.environ.get("NUMBA_CPU_NAME") or "native"
"""Opponents are compiled for the processor that Numba compiles for: their tiles follow its registers, as ours do."""
COMMON = ["-shared", "-fPIC", "-std=c++17", f"-march={PROCESSOR}", "-O3", "-mprefer-vector-width=512"]
KINDS = {
    "strict": ["-ffp-contract=off"],  # libm's exp and tanh, every sum in order
    "fast": ["-fno-math-errno", "-ffast-math", "-DFASTK", "-lmvec"],  # FMA, reassociation, vector exp
}


def compiler() -> str | None:
    """The C++ compiler, if there is one."""
    return shutil.which("g++")


def library(network_type: str, kind: str) -> Path:
    """The compiled opponent, newer than its sources."""
    source = SOURCES / f"{network_type}_tiled.cpp"
    target = BUILD / f"{network_type}_{kind}_{PROCESSOR}.so"
    newest = max(path.stat().st_mtime for path in (source, SOURCES / "tiled.h", Path(__file__)))
    if not target.exists() or target.stat().st_mtime < newest:
        BUILD.mkdir(parents=True, exist_ok=True)
        subprocess.run(["g++", *COMMON, str(source), "-o", str(target), *KINDS[kind]], check=True)
    return target


class Opponent:
    """Trains one network of one hidden layer on given groups, from given weights, which change."""

    def __init__(self, network_type: str, kind: str) -> None:
        function = getattr(ctypes.CDLL(str(library(network_type, kind))), f"{network_type}_train")
        function.restype = None
        self._function = function

    def train(
        self,
        X: np.ndarray,
        Y: np.ndarray,
        order: np.ndarray,
        starts: np.ndarray,
        weights: tuple[np.ndarray, np.ndarray, np.ndarray],
        learningrate: float,
    ) -> np.ndarray:
        """One epoch over the groups ``order[starts[g]:starts[g + 1]]``; the samples' errors."""
        samples, steps, inputs = X.shape
        hidden = weights[1].shape[0]  # weights: (inputs, gates·hidden), (hidden, gates·hidden), (outputs, hidden)
        error = np.empty(samples)
        order, starts = order.astype(np.int32), starts.astype(np.int32)
        pointers = [array.ctypes.data_as(ctypes.c_void_p) for array in (X, Y, order, starts, *weights, error)]
        sizes = [ctypes.c_long(n) for n in (steps, inputs, hidden, Y.shape[2])]
        self._function(
            *sizes,
            *pointers[:4],
            ctypes.c_long(starts.size - 1),
            *pointers[4:7],
            ctypes.c_double(learningrate),
            pointers[7],
            ctypes.c_long(0),
        )
        return error
