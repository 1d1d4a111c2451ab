"""``pytrainr predict``: from a model file and a table, a series or an array to predictions."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrainr.cli.files import load_array, write_output

__all__ = ["add_predict"]

DESCRIPTION = """\
Predict with a model file; columns are those that the model was trained on.

  pytrainr predict sums.model new.csv --out predicted.csv      a row per sample and time
  pytrainr predict lstm.model --X X.npy --out predicted.npy    (samples, time, outputs); .csv works as well
  pytrainr predict nottem.model nottem.csv --out next.csv      a series: each row forecast from the rows before it
  pytrainr predict nottem.model nottem.csv --ahead 12          the 12 rows after the last, forecasts fed back
"""


def add_predict(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command and its options."""
    form = argparse.RawDescriptionHelpFormatter
    predict = commands.add_parser(
        "predict", help="predict with a model file", description=DESCRIPTION, formatter_class=form, allow_abbrev=False
    )
    predict.add_argument("model", type=Path, metavar="MODEL", help="a file that train wrote")
    predict.add_argument("data", nargs="?", type=Path, metavar="DATA.csv", help="a table with the model's columns")
    predict.add_argument("--X", type=Path, metavar="X.npy", help="(samples, time, inputs)")
    predict.add_argument("--ahead", type=int, metavar="ROWS", help="of a series: forecast so many rows after the last")
    predict.add_argument("--out", type=Path, metavar="FILE", help=".csv or .npy (default: CSV on the standard output)")
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    import pytrainr

    model = pytrainr.Model.load(options.model)
    if (options.data is None) == (options.X is None):
        raise ValueError("give either DATA.csv or --X X.npy.")
    if options.X is not None:
        output = _cube(pytrainr.predictr(model, load_array(options.X)), model.output_dim)
        keys = [(sample, time) for sample in range(1, len(output) + 1) for time in range(1, output.shape[1] + 1)]
        write_output(options.out, ["sample", "time"], keys, [f"y{k + 1}" for k in range(output.shape[2])], output)
        return
    if "table" not in model:
        raise ValueError(f"{options.model} was trained on .npy arrays and knows no columns; give --X X.npy.")
    source = json.loads(model.table)
    if "lookback" in source:
        _predict_series(options, model, source)
        return
    if options.ahead is not None:
        raise ValueError("--ahead is for a model of a series (train --lookback).")
    table = pytrainr.trainr_table(options.data, x=source["x"], sample=source["sample"], time=source["time"])
    output = _cube(pytrainr.predictr(model, table.X), model.output_dim)
    times = table.times if output.shape[1] == len(table.times) else list(range(1, output.shape[1] + 1))
    keys = [(sample, time) for sample in table.samples for time in times]
    write_output(options.out, [source["sample"] or "sample", source["time"] or "time"], keys, source["y"], output)


def _predict_series(options: argparse.Namespace, model: Any, source: dict[str, Any]) -> None:
    """Forecast each row of a series from the rows before it, or the rows after its last."""
    import pytrainr
    from pytrainr.series import forecast, windows

    table = pytrainr.trainr_table(options.data, x=source["x"], time=source["time"])
    target = list(range(len(source["y"])))
    lookback, step, delay = source["lookback"], source["step"], source["delay"]
    if options.ahead is not None:
        if delay != 1:
            raise ValueError(
                f"--ahead feeds each forecast back as the next row; this model forecasts {delay} rows ahead."
            )
        rows = forecast(model, table.X[0], options.ahead, lookback, step, target)
        write_output(options.out, ["ahead"], [(k + 1,) for k in range(len(rows))], source["y"], rows)
        return
    cut = windows(table.X[0], lookback, step, delay, target)
    output = _cube(pytrainr.predictr(model, cut.X), model.output_dim)[:, -1]
    keys = [(table.times[row],) for row in cut.rows]
    write_output(options.out, [source["time"] or "row"], keys, source["y"], output)


def _cube(output: Any, outputs: int) -> NDArray[np.float64]:
    """`predictr`'s answer as (samples, time, outputs); for one output it is (samples, time)."""
    values = np.asarray(output)
    return values[:, :, np.newaxis] if values.ndim == 2 and outputs == 1 else values
