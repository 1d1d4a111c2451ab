"""The two pictures of the lecture, error per epoch and actual against predicted, and a series with its forecasts.

They need matplotlib: ``pip install 'pytrainr[plots]'``. No window is opened; each function writes one PNG file.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from pytrainr.model import Model

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["plot_error", "plot_fit", "plot_series"]

# Okabe & Ito's colours, which also people with colour blindness tell apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00")
ACTUAL = "#333333"


def plot_error(
    models: Mapping[str, Model] | Model, path: str | os.PathLike[str], title: str = "Error per epoch"
) -> None:
    """Mean error per epoch, R's ``plot(colMeans(model$error), type = "l")``, of one model or of several by name."""
    named = {"": models} if isinstance(models, Model) else models
    figure = _figure()
    axes = figure.subplots()
    for colour, (name, model) in zip(_colours(len(named)), named.items(), strict=True):
        error = np.asarray(model.mean_error)
        axes.plot(np.arange(1, len(error) + 1), error, color=colour, label=name)
    axes.set(title=title, xlabel="epoch", ylabel="mean error")
    _finish(figure, path, legend=len(named) > 1)


def plot_fit(
    actual: ArrayLike,
    predicted: Mapping[str, ArrayLike] | ArrayLike,
    path: str | os.PathLike[str],
    title: str = "Actual against predicted",
) -> None:
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
    _finish(figure, path, legend=len(named) > 1)


def plot_series(
    times: ArrayLike,
    actual: ArrayLike,
    predicted: Mapping[str, ArrayLike],
    path: str | os.PathLike[str],
    title: str = "",
    ylabel: str = "",
) -> None:
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
    _finish(figure, path)


def _figure(width: float = 6) -> Figure:
    try:
        from matplotlib.figure import Figure
    except ImportError as problem:
        raise ImportError("plots need matplotlib: pip install 'pytrainr[plots]'") from problem
    return Figure(figsize=(width, 4), layout="constrained")


def _colours(count: int) -> list[str]:
    return [COLOURS[k % len(COLOURS)] for k in range(count)]


def _finish(figure: Figure, path: str | os.PathLike[str], legend: bool = False) -> None:
    axes = figure.axes[0]
    axes.spines[["top", "right"]].set_visible(False)
    if legend:
        axes.legend(frameon=False)
    figure.savefig(path, dpi=100)
