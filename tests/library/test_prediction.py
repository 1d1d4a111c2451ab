"""Prediction in pieces gives the bits of prediction at once, recycled bias and all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import RRandom, predict_rows, predictr, trainr
from pytrainr.threads import limited_threads


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("unsync", [False, True])
def test_pieces_equal_the_whole(network_type: str, unsync: bool) -> None:
    X = np.random.default_rng(0).uniform(0, 1, (23, 5, 2))
    options: dict[str, Any] = {"network_type": network_type, "use_bias": True, "seq_to_seq_unsync": unsync}
    model = trainr(
        X[:, :3, :1] if unsync else X[:, :, :1], X, learningrate=0.1, rng=RRandom(1), epoch_function=[], **options
    )
    whole = predictr(model, X)
    pieces = [predict_rows(model, X[first : first + 4], first, 23) for first in range(0, 23, 4)]
    assert np.array_equal(np.concatenate(pieces)[:, :, 0], whole)
    alone = np.concatenate([predictr(model, X[first : first + 4]) for first in range(0, 23, 4)])
    assert not np.array_equal(alone, whole)  # in R a prediction depends on the samples predicted with it
    with pytest.raises(ValueError, match="are among 23"):
        predict_rows(model, X, 1, 23)


def test_chunks_change_no_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    module = importlib.import_module("pytrainr.prediction")
    X = np.random.default_rng(0).uniform(0, 1, (50, 4, 2))
    model = trainr(
        X[:, :, :1], X, learningrate=0.1, rng=RRandom(1), epoch_function=[], use_bias=True, network_type="lstm"
    )
    whole, states = predictr(model, X), predictr(model, X, hidden=True)
    monkeypatch.setattr(module, "_CHUNK_NUMBERS", 1.0)
    assert np.array_equal(predictr(model, X), whole)
    assert all(np.array_equal(a, b) for a, b in zip(predictr(model, X, hidden=True), states, strict=True))


@pytest.mark.parametrize("exact", [False, True])
def test_a_prediction_sees_what_has_become_of_the_model(exact: bool) -> None:
    """What the last prediction left with the model is never stale."""
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(9, 4, 2)), random.uniform(size=(9, 4, 1))
    model = trainr(Y, X, learningrate=0.1, exact=exact, rng=RRandom(1), epoch_function=[], use_bias=True)

    def fresh() -> np.ndarray:
        return predictr(model.copy(), X)

    for subject in (model, model.copy()):
        model = subject
        before = predictr(model, X)
        model.time_synapse[0][0, 0] += 1.0  # in place
        assert not np.array_equal(predictr(model, X), before)
        assert np.array_equal(predictr(model, X), fresh())
        before = predictr(model, X)
        mine = model.recurrent_synapse[0] * 0.5
        model.recurrent_synapse[0] = mine  # replaced, and then in place
        assert not np.array_equal(predictr(model, X), before)
        assert np.array_equal(predictr(model, X), fresh())
        before = predictr(model, X)
        mine[...] = 0.0
        assert model.recurrent_synapse[0] is mine
        assert not np.array_equal(predictr(model, X), before)
        assert np.array_equal(predictr(model, X), fresh())
        before = predictr(model, X)
        model.use_bias = False  # another network
        assert not np.array_equal(predictr(model, X), before)
        assert np.array_equal(predictr(model, X), fresh())
        model.use_bias = True
        model.bias_synapse = [np.zeros(3), np.zeros(1)]
        with pytest.raises(ValueError, match=r"model.bias_synapse\[0\] should have the shape \(10,\)"):
            predictr(model, X)


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("exact", [False, True])
def test_threads_change_no_bit(network_type: str, exact: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    monkeypatch.setattr(importlib.import_module("pytrainr.prediction"), "_SHARED_FROM", 1.0)
    monkeypatch.setattr(importlib.import_module("pytrainr.exact.network"), "_PIECE_NUMBERS", 1)
    X = np.random.default_rng(0).uniform(0, 1, (701, 4, 2))
    model = trainr(
        X[:, :, :1],
        X,
        learningrate=0.1,
        rng=RRandom(1),
        epoch_function=[],
        use_bias=True,
        network_type=network_type,
        exact=exact,
    )
    results = []
    for threads in (1, 2, 3):
        with limited_threads(threads):
            results.append([predictr(model, X), *predictr(model, X, hidden=True)])
    for result in results[1:]:
        assert all(np.array_equal(a, b) for a, b in zip(result, results[0], strict=True))
