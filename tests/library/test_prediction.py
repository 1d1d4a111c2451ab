"""Prediction in pieces gives the bits of prediction at once, recycled bias and all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import RRandom, predict_rows, predictr, trainr


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

    module = importlib.import_module("pytrainr.predictr")
    X = np.random.default_rng(0).uniform(0, 1, (50, 4, 2))
    model = trainr(
        X[:, :, :1], X, learningrate=0.1, rng=RRandom(1), epoch_function=[], use_bias=True, network_type="lstm"
    )
    whole, states = predictr(model, X), predictr(model, X, hidden=True)
    monkeypatch.setattr(module, "_CHUNK_NUMBERS", 1.0)
    assert np.array_equal(predictr(model, X), whole)
    assert all(np.array_equal(a, b) for a, b in zip(predictr(model, X, hidden=True), states, strict=True))
