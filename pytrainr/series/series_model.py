"""A network of one series: trained on its first part, judged and calibrated on what comes after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from pytrainr.arguments import positive_integer
from pytrainr.model import Model
from pytrainr.series.frames import indexed, shaped
from pytrainr.series.normalisation import Normalisation
from pytrainr.series.series import Series, ahead_of
from pytrainr.series.series_forecast import Forecast, forecast_of
from pytrainr.series.windows import split, windows

if TYPE_CHECKING:
    from pytrainr.r_random import RRandom

__all__ = ["SeriesModel", "trainr_series"]


class SeriesModel(Model):
    """A `Model` that keeps the series it was made with, and forecasts it; see `trainr_series`.

    All that a model can do it does too: ``predictr``, ``save`` and ``SeriesModel.load``, ``to_c``, ``to_onnx``. Windows
    are (samples, lookback, variables) of raw numbers.
    """

    retrained: Callable[[Series], Model] | None = None
    """No field: the same training on another series; None for a model that was loaded."""

    @property
    def made_with(self) -> Series:
        """The series and how it was cut."""
        return Series.of_fields(self["series"])

    def forecast(
        self,
        h: int | None = None,
        level: float | Sequence[float] | None = (80, 95),
        x: Any = None,
        future: Any = None,
        *,
        joint: bool = False,
        adapt: float = 0.05,
    ) -> Forecast:
        """Forecast ``h`` rows, by feeding each forecast back as the newest row.

        Args:
            h: how many rows; one season, at least ``ahead``, where not given.
            level: percents of the prediction intervals; None for none.
            x: the series to forecast from, as for `trainr_series`: newer rows, or only the first ones. The whole series
                where not given.
            future: where some columns are not forecast, their next ``h`` rows: a table with these columns, or an array
                with all columns of the series, of which only those are read.
            joint: intervals in which all ``h`` rows lie together, rather than each row by itself.
            adapt: how fast the intervals follow what the errors after the validation part say (γ in
                `pytrainr.series.intervals`); 0 keeps to the validation part.

        Returns:
            `Forecast`, with an index that goes on where that of a pandas series ends.

        Raises:
            ValueError: the series is too short, ``future`` is missing, or the validation part is too short.
        """
        return forecast_of(self, self.made_with, h, level, x, future, joint=joint, adapt=adapt)

    def fitted(self) -> Any:
        """What the network says of each row from those before it: as the series came, NaN for the first rows."""
        made = self.made_with
        said = np.full((len(made.values), len(made.target)), np.nan)
        known = np.arange(made.lookback, len(made.values))
        said[known] = ahead_of(self, made, made.values, known, 1)[:, 0]
        return shaped(said, made.target_names, made.times, 0)

    def residuals(self) -> Any:
        """The series less `fitted`."""
        made = self.made_with
        return shaped(made.values[:, made.target], made.target_names, made.times, 0) - self.fitted()


def trainr_series(
    x: Any,
    lookback: int | None = None,
    ahead: int = 1,
    target: int | str | Sequence[int | str] = 0,
    train: float = 0.6,
    validation: float = 0.2,
    *,
    period: int | None = None,
    every_step: bool = True,
    rng: RRandom | None = None,
    server: Any = None,
    **options: Any,
) -> SeriesModel:
    """Train a network on a series: it sees the last ``lookback`` rows and says the next, as in the R client.

    The series is cut in order of time into a part to train on, a part to judge by and a part that nobody looks at
    before the end. It is scaled by the training part alone. Then ``model.forecast`` looks ahead, with intervals from
    the errors on the validation part, and `backtest` compares with forecasts that need no network.

    Args:
        x: a pandas Series or DataFrame whose index has a frequency, or an array (rows, variables) or (rows,), in order
            of time; no missing values.
        lookback: how many rows the network sees; two seasons, at least 12, where not given.
        ahead: how many rows it says at once; more than one are fed back together.
        target: column or columns to forecast, by number or name; the others are inputs whose future is to be given.
        train: the share of the rows to train on.
        validation: the share to judge by; what is left is the test part.
        period: rows in a season; that of the index (12 for months), or 1, where not given.
        every_step: a target after each row of a window rather than only after the last, which makes ``lookback`` times
            as much to learn from. False needs ``exact=True``.
        rng: the random stream; the module's own where not given.
        server: a connection (``pytrainr_client.connect``) that trains instead of this process.
        **options: of `trainr`. With ``exact=True`` and ``patience`` the validation part decides when to stop.

    Raises:
        ValueError, TypeError: something is not what it should be; the message names it.
    """
    table = indexed(x)
    season = positive_integer(table.times.season if period is None else period, "period")
    made = Series(
        *table,
        parts=split(len(table.values), train, validation),
        lookback=positive_integer(max(2 * season, 12) if lookback is None else lookback, "lookback"),
        ahead=positive_integer(ahead, "ahead"),
        target=_columns(target, table.names),
        period=season,
    )
    if not every_step and not options.get("exact"):
        raise ValueError("every_step=False needs exact=True: R's arithmetic wants a target for each step.")

    from pytrainr.r_random import RRandom, default_stream

    begin = (default_stream() if rng is None else rng).random_seed

    def retrained(series: Series) -> Model:
        return _trained(series, every_step, options, RRandom.from_random_seed(begin), server)

    model = SeriesModel(dict(_trained(made, every_step, options, rng, server).items()))
    model["series"] = made.fields()
    object.__setattr__(model, "retrained", retrained)
    return model


def _trained(made: Series, every_step: bool, options: dict[str, Any], rng: Any, server: Any) -> Model:
    """A network of the training part of ``made``."""
    from pytrainr.trainr import trainr

    training = made.values[made.parts.train]
    if not len(training):
        raise ValueError("train leaves no row to train on.")
    by_deviation = options.get("exact") and options.get("output") == "linear"
    scale = Normalisation.by_deviation(training) if by_deviation else Normalisation.by_range(training)
    delays = list(range(1, made.ahead + 1))
    scaled = scale.apply(made.values)

    def cut(rows: slice) -> Any:
        return windows(scaled, made.lookback, delay=delays, target=made.target, within=rows, every_step=every_step)

    held: dict[str, Any] = {}
    if options.get("patience") is not None and made.parts.validation.stop > made.parts.validation.start:
        validation = cut(made.parts.validation)
        held["validation"] = (validation.X, validation.Y)
    found = cut(made.parts.train)
    stream: dict[str, Any] = {} if rng is None else {"rng": rng}
    run = trainr if server is None else server.trainr
    return run(found.Y, found.X, **stream, **options, **held, **scale.fields(made.target, delays))


def _columns(target: int | str | Sequence[int | str], names: list[str]) -> list[int]:
    """The places of the columns ``target``, each once."""
    wanted = [target] if isinstance(target, (int, str, np.integer)) else list(target)
    found = []
    for column in wanted:
        if isinstance(column, str) and names.count(column) == 1:
            found.append(names.index(column))
        elif isinstance(column, (int, np.integer)) and not isinstance(column, bool) and 0 <= column < len(names):
            found.append(int(column))
        else:
            raise ValueError(
                f"target is {target!r}; it names columns of x, 0 to {len(names) - 1} or {', '.join(names)}."
            )
    if not found or len(set(found)) < len(found):
        raise ValueError(f"target is {target!r}; it names at least one column, and each once.")
    return found
