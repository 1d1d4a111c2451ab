"""Normalised numbers in compiled code, with the bits of ``pytrainr.series.normalisation``.

``scale`` (2, variables) holds the center and the scale of each variable; it has no rows where there are none.
"""

from __future__ import annotations

from pytrainr.numerics.jit import strict_part

__all__ = ["all_finite", "normalise", "raw"]


@strict_part
def normalise(to, x, scale):
    """``to = (x − center) / scale`` for ``to`` and ``x`` (n, variables)."""
    for s in range(x.shape[0]):
        for k in range(x.shape[1]):
            to[s, k] = (x[s, k] - scale[0, k]) / scale[1, k] if scale.shape[0] > 0 else x[s, k]


@strict_part
def raw(to, y, scale):
    """``to = y·scale + center`` for ``to`` and ``y`` (n, variables)."""
    for s in range(y.shape[0]):
        for k in range(y.shape[1]):
            value = float(y[s, k])  # in double precision whatever the network's is
            to[s, k] = value * scale[1, k] + scale[0, k] if scale.shape[0] > 0 else value


@strict_part
def all_finite(x):
    """Whether ``x`` (n, variables) has neither NaN nor infinity."""
    for s in range(x.shape[0]):
        for k in range(x.shape[1]):
            if not abs(x[s, k]) < float("inf"):
                return False
    return True
