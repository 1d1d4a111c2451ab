"""A series as a network of it was made with it, and what the network says from any row of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from pytrainr.model import Model
from pytrainr.series.frames import Index
from pytrainr.series.windows import Split

__all__ = ["Series", "ahead_of"]


class Series(NamedTuple):
    """What a network of a series was made with.

    Attributes:
        values: (rows, variables).
        names: of the variables.
        times: where the rows stand in time.
        parts: which rows are trained on, judged by, and left alone before the end.
        lookback: how many rows the network sees.
        ahead: how many it forecasts at once.
        target: the columns that it forecasts.
        period: rows in a season.
    """

    values: NDArray[np.float64]
    names: list[str]
    times: Index
    parts: Split
    lookback: int
    ahead: int
    target: list[int]
    period: int

    @property
    def target_names(self) -> list[str]:
        return [self.names[column] for column in self.target]

    def fields(self) -> dict[str, Any]:
        """Plain values, as a model file keeps them."""
        parts = [[part.start, part.stop] for part in self.parts]
        return {**self._asdict(), "times": list(self.times), "parts": parts}

    @classmethod
    def of_fields(cls, fields: dict[str, Any]) -> Series:
        parts = Split(*(slice(int(start), int(stop)) for start, stop in fields["parts"]))
        values = np.asarray(fields["values"], np.float64)
        return cls(**{**fields, "values": values, "times": Index(*fields["times"]), "parts": parts})


def ahead_of(
    model: Model,
    made: Series,
    values: NDArray[np.float64],
    known: NDArray[np.int64],
    h: int,
    coming: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Forecasts of the ``h`` rows after each number of ``known`` rows of ``values``, (known, h, targets).

    Columns that are not forecast are taken from ``values`` and from ``coming``, the rows after its last.
    """
    from pytrainr.prediction import predictr

    everything = values if coming is None else np.concatenate([values, coming])
    seen = values[known[:, np.newaxis] + np.arange(-made.lookback, 0)]
    said = np.empty((len(known), h, len(made.target)))
    for row in range(0, h, made.ahead):
        output = np.asarray(predictr(model, seen)).reshape(len(known), -1, made.ahead, len(made.target))[:, -1]
        count = min(made.ahead, h - row)
        said[:, row : row + count] = output[:, :count]
        places = np.minimum(known[:, np.newaxis] + row + np.arange(count), len(everything) - 1)
        newest = everything[places]
        newest[:, :, made.target] = output[:, :count]
        seen = np.concatenate([seen[:, count:], newest], axis=1)
    return said
