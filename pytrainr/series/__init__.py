"""Time series: windows, gaps, normalisation, baselines and forecasts of many steps."""

from pytrainr.series.baselines import Accuracy, accuracy, persistence, seasonal
from pytrainr.series.forecast import forecast
from pytrainr.series.gaps import gaps
from pytrainr.series.normalisation import Normalisation
from pytrainr.series.windows import Split, Windows, split, windows

__all__ = [
    "Accuracy",
    "Normalisation",
    "Split",
    "Windows",
    "accuracy",
    "forecast",
    "gaps",
    "persistence",
    "seasonal",
    "split",
    "windows",
]
