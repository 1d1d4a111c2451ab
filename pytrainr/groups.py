"""R's groups: which samples are trained together, and in which order."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from pytrainr.numerics.jit import strict
from pytrainr.r_random import RRandom

__all__ = ["Groups", "draw_groups", "number_of_groups"]


class Groups(NamedTuple):
    """``order`` (samples,): sample numbers, group after group, ascending in each; ``starts`` (groups + 1,)."""

    order: np.ndarray
    starts: np.ndarray


def number_of_groups(samples: int, batch_size: float) -> int:
    """R's number of random groups, ``round(N / batch_size)``, half to even."""
    return round(samples / batch_size)


def draw_groups(rng: RRandom, samples: int, batch_size: float) -> Groups:
    """Draw each sample's group, ``sample(1:K, N, replace = TRUE)``; empty groups are left out.

    With ``batch_size`` 1 a group has 0 to about 6 samples.
    """
    index = rng.index(number_of_groups(samples, batch_size), samples)
    order = np.empty(samples, dtype=np.int64)
    starts = np.zeros(number_of_groups(samples, batch_size) + 1, dtype=np.int64)
    groups = _sort_groups(index, order, starts)
    return Groups(order, starts[: groups + 1])


@strict
def _sort_groups(index, order, starts):
    """A counting sort; the number of groups that are not empty."""
    ends = np.zeros(starts.size, np.int64)
    for g in index:
        ends[g + 1] += 1
    for g in range(1, ends.size):
        ends[g] += ends[g - 1]
    place = ends.copy()
    for sample in range(index.size):
        g = index[sample]
        order[place[g]] = sample
        place[g] += 1
    groups = 0
    for g in range(1, ends.size):
        if ends[g] > ends[g - 1]:
            groups += 1
            starts[groups] = ends[g]
    return groups
