"""R's column means, in vectors where they are certain, against one long double sum after the other."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from pytrainr.numerics import long_double

add_column_means = njit(lambda out, a: long_double.add_column_means(out, a))


def plain(out, a):
    """The definition, in NumPy's long double."""
    out = out.copy()
    with np.errstate(all="ignore"):
        for step in a[::-1]:
            for column in range(step.shape[1]):
                total = np.longdouble(0.0)
                for value in step[:, column]:
                    total += np.longdouble(value)
                out[column] += np.float64(total / np.longdouble(step.shape[0]))
    return out


def assert_equal_bits(a, start=None):
    out = np.zeros(a.shape[2]) if start is None else start
    expected = plain(out, a)
    add_column_means(out, a)
    np.testing.assert_array_equal(out, expected)
    assert (np.signbit(out) == np.signbit(expected))[~np.isnan(out)].all()


@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5, 6, 7, 8, 12, 64, 100])
@pytest.mark.parametrize("kind", ["spread", "near one", "cancelling", "tiny", "huge", "whole", "mixed"])
def test_means(rows, kind):
    random = np.random.default_rng(rows)
    a = random.standard_normal((7, rows, 203))
    if kind == "near one":  # where half of the sums of two lie just between two doubles
        a = 1.0 - np.abs(a) * 2.0**-48
    elif kind == "cancelling":
        a[:, rows // 2 :] = -a[:, : rows - rows // 2] * (1.0 + 2.0**-50)
    elif kind == "tiny":
        a *= 2.0**-1060
    elif kind == "huge":
        a = np.clip(a, -1.9, 1.9) * 2.0**1023
    elif kind == "whole":
        a = np.round(a * 3.0)
    elif kind == "mixed":
        a *= 2.0 ** random.integers(-70, 70, a.shape)
    assert_equal_bits(a)


floats = st.one_of(
    st.floats(),
    st.floats(-2.0, 2.0),
    st.integers(-5, 5).map(float),
    st.integers(0, 4).map(lambda k: 1.0 - k * 2.0**-53),
    st.just(-0.0),
)


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 3), st.integers(1, 9), st.integers(1, 19), st.data())
def test_any_numbers(steps, rows, columns, data):
    count = steps * rows * columns
    values = data.draw(st.lists(floats, min_size=count, max_size=count))
    start = np.array(data.draw(st.lists(floats, min_size=columns, max_size=columns)))
    assert_equal_bits(np.array(values).reshape(steps, rows, columns), start)
