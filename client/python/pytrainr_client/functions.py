"""Which epoch functions run where: at the server, here as an observer, or here while the training waits."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np

import pytrainr
from pytrainr.epoch_functions import is_observer
from pytrainr.function_names import function_name

ServerFunctions = {"epoch_annealing": pytrainr.epoch_annealing}


class EpochFunctions(NamedTuple):
    """The caller's epoch functions, in order, and the names of those that the server is told of."""

    functions: tuple[Callable[[Any], Any], ...]
    names: tuple[str, ...]
    pause: bool  # one of them must see and may change the model: all of them run here

    def observe(self, epoch: ObservedEpoch) -> None:
        """Call the observers for an epoch that the server has trained."""
        annealed = False
        for function in self.functions:
            if is_observer(function):
                function(epoch.model(annealed))
            else:
                annealed = True


class ObservedEpoch(NamedTuple):
    """An epoch as an observer sees it."""

    fields: dict[str, Any]
    epoch: int
    mean_error: float
    learningrate: float
    next_learningrate: float

    def model(self, annealed: bool) -> pytrainr.Model:
        """The options, the learning rate and the error; without weights, which are at the server.

        ``error`` has one row, the mean over the samples, in the column of this epoch.
        """
        error = np.zeros((1, max(self.epoch, int(self.fields.get("numepochs", 0)))))
        error[:, self.epoch - 1] = self.mean_error
        changed = {
            "learningrate": self.next_learningrate if annealed else self.learningrate,
            "error": error,
            "current_epoch": self.epoch,
        }
        return pytrainr.Model.from_fields({**self.fields, **changed})


def sorted_out(given: Any) -> EpochFunctions:
    """The functions of trainr's ``epoch_function``: a callable, or several. Raises ``TypeError`` for anything else."""
    functions = tuple(_each(given))
    at_server = {id(function) for function in ServerFunctions.values()}
    pause = not all(is_observer(function) or id(function) in at_server for function in functions)
    names = [
        function_name(function) for function in functions if pause or id(function) in at_server or _is_print(function)
    ]
    return EpochFunctions(functions, tuple(names), pause)


def _is_print(function: Callable) -> bool:
    return function is pytrainr.epoch_print


def _each(given: Any) -> Iterable[Callable]:
    from pytrainr import arguments

    return arguments.functions(given, "epoch_function")
