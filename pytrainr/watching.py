"""Epoch functions that write a training down, or measure it on other data: each takes the model and returns it.

trainr(Y, X, ..., epoch_function=[epoch_annealing, epoch_csv("log.csv"), Checkpoint("best.model")])
"""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from pytrainr import arguments
from pytrainr.argument_errors import wrong_value
from pytrainr.epoch_functions import is_observer, measured
from pytrainr.model import Model
from pytrainr.network import layout_of
from pytrainr.prediction import predictr
from pytrainr.schedules import to_be_small
from pytrainr.series.normalisation import MODEL_FIELDS

__all__ = ["Checkpoint", "HeldOut", "epoch_csv", "epoch_held_out", "epoch_tensorboard"]


class Checkpoint:
    """Save the model after each epoch, or each that is the best so far, to the file ``path``.

    ``monitor`` is what is to be small, or an accuracy that is to be large, as for ``EarlyStopping``. With
    ``best_only=False`` every ``every``-th epoch is saved; in a path with ``{epoch}`` each has a file of its own. The
    file is a model as ``save`` writes it, complete at any time; of the epoch functions it has those that change the
    training, so that ``trainr(Y, X, model=Model.load(path))`` goes on.
    """

    __name__ = "Checkpoint"

    def __init__(
        self, path: str | os.PathLike[str], monitor: str | None = None, best_only: bool = True, every: int = 1
    ) -> None:
        self.path, self.monitor = os.fspath(path), monitor
        self.best_only = arguments.flag(best_only, "best_only")
        self.every = arguments.positive_integer(every, "every")
        self._best = np.inf

    def __call__(self, model: Model) -> Model:
        """Save it, where it is its turn."""
        epoch = int(model.current_epoch)
        if epoch == 1:
            self._best = np.inf
        if self.best_only:
            value = to_be_small(model, self.monitor)
            if not value < self._best:
                return model
            self._best = value
        elif epoch % self.every and epoch != model.numepochs:
            return model
        saved = Model(dict(model.items()))
        kept = [f for f in model.epoch_function if not (is_observer(f) or isinstance(f, (Checkpoint, _Watcher)))]
        saved.epoch_function = kept
        saved.save(self.path.replace("{epoch}", str(epoch)))
        return model


class _Watcher:
    """Reads the model after each epoch and changes nothing."""

    def __call__(self, model: Model) -> Model:
        self.watch(model)
        return model

    def watch(self, model: Model) -> None:
        """What is read."""
        raise NotImplementedError


class HeldOut(_Watcher):
    """``epoch_held_out``: see there."""

    __name__ = "epoch_held_out"

    def __init__(self, X: ArrayLike, Y: ArrayLike) -> None:
        self.X, self.Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")

    def watch(self, model: Model) -> None:
        unscaled = Model({name: value for name, value in model.items() if name not in MODEL_FIELDS})
        predicted = np.asarray(predictr(unscaled, self.X))
        if predicted.size != self.Y.size:
            should = "{place} should be shaped as the predictions for X, {predicted}, it has the shape {shape}"
            raise wrong_value("Y", should, predicted=predicted.shape, shape=self.Y.shape)
        errors = model.get("held_out_error")
        if errors is None or int(model.current_epoch) == 1:
            errors = np.full(int(model.numepochs), np.nan)
        errors = np.array(errors)
        errors[int(model.current_epoch) - 1] = np.abs(predicted.reshape(self.Y.shape) - self.Y).sum(axis=(1, 2)).mean()
        model.held_out_error = errors


def epoch_held_out(X: ArrayLike, Y: ArrayLike) -> HeldOut:
    """Measure R's error, the sum of |target − prediction|, on other samples: ``model.held_out_error`` (epochs,).

    For R's arithmetic, which has no ``validation``. X and Y are on the scale of those trained on. With
    ``EarlyStopping()`` after it, the training ends where it grows:
    ``epoch_function=[epoch_annealing, epoch_held_out(X, Y), EarlyStopping(5)]``.
    """
    return HeldOut(X, Y)


class _Csv(_Watcher):
    __name__ = "epoch_csv"
    observer = True

    def __init__(self, path: str | os.PathLike[str], append: bool) -> None:
        self.path, self.append = Path(path), append

    def watch(self, model: Model) -> None:
        epoch = int(model.current_epoch)
        row = {"epoch": epoch, "learningrate": float(model.learningrate), **measured(model)}
        anew = epoch == 1 and not (self.append and self.path.exists())
        with open(self.path, "w" if anew else "a", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            if anew:
                writer.writerow(row)
            writer.writerow([f"{value!r}" for value in row.values()])


def epoch_csv(path: str | os.PathLike[str], append: bool = False) -> Callable[[Model], Model]:
    """Write a row for each epoch to a CSV file: epoch, learning rate, mean error, validation loss, metrics.

    A training begins the file anew, with a header, unless ``append``. The row is there when the epoch is done.
    """
    return _Csv(path, arguments.flag(append, "append"))


class _TensorBoard(_Watcher):
    __name__ = "epoch_tensorboard"

    def __init__(self, folder: str | os.PathLike[str], histograms: bool) -> None:
        self.folder, self.histograms = os.fspath(folder), histograms
        self.observer = not histograms  # scalars need no weights
        self._writer: Any = None

    def watch(self, model: Model) -> None:
        epoch = int(model.current_epoch)
        if self._writer is None:
            self._writer = _summary_writer()(self.folder)
        for name, value in {**measured(model), "learningrate": float(model.learningrate)}.items():
            self._writer.add_scalar(name, value, epoch)
        if self.histograms:
            for block in layout_of(model):
                name = f"{block.field}/{block.layer}"
                self._writer.add_histogram(name, np.asarray(model[block.field][block.layer]), epoch)
        self._writer.flush()
        if epoch >= int(model.numepochs) or model.get("stop_training"):
            self._writer.close()
            self._writer = None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_writer": None}  # an open file belongs to its process


def epoch_tensorboard(folder: str | os.PathLike[str], histograms: bool = True) -> Callable[[Model], Model]:
    """Write each epoch for TensorBoard (``tensorboard --logdir folder``): what is measured, histograms of the weights.

    Scalars are named after the model's fields ("error", "learningrate", "validation_loss", "training_accuracy", …),
    histograms after the weights, "time_synapse/0". Needs tensorboardX (``pip install 'pytrainr[tensorboard]'``), or
    PyTorch with tensorboard. ``histograms=False`` needs no weights: a server is not asked to wait.
    """
    _summary_writer()
    return _TensorBoard(folder, arguments.flag(histograms, "histograms"))


def _summary_writer() -> Any:
    try:
        from tensorboardX import SummaryWriter
    except ModuleNotFoundError:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ModuleNotFoundError:
            raise ModuleNotFoundError(
                "epoch_tensorboard needs the package tensorboardX: pip install 'pytrainr[tensorboard]'"
            ) from None
    return SummaryWriter
