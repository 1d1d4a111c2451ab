"""Pictures of a training and of what came of it.

    plots.history(model)                    # the picture; a notebook shows it
    plots.history(model, "error.png")       # writes it as well

They need matplotlib: ``pip install 'pytrainr[plots]'``. No window is opened.
"""

from __future__ import annotations

import io
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from pytrainr.epoch_functions import curves
from pytrainr.model import Model
from pytrainr.network import layout_of
from pytrainr.prediction import gates as gates_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["fit", "forecast", "gates", "history", "series", "weights"]

# Okabe & Ito's colours, which also people with colour blindness tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
ACTUAL = "#333333"

Path = str | os.PathLike[str]


def history(models: Mapping[str, Model] | Model, path: Path | None = None, title: str = "Error per epoch") -> Figure:
    """What was measured after each epoch: R's ``plot(colMeans(model$error), type = "l")``, and more.

    Of one model the mean error, the validation loss and, below, its metrics; of several, by name, the errors. The epoch
    whose weights were kept is marked.
    """
    if not isinstance(models, Model):
        figure = _figure()
        axes = figure.subplots()
        for colour, (name, model) in zip(_colours(len(models)), models.items(), strict=True):
            _curve(axes, model.mean_error, colour, name)
        axes.set(title=title, xlabel="epoch", ylabel="mean error")
        return _finished(figure, path, legend=len(models) > 1)
    known = curves(models)
    losses = [name for name in known if name in ("error", "validation_loss", "held_out_error")]
    metrics = [name for name in known if name not in losses]
    figure = _figure(height=4 if not metrics else 6)
    panels = np.atleast_1d(figure.subplots(1 + bool(metrics), sharex=True))
    for axes, names in zip(panels, (losses, metrics), strict=False):
        for colour, name in zip(_colours(len(names)), names, strict=True):
            _curve(axes, known[name], colour, name.replace("_", " "))
        best = models.get("best_epoch_kept") or models.get("best_epoch")
        if best:
            axes.axvline(best, color="#bbbbbb", linewidth=1)
        axes.set(ylabel="mean error" if names is losses else "metrics")
        if len(names) > 1:
            axes.legend(frameon=False)
    panels[0].set(title=title)
    panels[-1].set(xlabel="epoch")
    return _finished(figure, path)


def fit(
    actual: ArrayLike,
    predicted: Mapping[str, ArrayLike] | ArrayLike,
    path: Path | None = None,
    title: str = "Actual against predicted",
) -> Figure:
    """Actual against predicted values; what lies on the grey line is right. Several predictions go in by name."""
    truth = np.asarray(actual, dtype=np.float64).ravel()
    named: Mapping[str, ArrayLike] = predicted if isinstance(predicted, Mapping) else {"": predicted}
    figure = _figure()
    axes = figure.subplots()
    axes.axline((truth.mean(), truth.mean()), slope=1, color="#bbbbbb", linewidth=1)
    for colour, (name, values) in zip(_colours(len(named)), named.items(), strict=True):
        guess = np.asarray(values, dtype=np.float64).ravel()
        if guess.size != truth.size:
            raise ValueError(f"predicted {name} has {guess.size} values and actual has {truth.size}.")
        axes.plot(truth, guess, "o", color=colour, markersize=4, alpha=0.8, label=name)
    axes.set(title=title, xlabel="actual", ylabel="predicted")
    return _finished(figure, path, legend=len(named) > 1)


def series(
    times: ArrayLike,
    actual: ArrayLike,
    predicted: Mapping[str, ArrayLike],
    path: Path | None = None,
    title: str = "",
    ylabel: str = "",
) -> Figure:
    """A series over time with forecasts by name; a forecast shorter than the series stands at its end."""
    moments, truth = np.asarray(times).ravel(), np.asarray(actual, dtype=np.float64).ravel()
    figure = _figure(width=9)
    axes = figure.subplots()
    axes.plot(moments, truth, color=ACTUAL, linewidth=1.5, label="actual")
    for colour, (name, values) in zip(_colours(len(predicted)), predicted.items(), strict=True):
        guess = np.asarray(values, dtype=np.float64).ravel()
        axes.plot(moments[len(moments) - len(guess) :], guess, color=colour, linewidth=1.2, label=name)
    axes.set(title=title, xlabel="time", ylabel=ylabel)
    figure.legend(loc="outside lower center", ncols=len(predicted) + 1, frameon=False)
    return _finished(figure, path)


