"""Files that the command line reads and writes: .npy and CSV; whether a result can be written is found out first."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_folder", "check_outputs", "check_plot", "load_array", "write_csv", "write_output"]


def load_array(path: Path) -> NDArray[np.float64]:
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except ValueError as problem:
        raise ValueError(f"{path} is no .npy array of numbers ({problem}).") from None


def check_outputs(outputs: dict[str, Path | None], inputs: Sequence[Path | None] = ()) -> None:
    """Raise ``ValueError`` for a file that could not be written after an hour of training, or should not be.

    ``outputs`` are the files to write by their options, ``inputs`` those that are read: none is written over another.
    """
    taken = {path.resolve(): "which is read" for path in inputs if path is not None}
    for option, path in outputs.items():
        if path is None:
            continue
        if path.is_dir():
            raise ValueError(f"{option} {path} is a folder; give the name of a file in it.")
        if not path.parent.is_dir():
            what = "no folder" if path.parent.exists() else "there is no folder"
            said = f"{path.parent} is {what}" if path.parent.exists() else f"{what} {path.parent}; make it first"
            raise ValueError(f"{option} {path}: {said}.")
        if not os.access(path if path.exists() else path.parent, os.W_OK):
            raise ValueError(f"{option} {path}: you may not write {'it' if path.exists() else f'in {path.parent}'}.")
        if path.resolve() in taken:
            raise ValueError(f"{option} {path} is a file {taken[path.resolve()]}; give another name.")
        taken[path.resolve()] = f"that {option} names"


def check_plot(option: str, path: Path | None) -> None:
    """Raise ``ValueError`` or ``ImportError`` where no picture can be drawn into this file."""
    if path is None:
        return
    try:
        from matplotlib.backend_bases import FigureCanvasBase
    except ImportError:
        raise ImportError(f"{option} needs matplotlib: pip install 'pytrainr[plots]'") from None
    known = FigureCanvasBase.get_supported_filetypes()
    if path.suffix and path.suffix[1:].lower() not in known:
        raise ValueError(f"{option} {path}: pictures are {', '.join('.' + kind for kind in sorted(known))}.")


def check_folder(option: str, folder: Path) -> None:
    """Raise ``ValueError`` where ``folder`` neither is one in which files can be made nor can become one."""
    nearest = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not nearest.is_dir():
        raise ValueError(f"{option} {folder}: {nearest} is no folder.")
    if not os.access(nearest, os.W_OK):
        raise ValueError(f"{option} {folder}: you may not write in {nearest}.")


def write_output(
    path: Path | None,
    key_names: list[str],
    keys: Iterable[tuple[Any, ...]],
    names: list[str],
    output: NDArray[np.float64],
) -> None:
    """Predictions as .npy or as CSV, there with a row for each of ``keys``."""
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
