"""``pytrainr train``: from a table, a series or two arrays to a model file."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytrainr.cli.files import load_array, write_csv

__all__ = ["add_train"]

DESCRIPTION = """\
Train a network as R's trainr does (same numbers, to the bit, for the same seed) and write it to a model file.

  pytrainr train sums.csv --y c --x a,b --sample id --time bit --learningrate 1 --numepochs 10 --out sums.model
  pytrainr train --Y Y.npy --X X.npy --network-type lstm --learningrate 0.1 --numepochs 50 --out lstm.model
  pytrainr train nottem.csv --y value --lookback 24 --learningrate 0.1 --numepochs 100 --out nottem.model

Options have R's names and defaults. R's outputs are logistic: Y lies between 0 and 1 (a series is scaled by itself).
If the error stays where it is: more --numepochs, another --learningrate; if it becomes NaN: a smaller --learningrate.
gru and lstm in R's package do not follow the gradient; --exact trains them with the right one.
"""


class Task(NamedTuple):
    """What `train` works on: the arrays, and what the model is to remember about where they came from."""

    Y: NDArray[np.float64]
    X: NDArray[np.float64]
    fields: dict[str, Any]


def add_train(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command and its options."""
    form = argparse.RawDescriptionHelpFormatter
    train = commands.add_parser(
        "train",
        help="train a network, write a model file",
        description=DESCRIPTION,
        formatter_class=form,
        allow_abbrev=False,
    )
    data = train.add_argument_group("data: a CSV file with column names, or two .npy arrays")
    data.add_argument("data", nargs="?", type=Path, metavar="DATA.csv", help="a row per sample and time")
    data.add_argument("--y", metavar="COLUMNS", help="what to learn, separated by commas")
    data.add_argument(
        "--x", metavar="COLUMNS", help="what to learn from (default: every other column, of a series y alone)"
    )
    data.add_argument("--sample", metavar="COLUMN", help="which sample a row belongs to")
    data.add_argument("--time", metavar="COLUMN", help="numbers or ISO dates to sort a sample's rows by")
    data.add_argument("--Y", type=Path, metavar="Y.npy", help="(samples, time, outputs)")
    data.add_argument("--X", type=Path, metavar="X.npy", help="(samples, time, inputs)")
    series = train.add_argument_group("series: one long series cut into windows")
    series.add_argument("--lookback", type=int, metavar="ROWS", help="how many rows back the network sees")
    series.add_argument("--step", type=int, default=1, metavar="ROWS", help="it sees every so many rows (default: 1)")
    series.add_argument(
        "--delay", type=int, default=1, metavar="ROWS", help="how far ahead y is (default: 1, the next)"
    )
    _add_training_options(train.add_argument_group("training: R's arguments"))
    out = train.add_argument_group("results")
    out.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the model file to write")
    out.add_argument("--errors", type=Path, metavar="ERRORS.csv", help="mean error of each epoch")
    out.add_argument("--plot", type=Path, metavar="ERRORS.png", help="the same as a picture")
    out.add_argument("--quiet", action="store_true", help="do not print each epoch")
    train.set_defaults(run=_train)


def _add_training_options(group: argparse._ArgumentGroup) -> None:
    def number(name: str, kind: type, default: Any, text: str) -> None:
        group.add_argument(name, type=kind, default=default, metavar=kind.__name__.upper(), help=text)

    group.add_argument("--network-type", default="rnn", metavar="TYPE", help="rnn, gru or lstm (default: rnn)")
    group.add_argument(
        "--hidden-dim",
        default="10",
        metavar="SIZES",
        help="units of each hidden layer, such as 16 or 16,8 (default: 10)",
    )
    number("--learningrate", float, None, "how far each update goes; needed unless --retrain")
    number("--learningrate-decay", float, 1.0, "factor on the learning rate after each epoch (default: 1)")
    number("--momentum", float, 0.0, "share of each update that is kept for the next (default: 0)")
    number("--numepochs", int, 1, "how often all samples are gone through (default: 1)")
    number("--batch-size", int, 1, "how many samples an update is made from, on average (default: 1)")
    group.add_argument("--sigmoid", default="logistic", metavar="NAME", help="of an rnn: logistic, tanh or Gompertz")
    group.add_argument("--update-rule", default="sgd", metavar="NAME", help="sgd or adagrad (default: sgd)")
    group.add_argument("--use-bias", action="store_true", help="units with a bias")
    group.add_argument(
        "--seq-to-seq-unsync", action="store_true", help="Y begins when X ends; they may differ in length"
    )
    group.add_argument("--exact", action="store_true", help="true gradients instead of R's arithmetic")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any further argument of trainr; may be repeated",
    )
    number("--seed", int, None, "R's set.seed: the same seed gives the same network")
    group.add_argument("--retrain", type=Path, metavar="MODEL", help="go on with this model; its options stay")


