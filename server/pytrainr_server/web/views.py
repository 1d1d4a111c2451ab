"""Rows, arrays and models as JSON, thinned to what a screen can show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row
from trainr.v1 import training_pb2

import pytrainr
from pytrainr_server import clock
from pytrainr_server.store.job_files import Epoch
from pytrainr_server.store.jobs import or_nan
from pytrainr_server.store.schema import UNFINISHED, State
from pytrainr_server.web.trainings import network_of, shape_of

MAX_CELLS = 96
MAX_POINTS = 2000
MAX_SEQUENCES, MAX_STEPS, MAX_VARIABLES = 6, 1000, 8


def number(value: float) -> float | None:
    """A number as JSON has it: null for what is not finite."""
    return float(value) if math.isfinite(value) else None


def job_json(job: Row[Any], training: training_pb2.Training) -> dict[str, Any]:
    """A job in the list."""
    started, running = job.start_time, job.state in (State.RUNNING, State.PAUSED)
    done = job.epoch + (job.progress if running else 0.0)
    rate = done / max(clock.now() - started, 1e-3) if running and started and done else None
    return {
        "id": job.id,
        "state": State(job.state).name.lower(),
        "epoch": job.epoch,
        "numepochs": job.numepochs,
        "progress": job.progress,
        "error": number(or_nan(job.mean_error)),
        "created": job.create_time,
        "started": started,
        "ended": job.end_time,
        "expires": job.expire_time,
        "seconds_left": (job.numepochs - done) / rate if rate else None,
        "model": job.model_name.removeprefix("models/"),
        "message": job.error_message,
        "reason": job.error_reason,
        "resumed": job.resumed,
        "network": network_of(training),
        "learningrate": training.options.learningrate,
        "x": shape_of(training.x),
        "y": shape_of(training.y),
    }


def history_of(job: Row[Any], checkpoint_time: float) -> list[dict[str, Any]]:
    """What has happened to a job, oldest first: (time, what)."""
    found: list[dict[str, Any]] = [{"time": job.create_time, "what": "accepted"}]
    if job.start_time:
        found.append({"time": job.start_time, "what": "started"})
    if job.resumed:
        found.append({"time": None, "what": f"taken up again from a checkpoint, {job.resumed} times"})
    if checkpoint_time and job.state in UNFINISHED:
        found.append({"time": checkpoint_time, "what": "last checkpoint"})
    if job.cancel_requested and job.state in UNFINISHED:
        found.append({"time": None, "what": "cancelling"})
    if job.end_time:
        found.append({"time": job.end_time, "what": State(job.state).name.lower()})
    return found


def curve(epochs: Sequence[Epoch], points: int) -> dict[str, list[Any]]:
    """Epochs as columns, at most so many of them: evenly chosen, the first and the last always."""
    chosen = range(len(epochs))
    if len(epochs) > points:
        chosen = np.unique(np.linspace(0, len(epochs) - 1, points).round().astype(int)).tolist()
    kept = [epochs[place] for place in chosen]
    return {
        "epoch": [epoch.epoch for epoch in kept],
        "error": [number(epoch.mean_error) for epoch in kept],
        "learningrate": [number(epoch.learningrate) for epoch in kept],
    }


# arrays and models ----------------------------------------------------------------------------------------------------


def sequences(array: np.ndarray) -> dict[str, Any]:
    """The first sequences of X or Y, (samples, time, variables), and what they are as a whole."""
    shown = np.asarray(array if array.ndim == 3 else array[:, :, None])
    part = np.asarray(shown[:MAX_SEQUENCES, :MAX_STEPS, :MAX_VARIABLES], dtype=np.float64)
    looked_at = np.asarray(shown[:10_000], dtype=np.float64)
    finite = looked_at[np.isfinite(looked_at)]
    return {
        "dim": list(array.shape),
        "sequences": [[[number(value) for value in column] for column in sequence.T] for sequence in part],
        "smallest": number(finite.min()) if finite.size else None,
        "mean": number(finite.mean()) if finite.size else None,
        "largest": number(finite.max()) if finite.size else None,
        "missing": int(looked_at.size - finite.size),
        "samples_looked_at": len(looked_at),
    }


def heat_map(name: str, array: np.ndarray) -> dict[str, Any]:
    """A matrix for a picture; one too large for the screen by the means of its blocks."""
    matrix = np.asarray(array, dtype=np.float64)
    matrix = matrix.reshape(len(matrix), -1) if matrix.ndim > 1 else matrix[None, :]
    shape = matrix.shape
    for axis in (0, 1):
        if matrix.shape[axis] > MAX_CELLS:
            edges = np.linspace(0, matrix.shape[axis], MAX_CELLS + 1).astype(int)[:-1]
            counts = np.diff([*edges, matrix.shape[axis]])
            sums = np.add.reduceat(matrix, edges, axis=axis)
            matrix = sums / (counts[:, None] if axis == 0 else counts)
    finite = np.abs(matrix[np.isfinite(matrix)])
    return {
        "name": name,
        "dim": list(np.shape(array)),
        "thinned": matrix.shape != shape,
        "largest": number(finite.max()) if finite.size else 0.0,
        "values": [[number(value) for value in row] for row in matrix],
    }


def model_json(model: pytrainr.Model) -> dict[str, Any]:
    """A model's inside: Keras's table, options, the sizes of its weights."""
    fields = dict(model.items())
    weights = weights_of(model)
    plain = {
        name: value
        for name, value in fields.items()
        if isinstance(value, (bool, int, str)) or (isinstance(value, float) and math.isfinite(value))
    }
    return {
        "summary": model.summary() if model.exact else "",
        "options": plain,
        "weights": [{"name": name, "dim": list(array.shape)} for name, array in weights.items()],
        "parameters": sum(array.size for array in weights.values()),
        "input_dim": int(fields.get("input_dim", 0)),
    }


def weights_of(model: pytrainr.Model) -> dict[str, np.ndarray]:
    """A model's weights by name and number: "time_synapse 1"."""
    found: dict[str, np.ndarray] = {}
    for name, value in model.items():
        if name.endswith(("_synapse", "_weights")) and isinstance(value, (list, tuple)):
            arrays = [array for array in value if isinstance(array, np.ndarray)]
            found |= {f"{name} {place}": array for place, array in enumerate(arrays, start=1)}
    return found


def states_of(model: pytrainr.Model, x: np.ndarray) -> list[dict[str, Any]]:
    """The states of every layer over one sequence, units × time."""
    store = pytrainr.predictr(model, x[:1], hidden=True)
    return [heat_map(f"layer {place}", np.asarray(layer)[0].T) for place, layer in enumerate(store, start=1)]
