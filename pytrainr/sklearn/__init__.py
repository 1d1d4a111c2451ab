"""Estimators for scikit-learn: ``RNNRegressor``, ``RNNClassifier``, ``SeriesForecaster``.

They need scikit-learn: ``pip install 'pytrainr[sklearn]'``. What they take for a sequence is told in docs/sklearn.md.
"""

from importlib.util import find_spec

if find_spec("sklearn") is None:  # absolute: the package, not this one
    raise ModuleNotFoundError("pytrainr.sklearn needs scikit-learn: pip install 'pytrainr[sklearn]'", name="sklearn")

from pytrainr.sklearn.estimators import RNNClassifier, RNNRegressor
from pytrainr.sklearn.forecaster import SeriesForecaster

__all__ = ["RNNClassifier", "RNNRegressor", "SeriesForecaster"]
