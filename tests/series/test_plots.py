"""Plots draw what they are given and write it where they are told."""

from __future__ import annotations

import numpy as np
import pytest

from pytrainr import RRandom, gates, plots, trainr
from pytrainr.model import Model
from pytrainr.plots import fit, history, series

image = pytest.importorskip("matplotlib.image")


def trained(errors):
    return Model(error=np.array(errors, dtype=float), current_epoch=len(errors[0]))


def coloured_pixels(path):
    picture = image.imread(path)[..., :3]
    return int((picture.max(axis=2) - picture.min(axis=2) > 0.2).sum())


def test_error_of_one_and_of_several_models(tmp_path):
    model = trained([[3.0, 2.0, 1.0], [1.0, 2.0, 1.0]])
    history(model, tmp_path / "one.png")
    history({"rnn": model, "gru": trained([[5.0, 4.0, 2.0]])}, tmp_path / "two.png")
    assert 200 < coloured_pixels(tmp_path / "one.png") < coloured_pixels(tmp_path / "two.png")


def test_actual_against_predicted(tmp_path):
    fit(np.arange(6).reshape(2, 3, 1), np.arange(6).reshape(2, 3), tmp_path / "fit.png")
    assert coloured_pixels(tmp_path / "fit.png") > 100
    with pytest.raises(ValueError, match="predicted lstm has 5 values and actual has 6"):
        fit(np.arange(6), {"lstm": np.arange(5)}, tmp_path / "fit.png")


def test_a_short_forecast_stands_at_the_end(tmp_path):
    times = np.arange(100)
    series(times, np.sin(times), {"gru": np.zeros(10)}, tmp_path / "series.png")
    picture = image.imread(tmp_path / "series.png")[..., :3]
    legend_free = picture[:-60]  # the legend below also holds the colour
    columns = np.flatnonzero((legend_free.max(axis=2) - legend_free.min(axis=2) > 0.2).any(axis=0))
    assert columns.min() > 0.8 * picture.shape[1]


def drawn(figure):
    """All numbers that stand in a figure's lines."""
    return [np.asarray(line.get_ydata(), dtype=float) for axes in figure.axes for line in axes.get_lines()]


def pictures(figure):
    """All maps of a figure by their titles."""
    return {axes.get_title(): np.asarray(axes.images[0].get_array()) for axes in figure.axes if axes.images}


X = np.random.default_rng(1).uniform(size=(20, 5, 2))


def test_history_has_what_was_measured():
    """Error, validation loss, metrics, and the epoch that was kept (issue 14, number 5)."""
    model = trainr(
        X[:, :, :1], X, exact=True, learningrate=0.1, hidden_dim=3, numepochs=6, validation=0.3, metrics=["mae"],
        epoch_function=[], rng=RRandom(1),
    )  # fmt: skip
    found = drawn(history(model))
    for values in (model.mean_error, model.validation_loss, model.training_mae, model.validation_mae):
        assert any(np.array_equal(values, line) for line in found)
    assert history(model)._repr_png_().startswith(b"\x89PNG")


def test_a_forecast_with_its_intervals(tmp_path):
    """History, forecast and bounds stand where they belong; the widest is drawn first."""
    known, ahead = np.arange(20.0), np.arange(20.0, 24.0)
    bounds = {0.8: (ahead - 1, ahead + 1), 0.95: (ahead - 3, ahead + 3)}
    figure = plots.forecast(known, ahead, bounds, tmp_path / "ahead.png", times=np.arange(1900, 1924))
    axes = figure.axes[0]
    assert [len(line.get_xdata()) for line in axes.get_lines()] == [20, 4]
    assert list(axes.get_lines()[1].get_xdata()) == [1920, 1921, 1922, 1923]
    assert [each.get_label() for each in axes.collections] == ["95%", "80%"]
    assert axes.collections[0].get_paths()[0].get_extents().ymin == 17.0
    with pytest.raises(ValueError, match=r"intervals\[0.8\] should be two bounds of 4 steps each"):
        plots.forecast(known, ahead, {0.8: (ahead[:2], ahead[:2])})
    with pytest.raises(ValueError, match="times should have as many entries"):
        plots.forecast(known, ahead, times=np.arange(3))


@pytest.mark.parametrize("exact", [False, True])
def test_weights_and_gates_are_the_model_s(exact):
    """Every weight array, gates side by side; every gate over one sequence, units upwards."""
    model = trainr(X[:, :, :1], X, exact=exact, network_type="gru", hidden_dim=(4, 3), learningrate=0.1, rng=RRandom(1))
    shown = pictures(plots.weights(model))
    np.testing.assert_array_equal(shown["time_synapse[0]"].ravel(order="F"), model.time_synapse[0].ravel(order="F"))
    assert shown["time_synapse[0]"].shape == (2, 12)
    maps = pictures(plots.gates(model, X, sample=2))
    expected = gates(model, X)
    assert set(maps) == {f"{layer}: {name}" for layer, found in expected.items() for name in found}
    np.testing.assert_array_equal(maps["gru: update"], expected["gru"]["update"][2].T)
    np.testing.assert_array_equal(maps["gru_1: candidate"], expected["gru_1"]["candidate"][2].T)
