"""Prediction intervals by conformal calibration: how far off forecasts were where they were not trained.

For each number of steps ahead the half width is a quantile of the absolute errors e that the same number of steps made
on the validation part (split conformal):

    width = the ⌈(n + 1)(1 − α)⌉-th smallest of e_1, …, e_n                 α = 1 − level / 100

That holds where the future resembles the validation part. Every later error that is known when a forecast is made
joins them, and moves α (adaptive conformal inference, Gibbs & Candès 2021), so that the share that is covered goes back
to the level whatever the series does:

    α_{t+1} = α_t + γ (α − [e_t > width_t])
"""

from __future__ import annotations

import math
import warnings
from bisect import insort
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["as_levels", "half_widths", "joint_scores"]


def as_levels(level: float | Sequence[float] | None) -> list[float]:
    """Levels in percent, checked; none for None."""
    levels = [] if level is None else np.atleast_1d(np.asarray(level, dtype=np.float64)).tolist()
    if not all(0 < number < 100 for number in levels):
        raise ValueError(f"level is {level}; it is percents between 0 and 100, such as (80, 95), or None.")
    return [int(number) if number == int(number) else number for number in levels]


class _Band:
    """The intervals of one target at one level, so many steps ahead."""

    def __init__(self, level: float, adapt: float) -> None:
        self.wanted = self.now = 1 - level / 100
        self.adapt = adapt
        self.known: list[float] = []

    @property
    def rank(self) -> int:
        return math.ceil((len(self.known) + 1) * (1 - self.now) - 1e-9)

    @property
    def width(self) -> float:
        return self.known[min(max(self.rank, 1), len(self.known)) - 1]

    def learn(self, error: float, said: float | None = None) -> None:
        if said is not None:
            self.now += self.adapt * (self.wanted - (error > said))
        insort(self.known, error)


def half_widths(
    errors: NDArray[np.float64],
    delays: Sequence[int],
    known: NDArray[np.int64],
    calibrated: int,
    at: Sequence[int] | NDArray[np.int64],
    level: Sequence[float],
    adapt: float,
) -> NDArray[np.float64]:
    """Half the widths of the intervals of forecasts made when ``at`` rows were known.

    Args:
        errors: (origins, scores, targets), absolute.
        delays: (scores,), how many rows after its origin each is known.
        known: (origins,), how many rows were known at each: whole numbers in a row.
        calibrated: the rows up to the end of the validation part; later errors adapt the intervals.
        at: rows known when the forecasts are made, at least ``calibrated`` each.
        level: percents.
        adapt: γ; 0 keeps to the validation part alone.

    Returns:
        (at, scores, targets, levels).
    """
    shape = (errors.shape[1], errors.shape[2], len(level))
    widths = np.empty((len(at), *shape))
    too_few: dict[float, int] = {}
    for score, target, place in np.ndindex(shape):
        band = _Band(level[place], adapt)
        column, first, delay = errors[:, score, target], int(known[0]), delays[score]
        learnt = max(0, min(len(column), calibrated - delay - first + 1))
        for error in column[:learnt].tolist():
            band.learn(error)
        if not band.known:
            raise ValueError(
                f"the validation part has no forecast of {delay} rows; take a smaller h, a larger part, or level=None."
            )
        if band.rank > len(band.known):
            too_few[level[place]] = len(band.known)
        said = {calibrated: band.width}
        last = int(max(at)) if adapt > 0 else calibrated
        for rows in range(calibrated + 1, last + 1):
            while learnt < len(column) and first + learnt + delay <= rows:
                band.learn(float(column[learnt]), said.get(first + learnt))
                learnt += 1
            said[rows] = band.width
        widths[:, score, target, place] = [said[min(int(rows), last)] for rows in at]
    if too_few:
        warnings.warn(
            f"the validation part has {min(too_few.values())} forecasts to calibrate by, too few for "
            f"{', '.join(f'{number} %' for number in too_few)}: these intervals begin as the largest errors there.",
            stacklevel=4,
        )
    return widths


def joint_scores(errors: NDArray[np.float64], calibration: slice) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(origins, 1, targets), each path's largest error in units of what is usual so many steps ahead, and that unit.

    The unit, (steps, targets), is the mean absolute error of the calibration's origins.
    """
    usual = errors[calibration].mean(axis=0)
    usual = np.where(usual > 0, usual, 1.0)
    return (errors / usual).max(axis=1, keepdims=True), usual
