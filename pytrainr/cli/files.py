"""Files that the command line reads and writes: .npy and CSV."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["load_array", "write_csv", "write_output"]


def load_array(path: Path) -> NDArray[np.float64]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except ValueError as problem:
        raise ValueError(f"{path} is no .npy array of numbers ({problem}).") from None


def write_output(
    path: Path | None,
    key_names: list[str],
    keys: list[tuple[Any, ...]],
    names: list[str],
    output: NDArray[np.float64],
) -> None:
    if path is not None and path.suffix == ".npy":
        np.save(path, output)
        return
    values = output.reshape(-1, len(names)).tolist()
    write_csv(path, [*key_names, *names], ([*key, *row] for key, row in zip(keys, values, strict=True)))


def write_csv(path: Path | None, names: list[str], rows: Iterable[Iterable[Any]]) -> None:
    if path is None:
        csv.writer(sys.stdout).writerows([names, *rows])
        return
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([names, *rows])
