"""What was trained before networks became lists of layers is trained still: results, files and messages of then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytrainr_server.jobs import specification
from trainr import wire
from trainr.v1 import model_pb2, training_pb2

import pytrainr
from pytrainr.training import Training
from tests.exact.recorded.configurations import CONFIGURATIONS, STORED, predictions, results, weights_of
from tests.exact.recorded.make import FOLDER, file_name

RECORDED = np.load(FOLDER / "results.npz")


def stored(name: str, kind: str) -> Path:
    return FOLDER / f"{file_name(name)}.{kind}"


def check(name: str, found: dict[str, np.ndarray]) -> None:
    """Every array agrees to 1e-12 (float32: 1e-5) of its largest entry."""
    limit = 1e-5 if "float32" in name else 1e-12
    for what, array in found.items():
        then = RECORDED[f"{name}: {what}"]
        assert array.shape == then.shape, what
        assert np.array_equal(np.isnan(array), np.isnan(then)), what
        size = max(np.nanmax(np.abs(then), initial=0.0), 1e-300)
        assert np.nanmax(np.abs(array - then), initial=0.0) <= limit * size, what


@pytest.mark.parametrize("name", CONFIGURATIONS)
def test_results(name: str) -> None:
    """Weights after training, what the update rules remember, predictions, states and errors (issue 12, point 7)."""
    found = results(CONFIGURATIONS[name])
    assert {f"{name}: {what}" for what in found} == {key for key in RECORDED if key.startswith(f"{name}: ")}
    check(name, found)


@pytest.mark.parametrize("name", STORED)
def test_model_file(name: str) -> None:
    """A file of then loads, predicts as then, and is what training makes today."""
    model = pytrainr.Model.load(stored(name, "pytrainr"))
    check(name, {**weights_of(model), **predictions(model, CONFIGURATIONS[name])})


@pytest.mark.parametrize("name", STORED)
def test_model_message(name: str) -> None:
    """A model sent by a client of then."""
    message = model_pb2.Model.FromString(stored(name, "model.binpb").read_bytes())
    check(name, predictions(specification.model_of(message, wire.decode_array), CONFIGURATIONS[name]))


@pytest.mark.parametrize("name", STORED)
def test_request(name: str) -> None:
    """A client of then asks for a training."""
    message = training_pb2.Training.FromString(stored(name, "training.binpb").read_bytes())
    given: dict[str, Any] = specification.options(message.options, wire.decode_array, pauses=False)
    X, Y = wire.decode_array(message.x, "x"), wire.decode_array(message.y, "y")
    training = Training(Y, X, rng=specification.random_stream(message), **given)
    while not training.finished:
        training.advance()
    check(name, weights_of(training.result()))
