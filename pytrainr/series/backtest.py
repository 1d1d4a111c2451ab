"""Rolling-origin backtests: what a network would have forecast, beside forecasts that need no network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytrainr.arguments import positive_integer
from pytrainr.series.baselines import BASELINES, baseline_after
from pytrainr.series.intervals import as_levels
from pytrainr.series.series import Series, ahead_of
from pytrainr.series.series_forecast import actual_after, aligned, errors_within, widths_at
from pytrainr.series.series_model import SeriesModel
from pytrainr.series.windows import Split

__all__ = ["Backtest", "Score", "backtest"]


class Score(NamedTuple):
    """How far the forecasts of one method are off, in units of the series but for the last two.

    Attributes:
        target: the column.
        forecast: ``"network"``, or the baseline.
        mae, rmse: mean absolute error, root of the mean square error.
        mase: ``mae`` in units of the seasonal forecast's on the training part (Hyndman & Koehler 2006).
        ratio: ``mae`` in units of the seasonal baseline's here (the naive one's where there is no season).
    """

    target: str
    forecast: str
    mae: float
    rmse: float
    mase: float
    ratio: float


@dataclass(frozen=True)
class Backtest:
    """Forecasts from every origin in a part of a series that was not trained on.

    Attributes:
        part: ``"test"`` or ``"validation"``.
        origins: (origins,), the row of the series (from 0) that was the last known one.
        actual: (origins, h, targets), what came.
        forecasts: the same of each method, ``"network"`` first.
        names: (targets,).
        usual: (targets,), what `Score.mase` counts in.
        level: percents of the intervals.
        half: (origins, h, targets, levels), half their widths.
        joint: whether an interval covers when all ``h`` rows lie in it.
        times: the pandas index of all rows up to the last forecast one, or None.
    """

    part: str
    origins: NDArray[np.int64]
    actual: NDArray[np.float64]
    forecasts: dict[str, NDArray[np.float64]]
    names: list[str]
    usual: NDArray[np.float64]
    level: list[float]
    half: NDArray[np.float64]
    joint: bool = False
    times: Any = None

    @property
    def coverage(self) -> dict[float, float]:
        """Of each level the share, in percent, of what came that lay in the network's interval."""
        inside = np.abs(self.actual - self.forecasts["network"])[..., np.newaxis] <= self.half
        covered = np.asarray(inside.all(axis=1) if self.joint else inside)
        return {level: 100 * float(covered[..., place].mean()) for place, level in enumerate(self.level)}

    def summary(self) -> list[Score]:
        """A row for each target and method."""
        reference = self.forecasts["seasonal" if "seasonal" in self.forecasts else "naive"]
        scores = []
        for target, name in enumerate(self.names):
            beside = np.abs(reference - self.actual)[..., target].mean()
            for method, forecast in self.forecasts.items():
                error = (forecast - self.actual)[..., target]
                mae, rmse = float(np.abs(error).mean()), float(np.sqrt(np.square(error).mean()))
                scores.append(Score(name, method, mae, rmse, _ratio(mae, self.usual[target]), _ratio(mae, beside)))
        return scores

    def to_frame(self) -> Any:
        """A pandas table, a row for each origin, step and target: ``origin`` (its time where the series has an index),
        ``step``, ``target``, ``actual`` and a column for each method."""
        import pandas

        origin, step, target = (place.ravel() for place in np.indices(self.actual.shape))
        rows = self.origins[origin]
        columns = {
            "origin": rows if self.times is None else self.times[rows],
            "step": step + 1,
            "target": np.asarray(self.names, dtype=object)[target],
            "actual": self.actual.ravel(),
        }
        return pandas.DataFrame({**columns, **{name: values.ravel() for name, values in self.forecasts.items()}})

    def __str__(self) -> str:
        count, h = self.actual.shape[:2]
        reference = "seasonal" if "seasonal" in self.forecasts else "naive"
        several = len(self.names) > 1
        lines = [["forecast", *(["target"] if several else []), "MAE", "RMSE", "MASE", f"MAE / {reference}"]]
        for score in self.summary():
            numbers = [f"{number:.4g}" for number in score[2:]]
            lines.append([score.forecast, *([score.target] if several else []), *numbers])
        steps = "1 row" if h == 1 else f"{h} rows"
        text = f"Backtest on the {self.part} part: {count} origins, {steps} ahead\n{aligned(lines)}"
        for level, share in self.coverage.items():
            text += f"\n{level} % intervals cover {share:.1f} %"
        return text


