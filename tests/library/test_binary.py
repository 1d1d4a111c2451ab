"""Integers to bits and back, as R's int2bin and bin2int."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrainr import bin2int, int2bin

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "structure.json").read_text())["int2bin"]


def test_r_s_own_results():
    np.testing.assert_array_equal(int2bin(range(6), length=4), GOLDEN["int2bin_0_to_5_length_4"])
    np.testing.assert_array_equal(int2bin(5), GOLDEN["int2bin_one"])
    np.testing.assert_array_equal(bin2int(int2bin([0, 1, 77, 255])), GOLDEN["bin2int"])
    lying = np.array(GOLDEN["int2bin_length_1"])  # R turns this one over
    np.testing.assert_array_equal(int2bin(range(lying.size), length=1), lying.T)


@given(st.lists(st.integers(-(2**31) + 1, 2**31 - 1), min_size=1))
def test_there_and_back(integers):
    bits = int2bin(np.array(integers), length=32)
    np.testing.assert_array_equal(bin2int(bits), integers)
    np.testing.assert_array_equal(bits, [[n >> place & 1 for place in range(32)] for n in integers])


def test_predictions_are_rounded_and_one_row_may_be_a_vector():
    np.testing.assert_array_equal(bin2int([[0.9, 0.2, 0.51], [0.5, 0.4, 1.2]]), [5, 4])
    np.testing.assert_array_equal(bin2int([1, 0, 1]), [5])


def test_no_integers_truth_values_and_lengths_of_numpy():
    """11.20: int2bin(integer()) has no rows; TRUE is 1."""
    assert int2bin([]).shape == (0, 8)
    assert bin2int(int2bin([])).shape == (0,)
    np.testing.assert_array_equal(int2bin([True, False], np.int64(2)), [[1, 0], [0, 0]])
    assert bin2int(int2bin(-(2**31) + 1, 32)) == [-(2**31) + 1]
    assert bin2int([[0] * 31 + [1]]) == [-(2**31)]  # NA in R, whose integers lack it


def test_bits_past_32_are_missing_as_in_r():
    bits = int2bin(-1, length=34)
    np.testing.assert_array_equal(bits, [[1.0] * 32 + [np.nan] * 2])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: int2bin("5"), "integer should"),
        (lambda: int2bin([1.5]), "whole numbers"),
        (lambda: int2bin([np.nan]), "whole numbers"),
        (lambda: int2bin(2**31), "whole numbers"),
        (lambda: int2bin([[1, 2]]), "shape"),
        (lambda: int2bin(1, length=0), "length"),
        (lambda: int2bin(1, length=2.5), "length"),
        (lambda: bin2int([[0, 2]]), "round to 0 or 1"),
        (lambda: bin2int([[0, np.nan]]), "round to 0 or 1"),
        (lambda: bin2int(np.zeros((2, 33))), "1 to 32 bits"),
        (lambda: bin2int(np.zeros((2, 3, 1))), "1 to 32 bits"),
        (lambda: bin2int([["1"]]), "numbers"),
    ],
)
def test_what_is_no_integer_or_no_bit_is_named(call, message):
    with pytest.raises((ValueError, TypeError), match=message):
        call()