def forecast(
    history: ArrayLike,
    predicted: ArrayLike,
    intervals: Mapping[Any, Sequence[ArrayLike]] | None = None,
    path: Path | None = None,
    *,
    times: ArrayLike | None = None,
    title: str = "",
    ylabel: str = "",
) -> Figure:
    """A series (rows,) and the forecast (steps,) of what follows it, with intervals.

    ``intervals``: by name or level, such as 0.8, the lower and the upper bounds, (steps,) each; the widest is drawn
    palest. ``times`` (rows + steps,) default to numbers, 0 the first row that is forecast.
    """
    known, ahead = (np.asarray(values, dtype=np.float64).ravel() for values in (history, predicted))
    moments = np.arange(-len(known), len(ahead)) if times is None else np.asarray(times).ravel()
    if len(moments) != len(known) + len(ahead):
        rows = f"{len(known)} rows of history and {len(ahead)} of the forecast"
        raise ValueError(f"times should have as many entries as {rows} together, it has {len(moments)}.")
    coming = moments[len(known) :]
    bounds = {}
    for name, pair in (intervals or {}).items():
        low, high = (np.asarray(bound, dtype=np.float64).ravel() for bound in pair)
        if not len(low) == len(high) == len(ahead):
            raise ValueError(f"intervals[{name!r}] should be two bounds of {len(ahead)} steps each.")
        bounds[name] = low, high
    figure = _figure(width=9)
    axes = figure.subplots()
    axes.plot(moments[: len(known)], known, color=ACTUAL, linewidth=1.5, label="actual")
    widest_first = sorted(bounds.items(), key=lambda item: -float(np.mean(item[1][1] - item[1][0])))
    for number, (name, (low, high)) in enumerate(widest_first, 1):
        label = f"{name:.0%}" if isinstance(name, float) else str(name)
        shade = 0.5 * number / len(widest_first)
        axes.fill_between(coming, low, high, color=COLOURS[0], alpha=shade, linewidth=0, label=label)
    axes.plot(coming, ahead, color=COLOURS[0], linewidth=1.5, label="forecast")
    axes.set(title=title, xlabel="time", ylabel=ylabel)
    axes.legend(frameon=False)
    return _finished(figure, path)


def weights(model: Model, path: Path | None = None, title: str = "Weights") -> Figure:
    """Every weight array of a model as a map of its entries, blue below 0 and red above, each on its own scale.

    Gates of a matrix stand side by side.
    """
    blocks = [(f"{block.field}[{block.layer}]", model[block.field][block.layer]) for block in layout_of(model)]
    maps = [(name, np.asarray(array, dtype=np.float64)) for name, array in blocks]
    columns = min(3, len(maps))
    rows = -(-len(maps) // columns)
    figure = _figure(width=4 * columns, height=2.4 * rows)
    panels = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for axes, (name, array) in zip(panels, maps, strict=False):
        flat = array.reshape(1, -1, order="F") if array.ndim == 1 else array.reshape(len(array), -1, order="F")
        reach = float(np.abs(flat).max()) or 1.0
        picture = axes.imshow(flat, cmap="RdBu_r", vmin=-reach, vmax=reach, aspect="auto", interpolation="nearest")
        axes.set_title(name, fontsize=9)
        figure.colorbar(picture, ax=axes)
    for axes in panels[len(maps) :]:
        axes.set_axis_off()
    figure.suptitle(title)
    return _finished(figure, path)


def gates(model: Model, X: ArrayLike, sample: int = 0, path: Path | None = None, title: str = "") -> Figure:
    """What every gate of a gru or lstm does over one sequence: ``pytrainr.gates``, units upwards, time to the right.

    ``sample`` is the number of the sequence in X, from 0. A gate is white where it is shut; a candidate is blue
    below 0, red above.
    """
    of_layers = gates_of(model, X)
    columns = max(map(len, of_layers.values()))
    figure = _figure(width=3 * columns, height=2.4 * len(of_layers))
    panels = np.reshape(figure.subplots(len(of_layers), columns, sharex=True, squeeze=False), (len(of_layers), columns))
    for row, (layer, found) in zip(panels, of_layers.items(), strict=True):
        for axes, (name, values) in zip(row, found.items(), strict=False):
            signed = name == "candidate"
            how = {"cmap": "RdBu_r", "vmin": -1} if signed else {"cmap": "Blues", "vmin": 0}
            picture = axes.imshow(
                np.asarray(values)[sample].T, vmax=1, aspect="auto", origin="lower", interpolation="nearest", **how
            )
            axes.set_title(f"{layer}: {name}", fontsize=9)
            figure.colorbar(picture, ax=axes)
        for axes in row[len(found) :]:
            axes.set_axis_off()
    for axes in panels[-1]:
        axes.set_xlabel("time step")
    figure.suptitle(title or f"Gates over sequence {sample}")
    return _finished(figure, path)


def _curve(axes: Axes, values: ArrayLike, colour: str, name: str) -> None:
    values = np.asarray(values)
    axes.plot(np.arange(1, len(values) + 1), values, color=colour, label=name)


def _figure(width: float = 6, height: float = 4) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise ImportError("plots need matplotlib: pip install 'pytrainr[plots]'") from problem

    class Picture(Figure):
        """A figure that a notebook shows, whatever backend matplotlib has."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", dpi=100)
            return file.getvalue()

    return Picture(figsize=(width, height), layout="constrained")


def _colours(count: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(count)]


def _finished(figure: Figure, path: Path | None, legend: bool = False) -> Figure:
    for axes in figure.axes:
        axes.spines[["top", "right"]].set_visible(False)
    if legend:
        figure.axes[0].legend(frameon=False)
    if path is not None:
        figure.savefig(path, dpi=100)
    return figure
