"""``pytrainr train``: from a table, a series or two arrays to a model file."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pytrainr.cli.files import check_outputs, check_plot, write_csv
from pytrainr.cli.source import add_reading_options
from pytrainr.cli.tasks import task_of
from pytrainr.series.windows import as_delays

__all__ = ["add_train"]

DESCRIPTION = """\
Train a network as R's trainr does (same numbers, to the bit, for the same seed) and write it to a model file.

  pytrainr train sums.csv --y c --x a,b --sample id --time bit --learningrate 1 --numepochs 10 --out sums.model
  pytrainr train --Y Y.npy --X X.npy --network-type lstm --learningrate 0.1 --numepochs 50 --out lstm.model
  pytrainr train nottem.csv --y value --lookback 24 --learningrate 0.1 --numepochs 100 --out nottem.model
  pytrainr train newer.csv --retrain nottem.model --numepochs 50 --out newer.model

Options have R's names and defaults. R's outputs are logistic: Y lies between 0 and 1 (a series is scaled by itself).
If the error stays where it is: more --numepochs, another --learningrate; if it becomes NaN: a smaller --learningrate.
gru and lstm in R's package do not follow the gradient; --exact trains them with the right one.

Columns are named as in the file, separated by commas; a name with a comma in it is quoted: --x '"temp, C",wind'.
Files with semicolons, tabs, decimal commas, comments (#) or an Excel line sep=; are read as they are.
"""


TRAINING_OPTIONS = (
    *("network_type", "hidden_dim", "learningrate", "learningrate_decay", "momentum", "numepochs", "batch_size"),
    *("sigmoid", "update_rule", "use_bias", "seq_to_seq_unsync", "exact"),
)
OF_A_RUN = ("validation", "mask")  # what trainr does not keep on an exact model


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
    data.add_argument(
        "--pad", action="store_true", default=None, help="samples differ in length (with --exact): steps may be absent"
    )
    add_reading_options(data)
    data.add_argument("--Y", type=Path, metavar="Y.npy", help="(samples, time, outputs)")
    data.add_argument("--X", type=Path, metavar="X.npy", help="(samples, time, inputs)")
    series = train.add_argument_group("series: one long series cut into windows")
    series.add_argument("--lookback", type=int, metavar="ROWS", help="how many rows back the network sees")
    series.add_argument("--step", type=int, metavar="ROWS", help="it sees every so many rows (default: 1)")
    series.add_argument(
        "--delay", type=_delay, metavar="ROWS", help="how far ahead y is: 1 (default, the next), or several: 1,2,3"
    )
    series.add_argument(
        "--across-gaps", action="store_true", default=None, help="windows may reach across times that are left out"
    )
    _add_training_options(train.add_argument_group("training: R's arguments"))
    out = train.add_argument_group("results")
    out.add_argument("--out", type=Path, required=True, metavar="MODEL", help="the model file to write")
    out.add_argument("--errors", type=Path, metavar="ERRORS.csv", help="mean error of each epoch")
    out.add_argument("--plot", type=Path, metavar="ERRORS.png", help="the same as a picture")
    out.add_argument("--quiet", action="store_true", help="do not print each epoch")
    train.set_defaults(run=_train)


def _add_training_options(group: argparse._ArgumentGroup) -> None:
    def number(name: str, kind: type, text: str) -> None:
        group.add_argument(name, type=kind, metavar=kind.__name__.upper(), help=text)

    def flag(name: str, text: str) -> None:
        group.add_argument(name, action="store_true", default=None, help=text)

    group.add_argument("--network-type", metavar="TYPE", help="rnn, gru or lstm (default: rnn)")
    group.add_argument(
        "--hidden-dim",
        metavar="SIZES",
        help="units of each hidden layer, such as 16 or 16,8 (default: 10)",
    )
    number("--learningrate", float, "how far each update goes; needed unless --retrain")
    number("--learningrate-decay", float, "factor on the learning rate after each epoch (default: 1)")
    number("--momentum", float, "share of each update that is kept for the next (default: 0)")
    number("--numepochs", int, "how often all samples are gone through (default: 1)")
    number("--batch-size", int, "how many samples an update is made from, on average (default: 1)")
    group.add_argument("--sigmoid", metavar="NAME", help="of an rnn: logistic (default), tanh or Gompertz")
    group.add_argument("--update-rule", metavar="NAME", help="sgd or adagrad (default: sgd)")
    flag("--use-bias", "units with a bias")
    flag("--seq-to-seq-unsync", "Y begins when X ends; they may differ in length")
    flag("--exact", "true gradients instead of R's arithmetic")
    group.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="any further argument of trainr; may be repeated",
    )
    number("--seed", int, "R's set.seed: the same seed gives the same network")
    group.add_argument(
        "--retrain", type=Path, metavar="MODEL", help="go on with this model: its columns, scale and network"
    )


def _train(options: argparse.Namespace) -> None:
    import pytrainr

    outputs = {"--out": options.out, "--errors": options.errors, "--plot": options.plot}
    check_outputs(outputs, [options.data, options.Y, options.X])
    check_plot("--plot", options.plot)
    given = _given(options)
    if options.retrain is None:
        if options.learningrate is None:
            raise ValueError("--learningrate is missing; start with 0.1 (R has no default either).")
        task = task_of(options, None)
        shown = [] if options.quiet else [pytrainr.epoch_print]
        model, named = None, {"epoch_function": [*shown, pytrainr.epoch_annealing], **given, **task.fields}
    else:
        model, named = _to_retrain(pytrainr.Model.load(options.retrain), given, options.quiet)
        task = task_of(options, model)
        if options.data is None and "input_center" in model:
            print(f"{options.X} and {options.Y} are taken as they are, in the scale of the network", file=sys.stderr)
    trained = pytrainr.trainr(
        task.Y,
        task.X,
        model=model,
        rng=None if options.seed is None else pytrainr.RRandom(options.seed),
        **named,
    )
    trained.save(options.out)
    if options.errors is not None:
        write_csv(options.errors, ["epoch", "mean_error"], enumerate(trained.mean_error.tolist(), start=1))
    if options.plot is not None:
        from pytrainr import plots

        plots.history(trained, options.plot)
    print(f"{trained!r} is in {options.out}", file=sys.stderr)


def _given(options: argparse.Namespace) -> dict[str, Any]:
    """Arguments of trainr that were given, by name; what was not is left to trainr."""
    given = {name: getattr(options, name) for name in TRAINING_OPTIONS if getattr(options, name) is not None}
    if "hidden_dim" in given:
        given["hidden_dim"] = _numbers("--hidden-dim", given["hidden_dim"])
    for text in options.set:
        name, value = _setting(text)
        if name in given:
            raise ValueError(f"{name} is given twice, as {_option(name)} and as --set {text}.")
        given[name] = value
    return given


def _to_retrain(model: Any, given: dict[str, Any], quiet: bool) -> tuple[Any, dict[str, Any]]:
    """The model with what may be changed of it, and what else trainr is to be given.

    R changes fields of the model (``model$numepochs <- 50``) before it trains on; those are FREE here. What the weights
    depend on stays as it is. Raises ``ValueError`` for an option that is to be another than the model's.
    """
    from pytrainr import arguments, epoch_print

    check: dict[str, Callable[[Any, str], Any]] = {
        "numepochs": arguments.positive_integer,
        "learningrate": arguments.rate,
        "learningrate_decay": arguments.rate,
        "momentum": arguments.rate,
        "batch_size": lambda value, name: arguments.rate(value, name, zero=False),
    }
    named = {"seq_to_seq_unsync": bool(model.seq_to_seq_unsync)}
    for name, value in given.items():
        if name in check:
            model[name] = check[name](value, name)
        elif name in OF_A_RUN and model.exact:
            named[name] = value
        elif not _same(value, model.get("sigmoid" if name == "hidden_activation" else name, False)):
            raise ValueError(
                f"{_option(name)} is {_shown(value)}, the model's is {_shown(model.get(name))}: a network keeps what "
                f"it was made with; leave it out. What may change is {', '.join(map(_option, check))}."
            )
    functions = [function for function in model.epoch_function if function is not epoch_print]
    model.epoch_function = functions if quiet else [epoch_print, *functions]
    return model, named


def _option(name: str) -> str:
    return "--" + name.replace("_", "-") if name in TRAINING_OPTIONS else f"--set {name}"


def _shown(value: Any) -> str:
    if value is None:
        return "not set"
    return ",".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, (list, tuple)) or isinstance(other, (list, tuple, np.ndarray)):
        return np.array_equal(np.atleast_1d(one), np.atleast_1d(other))
    return bool(one == other)


def _numbers(option: str, text: str) -> list[int]:
    try:
        return [int(number) for number in text.split(",")]
    except ValueError:
        raise ValueError(f"{option} is {text!r}; give whole numbers separated by commas, such as 16,8.") from None


def _delay(text: str) -> int | list[int]:
    """``1``, or several rows ahead at once, ``1,2,3``."""
    try:
        delays = as_delays(_numbers("--delay", text))
    except ValueError as problem:
        raise argparse.ArgumentTypeError(str(problem)) from None
    return delays[0] if len(delays) == 1 else delays


def _setting(text: str) -> tuple[str, Any]:
    """``name=value``, the value read as JSON where it is any."""
    name, equals, value = text.partition("=")
    if not equals or not name.isidentifier():
        raise ValueError(f"--set {text!r} is to be NAME=VALUE, such as --set clipping=1.")
    try:
        return name, json.loads(value)
    except json.JSONDecodeError:
        return name, value
