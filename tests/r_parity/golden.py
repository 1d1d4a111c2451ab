"""The runs that R itself computed: ``tests/golden``, read once."""

from __future__ import annotations

import base64
import gzip
import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

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
