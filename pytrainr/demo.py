"""The main job on real input: R's own task, the lecture's Activity 9.1 and a real series.

`run_demo` is handed a `trainr` and a `predictr`: the local ones, or those of a client, so that the same three parts
run on a server. Everything printed is measured in that very run.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytrainr.binary import bin2int, int2bin
from pytrainr.epoch_functions import epoch_annealing, epoch_progress
from pytrainr.r_random import RRandom
from pytrainr.series import Normalisation, accuracy, persistence, seasonal, split, windows
from pytrainr.tables import trainr_table
from pytrainr.training import DivergedError

__all__ = ["Calls", "Result", "activity_arrays", "run_demo"]

DATA = Path(__file__).resolve().parent / "data"
NEEDED = {"matplotlib": "plots", "tqdm": "progress"}  # modules, and the extras that bring them


class Calls(NamedTuple):
    """Where the work is done: here, or at a server through its client's two functions."""

    trainr: Callable[..., Any]
    predictr: Callable[..., Any]


class Result(NamedTuple):
    """One line of the table."""

    task: str
    network: str
    measured: str
    seconds: float | None  # of training; a baseline has none


def run_demo(folder: Path, calls: Calls | None = None, say: Callable[[str], None] = print) -> list[Result]:
    """Run the three parts, write their plots into ``folder`` and say what came out.

    Args:
        folder: where the PNG files go; made if it is not there.
        calls: `trainr` and `predictr` to use; the local ones where not given.
        say: takes each line of text.
    """
    from pytrainr.prediction import predictr
    from pytrainr.trainr import trainr

    _check_installed()
    folder.mkdir(parents=True, exist_ok=True)
    calls = calls or Calls(trainr, predictr)
    results: list[Result] = []
    started = time.perf_counter()
    for network_type in ("rnn", "gru", "lstm"):
        tiny = calls.trainr(
            [[0.5]], [[0.5]], learningrate=0.1, network_type=network_type, epoch_function=[], rng=RRandom(1)
        )
        calls.predictr(tiny, [[0.5]])
    say(f"Kernels ready after {time.perf_counter() - started:.1f} s (compiled at their first use on a machine).")
    for number, part in enumerate((add_binary_numbers, activity, monthly_temperatures), start=1):
        say(f"\n{number}. {(part.__doc__ or '').splitlines()[0]}")
        for result in part(calls, folder):
            say(f"   {result.network:28} {result.measured}")
            results.append(result)
    say("\n" + table(results))
    say(f"\nPlots in {folder.resolve()}: {', '.join(sorted(path.name for path in folder.glob('*.png')))}")
    return results


def _check_installed() -> None:
    """Say what is missing before anything is compiled."""
    missing = {module: extra for module, extra in NEEDED.items() if find_spec(module) is None}
    if missing:
        raise ModuleNotFoundError(
            f"the demo needs {' and '.join(missing)}: pip install 'pytrainr[{','.join(missing.values())}]'"
        )


def table(results: list[Result]) -> str:
    """All results under one another."""
    rows = [("task", "network", "measured", "trained in s")]
    rows += [(*result[:3], "" if result.seconds is None else f"{result.seconds:.2f}") for result in results]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return "\n".join([lines[0], "-" * len(lines[0]), *lines[1:]])


def progress(description: str) -> list[Callable[..., Any]]:
    """A progress bar, and R's annealing."""
    return [epoch_progress(f"   {description}"), epoch_annealing]


# (a) R's own task ----------------------------------------------------------------------------------------------------


def add_binary_numbers(calls: Calls, folder: Path) -> list[Result]:
    """Adding binary numbers, R's own example: 5,000 pairs to learn from, 2,000 fresh pairs to add."""
    from pytrainr import plots

    stream = RRandom(1)
    left, right = stream.sample(128, 5000, replace=True) - 1, stream.sample(128, 5000, replace=True) - 1
    X, Y = np.stack([int2bin(left), int2bin(right)], axis=2), int2bin(left + right)
    started = time.perf_counter()
    model = calls.trainr(
        Y, X, learningrate=1, hidden_dim=10, numepochs=5, epoch_function=progress("binary sums"), rng=stream
    )
    seconds = time.perf_counter() - started
    plots.history(model, folder / "adder_error.png", "Adding binary numbers: mean error per epoch")

    left, right = stream.sample(128, 2000, replace=True) - 1, stream.sample(128, 2000, replace=True) - 1
    sums = bin2int(calls.predictr(model, np.stack([int2bin(left), int2bin(right)], axis=2)))
    correct = int(np.sum(sums == left + right))
    return [Result("binary sums", "rnn 10 units, 5 epochs", f"{correct} of {len(sums)} fresh sums right", seconds)]


