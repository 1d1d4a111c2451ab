"""The losses: one file each; ``loss.py`` says what one is."""

from __future__ import annotations

from pytrainr.exact.losses.absolute import Absolute
from pytrainr.exact.losses.binary_crossentropy import BinaryCrossentropy
from pytrainr.exact.losses.categorical_crossentropy import CategoricalCrossentropy, SparseCategoricalCrossentropy
from pytrainr.exact.losses.huber import Huber
from pytrainr.exact.losses.loss import Loss
from pytrainr.exact.losses.squared import Squared

__all__ = ["LOSSES", "Loss"]

LOSSES: dict[str, type[Loss]] = {
    "squared": Squared,
    "absolute": Absolute,
    "huber": Huber,
    "binary_crossentropy": BinaryCrossentropy,
    "categorical_crossentropy": CategoricalCrossentropy,
    "sparse_categorical_crossentropy": SparseCategoricalCrossentropy,
}
"""The losses by name."""
