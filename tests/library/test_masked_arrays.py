"""Issue 11.5: a masked entry is a missing value, wherever arrays are taken; what lies under the mask is never used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.arguments import unmasked
from pytrainr.series import Normalisation, forecast, windows

FILL = 1e20  # netCDF's own fill value is about this
OPTIONS: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 3, "numepochs": 2, "epoch_function": []}


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(5)
    return generator.random((6, 4, 1)), generator.random((6, 4, 2))


def masked(array: np.ndarray, *place: int) -> np.ma.MaskedArray:
    """``array`` with one entry masked and the fill value under the mask."""
    mask = np.zeros(array.shape, bool)
    mask[place] = True
    under = array.copy()
    under[place] = FILL
    return np.ma.array(under, mask=mask)


def test_nan_stands_for_a_masked_entry() -> None:
    """11.5: of any type of numbers, in lists of arrays, and without a copy where nothing is masked."""
    whole = np.ma.array(np.arange(3.0))
    assert np.shares_memory(unmasked(whole), whole)
    assert np.isnan(unmasked(np.ma.array([1, 2], mask=[0, 1]))).tolist() == [False, True]
    assert unmasked(np.ma.array(np.float32([1, 2]), mask=[0, 1])).dtype == np.float32
    nested = [[np.ma.array([1.0, FILL], mask=[0, 1])], [np.array([2.0, 3.0])]]
    assert np.array_equal(np.asarray(unmasked(nested)), [[[1, np.nan]], [[2, 3]]], equal_nan=True)
    assert np.isnan(np.asarray(unmasked([1.0, np.ma.masked]))[1])


@pytest.mark.parametrize("exact", [False, True])
def test_training_names_the_first_masked_entry(data: tuple[np.ndarray, np.ndarray], exact: bool) -> None:
    """11.5: ``trainr`` and retraining refuse it by its place; the fill value was trained on."""
    Y, X = data
    for wrong in ((Y, masked(X, 4, 2, 1)), (masked(Y, 4, 2, 0), X), (Y, [masked(x, 2, 1) for x in X])):
        name = "Y" if isinstance(wrong[0], np.ma.MaskedArray) else "X"
        with pytest.raises(ValueError, match=rf"{name}\[\d, 2, \d\] is nan"):
            trainr(*wrong, exact=exact, **OPTIONS)
    model = trainr(Y, X, exact=exact, **OPTIONS)
    with pytest.raises(ValueError, match=r"X\[4, 2, 1\] is nan"):
        trainr(Y, masked(X, 4, 2, 1), model=model)
    with pytest.raises(ValueError, match=r"X\[4, 2, 1\] is nan"):
        predictr(model, masked(X, 4, 2, 1))


def test_a_masked_array_without_masked_entries_is_an_array(data: tuple[np.ndarray, np.ndarray]) -> None:
    """11.5: what netCDF readers return where nothing is missing trains to the same bits."""
    Y, X = data
    plain = trainr(Y, X, rng=RRandom(1), **OPTIONS)
    assert trainr(np.ma.array(Y), np.ma.array(X), rng=RRandom(1), **OPTIONS).time_synapse[0].tolist() == (
        plain.time_synapse[0].tolist()
    )
    assert np.array_equal(predictr(plain, np.ma.array(X)), predictr(plain, X))


def test_exact_training_with_a_mask_takes_it_as_an_absent_step(data: tuple[np.ndarray, np.ndarray]) -> None:
    """11.5: with ``mask="nan"`` a masked entry is an absent step, in training and in prediction."""
    Y, X = data
    gaps = X.copy()
    gaps[4, 2, 1] = np.nan
    options: dict[str, Any] = {**OPTIONS, "exact": True, "mask": "nan"}
    expected = trainr(Y, gaps, rng=RRandom(1), **options)
    model = trainr(Y, masked(X, 4, 2, 1), rng=RRandom(1), **options)
    assert np.array_equal(model.error, expected.error)
    predicted = predictr(model, masked(X, 4, 2, 1))
    assert np.isnan(predicted[4, 2])
    assert np.array_equal(predicted, predictr(model, gaps), equal_nan=True)


def test_steppers_refuse_a_masked_input(data: tuple[np.ndarray, np.ndarray]) -> None:
    """11.5: the state is then as before."""
    Y, X = data
    model = trainr(Y, X, rng=RRandom(1), **OPTIONS)
    step = model.stepper()
    with pytest.raises(ValueError, match="finite numbers only"):
        step(masked(X[0, 0], 1))
    assert np.array_equal([step(x)[0] for x in X[0]], predictr(model, X[:1])[0])


def test_series_of_masked_values() -> None:
    """11.5: windows and scales carry the gap on as NaN, fitting a scale refuses it by its row."""
    values = masked(np.arange(12.0), 7)
    cut = windows(values, 3)
    assert np.isnan(cut.X).any(axis=(1, 2)).tolist() == [row - 3 <= 7 < row for row in cut.rows]
    assert np.isnan(cut.Y[:, 0, 0]).tolist() == [row == 7 for row in cut.rows]
    for fit in (Normalisation.by_range, Normalisation.by_deviation):
        with pytest.raises(ValueError, match=r"in row 7 .*a masked entry is NaN"):
            fit(values)
    scale = Normalisation.by_range(np.arange(12.0))
    for way in (scale.apply, scale.undo):
        assert np.isnan(way(values)).tolist() == [row == 7 for row in range(12)]
    Y, X = windows(np.linspace(0.1, 0.9, 12), 3, every_step=True)[1::-1]
    model: Model = trainr(Y, X, rng=RRandom(1), **OPTIONS)
    with pytest.raises(ValueError, match="is nan"):
        forecast(model, masked(np.linspace(0.1, 0.9, 12), 11), 2, 3)
