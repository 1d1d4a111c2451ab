"""Which epoch functions run where: at the server, here as an observer, or here while the training waits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

import pytrainr
from pytrainr import arguments
from pytrainr.epoch_functions import is_observer
from pytrainr.function_names import function_name
from pytrainr.schedules import Schedule, schedule_named

__all__ = ["EpochFunctions", "ObservedEpoch", "sorted_out"]


class EpochFunctions(NamedTuple):
    """The caller's epoch functions, in order, and the names of those that the server is told of."""

    functions: tuple[Callable[[Any], Any], ...]
    names: tuple[str, ...]
    pause: bool  # one of them must see and may change the model: all of them run here

    def observe(self, epoch: ObservedEpoch) -> None:
        """Call the observers for an epoch that the server has trained."""
        changed = False
        for function in self.functions:
            if is_observer(function):
                function(epoch.model(changed))
            else:
                changed = True

    def after(self, returned: Sequence[Callable[[Any], Any]]) -> list[Callable[[Any], Any]]:
        """The functions as the training leaves them: schedules that ran at the server in the state that came back."""
        if self.pause:
            return list(self.functions)
        schedules = (function for function in returned if isinstance(function, Schedule))
        return [next(schedules) if isinstance(function, Schedule) else function for function in self.functions]


class ObservedEpoch(NamedTuple):
    """An epoch as an observer sees it."""

    fields: dict[str, Any]
    epoch: int
    mean_error: float
    learningrate: float
    next_learningrate: float

    def model(self, changed: bool) -> pytrainr.Model:
        """The options, the learning rate and the error; without weights, which are at the server.

        ``error`` has one row, the mean over the samples, in the column of this epoch.
        """
        error = np.zeros((1, max(self.epoch, int(self.fields.get("numepochs", 0)))))
        error[:, self.epoch - 1] = self.mean_error
        now = {
            "learningrate": self.next_learningrate if changed else self.learningrate,
            "error": error,
            "current_epoch": self.epoch,
        }
        return pytrainr.Model.from_fields({**self.fields, **now})


def sorted_out(given: Any) -> EpochFunctions:
    """The functions of trainr's ``epoch_function``: a callable, or several. Raises ``TypeError`` for anything else."""
    functions = tuple(arguments.functions(given, "epoch_function"))
    pause = not all(is_observer(function) or _is_at_server(function) for function in functions)
    pause = pause or _watched_between(functions)
    named = (f for f in functions if pause or _is_at_server(f) or f is pytrainr.epoch_print)
    return EpochFunctions(functions, tuple(map(function_name, named)), pause)


def _is_at_server(function: Callable[[Any], Any]) -> bool:
    """Whether the server runs the very same: a schedule's name is all of it."""
    if isinstance(function, Schedule):
        return schedule_named(function.__name__) == function
    return function is pytrainr.epoch_annealing


def _watched_between(functions: Sequence[Callable[[Any], Any]]) -> bool:
    """Whether an observer stands between two functions of the server, where it sees what only the first has changed."""
    changing = [place for place, function in enumerate(functions) if not is_observer(function)]
    return bool(changing) and changing[-1] - changing[0] >= len(changing)
