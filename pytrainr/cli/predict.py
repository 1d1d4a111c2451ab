"""``pytrainr predict``: from a model file and a table, a series or an array to predictions."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytrainr.cli.files import check_outputs, load_array, write_output
from pytrainr.cli.source import Source, add_reading_options, opened
from pytrainr.tables.table import ABSENT

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
    add_reading_options(predict)
    predict.set_defaults(run=_predict)


def _predict(options: argparse.Namespace) -> None:
    import pytrainr

    check_outputs({"--out": options.out}, [options.data, options.X, options.model])
    model = pytrainr.Model.load(options.model)
    if (options.data is None) == (options.X is None):
        raise ValueError("give either DATA.csv or --X X.npy.")
    if options.X is not None:
        if options.ahead is not None:
            raise ValueError("--ahead is for a model of a series (train --lookback).")
        output = _cube(pytrainr.predictr(model, load_array(options.X)), model.output_dim)
        keys = [(sample, time) for sample in range(1, len(output) + 1) for time in range(1, output.shape[1] + 1)]
        write_output(options.out, ["sample", "time"], keys, [f"y{k + 1}" for k in range(output.shape[2])], output)
        return
    source = Source.of_model(model)
    if source is None:
        raise ValueError(f"{options.model} was trained on .npy arrays and knows no columns; give --X X.npy.")
    columns = opened(options.data, options)
    if source.lookback is not None:
        _predict_series(options, model, source, columns)
        return
    if options.ahead is not None:
        raise ValueError("--ahead is for a model of a series (train --lookback).")
    table = pytrainr.trainr_table(columns, x=source.x, sample=source.sample, time=source.time, pad=source.pad)
    output = _cube(pytrainr.predictr(model, table.X), model.output_dim)
    names = [source.sample or "sample", source.time or "time"]
    if output.shape[1] != table.rows.shape[1]:
        steps = range(1, output.shape[1] + 1)
        write_output(options.out, names, [(sample, k) for sample in table.samples for k in steps], source.y, output)
        return
    here = table.rows != ABSENT
    keys = [(table.samples[sample], table.row_times[table.rows[sample, k]]) for sample, k in np.argwhere(here)]
    as_rows = options.out is None or options.out.suffix != ".npy"
    write_output(options.out, names, keys, source.y, output[here] if as_rows else output)


def _predict_series(options: argparse.Namespace, model: Any, source: Source, columns: Any) -> None:
    """Forecast each row of a series from the rows before it, or the rows after its last."""
    import pytrainr
    from pytrainr.series import forecast, windows

    assert source.lookback is not None  # it is a series
    table = pytrainr.trainr_table(columns, x=source.x, time=source.time)
    target, delays = list(range(len(source.y))), source.delays
    breaks = table.breaks[:0] if source.across_gaps else table.breaks
    if options.ahead is not None:
        reach = source.lookback - source.step
        if len(breaks) and breaks[-1] > len(table.times) - 1 - reach:
            print(
                f"time is left out among the last {reach + 1} rows, from which the forecast begins, before "
                f"{table.times[breaks[-1]]}",
                file=sys.stderr,
            )
        rows = forecast(model, table.X[0], options.ahead, source.lookback, source.step, target, delay=source.delay)
        write_output(options.out, ["ahead"], [(k + 1,) for k in range(len(rows))], source.y, rows)
        return
    cut = windows(table.X[0], source.lookback, source.step, source.delay, target, breaks=breaks)
    output = _cube(pytrainr.predictr(model, cut.X), model.output_dim)[:, -1]
    name, far = source.time or "row", max(delays)
    if len(delays) == 1:
        write_output(options.out, [name], [(table.times[row],) for row in cut.rows], source.y, output)
        return
    keys = [(table.times[row - far + delay], delay) for row in cut.rows for delay in delays]
    write_output(options.out, [name, "ahead"], keys, source.y, output)


def _cube(output: Any, outputs: int) -> NDArray[np.float64]:
    """`predictr`'s answer as (samples, time, outputs); for one output it is (samples, time)."""
    values = np.asarray(output)
    return values[:, :, np.newaxis] if values.ndim == 2 and outputs == 1 else values
