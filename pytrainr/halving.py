"""Successive halving: of many trainings only those go on that do well so far."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from pytrainr.argument_errors import Setting, wrong_type, wrong_value

if TYPE_CHECKING:
    from pytrainr.training import Training

__all__ = ["Halving", "Rung", "best", "dropped", "error_so_far", "halving_of"]

Key = TypeVar("Key")


class Rung(NamedTuple):
    """After so many ``epochs`` so many of the models are ``kept``."""

    epochs: int
    kept: int


class Halving(NamedTuple):
    """The rule: of ``n`` models that are to train for ``R`` epochs, all train for ``R / eta**s``, then the best
    ``n / eta`` of them go on to ``R / eta**(s-1)``, and so on, until the last ``n / eta**s`` train for all ``R``: each
    round costs about the same, at most ``n R / eta**s`` epochs. ``s`` is the largest number with which one model is
    left and the first round has at least ``epochs`` epochs.

    Jamieson & Talwalkar (2016), *Non-stochastic best arm identification and hyperparameter optimization*, Algorithm 1,
    where ``eta`` is 2; other values as in Li et al. (2018), *Hyperband*, whose inner loop it is.
    """

    eta: int = 3
    epochs: int = 1

    def rungs(self, models: int, numepochs: int) -> list[Rung]:
        """When how many are kept. Raises ``ValueError`` where nothing could be dropped."""
        rounds = 0
        while self.eta ** (rounds + 1) <= models and self.epochs * self.eta ** (rounds + 1) <= numepochs:
            rounds += 1
        if not rounds:
            raise wrong_value(
                "halving",
                f"{{place}} with {{eta}} needs at least {self.eta} models and {self.eta * self.epochs} epochs to drop "
                f"any; here are {models} models of {numepochs} epochs",
                eta=Setting("eta", self.eta),
            )
        return [
            Rung(numepochs // self.eta ** (rounds - done), models // self.eta ** (done + 1)) for done in range(rounds)
        ]


def halving_of(value: Any) -> Halving:
    """The argument ``halving``: eta, or a :class:`Halving`. Raises ``TypeError`` and ``ValueError``."""
    halving = Halving(*value) if isinstance(value, Halving) else Halving(value)
    if not all(isinstance(number, int) and not isinstance(number, bool) for number in halving):
        should = "a whole number, such as 3, or a Halving(eta, epochs) of whole numbers"
        raise wrong_type("halving", f"{{place}} should be {should}; it is {{value}}", value=value)
    if halving.eta < 2 or halving.epochs < 1:
        should = "2 or more (the best 1 of so many goes on), and its epochs 1 or more"
        raise wrong_value("halving", f"{{place}} should be {should}; it is {{value}}", value=value)
    return halving


def error_so_far(training: Training) -> float:
    """By what trainings are compared after a whole epoch: the loss of the data held out, else the mean error."""
    epoch, model = training.epoch, training.model
    value = model.error[:, epoch - 1].mean() if training.validation is None else model.validation_loss[epoch - 1]
    return float(value)


def best(errors: Mapping[Key, float], kept: int) -> list[Key]:
    """So many of the keys, those with the smallest errors; of equal ones the first, and what is not finite last."""
    return sorted(errors, key=lambda key: errors[key] if math.isfinite(errors[key]) else math.inf)[:kept]


def dropped(epoch: int, numepochs: int, error: float, rung: Rung, models: int) -> str:
    """Why a training did not go on."""
    return (
        f"dropped after {epoch} of {numepochs} epochs: its error {error:.6g} is not among the smallest {rung.kept} of "
        f"{models}"
    )
