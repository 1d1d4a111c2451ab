"""Maps over vectors, matrices and windows of matrices against NumPy, and that they touch nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit
from numba.core.errors import TypingError

from pytrainr.numerics.vectors import fast_map, strict_map
from pytrainr.numerics.views import columns


@strict_map("sum, a")
def both(a, b, factor):
    """Two results, one of them in place of what was read."""
    return a + b, a * factor


@fast_map("out")
def scaled(a, factor):
    return a * factor


over_all = njit(lambda total, a, b, factor: both(total, a, b, factor))
over_columns = njit(
    lambda total, a, b, factor, first, count: both(columns(total, first, count), columns(a, first, count), b, factor)
)
scale = njit(lambda out, a, factor: scaled(out, a, factor))


@settings(deadline=None, max_examples=150)
@given(st.integers(0, 4), st.integers(0, 35), st.integers(0, 10), st.integers(0, 10))
def test_windows_of_any_width(rows, width, left, right):
    random = np.random.default_rng(width)
    total, a = random.random((2, rows, left + width + right))
    b, factor = random.random((rows, width)), 1.5
    expected_total, expected_a = total.copy(), a.copy()
    inside = slice(left, left + width)
    expected_total[:, inside], expected_a[:, inside] = a[:, inside] + b, a[:, inside] * factor
    over_columns(total, a, b, factor, left, width)
    np.testing.assert_array_equal(total, expected_total)
    np.testing.assert_array_equal(a, expected_a)


@pytest.mark.parametrize("shape", [(1,), (8,), (9,), (31, 3), (2, 3, 5)])
def test_contiguous_arrays_are_one_long_row(shape):
    random = np.random.default_rng(1)
    total, a, b = random.random((3, *shape))
    before = a.copy()
    over_all(total, a, b, -2.0)
    np.testing.assert_array_equal(total, before + b)
    np.testing.assert_array_equal(a, before * -2.0)


def test_a_vector_among_matrices_is_the_same_in_every_row():
    random = np.random.default_rng(2)
    total, a, b = random.random((5, 11)), random.random((5, 11)), random.random(11)
    before = a.copy()
    over_all(total, a, b, 3.0)
    np.testing.assert_array_equal(total, before + b)
    np.testing.assert_array_equal(a, before * 3.0)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_precision_is_the_arrays(dtype):
    a = np.arange(21, dtype=dtype)
    out = np.empty_like(a)
    scale(out, a, 0.5)
    np.testing.assert_array_equal(out, a * dtype(0.5))


def test_arrays_whose_rows_lie_apart_in_more_than_two_dimensions_are_refused():
    with pytest.raises(TypingError, match="out should be a vector, a matrix or a contiguous array"):
        scale(np.empty((4, 4, 4))[:, ::2], np.empty((4, 4, 4))[:, ::2], 1.0)
