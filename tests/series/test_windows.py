"""Windows against a slow reading of their definition; nothing copied, nothing leaked."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytrainr.r_random import RRandom
from pytrainr.series import split, windows


@st.composite
def arrangements(draw):
    step = draw(st.integers(1, 4))
    lookback = step * draw(st.integers(1, 5))
    delay = draw(st.integers(1, 6))
    variables = draw(st.integers(1, 3))
    needed = lookback - step + delay + 1
    rows = draw(st.integers(needed, needed + 30))
    targets = draw(st.lists(st.integers(0, variables - 1), min_size=1, max_size=3))
    values = np.random.default_rng(draw(st.integers(0, 99))).normal(size=(rows, variables))
    return values, lookback, step, delay, targets


@given(arrangements(), st.booleans())
def test_every_window_is_what_the_definition_says(arrangement, every_step):
    values, lookback, step, delay, targets = arrangement
    cut = windows(values, lookback, step, delay, targets, every_step=every_step)

    rows = [row for row in range(len(values)) if row - delay - (lookback - step) >= 0]
    assert cut.rows.tolist() == rows
    for j, row in enumerate(rows):
        end = row - delay
        seen = list(range(end - lookback + step, end + 1, step))
        assert np.array_equal(cut.X[j], values[seen])
        wanted = [at + delay for at in seen] if every_step else [row]
        assert np.array_equal(cut.Y[j], values[wanted][:, targets])


@given(arrangements())
def test_overlapping_windows_share_the_memory_of_the_series(arrangement):
    values, lookback, step, delay, targets = arrangement
    cut = windows(values, lookback, step, delay, targets)
    assert np.shares_memory(cut.X, values)
    assert not cut.X.flags.writeable
    assert not cut.Y.flags.writeable


def test_a_window_a_thousand_times_the_series_takes_no_memory():
    values = np.zeros((100_000, 4))
    cut = windows(values, lookback=10_000)
    assert cut.X.nbytes > 20e9
    assert np.shares_memory(cut.X, values)


@given(st.integers(1, 300), st.floats(0, 1), st.floats(0, 1))
def test_split_covers_every_row_once(rows, train, rest):
    ranges = split(rows, train, (1 - train) * rest)
    covered = [row for part in ranges for row in range(*part.indices(rows))]
    assert covered == list(range(rows))


@given(arrangements(), st.floats(0.2, 0.8))
def test_no_sample_sees_a_later_range(arrangement, share):
    values, lookback, step, delay, targets = arrangement
    ranges = split(len(values), train=share, validation=0)
    if ranges.train.stop <= lookback - step + delay:
        with pytest.raises(ValueError, match="no window fits"):
            windows(values, lookback, step, delay, targets, within=ranges.train)
        return
    cut = windows(values, lookback, step, delay, targets, within=ranges.train)
    assert cut.rows.max() == ranges.train.stop - 1
    changed = values.copy()
    changed[ranges.train.stop :] += 1e6
    again = windows(changed, lookback, step, delay, targets, within=ranges.train)
    assert np.array_equal(cut.X, again.X)
    assert np.array_equal(cut.Y, again.Y)


@given(arrangements(), st.integers(1, 9), st.integers(0, 50))
def test_batches_give_every_sample_once(arrangement, batch_size, seed):
    values, lookback, step, delay, targets = arrangement
    cut = windows(values, lookback, step, delay, targets)
    plain = list(cut.batches(batch_size))
    assert np.array_equal(np.concatenate([X for _, X in plain]), cut.X)
    assert all(len(X) == batch_size for _, X in plain[:-1])

    order = np.asarray(RRandom(seed).sample(len(cut.rows))) - 1
    shuffled = list(cut.batches(batch_size, shuffle=True, rng=RRandom(seed)))
    assert np.array_equal(np.concatenate([X for _, X in shuffled]), cut.X[order])
    assert np.array_equal(np.concatenate([Y for Y, _ in shuffled]), cut.Y[order])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"lookback": 0}, "lookback is 0"),
        ({"lookback": 4, "step": 3}, "lookback=4 is not a multiple of step=3"),
        ({"lookback": 4, "delay": 0}, "delay is 0"),
        ({"lookback": 10}, "no window fits.*10 rows before a target"),
        ({"lookback": 2, "within": slice(0, 8, 2)}, "consecutive rows"),
    ],
)
def test_impossible_windows_say_why(arguments, message):
    with pytest.raises(ValueError, match=message):
        windows(np.arange(10.0), **arguments)


def test_a_cube_is_not_a_series():
    with pytest.raises(ValueError, match=r"shape \(2, 3, 4\); a series is \(rows, variables\)"):
        windows(np.zeros((2, 3, 4)), 1)


@pytest.mark.parametrize(("train", "validation"), [(0.8, 0.3), (-0.1, 0.1)])
def test_shares_beyond_the_whole_are_refused(train, validation):
    with pytest.raises(ValueError, match="shares of the rows"):
        split(10, train, validation)
