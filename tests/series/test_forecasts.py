"""Issue 14, number 6: forecasts with honest bounds, backtests, pandas' index in and out."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pytrainr import RRandom, predictr
from pytrainr.demo import DATA
from pytrainr.series import Forecast, SeriesModel, backtest, baseline, forecast, trainr_series
from pytrainr.series.intervals import half_widths

OPTIONS = {
    **{"exact": True, "network_type": "gru", "output": "linear", "update_rule": "adam", "use_bias": True},
    **{"hidden_dim": 16, "batch_size": 16, "learningrate": 0.01, "epoch_function": []},
}
SMALL = {**OPTIONS, "hidden_dim": 4, "numepochs": 5}


def _series(name: str) -> np.ndarray:
    folder = Path(__file__).parent / "recorded" if name == "newark" else DATA
    return pd.read_csv(folder / f"{name}.csv").value.to_numpy(np.float64)


def _wave(rows: int = 120, columns: int = 1) -> np.ndarray:
    noise = np.random.default_rng(1).normal(0, 0.3, (rows, columns))
    return 10 + 3 * np.sin(2 * np.pi * np.arange(rows)[:, np.newaxis] / 12 + np.arange(columns)) + noise


@functools.cache
def _model() -> SeriesModel:
    return trainr_series(_wave()[:, 0], lookback=12, period=12, rng=RRandom(1), **SMALL)


# The series, how it is cut, what is measured. AirPassengers grows: the change since last year of its logarithm is
# forecast, and for so short a series the network is trained anew each year, as one would.
COVERED = {
    "nottem": ({"period": 12, "train": 0.4, "numepochs": 100}, {"h": 12}),
    "sunspots": ({"lookback": 24, "numepochs": 10}, {"h": 12}),
    "AirPassengers": (
        {"period": 12, "lookback": 12, "train": 36 / 132, "validation": 24 / 132, "numepochs": 100},
        {"h": 12, "refit": 12},
    ),
    "newark": ({"period": 8, "numepochs": 8}, {"h": 8}),
}


@pytest.mark.parametrize("name", COVERED)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_intervals_cover_what_they_say_on_held_out_data(name, seed):
    """80 % and 95 % intervals cover within 3 points of that, over all origins of the test part and all rows ahead."""
    values = _series(name)
    if name == "AirPassengers":
        values = np.log(values[12:]) - np.log(values[:-12])
    cut, measured = COVERED[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # AirPassengers has 13 forecasts of twelve months to begin with, and says so
        tested = backtest(trainr_series(values, rng=RRandom(seed), **OPTIONS, **cut), level=(80, 95), **measured)
    assert tested.coverage[80] == pytest.approx(80, abs=3)
    assert tested.coverage[95] == pytest.approx(95, abs=3)


def test_the_validation_part_alone_does_not_cover_a_series_that_changes():
    """Why intervals adapt: sunspots swing wider in the test part than ever before."""
    model = trainr_series(_series("sunspots"), lookback=24, numepochs=10, rng=RRandom(1), **OPTIONS)
    assert backtest(model, h=12, level=80, adapt=0).coverage[80] < 70


def test_without_adapting_intervals_are_quantiles_of_the_errors_on_the_validation_part():
    """As the R client's: rank ⌈(n + 1)·level⌉ of n errors."""
    model = _model()
    errors = np.sort(np.abs(model.residuals()[72:96]))
    said = model.forecast(1, 80, adapt=0)
    assert (said.upper - said.lower)[0, 0] / 2 == pytest.approx(errors[int(np.ceil(25 * 0.8)) - 1])


def test_adaptive_intervals_follow_the_equation():
    rng = np.random.default_rng(3)
    errors = np.abs(rng.normal(size=60)) * np.linspace(1, 4, 60)
    origins, calibrated, gamma = np.arange(100, 160), 120, 0.1
    at = np.arange(calibrated, 160)
    widths = half_widths(errors[:, np.newaxis, np.newaxis], [2], origins, calibrated, at, [80.0], gamma)[:, 0, 0, 0]
    alpha, said = 0.2, {}
    for rows in at:
        known = [row for row, origin in enumerate(origins) if origin + 2 <= rows]
        newest = known[-1]
        if rows > calibrated and origins[newest] in said:
            alpha += gamma * (0.2 - (errors[newest] > said[origins[newest]]))
        rank = int(np.ceil((len(known) + 1) * (1 - alpha) - 1e-9))
        said[rows] = np.sort(errors[known])[min(max(rank, 1), len(known)) - 1]
    assert widths.tolist() == [said[rows] for rows in at]


