"""Plots draw what they are given and write it where they are told."""

from __future__ import annotations

import numpy as np
import pytest

from pytrainr.model import Model
from pytrainr.plots import plot_error, plot_fit, plot_series

image = pytest.importorskip("matplotlib.image")


def trained(errors):
    return Model(error=np.array(errors, dtype=float), current_epoch=len(errors[0]))


def coloured_pixels(path):
    picture = image.imread(path)[..., :3]
    return int((picture.max(axis=2) - picture.min(axis=2) > 0.2).sum())


def test_error_of_one_and_of_several_models(tmp_path):
    model = trained([[3.0, 2.0, 1.0], [1.0, 2.0, 1.0]])
    plot_error(model, tmp_path / "one.png")
    plot_error({"rnn": model, "gru": trained([[5.0, 4.0, 2.0]])}, tmp_path / "two.png")
    assert 200 < coloured_pixels(tmp_path / "one.png") < coloured_pixels(tmp_path / "two.png")


def test_actual_against_predicted(tmp_path):
    plot_fit(np.arange(6).reshape(2, 3, 1), np.arange(6).reshape(2, 3), tmp_path / "fit.png")
    assert coloured_pixels(tmp_path / "fit.png") > 100
    with pytest.raises(ValueError, match="predicted lstm has 5 values and actual has 6"):
        plot_fit(np.arange(6), {"lstm": np.arange(5)}, tmp_path / "fit.png")


def test_a_short_forecast_stands_at_the_end(tmp_path):
    times = np.arange(100)
    plot_series(times, np.sin(times), {"gru": np.zeros(10)}, tmp_path / "series.png")
    picture = image.imread(tmp_path / "series.png")[..., :3]
    legend_free = picture[:-60]  # the legend below also holds the colour
    columns = np.flatnonzero((legend_free.max(axis=2) - legend_free.min(axis=2) > 0.2).any(axis=0))
    assert columns.min() > 0.8 * picture.shape[1]
