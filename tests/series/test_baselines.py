"""Baselines, accuracy and feeding back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrainr.series import accuracy, forecast, persistence, seasonal, windows


@given(st.integers(1, 13), st.integers(1, 30))
def test_seasonal_is_the_latest_known_value_of_the_same_season(period, delay):
    values = np.arange(100.0)
    rows = np.arange(60, 100)
    back = rows - seasonal(values, rows, period, delay)[:, 0]
    assert (back % period == 0).all()
    assert (back >= delay).all()
    assert (back - period < delay).all()


def test_persistence_is_the_last_value_seen():
    values = np.random.default_rng(1).normal(size=(30, 2))
    cut = windows(values, lookback=4, delay=3)
    assert np.array_equal(persistence(values, cut.rows, delay=3), cut.X[:, -1])


def test_a_baseline_does_not_reach_before_the_series():
    with pytest.raises(ValueError, match="12 rows back they are to lie in 12 to 29"):
        seasonal(np.arange(30.0), [11, 12], 12)


def test_accuracy_of_a_known_case():
    result = accuracy([1.0, 2.0, 3.0, 4.0], [[1.0], [2.0], [3.0], [0.0]])
    assert result.mean_absolute_error == 1.0
    assert result.root_mean_square_error == 2.0
    with pytest.raises(ValueError, match="same number of values"):
        accuracy([1.0, 2.0], [1.0])


def add_the_last_two(model, X):
    """A known network in the place of `predictr`: Fibonacci's next number, and R's (samples, time) matrix."""
    return X[:, -2:, 0].sum(axis=1, keepdims=True)


def test_feeding_back_follows_a_known_recursion():
    ahead = forecast(None, [1.0, 1.0], steps=6, lookback=2, predict=add_the_last_two)
    assert ahead[:, 0].tolist() == [2, 3, 5, 8, 13, 21]


def test_feeding_back_sees_the_same_windows_as_training():
    values = np.arange(40.0)
    seen = []

    def next_number(model, X):
        seen.append(X[0].copy())
        return X[:, -1:, :] + 1

    cut = windows(values, lookback=6, step=2, delay=1, within=slice(30, 40))
    ahead = forecast(None, values[:30], steps=10, lookback=6, step=2, predict=next_number)
    assert np.array_equal(ahead[:, 0], values[30:])
    assert np.array_equal(np.stack(seen), cut.X)


def test_known_future_variables_are_used_and_asked_for():
    history = np.array([[0.0, 1.0], [0.0, 2.0]])

    def copy_the_other(model, X):
        return X[:, -1:, 1]

    ahead = forecast(None, history, 3, 1, future=[[9, 7.0], [9, 8.0], [9, 9.0]], predict=copy_the_other)
    assert ahead[:, 0].tolist() == [2.0, 7.0, 8.0]
    with pytest.raises(ValueError, match=r"future is missing: columns \[1\]"):
        forecast(None, history, 3, 1, predict=copy_the_other)
    with pytest.raises(ValueError, match=r"future has shape \(1, 2\); it needs \(3, 2\)"):
        forecast(None, history, 3, 1, future=[[0.0, 1.0]], predict=copy_the_other)


def test_a_short_history_is_named():
    with pytest.raises(ValueError, match="history has 2 rows; lookback=3 with step=1 needs 3"):
        forecast(None, [1.0, 2.0], 1, 3, predict=add_the_last_two)
