"""Rows, arrays and models as JSON, thinned to what a screen can show."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import Row
from trainr.v1 import training_pb2

import pytrainr
from pytrainr_server import clock
from pytrainr_server.store.job_files import Epoch
from pytrainr_server.store.job_lines import Line
from pytrainr_server.store.jobs import or_nan
from pytrainr_server.store.schema import State
from pytrainr_server.web.trainings import network_of, shape_of

MAX_CELLS = 96
MAX_POINTS = 2000
MAX_SEQUENCES, MAX_STEPS, MAX_VARIABLES = 6, 1000, 8


def number(value: float | None) -> float | None:
    """A number as JSON has it: null for what is not finite, or not there."""
    return float(value) if value is not None and math.isfinite(value) else None


def job_json(job: Row[Any], training: training_pb2.Training) -> dict[str, Any]:
    """A job in the list."""
    started, running = job.start_time, job.state in (State.RUNNING, State.PAUSED)
    done = job.epoch + (job.progress if running else 0.0)
    rate = done / max(clock.now() - started, 1e-3) if running and started and done else None
    return {
        "id": job.id,
        "owner": job.owner,
        "state": State(job.state).name.lower(),
        "epoch": job.epoch,
        "numepochs": job.numepochs,
        "progress": job.progress,
        "error": number(or_nan(job.mean_error)),
        "created": job.create_time,
        "started": started,
        "ended": job.end_time,
        "expires": job.expire_time,
        "epochs_a_second": rate,
        "seconds_left": (job.numepochs - done) / rate if rate else None,
        "model": job.model_name.removeprefix("models/"),
        "message": job.error_message,
        "reason": job.error_reason,
        "resumed": job.resumed,
        "priority": job.priority,
        "network": network_of(training),
        "learningrate": training.options.learningrate,
        "x": shape_of(training.x),
        "y": shape_of(training.y),
    }


def log_of(job: Row[Any], lines: Sequence[Line]) -> list[dict[str, Any]]:
    """What has happened to a job, oldest first: (time, level, text)."""
    found = [Line("", job.create_time, logging.INFO, "Accepted.")]
    if job.start_time and (not lines or lines[0].time > job.start_time + 1.0):
        found.append(Line("", job.start_time, logging.INFO, "Started."))  # what else is known is not stored yet
    found += lines
    if job.end_time:
        ended, good = State(job.state).name.capitalize(), job.state in (State.SUCCEEDED, State.CANCELLED)
        why = f": {job.error_message}" if job.error_message else f" after {job.epoch} epochs."
        found.append(Line("", job.end_time, logging.INFO if good else logging.ERROR, ended + why))
    return [
        {"time": each.time, "level": logging.getLevelName(each.level).lower(), "text": each.text}
        for each in sorted(found, key=lambda each: each.time)
    ]


def curve(epochs: Sequence[Epoch]) -> dict[str, list[Any]]:
    """Epochs as columns."""
    return {
        "epoch": [epoch.epoch for epoch in epochs],
        "error": [number(epoch.mean_error) for epoch in epochs],
        "learningrate": [number(epoch.learningrate) for epoch in epochs],
        "validation": [number(epoch.validation_loss) for epoch in epochs]
        if any(epoch.validation_loss is not None for epoch in epochs)
        else [],
    }


def epoch_json(epoch: training_pb2.EpochEvent) -> list[float | None]:
    """An epoch as it ends: its number, error, learning rate, and the loss on what is held out."""
    held_out = number(epoch.validation_loss) if epoch.HasField("validation_loss") else None
    return [epoch.epoch, number(epoch.mean_error), number(epoch.learningrate), held_out]


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


def heat_map(name: str, array: np.ndarray, largest: float | None = None) -> dict[str, Any]:
    """A matrix for a picture, up to its own largest number or to one given; one too large for the screen by the means
    of its blocks."""
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
        "largest": largest or (number(finite.max()) if finite.size else 0.0),
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
    """The outputs of every layer over the first sequence, units × time."""
    store = pytrainr.predictr(model, _first_of(model, x), hidden=True)
    states = [layer[0, ..., 0] if layer.ndim == 4 else layer[0] for layer in store]  # of a gru's and lstm's arrays, h
    return [heat_map(f"layer {place}", state.T) for place, state in enumerate(states, start=1)]


def gates_of(model: pytrainr.Model, x: np.ndarray) -> list[dict[str, Any]]:
    """Every gate over the first sequence, units × time; none where the network has no gates."""
    try:
        layers = pytrainr.gates(model, _first_of(model, x))
    except pytrainr.ArgumentError as error:
        if error.argument != "model":
            raise
        return []
    return [
        heat_map(f"{layer}, {gate}", activations[0].T, largest=1.0)
        for layer, gates in layers.items()
        for gate, activations in gates.items()
    ]


def _first_of(model: pytrainr.Model, x: np.ndarray) -> np.ndarray:
    """The first sequence, no longer than can be shown; a network that goes on after the input takes it whole."""
    return x[:1] if model.get("seq_to_seq_unsync") else x[:1, :MAX_STEPS]
