"""``SeriesForecaster``: rows of a table in order of time, each forecast from the rows before it."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from sklearn.metrics import r2_score
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils.validation import check_is_fitted, validate_data

from pytrainr.series.forecast import forecast
from pytrainr.sklearn.network import Network

__all__ = ["SeriesForecaster"]


@dataclasses.dataclass(kw_only=True, eq=False, repr=False)
class SeriesForecaster(Network):
    """A recurrent network that forecasts each row of a series from rows of X before it.

    X is (rows, variables), in order of time. Without y the columns ``target`` of X are forecast. y (rows,) or (rows,
    outputs) is another series: what is to be said at each row, where that row of X is known.

    Parameters
    ----------
    lookback, step
        How many rows back a forecast looks; it takes every ``step``-th of them.
    delay
        How many rows before the one that is forecast the last of them is. None: 1, the row before it; where y is given
        0, that row itself.
    target
        The column or columns of X that are forecast where no y is given.

    ``variables`` has no meaning here, and ``early_stopping`` holds out the last rows.
    """

    lookback: int = 1
    step: int = 1
    delay: int | None = None
    target: int | Sequence[int] = 0

    def fit(self, X: Any, y: Any = None) -> SeriesForecaster:
        """Train on a series."""
        rows = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self.delay_ = (1 if y is None else 0) if self.delay is None else self.delay
        targets = self._targets(rows, y)
        seen = self._windows(rows)
        self.forecasts_y_ = y is not None
        self._flat = (np.ndim(self.target) == 0) if y is None else np.asarray(y).ndim == 1
        Y = targets[self._reach :, np.newaxis]
        self._train(seen, Y, None, {"output": "linear"}, True, self._hold_out)
        self.history_ = rows[len(rows) - self._reach - 1 :].copy()
        return self

    def predict(self, X: Any) -> np.ndarray:
        """Forecast every row of X from rows before it; before the first come the last rows of ``fit``.

        Returns (rows,), or (rows, outputs) where several series are forecast.
        """
        check_is_fitted(self, "model_")
        rows = validate_data(self, X, dtype=np.float64, reset=False)
        before = self.history_[len(self.history_) - self._reach :]
        output = self._answer(self._windows(np.concatenate([before, rows])))[:, 0]
        return output[:, 0] if self._flat else output

    def forecast(self, steps: int, future: Any = None) -> np.ndarray:
        """Forecast the ``steps`` rows after those of ``fit``, each from the forecasts before it.

        ``future`` (steps, variables): the coming rows, where some variables are not forecast. Returns (steps,), or
        (steps, outputs).
        """
        check_is_fitted(self, "model_")
        if self.forecasts_y_ or self.delay_ != 1:
            raise ValueError(
                "forecast feeds a forecast back as the next row of X: it needs delay=1, and a fit without y, whose "
                "targets are columns of X"
            )
        output = forecast(
            self.model_, self.history_, steps, self.lookback, self.step, self._columns(self.n_features_in_), future
        )
        return output[:, 0] if self._flat else output

    def score(self, X: Any, y: Any = None) -> float:
        """R² of the forecasts of ``predict``."""
        predicted = self.predict(X)
        actual = y
        if y is None:
            columns = np.asarray(X, dtype=np.float64)[:, self._columns(self.n_features_in_)]
            actual = columns[:, 0] if self._flat else columns
        return float(r2_score(actual, predicted))

    @property
    def _reach(self) -> int:
        """How many rows before one its forecast needs."""
        return self.lookback - self.step + self.delay_

    def _windows(self, rows: np.ndarray) -> np.ndarray:
        """What is seen of every row that can be forecast, the first of them row number ``reach``."""
        for name in ("lookback", "step", "delay_"):
            number, least = getattr(self, name), int(name != "delay_")
            if not isinstance(number, (int, np.integer)) or number < least:
                raise ValueError(f"{name.strip('_')}={number!r} should be a whole number of rows, {least} or more")
        if self.lookback % self.step:
            raise ValueError(f"lookback={self.lookback} should be a multiple of step={self.step}")
        count = len(rows) - self._reach
        if count < 1:
            raise ValueError(
                f"X has {len(rows)} rows; lookback={self.lookback} and delay={self.delay_} need {self._reach + 1}"
            )
        seen = sliding_window_view(rows, self.lookback - self.step + 1, axis=0)[:count, :, :: self.step]
        return np.ascontiguousarray(seen.transpose(0, 2, 1))

    def _targets(self, rows: np.ndarray, y: Any) -> np.ndarray:
        """(rows, outputs)."""
        if y is None:
            if self.delay_ < 1:
                raise ValueError("delay=0 without y would forecast a row from itself: it should be 1 or more")
            return rows[:, self._columns(rows.shape[1])]
        targets = check_array(y, ensure_2d=False, dtype=np.float64, input_name="y", estimator=self)
        check_consistent_length(rows, targets)
        targets = targets.reshape(len(targets), -1)
        for column in range(rows.shape[1]):
            if self.delay_ == 0 and (rows[:, [column]] == targets).all(axis=0).any() and np.ptp(targets) > 0:
                raise ValueError(
                    f"y is column {column} of X, which would be forecast from itself: leave y out "
                    f"(target={column}), or give delay=1"
                )
        return targets

    def _columns(self, width: int) -> list[int]:
        """The columns ``target``, counted from the first."""
        columns = np.atleast_1d(np.asarray(self.target))
        if columns.dtype.kind not in "iu" or (columns < -width).any() or (columns >= width).any():
            raise ValueError(f"target={self.target!r} should be columns of X, which has {width}")
        return [int(column) % width for column in columns]

    def _hold_out(self, samples: int, seed: int) -> np.ndarray:
        return np.arange(samples) >= samples - max(1, round(self.validation_fraction * samples))
