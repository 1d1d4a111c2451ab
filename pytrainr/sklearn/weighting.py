"""Scales and weights of samples: what a weight means to a scale, and to R's arithmetic, which has no weights."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.series.normalisation import Normalisation

__all__ = ["Scale", "range_scale", "repetitions", "unit_scale"]

_ROUNDING = 8 * np.finfo(np.float64).eps
_MOST = 100  # times as many samples as there are, at most, stand for whole weights
_SHARES = 10  # times as many for others: a weight counts to a tenth of the mean one


class Scale(NamedTuple):
    """Center and scale of each variable: ``(raw - center) / scale``."""

    center: np.ndarray
    scale: np.ndarray

    @classmethod
    def none(cls, variables: int) -> Scale:
        """Numbers stay as they are."""
        return cls(np.zeros(variables), np.ones(variables))


def unit_scale(samples: np.ndarray, weight: np.ndarray | None) -> Scale:
    """Mean 0, standard deviation 1 of each variable over all (samples, steps); a constant one is only centered.

    A sample of weight w counts w times. Steps that are NaN are left out.
    """
    rows = samples.reshape(-1, samples.shape[2])
    counts = np.ones(len(rows)) if weight is None else np.repeat(weight, samples.shape[1])
    known = np.isfinite(rows).all(axis=1)
    rows, counts = rows[known], counts[known]
    center = np.average(rows, axis=0, weights=counts)
    spread = np.sqrt(np.average((rows - center) ** 2, axis=0, weights=counts))
    constant = np.ptp(rows, axis=0) <= _ROUNDING * np.abs(rows).max(axis=0)
    return Scale(np.where(constant, rows[0], center), np.where(constant, 1.0, spread))


def range_scale(samples: np.ndarray) -> Scale:
    """Each variable to 0.1 … 0.9: what R's logistic output reaches."""
    return Scale(*Normalisation.by_range(samples.reshape(-1, samples.shape[2])))


def repetitions(weight: np.ndarray) -> np.ndarray:
    """How often each sample is trained on, for R's arithmetic.

    Whole weights are repetition, exactly; others are rounded to a tenth of the mean weight.
    """
    whole = np.rint(weight)
    if np.array_equal(whole, weight) and whole.sum() <= _MOST * len(weight):
        return whole.astype(np.int64)
    unit = weight / weight.min()
    whole = np.rint(unit)
    if np.allclose(unit, whole, rtol=1e-9, atol=0) and whole.sum() <= _SHARES * len(weight):
        return whole.astype(np.int64)
    return np.rint(weight * (_SHARES / weight.mean())).astype(np.int64)
