"""X may be a memory map larger than memory: nothing the size of X is ever made."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys, resource, numpy as np
from pytrainr import RRandom, predictr, trainr
from pytrainr.series import Normalisation

def run(samples, X_type, **options):
    X = np.memmap("X", X_type, "r", shape=(samples, 8, 256))
    Y = np.memmap("Y", np.float64, "r", shape=(samples, 8, 1))
    model = trainr(Y, X, learningrate=0.1, hidden_dim=3, batch_size=50, epoch_function=[], rng=RRandom(1), **options)
    return model, predictr(model, X)

exact, X_type = sys.argv[1] == "exact", sys.argv[2]
samples = {"float64": 20_000, "float32": 40_000}[X_type]
scale = Normalisation(np.full(256, 0.5), np.full(256, 2.0))
options = {"exact": exact, **dict(scale.fields(), output_center=np.zeros(1), output_scale=np.ones(1))}
run(100, X_type, **options)  # compiled
data = int(next(line for line in open("/proc/self/status") if line.startswith("VmData")).split()[1]) * 1024
limit = data + int(sys.argv[3])
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
try:
    np.ones((samples, 8, 256), X_type)
except MemoryError:
    pass
else:
    sys.exit("X fits in memory")
model, predicted = run(samples, X_type, **options)
assert model.error.shape == (samples, 1) and np.isfinite(model.error).all()
assert predicted.shape == (samples, 8) and np.isfinite(predicted).all()
"""


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("X_type", ["float64", "float32"])
def test_x_may_be_larger_than_memory(exact: bool, X_type: str, tmp_path: Path) -> None:
    for name, size in (("X", 20_000 * 8 * 256 * 8), ("Y", 40_000 * 8 * 8)):
        with (tmp_path / name).open("wb") as file:
            file.truncate(size)  # zeros that take no place on the disk
    environment = {**os.environ, "PYTRAINR_THREADS": "2"}
    arguments = ["exact" if exact else "R", X_type, str(250_000_000)]
    subprocess.run([sys.executable, "-c", SCRIPT, *arguments], cwd=tmp_path, env=environment, check=True)