def test_nothing_that_comes_later_moves_an_interval():
    """A forecast made when some rows were known is the same whatever came afterwards."""
    values = _wave()[:, 0]
    model = _model()
    changed = values.copy()
    changed[110:] += 50
    early = model.forecast(3, x=values[:110])
    other = SeriesModel({**dict(model.items()), "series": {**model["series"], "values": changed[:, np.newaxis]}})
    late = other.forecast(3, x=changed[:110])
    assert np.array_equal(early.bounds, late.bounds)


def test_a_joint_band_is_wider_and_covers_whole_paths():
    model = trainr_series(_series("sunspots"), lookback=24, numepochs=10, rng=RRandom(1), **OPTIONS)
    joint = backtest(model, h=6, level=80, joint=True)
    assert joint.coverage[80] == pytest.approx(80, abs=3)
    assert (joint.half.mean(axis=0) > backtest(model, h=6, level=80).half.mean(axis=0)).all()


def test_several_targets_and_rows_at_once_with_a_future_that_is_given():
    """Two columns forecast three rows at once, the third column is an input whose next rows the caller knows."""
    times = pd.date_range("2000-01-01", periods=120, freq="MS")
    x = pd.DataFrame(_wave(columns=3), times, ["a", "b", "price"])
    model = trainr_series(x, lookback=12, ahead=3, target=["a", "b"], rng=RRandom(1), **SMALL)
    with pytest.raises(ValueError, match="future is missing: price"):
        model.forecast(4)
    future = pd.DataFrame({"price": [9.0, 10.0, 11.0, 12.0]})
    said = model.forecast(4, (50, 80), future=future)
    assert said.mean.shape == (4, 2)
    assert list(said.upper.columns) == [("a", "50%"), ("a", "80%"), ("b", "50%"), ("b", "80%")]
    assert (said.lower.to_numpy() <= said.upper.to_numpy()).all()
    assert said.times.equals(pd.date_range("2010-01-01", periods=4, freq="MS"))
    window = x.to_numpy()[np.newaxis, -12:]
    assert np.array_equal(said.points[:3].ravel(), predictr(model, window)[0, -1])
    moved = model.forecast(4, None, future=future * 3)
    assert np.array_equal(moved.points[:3], said.points[:3])
    assert not np.array_equal(moved.points[3], said.points[3])
    tested = backtest(model, h=4)
    assert {score.target for score in tested.summary()} == {"a", "b"}
    assert "b" in str(tested)


def test_a_forecast_feeds_back_as_the_function_does():
    model = _model()
    same = forecast(model, _wave()[:, 0], steps=5, lookback=12)
    assert np.allclose(model.forecast(5, None).mean, same[:, 0], rtol=1e-12)


def test_a_backtest_compares_from_every_origin():
    """Baselines, MASE and RMSE by hand; the network's forecasts are those of `forecast` at that time."""
    model, values = _model(), _wave()[:, 0]
    tested = backtest(model, h=3)
    assert tested.origins.tolist() == list(range(95, 117))
    assert tested.actual[0, :, 0].tolist() == values[96:99].tolist()
    assert tested.forecasts["seasonal"][0, :, 0].tolist() == values[84:87].tolist()
    assert np.allclose(tested.forecasts["network"][0], model.forecast(3, None, x=values[:96]).points, rtol=1e-12)
    table = {score.forecast: score for score in tested.summary()}
    assert list(table) == ["network", "seasonal", "naive", "drift", "mean"]
    error = tested.forecasts["naive"] - tested.actual
    assert table["naive"].rmse == pytest.approx(np.sqrt(np.square(error).mean()))
    assert table["naive"].mase == pytest.approx(np.abs(error).mean() / np.abs(values[12:72] - values[:60]).mean())
    assert table["seasonal"].ratio == 1
    assert tested.to_frame().shape == (22 * 3, 9)
    assert str(tested).startswith("Backtest on the test part: 22 origins, 3 rows ahead")


def test_refitting_trains_on_all_that_was_known():
    """The first refit is the network of exactly the rows before the first origin, from the same random stream."""
    values = _wave()[:, 0]
    model = _model()
    tested = backtest(model, h=2, refit=30)
    anew = trainr_series(values[:96], lookback=12, period=12, train=1.0, validation=0.0, rng=RRandom(1), **SMALL)
    assert np.allclose(tested.forecasts["network"][0], anew.forecast(2, None).points, rtol=1e-12)


