"""Schedules as epoch functions: each takes the model after an epoch, changes its learning rate or ends the training.

    trainr(Y, X, learningrate=0.1, epoch_function=[epoch_print, CosineSchedule(numepochs=50)], numepochs=50)

The exponential one is R's ``epoch_annealing``.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import wrong_type, wrong_value
from pytrainr.epoch_functions import measured
from pytrainr.network import layout_of
from pytrainr.r_list import RList

__all__ = [
    "CosineSchedule",
    "EarlyStopping",
    "ExponentialSchedule",
    "ReduceOnPlateau",
    "Schedule",
    "StepSchedule",
    "schedule_named",
]


class Schedule:
    """What the schedules have in common: they are checked, and their name holds what they are and where they stand."""

    kept_with_model = True
    """Where a model is copied, so is the schedule: it changes as it is called."""

    weights: np.ndarray | None = None
    """Those of an earlier epoch that it keeps, one after the other: the part of its state that its name has no room
    for."""
    keeps_weights = False
    """Whether by now it does."""

    def __post_init__(self) -> None:
        for name in ("epochs", "numepochs", "patience"):
            if hasattr(self, name):
                setattr(self, name, arguments.positive_integer(getattr(self, name), name))
        for name in ("factor", "lowest"):
            if hasattr(self, name):
                setattr(self, name, arguments.rate(getattr(self, name), name))

    @property
    def __name__(self) -> str:
        """The type and, as JSON, every field; :func:`schedule_named` makes the same schedule of it."""
        return type(self).__qualname__ + json.dumps({f.name: getattr(self, f.name) for f in fields(self)})  # type: ignore[arg-type]

    def __call__(self, model: RList) -> RList:
        """Change the learning rate after an epoch."""
        raise NotImplementedError


@dataclass
class ExponentialSchedule(Schedule):
    """``learningrate ← learningrate · factor`` after each epoch."""

    factor: float

    def __call__(self, model: RList) -> RList:
        model.learningrate *= self.factor
        return model


@dataclass
class StepSchedule(Schedule):
    """``learningrate ← learningrate · factor`` after every ``epochs`` epochs."""

    epochs: int
    factor: float = 0.1

    def __call__(self, model: RList) -> RList:
        if model.current_epoch % self.epochs == 0:
            model.learningrate *= self.factor
        return model


@dataclass
class CosineSchedule(Schedule):
    """From the first learning rate to ``lowest`` along half a cosine over ``numepochs`` epochs.

    Loshchilov & Hutter (2017).
    """

    numepochs: int
    lowest: float = 0.0
    _first: float | None = field(default=None, init=False, repr=False)

    def __call__(self, model: RList) -> RList:
        if model.current_epoch == 1 or self._first is None:
            self._first = float(model.learningrate)
        done = min(model.current_epoch / self.numepochs, 1.0)
        model.learningrate = self.lowest + 0.5 * (self._first - self.lowest) * (1.0 + math.cos(math.pi * done))
        return model


@dataclass
class ReduceOnPlateau(Schedule):
    """``learningrate ← learningrate · factor`` where ``patience`` epochs have brought no smaller error.

    The error is the validation loss where there is one, else the mean error of the epoch.
    """

    factor: float = 0.1
    patience: int = 10
    lowest: float = 0.0
    _best: float = field(default=math.inf, init=False, repr=False)
    _waited: int = field(default=0, init=False, repr=False)

    def __call__(self, model: RList) -> RList:
        if model.current_epoch == 1:
            self._best, self._waited = math.inf, 0
        error = measured(model)[watched(model)]
        if error < self._best:
            self._best, self._waited = error, 0
            return model
        self._waited += 1
        if self._waited >= self.patience:
            model.learningrate = max(model.learningrate * self.factor, self.lowest)
            self._waited = 0
        return model


@dataclass
class EarlyStopping(Schedule):
    """End the training where ``patience`` epochs have brought nothing better; the best epoch's weights come back.

        trainr(Y, X, ..., epoch_function=[epoch_annealing, EarlyStopping(patience=5)])

    ``monitor`` is what is watched, a field with a number for each epoch: "error", "validation_loss", a metric such as
    "validation_accuracy", or "held_out_error" (``epoch_held_out``, before this one); None: the first there is of the
    validation loss, the held-out error and the error. Accuracies should be large, all else small. Better is what is so
    by more than ``least_change``. With ``restore=False`` the last weights stay.

    ``model.best_epoch_kept`` says which epoch's weights the model has. Raises ``ValueError`` for a field that is not
    there.
    """

    patience: int = 10
    monitor: str | None = None
    least_change: float = 0.0
    restore: bool = True
    _best: float = field(default=math.inf, init=False, repr=False)
    _best_epoch: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        super().__post_init__()
        self.least_change = arguments.rate(self.least_change, "least_change")
        self.restore = arguments.flag(self.restore, "restore")
        if self.monitor is not None and not isinstance(self.monitor, str):
            raise wrong_type(
                "monitor", "{place} should be the name of a field of the model, it is {value}", value=self.monitor
            )

    @property
    def keeps_weights(self) -> bool:  # type: ignore[override]
        return self.restore and self._best_epoch > 0

    def __call__(self, model: RList) -> RList:
        epoch = int(model.current_epoch)
        if epoch == 1:
            self._best, self._best_epoch = math.inf, 0
        value = to_be_small(model, self.monitor)
        layout = layout_of(model)
        if value < self._best - self.least_change or not self._best_epoch:
            self._best, self._best_epoch = value, epoch
            if self.restore:
                self.weights = layout.copied(model)
        if epoch - self._best_epoch >= self.patience:
            model.stop_training = True
        if (model.get("stop_training") or epoch == model.numepochs) and self.weights is not None:
            for name, arrays in layout.views(self.weights).items():
                model[name] = arrays
            model.best_epoch_kept = self._best_epoch
            self.weights, self._best_epoch = None, 0
        return model


def watched(model: RList) -> str:
    """What says best how good the model is on other data: the field with a number for each epoch."""
    return next((name for name in ("validation_loss", "held_out_error") if model.get(name) is not None), "error")


def to_be_small(model: RList, monitor: str | None) -> float:
    """The number of the epoch just trained that ``monitor`` names, None: see :func:`watched`; an accuracy, which is to
    be large, with a minus. Raises ``ValueError`` for what is not measured."""
    monitor, numbers = monitor or watched(model), measured(model)
    if monitor not in numbers:
        should = f"{{place}} should be what is measured after each epoch, {', '.join(numbers)}; it is {{value}}"
        raise wrong_value("monitor", should, value=monitor)
    return -numbers[monitor] if monitor.endswith("accuracy") else numbers[monitor]


_SCHEDULES = {
    kind.__qualname__: kind
    for kind in (CosineSchedule, EarlyStopping, ExponentialSchedule, ReduceOnPlateau, StepSchedule)
}


def schedule_named(name: str) -> Schedule | None:
    """The schedule of that ``__name__``, with its state; None where it is no schedule's."""
    kind, brace, state = name.partition("{")
    if kind not in _SCHEDULES or not brace:
        return None
    try:
        values, _ = json.JSONDecoder().raw_decode(brace + state)  # what follows tells two of the same name apart
        return _with_state(_SCHEDULES[kind], values)
    except (ValueError, TypeError, KeyError):
        return None


def _with_state(kind: Any, values: dict[str, Any]) -> Schedule:
    schedule: Schedule = kind(**{f.name: values.pop(f.name) for f in fields(kind) if f.init})
    state = {f.name for f in fields(kind) if not f.init}
    for name, value in values.items():
        if name not in state or not (value is None or type(value) in (int, float)):
            raise ValueError(f"{name} is no state of a {kind.__name__}")
        setattr(schedule, name, value)
    return schedule
