"""What X and Y may hold: finite numbers, NaN only in steps that a mask leaves out, targets that the loss knows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import ArgumentError, Place, Setting, wrong_value
from pytrainr.exact.losses import LOSSES, takes_labels
from pytrainr.memory import check_memory
from pytrainr.r_list import RList

__all__ = [
    "check_entries",
    "check_finite",
    "check_label_steps",
    "check_targets",
    "check_tokens",
    "with_mask",
]

_ROUNDING = 1e-4  # by which a row of probabilities in single precision may miss 1


def check_finite(array: np.ndarray, place: Place | str, masked: bool) -> None:
    """Raise ``ValueError``, naming the entry, for infinity, and for NaN unless ``masked``: then it means "no entry"."""
    if not masked:
        try:
            arguments.check_finite(array, place)
        except ArgumentError as error:
            hint = "; {mask} takes {nan} for 'no entry at this step'"
            raise error.followed_by(hint, mask=Setting("mask", "nan"), nan=math.nan) from None
    elif wrong := arguments.first_entry(array, np.isinf):
        raise wrong_value(
            arguments.entry(place, *wrong),
            "{place} is {value} (sample, time step, variable): {name} should hold finite numbers, and {nan} where "
            "there is no entry",
            value=array[wrong],
            nan=math.nan,
        )


def with_mask(X: np.ndarray, Y: np.ndarray | None, mask: Any, loss: str | None = None) -> tuple[np.ndarray, Any]:
    """X and Y with NaN in every step that has no entry: where ``mask`` (samples, time) is 0, or as they are for
    ``"nan"``. The labels that a ``loss`` takes for all steps together stay as they are.

    A step is absent as a whole: with ``"nan"`` all variables of a step with a NaN become NaN; where a mask says that a
    step is there, NaN is an error.
    """
    if mask is None:
        return X, Y
    present = None if isinstance(mask, str) else _present(mask, X.shape[:2])
    if present is None and mask != "nan":
        raise _no_mask(mask)
    masked: list[Any] = []
    for array, name in ((X, "X"), (Y, "Y")):
        if array is None or (name == "Y" and takes_labels(loss)):
            masked.append(array)
            continue
        check_memory(24.0 * array.size, f"{name} with a mask")
        array = np.array(array, dtype=np.float64)
        if present is not None and array.shape[1] == X.shape[1]:
            array[~present] = 0.0
            _check_present(array, name)
            array[~present] = np.nan
        array[np.isnan(array).any(axis=2)] = np.nan
        masked.append(array)
    return masked[0], masked[1]


def _present(mask: Any, shape: tuple[int, ...]) -> np.ndarray:
    """The mask as booleans (samples, time)."""
    try:
        values = np.asarray(mask)
    except ValueError:  # ragged
        values = np.empty(0)
    if values.dtype.kind not in "biuf" or (values.ndim == 2 and not np.isin(values, (0, 1)).all()):
        raise _no_mask(mask)
    if values.shape != shape:
        raise wrong_value(
            "mask",
            "{place} should be {needed} (samples, time) as X, 1 where a step has an entry, it is {shape}",
            needed=shape,
            shape=values.shape,
        )
    return values.astype(bool)


def _no_mask(value: Any) -> ArgumentError:
    should = "{nan} or an array of (samples, time), 1 where a step has an entry, else 0"
    return wrong_value("mask", f"{{place}} should be {should}; it is {{value}}", nan="nan", value=value)


def _check_present(array: np.ndarray, name: str) -> None:
    if wrong := arguments.first_entry(array, np.isnan):
        raise wrong_value(
            arguments.entry(name, *wrong),
            "{place} is {value} (sample, time step, variable) where mask says that the step has an entry: it should be "
            "a finite number, or mask 0 there",
            value=array[wrong],
        )


def check_tokens(X: np.ndarray, tokens: int | None, place: Place | str = "X") -> None:
    """Raise ``ValueError``, naming the entry, where X is not whole numbers below ``tokens``; NaN is no entry."""
    if tokens is None:
        return
    if wrong := arguments.first_entry(X, lambda part: _no_number_below(part, tokens)):
        raise wrong_value(
            arguments.entry(place, *wrong),
            f"{{place}} is {{value}} (sample, time step, variable): an Embedding({tokens}, …) takes tokens, whole "
            f"numbers from 0 to {tokens - 1}",
            value=X[wrong],
        )


def _no_number_below(part: np.ndarray, limit: int) -> np.ndarray:
    if part.dtype.kind == "f":
        return ~np.isnan(part) & ((part < 0.0) | (part >= limit) | (part != np.floor(part)))
    return (part < 0) | (part >= limit)


def check_entries(
    X: np.ndarray, Y: np.ndarray, model: RList, tokens: int | None, place: Callable[[str], Place] = Place
) -> None:
    """Raise ``ValueError``, naming the entry, where X or Y holds what the network of ``model`` cannot take."""
    masked = model.get("mask") is not None
    check_finite(X, place("X"), masked)
    check_finite(Y, place("Y"), masked or takes_labels(model.loss))
    check_tokens(X, tokens, place("X"))
    check_targets(Y, place("Y"), model.output, model.loss, model.output_dim, model.get("blank"))


def check_targets(
    Y: np.ndarray, place: Place | str, output: str, loss: str, outputs: int, blank: int | None = None
) -> None:
    """Raise ``ValueError``, naming the entry, where Y is no target of these outputs and loss; NaN is no target."""
    if takes_labels(loss):
        _check_labels(Y, place, outputs, blank or 0)
        return
    if LOSSES[loss].targets == "class":
        if wrong := arguments.first_entry(Y, lambda part: _no_number_below(part, outputs)):
            raise wrong_value(
                arguments.entry(place, *wrong),
                f"{{place}} is {{value}} (sample, time step, variable): with {{loss}} targets are classes, whole "
                f"numbers from 0 to {outputs - 1}, for the last layer puts out {outputs}",
                value=Y[wrong],
                loss=Setting("loss", loss),
            )
        return
    by_row = output == "softmax" or LOSSES[loss].targets == "probabilities"
    if not by_row and LOSSES[loss].targets == "any":
        return
    setting = Setting("output", output) if output == "softmax" else Setting("loss", loss)
    if wrong := arguments.first_entry(Y, lambda part: (part < 0.0) | (part > 1.0)):
        raise wrong_value(
            arguments.entry(place, *wrong),
            "{place} is {value} (sample, time step, variable): {setting} needs targets between 0 and 1",
            value=Y[wrong],
            setting=setting,
        )
    if by_row and (wrong := arguments.first_entry(Y, lambda part: np.abs(part.sum(axis=2) - 1.0) > _ROUNDING)):
        raise wrong_value(
            arguments.entry(place, *wrong),
            "{place} adds up to {sum} (sample, time step): {setting} needs rows of probabilities, one variable per "
            "class (one-hot), that add up to 1",
            sum=float(np.asarray(Y[wrong], dtype=np.float64).sum()),
            setting=setting,
        )


def _check_labels(Y: np.ndarray, place: Place | str, outputs: int, blank: int) -> None:
    """Labels are whole numbers of outputs, the blank (or NaN) only fills up after them."""
    if wrong := arguments.first_entry(Y, lambda part: _no_number_below(part, outputs)):
        raise wrong_value(
            arguments.entry(place, *wrong),
            "{place} is {value} (sample, place, variable): with {loss} targets are labels, whole numbers from 0 to "
            f"{outputs - 1}, for the last layer puts out {outputs}; a shorter sequence is filled up with {blank}, the "
            "blank",
            value=Y[wrong],
            loss=Setting("loss", "ctc"),
        )
    filling = _filling(Y, blank)
    late = ~filling & np.logical_or.accumulate(filling, axis=1)
    if late.any():
        wrong = tuple(np.argwhere(late)[0].tolist())
        raise wrong_value(
            arguments.entry(place, *wrong, 0),
            "{place} is {value} after {blank}, the blank, which fills up a shorter sequence: labels come first",
            value=Y[(*wrong, 0)],
            blank=blank,
        )


def _filling(Y: np.ndarray, blank: int) -> np.ndarray:
    """Where Y (samples, places, 1) has no label."""
    return np.isnan(Y[:, :, 0]) | (Y[:, :, 0] == blank)


def check_label_steps(Y: np.ndarray, place: Place | str, blank: int, steps: np.ndarray) -> None:
    """Raise ``ValueError``, naming the sample, where the network puts out fewer ``steps`` (samples,) than its labels
    need: one for each, and one for the blank between equal ones."""
    there = ~_filling(Y, blank)
    repeated = there[:, 1:] & (Y[:, 1:, 0] == Y[:, :-1, 0])
    needed = there.sum(axis=1) + repeated.sum(axis=1)
    short = np.flatnonzero(needed > steps)
    if short.size:
        sample = int(short[0])
        labels = f"{there[sample].sum()} labels"
        if between := repeated[sample].sum():
            labels += f", {between} of them equal to the one before, which takes a blank between them"
        raise wrong_value(
            arguments.entry(place, sample),
            f"{{place}} has {labels}: they need {needed[sample]} steps or more, the network puts out {steps[sample]} "
            "for this sample",
        )
