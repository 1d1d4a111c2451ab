"""R functions: those that were read, and pytrainr's epoch and loss functions written down as R code.

Their text is that of the R package ``rnnremote``, which so recognises them in a model and need not run them itself.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytrainr.epoch_functions import epoch_annealing, epoch_print
from pytrainr.loss_functions import loss_L1

__all__ = ["RClosure", "RFunction", "Symbol", "known_function", "r_function"]


@dataclass(frozen=True)
class RClosure:
    """A function that was read from R: the names and the texts that occur in it, and whether numbers do."""

    symbols: frozenset[str]
    texts: frozenset[str]
    numbers: bool = False


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


_SYNTAX = "{ <- = $ $<- *tmp* return model"
_KNOWN: tuple[tuple[Callable, str, str], ...] = (
    (epoch_print, "current_epoch", "message paste0 learningrate current_epoch colMeans error ["),
    (epoch_annealing, "learningrate_decay", "learningrate learningrate_decay *"),
    (
        loss_L1,
        "time_synapse_update",
        "time_synapse_update recurrent_synapse_update bias_synapse_update lapply function x * learningrate "
        "if == network_type",
    ),
)
"""pytrainr's function, a name without which R's is another, and all that R's own and rnnremote's speak of."""


def known_function(closure: RClosure) -> Callable | None:
    """pytrainr's function for R's, recognised by what it speaks of, since R saves no function's name.

    An R user's own variant speaks of something else, or has a number in it.
    """
    for function, needed, words in _KNOWN:
        if needed in closure.symbols and closure.symbols <= {*words.split(), *_SYNTAX.split()} and not closure.numbers:
            return function
    return None


def r_function(function: Callable | str) -> RFunction | str:
    """The R function for a Python function; a loss that goes by its name stays a name."""
    if isinstance(function, str):
        return function
    for ours, theirs in ((epoch_print, EPOCH_PRINT), (epoch_annealing, EPOCH_ANNEALING), (loss_L1, LOSS_L1)):
        if function is ours:
            return theirs
    name = getattr(function, "__name__", type(function).__name__)
    return RFunction(("stop", f"{name} is a Python function, which cannot run in R; put one of your own in its place"))
