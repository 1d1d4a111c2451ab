"""Selection: the loss on data that is not trained on, early stopping, and the best weights put back."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import ArgumentError, Place, Setting, wrong_value
from pytrainr.exact.entries import check_entries, check_label_steps, with_mask
from pytrainr.exact.losses import takes_labels, target_variables
from pytrainr.exact.network import ExactNetwork, architecture_of
from pytrainr.exact.target_weights import check_sample_weight, targets_of, with_weights
from pytrainr.memory import check_memory
from pytrainr.model import Model
from pytrainr.parameters import Flat

__all__ = ["Validation", "held_out"]


class Validation:
    """Samples held out: X (samples, time, input), Y (samples, time, output).

    After each epoch ``model.validation_loss`` (epochs,) gets the mean loss per sample; ``model.best_epoch`` is the
    epoch
    with the smallest. After ``patience`` epochs without a smaller one training stops; the best weights come back in
    any case.
    """

    def __init__(self, X: np.ndarray, Y: np.ndarray, first: int | None = None) -> None:
        """``first``: the number among all samples of the first held out; None for data of their own."""
        self.X, self.Y = np.asarray(X, dtype=np.float64), np.asarray(Y, dtype=np.float64)
        self._first = first
        self._weight: Any = None
        self.states: np.ndarray | None = None
        self.targets = self.Y

    def take_weights(self, sample_weight: Any) -> Any:
        """Keep those of the samples held out; the others'."""
        kept, self._weight = self._divided(sample_weight, "sample_weight")
        return kept

    def take_states(self, initial_state: Any) -> Any:
        """The same for the states before the first step."""
        kept, self.states = self._divided(initial_state, "initial_state")
        return kept

    def _divided(self, given: Any, name: str) -> tuple[Any, Any]:
        if given is None or self._first is None:
            return given, None
        array, samples = np.asarray(given), self._first + self.X.shape[0]
        if array.ndim == 0 or array.shape[0] != samples:
            should = f"{{place}} should have {samples} samples (first dimension) as X, it is {{value}}"
            raise wrong_value(name, should, value=given)
        return array[: self._first], array[self._first :]

    def begin(self, model: Model) -> None:
        """Check the samples against the model and forget what an earlier training found."""
        if model.get("mask") is not None:
            self.X, self.Y = with_mask(self.X, self.Y, "nan", model.loss)
        self._check_shapes(model)
        try:
            check_entries(self.X, self.Y, model, architecture_of(model).tokens, self._place)
        except ArgumentError as error:
            raise error.moved(self._first or 0) from None
        if self.X.shape[1] < model.time_dim:  # zeros follow the input, as in training
            padded = np.zeros((self.X.shape[0], model.time_dim, self.X.shape[2]))
            padded[:, : self.X.shape[1]] = self.X
            self.X = padded
        self.targets = self.Y
        if model.weighted:
            shape = targets_of(self.Y, model.loss)
            weight: Any = np.ones(self.Y.shape[0]) if self._weight is None else self._weight
            self.Y = with_weights(self.Y, check_sample_weight(weight, "sample_weight", *shape))
        model.validation_loss = np.full(model.numepochs, np.nan)
        model.best_epoch, model.best_validation_loss = 0, math.inf

    def check_label_steps(self, model: Model, network: ExactNetwork) -> None:
        """Raise ``ValueError`` where a sample's labels need more steps than there are."""
        try:
            check_label_steps(self.targets, self._place("Y"), model.get("blank") or 0, network.output_lengths(self.X))
        except ArgumentError as error:
            raise error.moved(self._first or 0) from None

    def _place(self, name: str) -> Place:
        return Place(name, of="validation" if self._first is None else "")

    def _check_shapes(self, model: Model) -> None:
        outputs = target_variables(model.loss, model.output_dim)
        for name, array, variables in (("X", self.X, model.input_dim), ("Y", self.Y, outputs)):
            if array.shape[2] != variables:
                should = f"{{place}} should have {variables} variables, it has {array.shape[2]}"
                raise wrong_value(self._place(name), should)
        if self.X.shape[0] != self.Y.shape[0]:
            raise wrong_value(
                "validation",
                f"X and Y of validation should have as many samples; they have {self.X.shape[0]} and {self.Y.shape[0]}",
            )
        if self.Y.shape[1] != model.output_time_dim and not takes_labels(model.loss):
            raise wrong_value(
                self._place("Y"),
                f"{{place}} should have {model.output_time_dim} time steps as Y has, it has {self.Y.shape[1]}",
            )

    def check(self, model: Model) -> None:
        """Raise ``ValueError`` where what was found so far is not what :meth:`after_epoch` writes into."""
        loss, best = model.get("validation_loss"), model.get("best_validation_loss")
        if not isinstance(loss, np.ndarray) or loss.dtype != np.float64 or loss.shape != (model.numepochs,):
            raise ValueError(f"model.validation_loss should be {model.numepochs} numbers, it is {loss!r:.200}")
        if not isinstance(best, float) or not isinstance(model.get("best_epoch"), int):
            raise ValueError(f"model.best_validation_loss should be a number, with its best_epoch; it is {best!r:.200}")

    def after_epoch(self, model: Model, network: ExactNetwork, state: dict[str, Flat]) -> bool:
        """Note the loss, keep the weights if they are the best so far; whether training should stop."""
        _, loss, _ = network.forward(state["weights"], self.X, self.Y, self.states)
        loss /= self.X.shape[0]
        model.validation_loss[model.current_epoch - 1] = loss
        if loss < model.best_validation_loss:
            model.best_validation_loss, model.best_epoch = float(loss), int(model.current_epoch)
            state["_best"][...] = state["weights"]
        patience = model.get("patience")
        return patience is not None and model.current_epoch - model.best_epoch >= patience

    def keep(self, model: Model, state: dict[str, Flat]) -> None:
        """The weights as they are come back, which an epoch function holds for the best."""
        state["_best"][...] = state["weights"]
        model.best_epoch = int(model.best_epoch_kept)

    def finish(self, model: Model, network: ExactNetwork, state: dict[str, Flat]) -> None:
        """Put the best weights back."""
        if model.best_epoch:
            state["weights"][...] = state["_best"]
        model.validation_loss = model.validation_loss[: model.current_epoch]
        for field in network.layout.views(state["_best"]):
            if field + "_best" in model:
                delattr(model, field + "_best")


