"""Integers to bits and back, least significant bit first: the adder's data, as R's ``int2bin`` and ``bin2int``."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pytrainr import arguments

__all__ = ["bin2int", "int2bin"]

_BITS = 32  # of R's integers


def int2bin(integer: ArrayLike, length: int = 8) -> NDArray[np.float64]:
    """The lowest ``length`` bits of each integer, shape (integers, length), least significant first.

    A single integer gives one row, none give none; negative ones their two's complement. Bits past 32 are NaN, where R
    gives NA. With ``length = 1`` the result is (integers, 1), where R turns it over. A fraction, which R cuts off, and
    NA, whose bits R takes for a number's, are errors here.

    Raises ``TypeError`` or ``ValueError`` unless ``integer`` is one whole number of ±(2³¹ − 1) or a vector of such, and
    ``length`` a positive integer.
    """
    values = np.atleast_1d(np.asarray(integer))
    if values.dtype.kind not in "biuf":
        raise TypeError(f"integer should be an integer or a vector of integers; its type is {values.dtype}")
    if values.ndim != 1:
        raise ValueError(f"integer should be a single integer or a vector; its shape is {values.shape}")
    outside = ~((np.abs(values.astype(np.float64)) < 2.0 ** (_BITS - 1)) & (values == np.trunc(values)))
    if outside.any():
        raise ValueError(
            f"integer should hold whole numbers between -(2**31 - 1) and 2**31 - 1; it has {values[outside][0]}"
        )
    length = arguments.positive_integer(length, "length")
    places = np.arange(min(length, _BITS))
    bits = np.full((values.size, length), np.nan)
    bits[:, : places.size] = (values.astype(np.int64)[:, None] >> places) & 1
    return bits


def bin2int(binary: ArrayLike) -> NDArray[np.int64]:
    """The integer of each row of bits, shape (rows,): ``binary`` is (rows, bits), least significant bit first.

    Entries are rounded first, so that what ``predictr`` returns can be given as it is; one row may be given as a
    vector. With all 32 bits the highest one is the sign, as in R (where -2**31 alone is NA). An entry that is no bit is
    an error here: R takes the lowest bit of 2 to 255 and 0 for all else, so that a bad prediction looks like a number.

    Raises ``TypeError`` or ``ValueError`` where an entry does not round to 0 or 1 or a row has more than 32 bits.
    """
    values = np.asarray(binary)
    if values.dtype.kind not in "biuf":
        raise TypeError(f"binary should be a matrix of numbers; its type is {values.dtype}")
    if values.ndim == 1:
        values = values[None, :]
    if values.ndim != 2 or not 1 <= values.shape[1] <= _BITS:
        raise ValueError(
            f"binary should have the shape (rows, bits) with 1 to {_BITS} bits; its shape is {values.shape}"
        )
    bits = np.rint(values.astype(np.float64))
    wrong = ~((bits == 0.0) | (bits == 1.0))
    if wrong.any():
        raise ValueError(f"binary should hold numbers that round to 0 or 1; it has {values[wrong][0]}")
    number = (bits.astype(np.int64) << np.arange(values.shape[1])).sum(axis=1)
    return number.astype(np.uint32).astype(np.int32).astype(np.int64)
