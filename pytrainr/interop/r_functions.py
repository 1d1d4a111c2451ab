"""R functions: those that were read, and pytrainr's epoch and loss functions written down as R code.

Their text is that of the R package ``rnnremote``, which so recognises them in a model and need not run them itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytrainr.epoch_functions import epoch_annealing, epoch_print
from pytrainr.loss_functions import loss_L1

__all__ = ["RClosure", "RFunction", "Symbol", "r_function"]


@dataclass(frozen=True)
class RClosure:
    """A function that was read from R: the names and the texts that occur in it."""

    symbols: frozenset[str]
    texts: frozenset[str]


class Symbol(str):
    """A name in R code, as against a text."""

    __slots__ = ()


@dataclass(frozen=True)
class RFunction:
    """``function(model) body``. A call in the body is a tuple: the function's name, then its arguments."""

    body: Any


MODEL = Symbol("model")


def _field(name: str) -> tuple:
    """model$name"""
    return ("$", MODEL, Symbol(name))


def _scaled(name: str) -> tuple:
    """model$name <- lapply(model$name, "*", model$learningrate)"""
    return ("<-", _field(name), ("lapply", _field(name), "*", _field("learningrate")))


EPOCH_PRINT = RFunction(
    (
        "{",
        ("message", "Trained epoch: ", _field("current_epoch"), " - Learning rate: ", _field("learningrate")),
        ("message", "Epoch error: ", ("[", ("colMeans", _field("error")), _field("current_epoch"))),
        MODEL,
    )
)

EPOCH_ANNEALING = RFunction(
    (
        "{",
        ("<-", _field("learningrate"), ("*", _field("learningrate"), _field("learningrate_decay"))),
        MODEL,
    )
)

LOSS_L1 = RFunction(
    (
        "{",
        _scaled("time_synapse_update"),
        _scaled("recurrent_synapse_update"),
        _scaled("bias_synapse_update"),
        MODEL,
    )
)


def r_function(function: Callable | str) -> RFunction | str:
    """The R function for a Python function; a loss that goes by its name stays a name."""
    if isinstance(function, str):
        return function
    for ours, theirs in ((epoch_print, EPOCH_PRINT), (epoch_annealing, EPOCH_ANNEALING), (loss_L1, LOSS_L1)):
        if function is ours:
            return theirs
    name = getattr(function, "__name__", type(function).__name__)
    return RFunction(("stop", f"{name} is a Python function, which cannot run in R; put one of your own in its place"))
