"""Normalisation: raw numbers to the range in which a network works, and back; kept on the model as plain numbers.

    scaled = (raw - center) / scale                          raw = scaled * scale + center

It is fitted on the training range alone (anything else would tell the network about the test range). `fields` are
keyword arguments for `trainr`, which keeps them on the model as R keeps ``...``; a model that has them takes raw
numbers in `predictr` and returns raw numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytrainr.argument_errors import wrong_value
from pytrainr.arguments import unmasked
from pytrainr.r_list import RList
from pytrainr.series.windows import as_delays, as_series

__all__ = ["MODEL_FIELDS", "Normalisation", "check_kept", "normalised_input", "normalised_output", "raw_output"]

_ROUNDING = 8 * np.finfo(np.float64).eps
MODEL_FIELDS = ("input_center", "input_scale", "output_center", "output_scale")


class Normalisation(NamedTuple):
    """One center and one scale per variable.

    Attributes:
        center: (variables,), the raw number that becomes 0.
        scale: (variables,), how many raw units are one unit; positive.
    """

    center: NDArray[np.float64]
    scale: NDArray[np.float64]

    @classmethod
    def by_deviation(cls, values: ArrayLike) -> Normalisation:
        """Mean 0 and standard deviation 1 (with n - 1, as R's ``scale``); a constant variable is only centered.

        Constant is a variable that varies by rounding alone. Raises ``ValueError`` for NaN, infinity, and a variable
        whose numbers lie farther apart than the largest number there is.
        """
        series = _finite(values)
        smallest, reach = _reach(series)
        exponent = np.frexp(np.abs(series).max(axis=0))[1]
        unit = np.ldexp(series, -exponent)  # a power of two changes no digit, and no sum grows beyond all bounds
        mean = np.ldexp(unit.mean(axis=0), exponent)
        spread = np.ldexp(unit.std(axis=0, ddof=1), exponent) if len(series) > 1 else reach
        constant = _is_constant(series, reach) | (spread == 0)
        return cls(np.where(constant, smallest, mean), np.where(constant, 1.0, spread))

    @classmethod
    def by_range(cls, values: ArrayLike, low: float = 0.1, high: float = 0.9) -> Normalisation:
        """Smallest number to ``low``, largest to ``high``: for the logistic output, which only reaches 0 to 1.

        A constant variable becomes ``low``. Errors as in `by_deviation`.
        """
        if not low < high:
            raise ValueError(f"low={low} is to be less than high={high}.")
        series = _finite(values)
        smallest, reach = _reach(series, high - low)
        scale = np.where(_is_constant(series, reach), 1.0, reach / (high - low))
        return cls(smallest - low * scale, scale)

    def apply(self, raw: ArrayLike) -> NDArray[np.float64]:
        """Raw to scaled; the last dimension of ``raw`` is the variables, or there is just one variable."""
        series = np.asarray(unmasked(raw), dtype=np.float64)
        if len(self.center) == 1 and series.ndim == 1:
            return (series - self.center[0]) / self.scale[0]
        self._check(series)
        return (series - self.center) / self.scale

    def undo(self, scaled: ArrayLike) -> NDArray[np.float64]:
        """Scaled to raw; the inverse of `apply`."""
        series = np.asarray(unmasked(scaled), dtype=np.float64)
        if len(self.center) == 1 and series.ndim == 1:
            return series * self.scale[0] + self.center[0]
        self._check(series)
        return series * self.scale + self.center

    def fields(self, target: int | Sequence[int] = 0, delay: int | Sequence[int] = 1) -> dict[str, Any]:
        """Keyword arguments for `trainr`, when all variables are inputs and the columns ``target`` are outputs.

        ``target`` and ``delay`` are those of `windows`.
        """
        columns = [target] if isinstance(target, int) else list(target)
        outputs = columns * len(as_delays(delay))
        numbers = (self.center, self.scale, self.center[outputs], self.scale[outputs])
        return dict(zip(MODEL_FIELDS, numbers, strict=True))

    @classmethod
    def of_model(cls, model: RList | Mapping[str, Any]) -> Normalisation:
        """The normalisation that a model keeps for its inputs: new data to train it on are scaled by this one."""
        if "input_center" not in model:
            raise ValueError("the model keeps no normalisation; it was trained without Normalisation.fields().")
        return cls(np.asarray(model["input_center"], np.float64), np.asarray(model["input_scale"], np.float64))

    def _check(self, series: NDArray[np.float64]) -> None:
        if series.shape[-1:] != self.center.shape:
            raise ValueError(
                f"the array has shape {series.shape}; its last dimension is to be the {len(self.center)} variables "
                "that the normalisation was fitted on."
            )


def _finite(values: ArrayLike) -> NDArray[np.float64]:
    series = as_series(values)
    rows = np.flatnonzero(~np.isfinite(series).all(axis=1))
    if rows.size:
        raise ValueError(
            f"values has NaN or infinity in row {rows[0]} (and {rows.size - 1} more; a masked entry is NaN); fill or "
            "drop them."
        )
    return series


def _reach(series: NDArray[np.float64], share: float = 1.0) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Each variable's smallest number, and how far from it the largest is; ``share`` of the scale, which is finite."""
    smallest, largest = series.min(axis=0), series.max(axis=0)
    with np.errstate(over="ignore"):
        reach = largest - smallest
        scale = reach / min(share, 1.0)
        too_far = np.flatnonzero(~np.isfinite(scale))
    if too_far.size:
        column = too_far[0]
        raise ValueError(
            f"values reaches from {smallest[column]:g} to {largest[column]:g} in column {column}, too far for "
            "floating-point numbers; divide that column first."
        )
    return smallest, reach


def _is_constant(series: NDArray[np.float64], reach: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether each variable varies by no more than the rounding of its numbers."""
    return reach <= _ROUNDING * np.abs(series).max(axis=0)


def check_kept(model: RList | Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` where a normalisation given in retraining is not the one that ``model`` keeps."""
    for name in MODEL_FIELDS:
        kept = model.get(name)
        if given.get(name) is not None and not (kept is not None and np.array_equal(given[name], kept)):
            raise wrong_value(
                name,
                "{place} is {given}, the model's is {kept}: a model goes on with the scale that it was trained with; "
                "scale the new data by that (Normalisation.of_model in Python)",
                given=np.asarray(given[name]),
                kept=None if kept is None else np.asarray(kept),
            )


def normalised_input(model: RList | Mapping[str, Any], X: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the network of ``model`` is given for raw ``X`` (samples, time, variables): `X` without the fields."""
    if "input_center" not in model:
        return X
    return (X - np.asarray(model["input_center"])) / np.asarray(model["input_scale"])


def normalised_output(model: RList | Mapping[str, Any], Y: NDArray[np.float64]) -> NDArray[np.float64]:
    """What the network of ``model`` is to answer where raw ``Y`` (samples, time, variables) is wanted."""
    if "output_center" not in model:
        return Y
    return (Y - np.asarray(model["output_center"])) / np.asarray(model["output_scale"])


def raw_output(model: RList | Mapping[str, Any], output: NDArray[np.float64]) -> NDArray[np.float64]:
    """Raw numbers for the network's ``output`` (samples, time, variables): `output` without the fields."""
    if "output_center" not in model:
        return output
    return output * np.asarray(model["output_scale"]) + np.asarray(model["output_center"])
