"""Dropout masks (Gal & Ghahramani 2016): one per sequence, the same at all its time steps.

An entry of a mask is a hash of the run's seed, the group's number, the layer and the place in the mask. So it depends
neither on how an epoch is cut into slices nor on which thread computes what.
"""

from __future__ import annotations

import numpy as np

from pytrainr.numerics.compiled_once import compiled_on_demand
from pytrainr.numerics.jit import fast_part

__all__ = ["fill_mask", "fill_recurrent_mask", "input_key", "mixed"]


@fast_part
def mixed(a, b):
    """A hash of two 64-bit numbers (SplitMix64's finaliser, Steele et al. 2014)."""
    x = np.uint64(a) + np.uint64(0x9E3779B97F4A7C15) * (np.uint64(b) + np.uint64(1))
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))


@fast_part
def input_key(key, number):
    """The key of the mask on a layer's input: ``key`` of the group, ``number`` of the layer."""
    return mixed(key, np.uint64(2 * number))


@fast_part
def recurrent_key(key, number):
    """The key of the mask on a layer's recurrent state."""
    return mixed(input_key(key, number), np.uint64(1))


@compiled_on_demand
def fill_recurrent_mask(mask, rate, key, number, first):
    """:func:`fill_mask` on a layer's recurrent state, for kernels that seldom need it."""
    fill_mask(mask, rate, recurrent_key(key, number), first)


@fast_part
def fill_mask(mask, rate, key, first):
    """``mask`` (n, width): 0 with probability ``rate``, else 1/(1 − rate), so that the expected input stays the same.

    ``first`` is the place of the first sample in its group.
    """
    kept = 1.0 / (1.0 - rate)
    for s in range(mask.shape[0]):
        row = mixed(key, np.uint64(first + s))
        for k in range(mask.shape[1]):
            u = np.float64(mixed(row, np.uint64(k)) >> np.uint64(11)) * 2.0**-53
            mask[s, k] = 0.0 if u < rate else kept