def backtest(
    model: SeriesModel,
    h: int = 1,
    part: str = "test",
    period: int | None = None,
    *,
    level: float | Sequence[float] | None = None,
    joint: bool = False,
    adapt: float = 0.05,
    refit: int | None = None,
) -> Backtest:
    """Forecast from every origin in a part of the series that was not trained on, as it would have been done then.

    Args:
        model: of `trainr_series`.
        h: how many rows ahead.
        part: ``"test"`` or ``"validation"``.
        period: rows in a season; the model's where not given.
        level: percents of intervals, to see what they cover; only on the test part, since they are calibrated on the
            validation part.
        joint: as for `SeriesModel.forecast`.
        adapt: likewise.
        refit: train anew every so many rows, on all rows before, from the same place in the random stream, rather than
            forecast with the one network. Not for a model that was loaded from a file.

    Columns that are not forecast are taken as they came.

    Raises:
        ValueError: the part is too short for forecasts of ``h`` rows, or an argument is not what it should be.
    """
    if not isinstance(model, SeriesModel):
        raise TypeError(f"model is a {type(model).__name__}; backtest takes what trainr_series returns.")
    if part not in ("test", "validation"):
        raise ValueError(f"part is {part!r}; it is 'test' or 'validation'.")
    made, h, levels = model.made_with, positive_integer(h, "h"), as_levels(level)
    if levels and part == "validation":
        raise ValueError("level is for part='test': on the validation part intervals cover what they are made from.")
    season = made.period if period is None else positive_integer(period, "period")
    rows = made.parts[1 if part == "validation" else 2]
    known = np.arange(max(rows.start, made.lookback), rows.stop - h + 1)
    if not len(known):
        raise ValueError(
            f"the {part} part of {rows.stop - rows.start} rows is too short for forecasts of {h} rows; take a smaller "
            "h or a larger part."
        )
    if levels:
        origins, errors = errors_within(model, made, made.values, h)
    else:
        origins, errors = known, np.empty((0, h, 0))
    if refit is None:
        said = ahead_of(model, made, made.values, known, h)
    else:
        refitted = _refitted(model, made, origins, h, positive_integer(refit, "refit"))
        said = refitted[np.searchsorted(origins, known)]
        if levels:
            errors = actual_after(made, made.values, origins, h) - refitted
    half = np.empty((*said.shape, 0))
    if levels:
        half = widths_at(made, origins, errors, known, levels, joint, adapt)
    forecasts = {"network": said}
    wanted = made.values[:, made.target]
    for method in BASELINES:
        if method != "seasonal" or season > 1:
            forecasts[method] = baseline_after(wanted, known, h, method, season)
    training = wanted[made.parts.train]
    usual = np.abs(training[season:] - training[:-season]).mean(axis=0)
    times = made.times.rows(0, len(made.values)) if made.times.kind else None
    actual = actual_after(made, made.values, known, h)
    return Backtest(part, known - 1, actual, forecasts, made.target_names, usual, levels, half, joint, times)


def _refitted(model: SeriesModel, made: Series, known: NDArray[np.int64], h: int, every: int) -> NDArray[np.float64]:
    """Forecasts after each number of ``known`` rows, by a network trained at the first and then every so many rows."""
    if model.retrained is None:
        raise ValueError(
            "refit: this model was loaded from a file, which does not keep how it was trained; train it here."
        )
    share = made.parts.train.stop / max(made.parts.validation.stop, 1)  # of what is known, as of what was known
    said = []
    for first in range(0, len(known), every):
        rows = int(known[first])
        stops = model.get("patience") is not None
        end = round(rows * share) if stops else rows
        then = made._replace(parts=Split(slice(0, end), slice(end, rows), slice(rows, len(made.values))))
        said.append(ahead_of(model.retrained(then), made, made.values, known[first : first + every], h))
    return np.concatenate(said)


def _ratio(error: float, unit: float) -> float:
    return error / float(unit) if unit > 0 else float("nan")