def _train(options: argparse.Namespace) -> None:
    import pytrainr

    task = _task(options)
    named = {
        name: getattr(options, name)
        for name in ("network_type", "learningrate_decay", "momentum", "numepochs", "batch_size", "sigmoid")
    } | {name: getattr(options, name) for name in ("update_rule", "use_bias")}
    named["hidden_dim"] = _numbers("--hidden-dim", options.hidden_dim)
    named["epoch_function"] = (
        [pytrainr.epoch_annealing] if options.quiet else [pytrainr.epoch_print, pytrainr.epoch_annealing]
    )
    if options.exact:
        named["exact"] = True
    model = None
    if options.retrain is not None:
        model, named = pytrainr.Model.load(options.retrain), {}
    elif options.learningrate is None:
        raise ValueError("--learningrate is missing; start with 0.1 (R has no default either).")
    trained = pytrainr.trainr(
        task.Y,
        task.X,
        model=model,
        learningrate=options.learningrate,
        seq_to_seq_unsync=options.seq_to_seq_unsync,
        rng=None if options.seed is None else pytrainr.RRandom(options.seed),
        **named,
        **(task.fields if model is None else {}),
        **dict(_setting(text) for text in options.set),
    )
    trained.save(options.out)
    if options.errors is not None:
        write_csv(options.errors, ["epoch", "mean_error"], enumerate(trained.mean_error.tolist(), start=1))
    if options.plot is not None:
        from pytrainr.plots import plot_error

        plot_error(trained, options.plot)
    print(f"{trained!r} is in {options.out}", file=sys.stderr)


def _task(options: argparse.Namespace) -> Task:
    """The arrays to train on, from .npy files, a table of samples or a series."""
    from pytrainr.series import Normalisation, windows
    from pytrainr.tables import trainr_table

    if (options.Y is None) != (options.X is None) or (options.data is None) == (options.X is None):
        raise ValueError("give either DATA.csv with --y, or both --X X.npy and --Y Y.npy.")
    if options.data is None:
        return Task(load_array(options.Y), load_array(options.X), {})
    if options.y is None:
        raise ValueError("--y is missing: which column is the network to learn?")
    x, y = _columns(options.x) if options.x else None, _columns(options.y)
    if options.lookback is None:
        table = trainr_table(options.data, y, x, options.sample, options.time)
        assert table.Y is not None  # y was asked for
        source = {"y": table.y, "x": table.x, "sample": options.sample, "time": options.time}
        return Task(table.Y, table.X, {"table": json.dumps(source)})
    if options.sample is not None:
        raise ValueError("--lookback cuts one long series; a table with --sample is cut into samples already.")
    columns = list(dict.fromkeys([*y, *(x or [])]))  # what is forecast is also seen
    series = trainr_table(options.data, x=columns, time=options.time).X[0]
    scale = Normalisation.by_range(series)
    target = list(range(len(y)))
    cut = windows(scale.apply(series), options.lookback, options.step, options.delay, target, every_step=True)
    print(f"{len(cut.rows)} windows of {cut.X.shape[1]} rows x {', '.join(columns)}", file=sys.stderr)
    shape = {"lookback": options.lookback, "step": options.step, "delay": options.delay}
    source = {"y": y, "x": columns, "time": options.time, **shape}
    return Task(cut.Y, cut.X, {**scale.fields(target), "table": json.dumps(source)})


def _columns(text: str) -> list[str]:
    return [name.strip() for name in text.split(",")]


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} is {text!r}; give whole numbers separated by commas, such as 16,8.") from None


def _setting(text: str) -> tuple[str, Any]:
    """``name=value``, the value read as JSON where it is any."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"--set {text!r} is to be NAME=VALUE, such as --set clipping=1.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