@pytest.mark.parametrize(
    ("index", "after", "season"),
    [
        (pd.date_range("2020-01-31", periods=60, freq="ME"), "2025-01-31", 12),
        (pd.date_range("2020-01-01", periods=60, freq="h", tz="Europe/Berlin"), "2020-01-03T12:00:00+01:00", 24),
        (pd.date_range("2024-01-01", periods=60, freq="B"), "2024-03-25", 5),
        (pd.date_range("2024-01-01", periods=60, freq="15min"), "2024-01-01T15:00:00", 96),
        (pd.period_range("2020Q1", periods=60, freq="Q"), "2035Q1", 4),
        (pd.RangeIndex(5, 125, 2), 125, 1),
    ],
)
def test_an_index_goes_on_with_its_frequency(index, after, season):
    x = pd.Series(_wave(60)[:, 0], index, name="load")
    naive = baseline(x, 3, "naive")
    assert naive.name == "load"
    wanted = after if isinstance(index, pd.RangeIndex) else type(index)([after], freq=index.freq)[0]
    assert naive.index[0] == wanted
    model = trainr_series(x, lookback=6, rng=RRandom(1), **{**SMALL, "numepochs": 1})
    assert model.made_with.period == season
    said = model.forecast(2, None).mean
    assert said.index.equals(naive.index[:2])
    assert model.fitted().index.equals(x.index)


def test_a_frequency_that_is_not_written_down_is_found():
    times = pd.DatetimeIndex(list(pd.date_range("2020-01-01", periods=30, freq="MS")))
    assert times.freq is None
    assert baseline(pd.Series(range(30), times), 2).index[1] == pd.Timestamp("2022-08-01")
    with pytest.raises(ValueError, match=r"without a frequency.*asfreq"):
        baseline(pd.Series(range(29), times.delete(7)), 2)


def test_a_saved_model_forecasts_the_same(tmp_path):
    times = pd.date_range("2000-01-01", periods=120, freq="MS", tz="UTC")
    model = trainr_series(pd.Series(_wave()[:, 0], times), lookback=12, rng=RRandom(1), **SMALL)
    model.save(tmp_path / "wave.model")
    again = SeriesModel.load(tmp_path / "wave.model")
    pd.testing.assert_frame_equal(again.forecast(5).to_frame(), model.forecast(5).to_frame())
    with pytest.raises(ValueError, match="loaded from a file"):
        backtest(again, refit=12)


def test_arrays_need_no_pandas():
    said: Forecast = _model().forecast(3)
    assert said.mean.shape == (3,)
    assert said.lower.shape == (3, 2)
    assert said.times.tolist() == [120, 121, 122]
    assert str(said).splitlines()[0].split() == ["time", "forecast", "80", "%", "95", "%"]


def test_early_stopping_judges_by_the_validation_part():
    def losses(row: int) -> np.ndarray:
        values = _wave()[:, 0]
        values[row] += 5
        return trainr_series(values, lookback=12, rng=RRandom(1), **SMALL, patience=5).validation_loss

    of_test, of_validation = losses(119), losses(80)
    assert np.isfinite(of_test).all()
    assert np.array_equal(of_test, losses(118))
    assert not np.array_equal(of_test, of_validation)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.forecast(30), "validation part of 24 rows is too short for forecasts of 30 rows"),
        (lambda m: m.forecast(2, 120), "level is 120"),
        (lambda m: m.forecast(0), "h should be a whole number, 1 or more, it is 0"),
        (lambda m: m.forecast(2, adapt=1), "adapt is 1"),
        (lambda m: m.forecast(2, x=np.ones(5)), "x has 5 rows"),
        (lambda m: m.forecast(2, x=np.ones((50, 2))), "x has 2 columns"),
        (lambda m: backtest(m, part="train"), "part is 'train'"),
        (lambda m: backtest(m, h=30), "test part of 24 rows is too short"),
        (lambda m: backtest(m, part="validation", level=80), "level is for part='test'"),
        (lambda m: baseline([1, 2, 3], 2, "magic"), "method is 'magic'"),
        (lambda m: baseline([1, np.nan, 3], 2), "1 rows with missing or infinite values, the first is row 1"),
        (lambda m: trainr_series(["a", "b"], learningrate=1), "x is to be a series of numbers"),
        (lambda m: trainr_series(np.ones(50), target="y", learningrate=1), "target is 'y'"),
        (lambda m: trainr_series(np.ones(50), every_step=False, learningrate=1), "needs exact=True"),
    ],
)
def test_what_cannot_be_is_said_in_words(call, message):
    with pytest.raises(ValueError, match=message):
        call(_model())


def test_too_few_errors_are_said():
    with pytest.warns(UserWarning, match="5 forecasts to calibrate by, too few for 95 %"):
        _model().forecast(20)
