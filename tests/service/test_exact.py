"""Exact training at the server: the same model, the same predictions, the same state to continue from."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from pytrainr_client import Client

import pytrainr
from pytrainr import RRandom

Data = tuple[np.ndarray, np.ndarray]


@pytest.mark.parametrize(
    "options",
    [
        {"network_type": "lstm", "update_rule": "adam", "peephole": True},
        {"network_type": "gru", "bidirectional": True, "dropout": 0.2},
        {"network_type": "jordan", "validation": 0.2},
    ],
    ids=lambda options: options["network_type"],
)
def test_exact_training_is_the_local_one(client: Client, data: Data, options: dict[str, Any]) -> None:
    X, Y = data
    given = {"learningrate": 0.05, "hidden_dim": 5, "numepochs": 4, "exact": True, **options}
    models = [
        train(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **given)
        for train in (client.trainr, pytrainr.trainr)
    ]
    assert models[0] == models[1]
    assert np.array_equal(client.predictr(models[0], X), pytrainr.predictr(models[1], X))


def test_a_prediction_goes_on_from_a_returned_state(client: Client, data: Data) -> None:
    X, Y = data
    model = pytrainr.trainr(
        Y, X, rng=RRandom(1), learningrate=0.05, exact=True, network_type="gru", epoch_function=pytrainr.epoch_annealing
    )
    first, state = client.predictr(model, X[:, :4], return_state=True)
    second = client.predictr(model, X[:, 4:], state=state)
    assert np.array_equal(np.concatenate([first, second], axis=1), pytrainr.predictr(model, X))
