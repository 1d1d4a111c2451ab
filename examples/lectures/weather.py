"""The weather a day ahead, from the last five days of three airports: baselines, networks, and their overfitting.

python examples/lectures/weather.py
"""

from __future__ import annotations

import csv
import gzip
import sys
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from examples.lectures.book import COLOURS, ROOT, Lecture, figure
from pytrainr import Model, RRandom, epoch_annealing, predictr, trainr
from pytrainr.layers import GRU, TCN, Bidirectional, Conv1D, Dense, Dropout, Flatten, Layer, MaxPooling1D
from pytrainr.series import Normalisation, persistence, seasonal, split, windows

lecture = Lecture("weather")
DATA = ROOT / "examples" / "data" / "nyc_weather.csv.gz"
AIRPORTS = ("EWR", "JFK", "LGA")
LOOKBACK, AHEAD = 5 * 24, 24  # hours
CELSIUS = 5.0 / 9.0  # of a difference in °F
UNITS, EPOCHS, SEEDS = 32, 10, (1, 2)
HOUR = np.timedelta64(1, "h")


# data ---------------------------------------------------------------------------------------------------------------


@cache
def hourly() -> np.ndarray:
    """(hours, 27), every hour of 2013, the temperature (°F) of EWR first. Of each airport temperature, dew point,
    humidity, wind speed, precipitation, pressure, visibility, and the wind as a vector instead of its direction, whose
    359 and 1 degrees are neighbours. A missing hour or value is the last one known."""
    with gzip.open(DATA, "rt") as file:
        rows = list(csv.DictReader(file))
    times = np.array([row["time_hour"].removesuffix("Z") for row in rows], dtype="datetime64[h]")
    names = ("temp", "dewp", "humid", "wind_speed", "precip", "pressure", "visib", "wind_dir")
    values = np.full(((times.max() - times.min()) // HOUR + 1, len(AIRPORTS), len(names)), np.nan)
    for time, row in zip(times, rows, strict=True):
        measured = [np.nan if row[name] == "NA" else float(row[name]) for name in names]
        values[(time - times.min()) // HOUR, AIRPORTS.index(row["origin"])] = measured
    speed, direction = values[:, :, 3], np.deg2rad(values[:, :, 7])
    wind = np.where(speed == 0.0, 0.0, speed * np.stack([np.cos(direction), np.sin(direction)]))
    known = np.concatenate([values[:, :, :7], np.moveaxis(wind, 0, 2)], axis=2).reshape(len(values), -1)
    last = np.maximum.accumulate(np.where(np.isnan(known), 0, np.arange(len(known))[:, np.newaxis]), axis=0)
    filled = np.take_along_axis(known, last, axis=0)
    return np.where(np.isnan(filled), np.nanmean(known[: len(known) // 2], axis=0), filled)  # before a first value


class Part(NamedTuple):
    """X (samples, 120, 27) normalised; the temperature wanted and the last one known (samples,), in °F; their rows."""

    X: np.ndarray
    wanted: np.ndarray
    last: np.ndarray
    rows: np.ndarray

    def error(self, forecast: np.ndarray) -> float:
        """Mean absolute error in °C: mean |y − ŷ|."""
        return float(np.abs(self.wanted - forecast).mean()) * CELSIUS


@cache
def parts() -> tuple[Part, Part, Part]:
    """Train, validation, test: the first 60 %, the next 20 %, the last 20 % of the year, as time goes."""
    values = hourly()
    ranges = split(len(values), train=0.6, validation=0.2)
    scaled = Normalisation.by_deviation(values[ranges.train]).apply(values)  # (x − mean) / deviation, of train alone

    def part(within: slice, every: int) -> Part:
        cut = windows(scaled, LOOKBACK, delay=AHEAD, within=within)
        rows = cut.rows[::every]
        return Part(np.ascontiguousarray(cut.X[::every]), values[rows, 0], values[rows - AHEAD, 0], rows)

    train, validation, test = ranges
    return part(train, 2), part(validation, 3), part(test, 1)


# networks -----------------------------------------------------------------------------------------------------------


def networks(units: int) -> dict[str, list[Layer]]:
    """What the lecture compares; each ends in one number."""
    convolution: list[Layer] = [
        Conv1D(units, 5, activation="relu"),
        MaxPooling1D(3),
        Conv1D(units, 5, activation="relu"),
    ]
    found: dict[str, list[Layer]] = {
        "dense network": [Flatten(), Dense(units, activation="relu")],
        "gru": [GRU(units)],
        "gru, dropout": [GRU(units, dropout=0.2, recurrent_dropout=0.2)],
        "two grus, recurrent dropout": [
            GRU(units, dropout=0.1, recurrent_dropout=0.5, return_sequences=True),
            GRU(units, dropout=0.1, recurrent_dropout=0.5),
        ],
        "gru, reversed": [GRU(units)],
        "gru, bidirectional": [Bidirectional(GRU(units))],
        "convolution": [*convolution, MaxPooling1D(3), Conv1D(units, 5, activation="relu"), Flatten(), Dropout(0.2)],
        "convolution, gru": [*convolution, GRU(units, dropout=0.1, recurrent_dropout=0.5)],
        "tcn": [TCN(units // 2, kernel_size=3, dilations=(1, 2, 4, 8, 16), dropout=0.1)],
    }
    return {name: [*layers, Dense(1)] for name, layers in found.items()}


def shown(name: str, part: Part) -> np.ndarray:
    """What the network reads; the lecture's reversed order has the last hour first."""
    return part.X[:, ::-1] if name == "gru, reversed" else part.X


@cache
def trained(name: str, seed: int, quick: bool) -> Model:
    """Of its epochs the one with the smallest loss on the validation data."""
    train, validation, _ = parts()
    if quick:
        train, validation = (Part(*(array[::40] for array in part)) for part in (train, validation))
    scale = float(np.abs(train.wanted - train.last).mean())

    def change(part: Part) -> np.ndarray:
        return ((part.wanted - part.last) / scale).reshape(-1, 1, 1)  # the network says how T(t + 24) − T(t) turns out

    return trainr(
        *(change(train), shown(name, train)),
        **{"exact": True, "layers": networks(4 if quick else UNITS)[name], "loss": "absolute", "dtype": "float32"},
        **{"update_rule": "adam", "learningrate": 0.001, "clip_norm": 10.0, "batch_size": 32, "rng": RRandom(seed)},
        **{"numepochs": 1 if quick else EPOCHS, "validation": (shown(name, validation), change(validation))},
        epoch_function=epoch_annealing,
        change_scale=scale,
    )


def forecast(name: str, part: Part, seed: int, quick: bool) -> np.ndarray:
    """°F: the last temperature and the change that the network expects."""
    model = trained(name, seed, quick)
    return part.last + model.change_scale * predictr(model, shown(name, part)).reshape(-1)


table = lecture.table(
    *("errors", "forecast", "parameters", "best epochs"),
    *("validation, °C", "share of last value", "test, °C", "share of last value"),
)


def _errors(validation: list[np.ndarray], test: list[np.ndarray]) -> list[str]:
    """Of one forecast or several: mean error, from the best to the worst, and the mean's share of last value's."""
    cells = []
    for part, said in zip(parts()[1:], (validation, test), strict=True):
        errors = [part.error(values) for values in said]
        spread = f" ({min(errors):.2f} to {max(errors):.2f})" if len(errors) > 1 else ""
        cells += [f"{np.mean(errors):.2f}{spread}", f"{100 * np.mean(errors) / part.error(part.last):.1f} %"]
    return cells


@table.row("last value")
def _last_value(quick: bool) -> list[str]:
    said = [[persistence(hourly()[:, 0], part.rows, AHEAD)[:, 0]] for part in parts()[1:]]  # ŷ(t + 24) = T(t)
    return ["0", "–", *_errors(*said)]


@table.row("same hour yesterday")
def _same_hour(quick: bool) -> list[str]:
    said = [[seasonal(hourly()[:, 0], part.rows, 24, AHEAD)[:, 0]] for part in parts()[1:]]  # ŷ(t+24) = T(t+24−24)
    return ["0", "–", *_errors(*said)]


def _network(name: str, quick: bool) -> list[str]:
    seeds = SEEDS[:1] if quick else SEEDS
    models = [trained(name, seed, quick) for seed in seeds]
    said = [[forecast(name, part, seed, quick) for seed in seeds] for part in parts()[1:]]
    epochs = ", ".join(str(model.best_epoch) for model in models)
    return [f"{models[0].count_params():,}", epochs, *_errors(*said)]


for name in networks(UNITS):
    table.row(name)(partial(_network, name))


# pictures -----------------------------------------------------------------------------------------------------------


@lecture.picture("curves")
def draw_curves(quick: bool, path: Path) -> None:
    """Loss on what is trained on and on the validation data, epoch by epoch."""
    with figure(path, columns=4, size=(3.2, 2.8)) as axes:
        for ax, name in zip(axes, ("dense network", "gru", "gru, dropout", "two grus, recurrent dropout"), strict=True):
            model = trained(name, 1, quick)
            epochs = np.arange(1, len(model.validation_loss) + 1)
            ax.plot(epochs, model.error.mean(axis=0), "o-", color=COLOURS[0], label="training")
            ax.plot(epochs, model.validation_loss, "o-", color=COLOURS[1], label="validation")
            ax.set(title=name, xlabel="epoch", ylabel="mean |error| of the change" if ax is axes[0] else "")
        axes[0].legend(fontsize=8)


@lecture.picture("days")
def draw_days(quick: bool, path: Path) -> None:
    """Ten days of the test data, from the 25th of November on: measured, last value and gru."""
    test = parts()[2]
    hours = slice(900, 900 + 240)
    part = Part(*(array[hours] for array in test))
    with figure(path, size=(9.0, 3.2)) as (ax,):
        for colour, (label, values) in zip(
            ("black", *COLOURS),
            (("measured", part.wanted), ("last value", part.last), ("gru", forecast("gru", part, 1, quick))),
            strict=False,
        ):
            ax.plot(np.arange(len(values)) / 24, (values - 32.0) * CELSIUS, color=colour, label=label)
        ax.set(xlabel="days", ylabel="temperature, °C")
        ax.legend(fontsize=8)


if __name__ == "__main__":
    lecture.main()
