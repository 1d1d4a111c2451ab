"""How much each target counts: ``sample_weight`` and ``class_weight``, which multiply its loss."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pytrainr import arguments
from pytrainr.argument_errors import Place, Setting, wrong_value
from pytrainr.exact.losses import LOSSES, takes_labels

__all__ = ["check_class_weight", "check_sample_weight", "target_weights", "targets_of", "with_weights"]


def check_class_weight(value: Any) -> list[float] | None:
    """The weights by class, from a list or ``{class: weight}``; a class without one has 1."""
    if value is None:
        return None
    should = "{place} should be the weight of each class, such as [1.0, 5.0] or {{1: 5.0}}; it is {value}"
    if isinstance(value, Mapping):
        classes = [arguments.natural(_number(name), "class_weight") for name in value]
        if not classes or max(classes) >= 1 << 24:
            raise wrong_value("class_weight", should, value=list(value))
        weights = [1.0] * (max(classes) + 1)
        for number, weight in zip(classes, value.values(), strict=True):
            weights[number] = weight
    elif isinstance(value, (list, tuple)) or (isinstance(value, np.ndarray) and value.ndim == 1):
        weights = list(value)
    else:
        raise wrong_value("class_weight", should, value=value)
    if not weights:
        raise wrong_value("class_weight", should, value=value)
    return [arguments.rate(weight, arguments.entry("class_weight", k)) for k, weight in enumerate(weights)]


def _number(name: Any) -> Any:
    """A class's number; in a message, and in R, names are texts."""
    return int(name) if isinstance(name, str) and name.isascii() and name.isdecimal() and len(name) < 10 else name


def check_sample_weight(value: Any, place: Place | str, samples: int, steps: int) -> np.ndarray:
    """Weights (samples, steps) from (samples,) or (samples, steps); raises ``ValueError`` for what is neither."""
    try:
        weight = np.asarray(arguments.unmasked(value))
    except ValueError:  # ragged
        weight = np.empty((0, 0, 0))
    if weight.dtype.kind not in "biuf" or weight.shape not in ((samples,), (samples, steps), (samples, 1)):
        raise wrong_value(
            place,
            f"{{place}} should be numbers, one a sample ({samples}) or one a target ({samples}, {steps}); it is "
            "{value}",
            value=value,
        )
    if wrong := np.argwhere(~(np.isfinite(weight) & (weight >= 0.0))).tolist():
        raise wrong_value(
            arguments.entry(place, *wrong[0]),
            "{place} is {value}, a weight should be a finite number, 0 or more",
            value=weight[tuple(wrong[0])],
        )
    weight = weight.astype(np.float64).reshape(samples, -1)
    return np.broadcast_to(weight, (samples, steps))


def targets_of(Y: np.ndarray, loss: str) -> tuple[int, int]:
    """(samples, steps) of the targets: a sequence of labels is one."""
    return Y.shape[0], 1 if takes_labels(loss) else Y.shape[1]


def target_weights(Y: np.ndarray, sample_weight: Any, class_weight: list[float] | None, loss: str) -> np.ndarray | None:
    """The weight of each target (samples, steps), None where all count alike."""
    weight = None
    if sample_weight is not None:
        weight = check_sample_weight(sample_weight, "sample_weight", *targets_of(Y, loss))
    if class_weight is None:
        return weight
    by_class = np.ones(max(len(class_weight), int(np.nanmax(Y, initial=0.0)) + 1, Y.shape[2], 2))
    by_class[: len(class_weight)] = class_weight
    of_target = by_class[_classes(Y, loss)]
    return of_target if weight is None else of_target * weight


def _classes(Y: np.ndarray, loss: str) -> np.ndarray:
    """The class of each target; 0 where there is none."""
    targets = LOSSES[loss].targets
    filled = np.nan_to_num(Y)
    if targets == "class" or (targets == "share" and Y.shape[2] == 1):
        return (filled[:, :, 0] + (0.0 if targets == "class" else 0.5)).astype(np.int64)
    if targets == "probabilities":
        return filled.argmax(axis=2)
    raise wrong_value(
        "class_weight",
        "{place} needs targets that are classes: {sparse}, {one_hot}, or for one output {binary}",
        sparse=Setting("loss", "sparse_categorical_crossentropy"),
        one_hot=Setting("loss", "categorical_crossentropy"),
        binary=Setting("loss", "binary_crossentropy"),
    )


def with_weights(Y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Y as a ``weighted`` network takes it: the weight is its last variable."""
    return np.concatenate([Y, np.broadcast_to(weight, Y.shape[:2])[:, :, np.newaxis]], axis=2)
