"""The vectorised functions against the C library's, bit for bit, over all magnitudes."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from pytrainr.numerics import elementwise as elementwise_parts


class FromPython:
    """The functions of ``elementwise``, which only compiled code can call, for Python."""

    vector_bits_equal = staticmethod(elementwise_parts.vector_bits_equal)

    def __getattr__(self, name):
        function = getattr(elementwise_parts, name)
        if name.startswith("fast_"):
            wrapped = njit(lambda values: function(values))
        else:
            wrapped = njit(lambda values, vectorised: function(values, vectorised))
        setattr(self, name, wrapped)
        return wrapped


elementwise = FromPython()
FUNCTIONS = ("exp_", "tanh_", "logistic_", "gompertz_")


@njit(error_model="numpy")
def libm(name, values):
    out = np.empty_like(values)
    for i in range(values.size):
        x = values[i]
        if name == "exp_":
            out[i] = math.exp(x)
        elif name == "tanh_":
            out[i] = math.tanh(x)
        elif name == "logistic_":
            out[i] = 1.0 / (1.0 + math.exp(-x))
        else:
            out[i] = math.exp(-math.exp(-x))
    return out


def assert_libm_bits(name, values):
    for vectorised in {elementwise.vector_bits_equal(), False}:
        got = values.copy()
        getattr(elementwise, name)(got, vectorised)
        expected = libm(name, values)
        same = (got.view(np.int64) == expected.view(np.int64)) | (np.isnan(got) & np.isnan(expected))
        assert same.all(), (name, vectorised, values[~same][:5])


def test_formulas_have_the_bits_of_libm_where_its_digest_says_so():
    """glibc picks the variants of exp and tanh that suit the processor; the formulas are those of both."""
    spread = np.random.default_rng(11).uniform(-0.5, 0.5, 20_000)
    values = np.concatenate([spread * width for width in (0.2, 2.0, 20.0, 200.0, 1500.0)])
    equal = True
    for name in ("exp_", "tanh_"):
        got = values.copy()
        getattr(elementwise, name)(got, True)
        equal &= np.array_equal(got, libm(name, values))
    if elementwise_parts.libm() == "another":
        assert not elementwise.vector_bits_equal()
    else:
        assert elementwise.vector_bits_equal() == equal


@pytest.mark.parametrize("name", FUNCTIONS)
def test_all_magnitudes(name):
    random = np.random.default_rng(7)
    for width in (1e-300, 1e-17, 1e-9, 1e-3, 0.1, 0.5, 1.0, 3.0, 10.0, 40.0, 150.0, 700.0, 1e5, 1e300):
        assert_libm_bits(name, random.standard_normal(200_000) * width)
    assert_libm_bits(name, random.integers(0, 2**64, 1_000_000, dtype=np.uint64).view(np.float64))  # any bits at all


@pytest.mark.parametrize("name", FUNCTIONS)
def test_edges(name):
    edges = [
        0.0,
        5e-324,
        2.2250738585072014e-308,
        2.0**-55,
        2.0**-54,
        2.0**-28,
        0.17328679513998632,
        0.34657359027997264,
    ]
    edges += [0.5, 0.5198603854199589, 1.0, 19.061547465398498, 22.0, 6.238324625039508, 511.99999999999994, 512.0]
    edges += [708.3964185322641, 709.782712893384, 744.4400719213812, 745.1332191019411, 1e308, math.inf, math.nan]
    near = np.array(edges)
    near = np.concatenate([near, np.nextafter(near, math.inf), np.nextafter(near, -math.inf)])
    assert_libm_bits(name, np.concatenate([near, -near]))


@settings(deadline=None, max_examples=200)
@given(st.sampled_from(FUNCTIONS), st.lists(st.floats(), max_size=40))
def test_any_length(name, values):
    """Odd lengths and out-of-range neighbours; nothing beyond the vector is touched."""
    memory = np.full(len(values) + 32, 7.25)
    memory[16 : 16 + len(values)] = values
    inside = memory[16 : 16 + len(values)]
    getattr(elementwise, name)(inside, elementwise.vector_bits_equal())
    expected = libm(name, np.array(values, dtype=np.float64))
    np.testing.assert_array_equal(inside, expected)
    assert (memory[:16] == 7.25).all()
    assert (memory[16 + len(values) :] == 7.25).all()


LONG_DOUBLE: dict[str, Callable] = {
    "fast_exp_": np.exp,
    "fast_tanh_": np.tanh,
    "fast_logistic_": lambda x: 1 / (1 + np.exp(-x)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", LONG_DOUBLE)
def test_fast_is_within_three_units(name, dtype):
    random = np.random.default_rng(3)
    for width in (1e-6, 1e-2, 0.3, 1.0, 5.0, 20.0):
        values = np.clip(random.standard_normal(100_001) * width, -80, 80).astype(dtype)
        exact = LONG_DOUBLE[name](values.astype(np.longdouble))
        getattr(elementwise, name)(values)
        assert (np.abs(values - exact) <= 3 * np.spacing(np.abs(exact).astype(dtype))).all()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_fast_at_the_ends(dtype):
    ends = np.array([0.0, -np.inf, np.inf, np.nan, -2000.0, 2000.0, -160.0 if dtype == np.float32 else -1000.0], dtype)
    got = {}
    for name in LONG_DOUBLE:
        got[name] = ends.copy()
        getattr(elementwise, name)(got[name])
    np.testing.assert_array_equal(got["fast_exp_"], [1, 0, np.inf, np.nan, 0, np.inf, 0])
    np.testing.assert_array_equal(got["fast_tanh_"], [0, -1, 1, np.nan, -1, 1, -1])
    np.testing.assert_allclose(got["fast_logistic_"], [0.5, 0, 1, np.nan, 0, 1, 0], rtol=0, atol=3e-38)
