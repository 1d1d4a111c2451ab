"""The tiled products against the plain loops of R's reference BLAS, bit for bit."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from pytrainr.numerics import linalg as linalg_parts

SPECIAL = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e-308, 1e308, -1e308, 1.0, -1.0])
SIZES = st.one_of(st.integers(0, 20), st.integers(21, 90))


def same_bits(a, b):
    """Equal bits; any NaN equals any other (R's NaN carry no more than that)."""
    numbers = ~np.isnan(a)
    return np.array_equal(a, b, equal_nan=True) and np.array_equal(np.signbit(a[numbers]), np.signbit(b[numbers]))


def numbers(seed, shape, special):
    random = np.random.default_rng(seed)
    values = random.standard_normal(shape) * 10.0 ** random.integers(-3, 4, shape)
    chosen = random.random(shape) < special
    return np.where(chosen, random.choice(SPECIAL, shape), values)


class FromPython:
    """The functions of ``linalg``, which only compiled code can call, for Python."""

    def __getattr__(self, name):
        function = getattr(linalg_parts, name)
        if name in ("pack", "transpose"):
            wrapped = njit(lambda out, a: function(out, a))
        else:
            wrapped = njit(lambda out, a, b: function(out, a, b))
        setattr(self, name, wrapped)
        return wrapped


linalg = FromPython()


@njit(error_model="numpy")
def plain_product(a, b):
    out = np.zeros((a.shape[0], b.shape[1]))
    for i in range(a.shape[0]):
        for term in range(a.shape[1]):
            for j in range(b.shape[1]):
                out[i, j] += a[i, term] * b[term, j]
    return out


@settings(deadline=None, max_examples=300)
@given(SIZES, SIZES, SIZES, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5]))
def test_product_and_add_product(rows, terms, columns, seed, special):
    a, b = numbers(seed, (rows, terms), special), numbers(seed + 1, (terms, columns), special)
    before = numbers(seed + 2, (rows, columns), special)
    with np.errstate(all="ignore"):
        expected = plain_product(a, b)
        out = before.copy()
        linalg.product(out, a, b)
        assert same_bits(out, expected)
        out = before.copy()
        linalg.add_product(out, a, b)
        assert same_bits(out, before + expected)


@settings(deadline=None, max_examples=200)
@given(SIZES, st.integers(1, 90), SIZES, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5]))
def test_packed_product(rows, terms, columns, seed, special):
    a, b = numbers(seed, (rows, terms), special), numbers(seed + 1, (terms, columns), special)
    before, panels = numbers(seed + 2, (rows, columns), special), np.empty(terms * columns)
    linalg.pack(panels, b)
    np.testing.assert_array_equal(np.sort(panels), np.sort(b.reshape(-1)))
    out = before.copy()
    linalg.add_packed_product(out, a, panels)
    with np.errstate(all="ignore"):
        assert same_bits(out, before + plain_product(a, b))


@settings(deadline=None, max_examples=300)
@given(st.integers(1, 9), SIZES, SIZES, SIZES, st.integers(0, 2**32 - 1), st.sampled_from([0.0, 0.02, 0.5]))
def test_transposed_products(steps, terms, rows, columns, seed, special):
    a, b = numbers(seed, (steps, terms, rows), special), numbers(seed + 1, (steps, terms, columns), special)
    before = numbers(seed + 2, (rows, columns), special)
    with np.errstate(all="ignore"):
        out = before.copy()
        linalg.add_transposed_product(out, a[0], b[0])
        assert same_bits(out, before + plain_product(a[0].T, b[0]))
        out, expected = before.copy(), before.copy()
        linalg.add_transposed_products(out, a, b)
        for t in reversed(range(steps)):
            expected = expected + plain_product(a[t].T, b[t])
        assert same_bits(out, expected)


@settings(deadline=None, max_examples=60)
@given(SIZES, SIZES, SIZES, st.integers(0, 2**32 - 1))
def test_parts_of_wider_matrices(rows, terms, columns, seed):
    """The columns of a gate inside the matrix of all gates; nothing beside them is touched."""
    a, b = numbers(seed, (rows, terms + 5), 0.0), numbers(seed + 1, (terms, columns + 3), 0.0)
    wide = numbers(seed + 2, (rows, columns + 9), 0.0)
    expected = wide.copy()
    expected[:, 4 : 4 + columns] += plain_product(np.ascontiguousarray(a[:, 2 : 2 + terms]), b[:, 1 : 1 + columns])
    linalg.add_product(wide[:, 4 : 4 + columns], a[:, 2 : 2 + terms], b[:, 1 : 1 + columns])
    assert same_bits(wide, expected)


@settings(deadline=None, max_examples=150)
@given(SIZES, SIZES, SIZES, st.integers(0, 2**32 - 1), st.sampled_from([np.float32, np.float64]))
def test_fast_products(rows, terms, columns, seed, dtype):
    random = np.random.default_rng(seed)
    a, b = random.standard_normal((rows, terms)).astype(dtype), random.standard_normal((terms, columns)).astype(dtype)
    before = random.standard_normal((rows, columns)).astype(dtype)
    exact = a.astype(np.float64) @ b.astype(np.float64)
    tolerance = 4 * (terms + 2) * np.finfo(dtype).eps * (np.abs(a) @ np.abs(b) + np.abs(before) + 1)
    out = np.full_like(before, np.nan)
    linalg.fast_product(out, a, b)
    assert (np.abs(out - exact) <= tolerance).all()
    out = before.copy()
    linalg.fast_add_product(out, a, b)
    assert (np.abs(out - (before + exact)) <= tolerance).all()
    out = before.copy()
    linalg.fast_add_transposed_product(out, np.ascontiguousarray(a.T), b)
    assert (np.abs(out - (before + exact)) <= tolerance).all()


@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (3, 5), (8, 8), (16, 24), (19, 33), (64, 128)])
def test_transpose(shape):
    a = numbers(0, shape, 0.1)
    out = np.empty(shape[::-1])
    linalg.transpose(out, a)
    assert same_bits(out, a.T)
