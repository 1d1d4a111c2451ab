"""11.18, 11.19: other steps than in training, fewer samples than before: what R itself computed, to the bit."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, predict_rows, predictr, trainr
from pytrainr.r.bits import difference
from tests.r_parity.golden import FOLDER


@cache
def recorded() -> dict[str, list[str]]:
    return json.loads((FOLDER / "other_lengths.json").read_text())


def of_r(name: str, shape: tuple[int, ...]) -> np.ndarray:
    return np.array([float.fromhex(number) for number in recorded()[name]]).reshape(shape, order="F")


def assert_same(got: np.ndarray, expected: np.ndarray) -> None:
    """To the bit, where that is promised."""
    if difference() is None:
        assert np.array_equal(got, expected)
    else:
        np.testing.assert_allclose(got, expected, 1e-10, 1e-10)


def flat(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate([array.ravel(order="F") for array in arrays])


def series(k: float, *shape: int) -> np.ndarray:
    """The data of the runs: sixty-fourths, the same in R and here."""
    numbers = np.abs(np.sin(np.arange(1, np.prod(shape) + 1) * k))
    return (np.round(numbers * 64) / 64).reshape(shape, order="F")


def train(rng: RRandom, Y: np.ndarray, X: np.ndarray, **options: Any) -> Model:
    return trainr(Y, X, rng=rng, learningrate=0.1, epoch_function=(), keep_store=True, **options)


@pytest.mark.parametrize("outputs", [1, 2])
@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_an_unsynchronised_output_has_the_steps_of_training(kind: str, outputs: int) -> None:
    """11.18: R returns Y's 2 steps for X of 1, 2, 3 and 4 steps; here it were 4, 3, 2 and 1."""
    Y = series(0.7, 4, 2, 1) if outputs == 1 else series(0.9, 4, 2, 2)
    options: dict[str, Any] = {"hidden_dim": 3, "numepochs": 2, "seq_to_seq_unsync": True, "use_bias": True}
    model = train(RRandom(1), Y, series(1.3, 4, 3, 2), network_type=kind, **options)
    for steps in range(1, 5):
        X = series(0.3, 2, steps, 2)
        expected = of_r(f"unsync {kind} {outputs} {steps}", (2, 2) if outputs == 1 else (2, 2, 2))
        assert_same(predictr(model, X), expected)
        assert_same(predict_rows(model, X, 0, 2).reshape(expected.shape), expected)
        assert predictr(model, X, real_output=False).shape == (2, steps, outputs)
    with pytest.raises(ValueError, match="X should have at most 4 time steps"):
        predictr(model, series(0.3, 2, 5, 2))


@pytest.mark.parametrize("kind", ["rnn", "lstm"])
def test_retraining_goes_on_in_the_arrays_of_before(kind: str) -> None:
    """11.19: store, last_layer_error and last_layer_delta keep R's old sizes, and rows not drawn again."""
    rng, X, Y = RRandom(1), series(1.3, 6, 3, 2), series(0.7, 6, 3, 1)
    model = train(rng, Y, X, hidden_dim=2, network_type=kind)
    for n in (4, 6):
        before, model = model, train(rng, Y[:n], X[:n], model=model)
        assert before.last_layer_error is not model.last_layer_error
        for field in ("last_layer_error", "last_layer_delta"):
            assert_same(model[field], of_r(f"{field} {kind} {n}", (6, 3, 1)))
        for field in ("store", "store_best"):
            assert_same(flat(model[field]), of_r(f"{field} {kind} {n}", (-1,)))
        assert_same(model.error, of_r(f"error {kind} {n}", (n, 1)))


def test_retraining_on_more_samples_makes_room() -> None:
    """11.19: where R stops ("subscript out of bounds") the arrays are made anew."""
    X, Y = series(1.3, 6, 3, 2), series(0.7, 6, 3, 1)
    model = train(RRandom(1), Y[:4], X[:4], hidden_dim=2)
    again = train(RRandom(2), Y, X, model=model)
    assert [array.shape[0] for array in (*again.store, again.last_layer_error)] == [6, 6, 6]
