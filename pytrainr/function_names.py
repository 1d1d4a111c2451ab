"""Functions by name: a model on disk or on the wire holds the names of its epoch and loss functions, never code.

The name of a schedule has its settings and its state, so that a schedule comes back as it went. Of other functions than
pytrainr's only the name comes back, in an :class:`UnknownFunction`: enough for all but training on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytrainr.epoch_functions import EpochProgress, epoch_annealing, epoch_print
from pytrainr.loss_functions import loss_L1
from pytrainr.schedules import schedule_named

__all__ = ["PROVIDED", "UnknownFunction", "function_name", "function_named"]

PROVIDED: dict[str, Callable[[], Callable[..., Any]]] = {
    "epoch_print": lambda: epoch_print,
    "epoch_annealing": lambda: epoch_annealing,
    "epoch_progress": EpochProgress,
    "loss_L1": lambda: loss_L1,
}
"""For each name the function that is there without asking; a progress bar is a new one each time."""


class UnknownFunction:
    """Stands for a function of which a model has only the name. Calling it says so; equal names are equal."""

    def __init__(self, name: str) -> None:
        self.__name__ = name

    def __call__(self, model: Any) -> Any:
        raise TypeError(
            f"of the function {self.__name__!r} this model has only the name; put the function itself in its place, "
            "for example model.epoch_function = [my_function]"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UnknownFunction) and other.__name__ == self.__name__

    def __hash__(self) -> int:
        return hash(self.__name__)

    def __repr__(self) -> str:
        return f"<function {self.__name__}, known by name only>"


def function_name(function: Callable[..., Any]) -> str:
    """The name that stands for ``function``: its own, with its module's where pytrainr has another of that name."""
    name = getattr(function, "__name__", type(function).__name__)
    ours = isinstance(function, (EpochProgress, UnknownFunction))
    if name not in PROVIDED or ours or PROVIDED[name]() is function:
        return name
    return f"{getattr(function, '__module__', 'user')}.{name}"


def function_named(name: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> Callable[..., Any]:
    """The function of that name: of ``functions``, or else pytrainr's, or else one of which only the name is known."""
    if functions is not None and name in functions:
        return functions[name]
    if name in PROVIDED:
        return PROVIDED[name]()
    return schedule_named(name) or UnknownFunction(name)
