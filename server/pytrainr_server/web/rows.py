"""Rows that somebody pastes: numbers of one sequence, a time step a line."""

from __future__ import annotations

import math
import re

import numpy as np

from pytrainr_server.errors import invalid

MAX_CHARACTERS = 1_000_000


def sequences_of(text: str) -> np.ndarray:
    """The sequences of pasted CSV, (samples, time, variables): a line a time step, a blank line between two sequences.

    A first line of names is left out. Raises INVALID_ARGUMENT that names the line.
    """
    if len(text) > MAX_CHARACTERS:
        raise invalid("X", f"has {len(text)} characters; paste at most {MAX_CHARACTERS}, or use a stored data set")
    sequences: list[list[list[float]]] = [[]]
    for place, line in enumerate(text.strip().splitlines(), start=1):
        if not line.strip():
            sequences.append([])
        elif (values := _values(line, place)) is not None:
            sequences[-1].append(values)
    sequences = [sequence for sequence in sequences if sequence]
    if not sequences:
        raise invalid("X", "has no numbers; paste a line for each time step: 0.1, 0.5")
    steps, variables = len(sequences[0]), len(sequences[0][0])
    for number, sequence in enumerate(sequences, start=1):
        if len(sequence) != steps or any(len(values) != variables for values in sequence):
            raise invalid(
                "X", f"sequence {number} should have {steps} lines of {variables} numbers, as the first line has"
            )
    return np.array(sequences)


def _values(line: str, place: int) -> list[float] | None:
    fields = [field for field in re.split(r"[,;\t ]+", line.strip()) if field]
    try:
        values = [float(field) for field in fields]
    except ValueError:
        if place == 1:
            return None  # names
        raise invalid("X", f"line {place} is {line.strip()[:60]!r}; it should be numbers: 0.1, 0.5") from None
    if not all(map(math.isfinite, values)):
        raise invalid("X", f"line {place} has a number that is not finite")
    return values
