"""From the options of ``pytrainr train`` to arrays: of .npy files, of a table of samples, or of a series."""

from __future__ import annotations

import argparse
import sys
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytrainr.cli.files import load_array
from pytrainr.cli.source import Source, named_columns, opened

__all__ = ["Task", "task_of"]

SERIES = ("step", "delay", "across_gaps")


class Task(NamedTuple):
    """What `train` works on: the arrays, and what the model is to remember about where they came from."""

    Y: NDArray[np.float64]
    X: NDArray[np.float64]
    fields: dict[str, Any]


def task_of(options: argparse.Namespace, model: Any | None) -> Task:
    """The arrays to train on; ``model`` is one to go on with: its columns, its windows and its scale are kept."""
    if (options.Y is None) != (options.X is None) or (options.data is None) == (options.X is None):
        raise ValueError("give either DATA.csv with --y, or both --X X.npy and --Y Y.npy.")
    kept = None if model is None else Source.of_model(model)
    if options.data is None:
        _refuse_without_table(options)
        return Task(load_array(options.Y), load_array(options.X), {})
    if options.y is None and kept is None:
        raise ValueError("--y is missing: which column is the network to learn?")
    columns = opened(options.data, options)
    source = _source(options, columns, kept)
    if source.lookback is None:
        return _table_task(columns, source, model, options.exact)
    return _series_task(columns, source, model)


def _refuse_without_table(options: argparse.Namespace) -> None:
    for name in ("y", "x", "sample", "time", "lookback", "step", "delay", "across_gaps", "pad", "encoding", "decimal"):
        if getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} is for a table; arrays (--X, --Y) have no columns.")


def _source(options: argparse.Namespace, columns: Any, kept: Source | None) -> Source:
    """The columns and windows that the options ask for; those of a model to go on with are not to be others."""
    given: dict[str, Any] = {name: getattr(options, name) for name in ("sample", "time", "pad", "lookback", *SERIES)}
    for name in ("y", "x"):
        text = getattr(options, name)
        given[name] = None if text is None else named_columns(text, columns.names)
        columns.find(name, given[name])
    if kept is not None:
        if kept.lookback is not None and given["x"] is not None:
            given["x"] = list(dict.fromkeys([*(given["y"] or kept.y), *given["x"]]))
        for name, value in given.items():
            if value is not None and _comparable(value) != _comparable(getattr(kept, name)):
                raise ValueError(
                    f"--{name.replace('_', '-')} is {_text(value)}, the model's is {_text(getattr(kept, name))}: what "
                    "a model was trained on stays with it; leave the option out."
                )
        return kept
    source = Source(**{"x": [], **{name: value for name, value in given.items() if value is not None}})
    if source.lookback is None:
        for name in SERIES:
            if given[name] is not None:
                raise ValueError(f"--{name.replace('_', '-')} is for a series; it goes with --lookback.")
    elif source.sample is not None:
        raise ValueError("--lookback cuts one long series; a table with --sample is cut into samples already.")
    elif source.pad:
        raise ValueError("--pad is for samples of different length; --lookback makes windows of the same length.")
    return source


def _comparable(value: Any) -> Any:
    return [value] if isinstance(value, int) and not isinstance(value, bool) else value


def _text(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, list) else str(value)


def _table_task(columns: Any, source: Source, model: Any | None, exact: bool) -> Task:
    import pytrainr
    from pytrainr.series.normalisation import normalised_input, normalised_output

    if source.pad and model is None and not exact:
        raise ValueError("--pad needs --exact: R's arithmetic has no steps without an entry.")
    table = pytrainr.trainr_table(columns, source.y, source.x or None, source.sample, source.time, pad=source.pad)
    assert table.Y is not None  # y was asked for
    if model is not None:
        steps = int(model.time_dim) if source.pad else table.X.shape[1]
        X, Y = normalised_input(model, table.X), normalised_output(model, table.Y)
        return Task(_padded(Y, steps), _padded(X, steps), {})
    remembered = Source(table.y, table.x, source.sample, source.time, source.pad)
    return Task(table.Y, table.X, {"table": remembered.json(), **({"mask": "nan"} if source.pad else {})})


def _padded(samples: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """The samples with absent steps at their end, up to as many as the model was trained with."""
    if samples.shape[1] >= steps:
        return samples
    absent = np.full((samples.shape[0], steps - samples.shape[1], samples.shape[2]), np.nan)
    return np.concatenate([samples, absent], axis=1)


def _series_task(columns: Any, source: Source, model: Any | None) -> Task:
    import pytrainr
    from pytrainr.series import Normalisation, windows

    assert source.lookback is not None  # it is a series
    if model is not None and "input_center" not in model:
        raise ValueError("--lookback: the model keeps no scale of a series; it was not trained on one.")
    seen = list(dict.fromkeys([*source.y, *source.x]))  # what is forecast is also seen
    table = pytrainr.trainr_table(columns, x=seen, time=source.time)
    series, target = table.X[0], list(range(len(source.y)))
    scale = Normalisation.by_range(series) if model is None else Normalisation.of_model(model)
    cut = windows(
        scale.apply(series),
        source.lookback,
        source.step,
        source.delay,
        target,
        every_step=True,
        breaks=() if source.across_gaps else table.breaks,
    )
    kept_apart = "; none reaches across a gap (--across-gaps would)" if _loses(source, table) else ""
    print(f"{len(cut.rows)} windows of {cut.X.shape[1]} rows x {', '.join(table.x)}{kept_apart}", file=sys.stderr)
    remembered = Source(
        table.x[: len(target)],
        table.x,
        None,
        source.time,
        lookback=source.lookback,
        step=source.step,
        delay=source.delay,
        across_gaps=source.across_gaps,
    )
    return Task(cut.Y, cut.X, {**scale.fields(target, source.delay), "table": remembered.json()})


def _loses(source: Source, table: Any) -> bool:
    return bool(table.breaks.size) and not source.across_gaps
