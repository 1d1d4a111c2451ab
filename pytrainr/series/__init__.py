"""Time series: windows, gaps, normalisation, baselines, forecasts of many steps with intervals, backtests."""

from pytrainr.series.backtest import Backtest, Score, backtest
from pytrainr.series.baselines import Accuracy, accuracy, baseline, persistence, seasonal
from pytrainr.series.forecast import forecast
from pytrainr.series.gaps import gaps
from pytrainr.series.normalisation import Normalisation
from pytrainr.series.series import Series
from pytrainr.series.series_forecast import Forecast
from pytrainr.series.series_model import SeriesModel, trainr_series
from pytrainr.series.windows import Split, Windows, split, windows

__all__ = [
    "Accuracy",
    "Backtest",
    "Forecast",
    "Normalisation",
    "Score",
    "Series",
    "SeriesModel",
    "Split",
    "Windows",
    "accuracy",
    "backtest",
    "baseline",
    "forecast",
    "gaps",
    "persistence",
    "seasonal",
    "split",
    "trainr_series",
    "windows",
]