def held_out(validation: Any, Y: Any, X: Any, mask: Any, loss: Any) -> tuple[Validation, Any, Any, Any]:
    """The samples held out, and Y, X and mask of those that remain.

    ``validation`` is (X, Y), or the share of the last samples; of its own data, NaN marks what a mask leaves out.
    """
    should = "(X, Y), or the share of the samples to hold out, between 0 and 1"
    if isinstance(validation, (tuple, list)):
        if len(validation) != 2:
            raise wrong_value("validation", f"{{place}} should be {should}; it is {{value}}", value=validation)
        held_X, held_Y = (
            arguments.as_samples(array, Place(name, of="validation"))
            for name, array in zip("XY", validation, strict=True)
        )
        return Validation(held_X, held_Y), Y, X, mask
    share = arguments.number(validation, "validation", should)
    if not 0.0 < share < 1.0:
        raise wrong_value("validation", f"{{place}} should be {should}; it is {{value}}", value=validation)
    X, Y = arguments.as_samples(X, "X"), arguments.as_samples(Y, "Y")
    arguments.check_shapes(X, Y, seq_to_seq_unsync=True)
    X, Y = with_mask(X, Y, mask, loss)
    kept = X.shape[0] - max(1, round(share * X.shape[0]))
    if kept < 1:
        setting = Setting("validation", share)
        raise wrong_value("validation", f"{{setting}} of {X.shape[0]} samples leaves none to train on", setting=setting)
    check_memory(16.0 * (X[kept:].size + Y[kept:].size), f"validation={share!r}")
    return Validation(X[kept:], Y[kept:], kept), Y[:kept], X[:kept], None if mask is None else "nan"
