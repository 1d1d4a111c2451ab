"""The runs that R itself computed: ``tests/golden``, read once."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from pytrainr import Model, RRandom, epoch_annealing, trainr

FOLDER = Path(__file__).resolve().parents[1] / "golden"
NAMES = sorted(path.name.removesuffix(".json.gz") for path in FOLDER.glob("*.json.gz"))


@cache
def run(name: str) -> dict[str, Any]:
    """One run as R recorded it."""
    with gzip.open(FOLDER / f"{name}.json.gz") as file:
        return json.load(file)


def array(recorded: dict[str, Any]) -> np.ndarray:
    """An array of R's: little-endian doubles, column-major, base64."""
    values = np.frombuffer(base64.b64decode(recorded["f8"]), "<f8")
    return values.reshape(recorded["dim"], order="F").copy()


STOPS = [name for name in NAMES if "r_error" in run(name)]
RUNS = [name for name in NAMES if "r_error" not in run(name)]


def train(name: str, **changes: Any) -> tuple[Model, RRandom]:
    """Do here what R did: the model, and the random stream as training left it."""
    golden = run(name)
    rng = RRandom(golden["seed"])
    X, Y = array(golden["X"]), array(golden["Y"])
    options = {"epoch_function": epoch_annealing, "keep_store": True, **golden["args"], **changes}
    model = trainr(Y, X, rng=rng, **options)
    if golden.get("retrain"):
        unsync = golden["args"].get("seq_to_seq_unsync", False)
        model = trainr(Y, X, model=model, rng=rng, keep_store=True, seq_to_seq_unsync=unsync)
    return model, rng
