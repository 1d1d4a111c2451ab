"""Learning-rate schedules as epoch functions: each takes the model after an epoch, changes its rate, returns it.

    trainr(Y, X, learningrate=0.1, epoch_function=[epoch_print, CosineSchedule(numepochs=50)], numepochs=50)

The exponential one is R's ``epoch_annealing``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from pytrainr.model import Model

__all__ = ["CosineSchedule", "ExponentialSchedule", "ReduceOnPlateau", "StepSchedule"]


@dataclass
class ExponentialSchedule:
    """``learningrate ← learningrate · factor`` after each epoch."""

    factor: float

    def __call__(self, model: Model) -> Model:
        model.learningrate *= self.factor
        return model


@dataclass
class StepSchedule:
    """``learningrate ← learningrate · factor`` after every ``epochs`` epochs."""

    epochs: int
    factor: float = 0.1

    def __call__(self, model: Model) -> Model:
        if model.current_epoch % self.epochs == 0:
            model.learningrate *= self.factor
        return model


@dataclass
class CosineSchedule:
    """From the first learning rate to ``lowest`` along half a cosine over ``numepochs`` epochs.

    Loshchilov & Hutter (2017).
    """

    numepochs: int
    lowest: float = 0.0
    _first: float | None = field(default=None, init=False, repr=False)

    def __call__(self, model: Model) -> Model:
        if model.current_epoch == 1 or self._first is None:
            self._first = float(model.learningrate)
        done = min(model.current_epoch / self.numepochs, 1.0)
        model.learningrate = self.lowest + 0.5 * (self._first - self.lowest) * (1.0 + math.cos(math.pi * done))
        return model


@dataclass
class ReduceOnPlateau:
    """``learningrate ← learningrate · factor`` where ``patience`` epochs have brought no smaller error.

    The error is the validation loss where there is one, else the mean error of the epoch.
    """

    factor: float = 0.1
    patience: int = 10
    lowest: float = 0.0
    _best: float = field(default=math.inf, init=False, repr=False)
    _waited: int = field(default=0, init=False, repr=False)

    def __call__(self, model: Model) -> Model:
        if model.current_epoch == 1:
            self._best, self._waited = math.inf, 0
        losses = model.get("validation_loss")
        epoch = model.current_epoch - 1
        error = float(np.mean(model.error[:, epoch]) if losses is None else losses[epoch])
        if error < self._best:
            self._best, self._waited = error, 0
            return model
        self._waited += 1
        if self._waited >= self.patience:
            model.learningrate = max(model.learningrate * self.factor, self.lowest)
            self._waited = 0
        return model
