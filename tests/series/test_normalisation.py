"""Normalisation there and back, and what the model keeps of it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.series import Normalisation, windows
from pytrainr.series.normalisation import normalised_input, raw_output

series = arrays.arrays(
    np.float64, st.tuples(st.integers(1, 20), st.integers(1, 4)), elements=st.floats(-1e6, 1e6, allow_subnormal=False)
)


@given(series, st.sampled_from([Normalisation.by_range, Normalisation.by_deviation]))
def test_undo_is_the_inverse_of_apply(values, fit):
    normalisation = fit(values)
    assert (normalisation.scale > 0).all()
    size = np.abs(values).max() + normalisation.scale.max()
    assert np.allclose(normalisation.undo(normalisation.apply(values)), values, rtol=1e-9, atol=1e-9 * size)


@given(series)
def test_by_range_fills_the_range_it_is_given(values):
    scaled = Normalisation.by_range(values, low=0.2, high=0.7).apply(values)
    varied = np.ptp(values, axis=0) > 1e-6 * (1 + np.abs(values).max())
    assert np.allclose(scaled[:, varied].min(axis=0), 0.2, atol=1e-6)
    assert np.allclose(scaled[:, varied].max(axis=0), 0.7, atol=1e-6)


def test_by_deviation_is_r_scale():
    scaled = Normalisation.by_deviation([[1.0, 5.0], [2.0, 5.0], [3.0, 5.0]]).apply([[1.0, 5.0], [3.0, 6.0]])
    assert np.array_equal(scaled, [[-1.0, 0.0], [1.0, 1.0]])


@pytest.mark.parametrize("size", [1.0, 1e-12, 1e12, 1e300])
def test_a_constant_column_is_only_centered(size):
    """11.4: a constant column's deviation is rounding, not 0; 0.11 became 3.58e14."""
    for values in (np.full(100, 0.1 * size), size * np.array([0.1, 0.1 * 3 / 3, 0.3 - 0.2])):
        for fit, center in ((Normalisation.by_deviation, 0.0), (Normalisation.by_range, 0.1)):
            assert np.allclose(fit(values).apply([0.11 * size]), center + 0.01 * size, rtol=1e-9, atol=1e-9)


@given(
    arrays.arrays(
        np.float64,
        st.tuples(st.integers(1, 9), st.integers(1, 3)),
        elements=st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.sampled_from([Normalisation.by_range, Normalisation.by_deviation]),
)
def test_any_finite_numbers_scale_to_finite_numbers_or_are_refused(values, fit):
    """11.4: ``by_range([-1e308, 1e308])`` gave infinities."""
    try:
        normalisation = fit(values)
    except ValueError as refused:
        assert "too far for floating-point numbers; divide that column" in str(refused)
        return
    assert np.isfinite(normalisation).all()
    assert (normalisation.scale > 0).all()
    assert np.isfinite(normalisation.apply(values)).all()


def test_numbers_too_far_apart_are_refused():
    """11.4: what no floating-point scale can hold is an error that names the column."""
    for fit in (Normalisation.by_range, Normalisation.by_deviation):
        with pytest.raises(ValueError, match=r"from -1e\+308 to 1e\+308 in column 1"):
            fit([[0.0, -1e308], [1.0, 1e308]])


def test_fields_scale_inputs_and_bring_outputs_back():
    values = np.array([[0.0, 10.0], [4.0, 30.0]])
    model = Normalisation.by_range(values, 0.0, 1.0).fields(target=1)
    assert np.array_equal(normalised_input(model, values[np.newaxis]), [[[0.0, 0.0], [1.0, 1.0]]])
    assert np.array_equal(raw_output(model, np.array([[[0.0], [0.5], [1.0]]])), [[[10.0], [20.0], [30.0]]])


def test_a_model_without_fields_is_left_alone():
    values = np.array([[[1.0, np.nan]]])
    assert normalised_input({}, values) is values
    assert raw_output({}, values) is values


def test_gaps_and_wrong_widths_are_named():
    with pytest.raises(ValueError, match="NaN or infinity in row 1"):
        Normalisation.by_range([1.0, np.nan, 2.0])
    with pytest.raises(ValueError, match=r"shape \(2, 3\); its last dimension is to be the 2 variables"):
        Normalisation.by_range(np.eye(2)).apply(np.zeros((2, 3)))
    with pytest.raises(ValueError, match="low=1 is to be less than high=0"):
        Normalisation.by_range([1.0, 2.0], low=1, high=0)


@pytest.mark.parametrize("exact", [False, True])
def test_a_trained_model_takes_and_gives_raw_numbers(exact):
    values = 50 + 10 * np.sin(np.arange(80) / 3)
    scale = Normalisation.by_range(values[:60])
    train = windows(scale.apply(values), 6, within=slice(0, 60), every_step=True)
    test = windows(values, 6, within=slice(60, 80))
    options = {"learningrate": 0.1, "network_type": "rnn", "epoch_function": [], "exact": exact}
    raw = trainr(train.Y, train.X, rng=RRandom(1), **options, **scale.fields())
    scaled = trainr(train.Y, train.X, rng=RRandom(1), **options)
    assert all(map(np.array_equal, raw.time_synapse, scaled.time_synapse))
    expected = scale.undo(predictr(scaled, scale.apply(test.X))[:, :, np.newaxis])[:, :, 0]
    assert np.array_equal(predictr(raw, test.X), expected)
    assert np.array_equal(predictr(raw, test.X, hidden=True)[0], predictr(scaled, scale.apply(test.X), hidden=True)[0])


def test_normalisation_is_saved_with_the_model(tmp_path):
    values = np.arange(20.0)
    scale = Normalisation.by_range(values)
    train = windows(scale.apply(values), 4, every_step=True)
    model = trainr(train.Y, train.X, learningrate=0.1, epoch_function=[], rng=RRandom(1), **scale.fields())
    model.save(tmp_path / "m.model")
    test = windows(values, 4)
    assert np.array_equal(predictr(Model.load(tmp_path / "m.model"), test.X), predictr(model, test.X))