# (b) the lecture's Activity 9.1 --------------------------------------------------------------------------------------


def activity_arrays() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Y (15, 4, 1) and X (15, 4, 2) of Activity 9.1, filled column-major as R's ``array`` does."""
    X = np.r_[1:61, 101:161].reshape((15, 4, 2), order="F") / 261
    Y = np.r_[201:261].reshape((15, 4, 1), order="F") / 261
    return Y, X


def activity(calls: Calls, folder: Path) -> list[Result]:
    """The lecture's Activity 9.1: 1..60 and 101..160 to 201..260, as 15 x 4 x 2, for rnn, gru and lstm."""
    from pytrainr import plots

    Y, X = activity_arrays()
    models: dict[str, Any] = {}
    results = []

    def train(name: str, seed: int = 7, **options: Any) -> None:
        started = time.perf_counter()
        try:
            models[name] = calls.trainr(
                Y, X, hidden_dim=30, numepochs=100, epoch_function=progress(name), rng=RRandom(seed), **options
            )
            output = calls.predictr(models[name], X) * 261
            off = f"off by {np.abs(output - Y[:, :, 0] * 261).mean():.1f} of 201..260 on average"
            stuck = f"stuck: every output is {output.mean():.0f}, not 201..260" if output.std() < 1e-3 else off
            measured = f"error {models[name].mean_error[-1]:.4f}; {stuck}"
        except DivergedError as problem:
            measured = f"diverges in epoch {problem.epoch}"
        results.append(Result("Activity 9.1", name, measured, time.perf_counter() - started))

    for network_type in ("rnn", "gru", "lstm"):
        train(network_type, network_type=network_type, learningrate=0.1)
    train("rnn tanh, rate 0.1", sigmoid="tanh", learningrate=0.1)
    train("rnn tanh, rate 0.1, seed 1", seed=1, sigmoid="tanh", learningrate=0.1)
    train("rnn tanh, rate 0.01", sigmoid="tanh", learningrate=0.01)
    train("lstm tanh, rate 0.1", network_type="lstm", sigmoid="tanh", learningrate=0.1)
    same = all(map(np.array_equal, models["lstm"].time_synapse, models["lstm tanh, rate 0.1"].time_synapse))
    note = f"{'the very' if same else 'not the'} weights of lstm: R's sigmoid changes only rnn"
    results[-1] = results[-1]._replace(measured=note)

    plain = {name: models[name] for name in ("rnn", "gru", "lstm")}
    plots.history(plain, folder / "activity91_error.png", "Activity 9.1: mean error per epoch")
    fits = {name: calls.predictr(model, X) * 261 for name, model in plain.items()}
    plots.fit(Y * 261, fits, folder / "activity91_fit.png", "Activity 9.1: actual against predicted")
    return results


# (c) a real series ---------------------------------------------------------------------------------------------------


def monthly_temperatures(calls: Calls, folder: Path) -> list[Result]:
    """Nottingham's monthly temperatures, 1920 to 1939: next month's, forecast for the last four years."""
    from pytrainr import plots

    series = trainr_table(DATA / "nottem.csv", x="value", time="time", quiet=True)
    values, years = series.X[0], np.array(series.times, dtype=float)
    ranges = split(len(values), train=2 / 3, validation=2 / 15)  # options: smallest error there of 11 tried
    scale = Normalisation.by_range(values[ranges.train])
    train = windows(scale.apply(values), lookback=24, within=ranges.train, every_step=True)
    test = windows(values, lookback=24, within=ranges.test)

    started = time.perf_counter()
    model = calls.trainr(
        train.Y,
        train.X,
        learningrate=0.1,
        hidden_dim=16,
        numepochs=50,
        rng=RRandom(1),
        epoch_function=progress("nottem"),
        **scale.fields(),
    )
    seconds = time.perf_counter() - started
    forecasts = {
        "rnn": calls.predictr(model, test.X)[:, -1:],
        "same month last year": seasonal(values, test.rows, period=12),
        "persistence": persistence(values, test.rows),
    }
    times, actual = years[test.rows], values[test.rows]
    title = "Nottingham: next month's temperature"
    plots.series(times, actual, forecasts, folder / "nottem.png", title, "degrees Fahrenheit")
    return [
        Result(
            "nottem, next month",
            f"rnn 16 units, {model.numepochs} epochs" if name == "rnn" else name,
            f"off by {accuracy(actual, forecast).mean_absolute_error:.2f} F on average over {len(actual)} months",
            seconds if name == "rnn" else None,
        )
        for name, forecast in forecasts.items()
    ]
