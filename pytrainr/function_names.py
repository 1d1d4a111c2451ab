"""Functions by name: a model on disk or on the wire holds the names of its epoch and loss functions, never code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytrainr.epoch_functions import EpochProgress, epoch_annealing, epoch_print
from pytrainr.loss_functions import loss_L1

__all__ = ["PROVIDED", "function_name", "function_named"]

PROVIDED: dict[str, Callable[[], Callable[..., Any]]] = {
    "epoch_print": lambda: epoch_print,
    "epoch_annealing": lambda: epoch_annealing,
    "epoch_progress": EpochProgress,
    "loss_L1": lambda: loss_L1,
}
"""For each name the function that is there without asking; a progress bar is a new one each time."""


def function_name(function: Callable[..., Any]) -> str:
    """The name that stands for ``function``: its own, with its module's where pytrainr has another of that name."""
    name = getattr(function, "__name__", type(function).__name__)
    if name not in PROVIDED or isinstance(function, EpochProgress) or PROVIDED[name]() is function:
        return name
    return f"{getattr(function, '__module__', 'user')}.{name}"


def function_named(name: str, functions: Mapping[str, Callable[..., Any]] | None = None) -> Callable[..., Any]:
    """The function of that name among ``functions``, or else among pytrainr's; ``KeyError`` where neither has it."""
    if functions is not None and name in functions:
        return functions[name]
    return PROVIDED[name]()
