"""Next month's value of a real series, against the forecasts that need no network.

python examples/series.py nottem             monthly temperatures in Nottingham, 1920 to 1939
python examples/series.py sunspots           monthly sunspot numbers, 1749 to 1983
python examples/series.py AirPassengers      monthly airline passengers, 1949 to 1960

The series is cut, in order of time, into 60 % to train on, 20 % to choose the options by and 20 % to measure on. Of
each network the options with the smallest mean error over five seeds on the validation range are taken; only their
errors on the test range are printed: mean absolute errors in the units of the series, over the same five seeds.
"""

import itertools
import sys
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from pytrainr import RRandom, epoch_annealing, predictr, trainr, trainr_table
from pytrainr.demo import DATA
from pytrainr.series import Normalisation, accuracy, persistence, seasonal, split, windows


class Series(NamedTuple):
    """What is known of a series: its season in rows, and how often to go through it, more often when it is short."""

    period: int
    numepochs: list[int]


SERIES = {
    "nottem": Series(12, [50, 100, 200, 400]),
    "sunspots": Series(132, [10, 30, 60]),
    "AirPassengers": Series(12, [50, 100, 200, 400]),
}
SEEDS = range(1, 6)


class Network(NamedTuple):
    """What is tried: every combination of the choices, beside what is fixed."""

    fixed: dict[str, Any]
    choices: dict[str, list[Any]]

    def combinations(self) -> Iterator[dict[str, Any]]:
        for chosen in itertools.product(*self.choices.values()):
            yield {**self.fixed, **dict(zip(self.choices, chosen, strict=True))}


name = sys.argv[1] if len(sys.argv) == 2 else "nottem"
if name not in SERIES:
    sys.exit(f"{name!r} is none of {', '.join(SERIES)}")
numepochs = SERIES[name].numepochs
exact = {"exact": True, "output": "linear", "update_rule": "adam", "use_bias": True, "hidden_dim": 16, "batch_size": 16}
NETWORKS = {
    "rnn, R's arithmetic": Network(
        {"network_type": "rnn"}, {"hidden_dim": [8, 16], "learningrate": [0.1, 0.3], "numepochs": numepochs}
    ),
    "gru, exact": Network({"network_type": "gru", **exact}, {"learningrate": [0.003, 0.01], "numepochs": numepochs}),
    "lstm, exact": Network({"network_type": "lstm", **exact}, {"learningrate": [0.003, 0.01], "numepochs": numepochs}),
}

values = trainr_table(DATA / f"{name}.csv", x="value", time="time").X[0]
ranges = split(len(values), train=0.6, validation=0.2)
scale = Normalisation.by_range(values[ranges.train])
train = windows(scale.apply(values), lookback=24, within=ranges.train, every_step=True)
validation = windows(values, lookback=24, within=ranges.validation)
test = windows(values, lookback=24, within=ranges.test)


def errors(options: dict[str, Any]) -> tuple[float, list[float]]:
    """Train with each seed: the mean error on the validation range, each seed's error on the test range."""
    chosen_by, measured = [], []
    for seed in SEEDS:
        model = trainr(train.Y, train.X, epoch_function=epoch_annealing, rng=RRandom(seed), **options, **scale.fields())
        chosen_by.append(accuracy(validation.Y, predictr(model, validation.X)[:, -1]).mean_absolute_error)
        measured.append(accuracy(test.Y, predictr(model, test.X)[:, -1]).mean_absolute_error)
    return float(np.mean(chosen_by)), measured


print(f"{name}: {len(train.rows)} windows to train on, {len(validation.rows)} to choose by, {len(test.rows)} to test")
for title, network in NETWORKS.items():
    results = [(*errors(options), options) for options in network.combinations()]
    _, measured, options = min(results, key=lambda result: result[0])
    spread = f"{min(measured):.3f} to {max(measured):.3f}"
    chosen = ", ".join(f"{key}={options[key]}" for key in network.choices)
    print(f"{title:24} {np.mean(measured):8.3f}   ({spread} over {len(SEEDS)} seeds; {chosen})")
last, same = persistence(values, test.rows), seasonal(values, test.rows, SERIES[name].period)
print(f"{'persistence':24} {accuracy(test.Y, last).mean_absolute_error:8.3f}")
print(f"{'same season before':24} {accuracy(test.Y, same).mean_absolute_error:8.3f}")
