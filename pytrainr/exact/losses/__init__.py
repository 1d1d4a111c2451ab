"""The losses: one file each; ``loss.py`` says what one is."""

from __future__ import annotations

from typing import Any

from pytrainr.exact.losses.absolute import Absolute
from pytrainr.exact.losses.binary_crossentropy import BinaryCrossentropy
from pytrainr.exact.losses.categorical_crossentropy import CategoricalCrossentropy, SparseCategoricalCrossentropy
from pytrainr.exact.losses.ctc import CTC
from pytrainr.exact.losses.huber import Huber
from pytrainr.exact.losses.loss import Loss
from pytrainr.exact.losses.squared import Squared

__all__ = ["LOSSES", "Loss", "takes_labels", "target_variables"]

LOSSES: dict[str, type[Loss]] = {
    "squared": Squared,
    "absolute": Absolute,
    "huber": Huber,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
    "ctc": CTC,
}
"""The losses by name."""


def takes_labels(loss: Any) -> bool:
    """Whether the loss's targets are sequences of labels: Y has not an entry for each step."""
    return isinstance(loss, str) and loss in LOSSES and LOSSES[loss].targets == "labels"


def target_variables(loss: str, outputs: int) -> int:
    """How many variables Y has for a network that puts out so many."""
    return 1 if LOSSES[loss].targets in ("class", "labels") else outputs
