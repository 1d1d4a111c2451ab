"""R's random stream: what R drew, drawn again."""

from __future__ import annotations

import base64
import json
import math
import pickle
import shutil
import statistics
import struct
import subprocess
import threading
from pathlib import Path

import numpy as np
import pytest

import pytrainr
from pytrainr.r_random import RRandom, default_stream

GOLDEN = Path(__file__).parents[1] / "golden"
SEQUENCES = json.loads((GOLDEN / "rng.json").read_text())
STRUCTURE = json.loads((GOLDEN / "structure.json").read_text())


def doubles(packed: dict) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["f8"]), "<f8")


@pytest.mark.parametrize("golden", SEQUENCES, ids=lambda golden: f"seed {golden['seed']}")
def test_sequences_of_seven_seeds(golden):
    stream = RRandom(golden["seed"])
    np.testing.assert_array_equal(stream.random_seed[:6], golden["random_seed_head"])
    np.testing.assert_array_equal(stream.runif(8), doubles(golden["runif"]))
    np.testing.assert_array_equal(stream.rnorm(8), doubles(golden["rnorm"]))
    np.testing.assert_array_equal(stream.sample(1000, 12, replace=True), golden["sample_1000"])
    np.testing.assert_array_equal(stream.sample(1, 3, replace=True), golden["sample_1"])
    np.testing.assert_array_equal(stream.sample(20), golden["sample_perm"])
    np.testing.assert_array_equal(stream.sample(70000, 5, replace=True), golden["sample_70000"])
    np.testing.assert_array_equal(stream.sample([0, 1], 10, True, [0.9, 0.1]), golden["sample_prob"])
    np.testing.assert_array_equal(stream.runif(2), doubles(golden["runif_after"]))


def test_sequences_of_the_kind_rounding():
    golden, stream = STRUCTURE["sampler_rounding_seed_1"], RRandom(1, sample_kind="Rounding")
    np.testing.assert_array_equal(stream.sample(1000, 12, replace=True), golden["sample_1000"])
    np.testing.assert_array_equal(stream.sample(20), golden["sample_perm_20"])
    np.testing.assert_allclose(stream.runif(2), golden["runif"], rtol=1e-14)


def test_weighted_and_without_replacement():
    golden, stream = STRUCTURE["sampler_rejection_seed_1"], RRandom(1)
    np.testing.assert_array_equal(stream.sample(3, 15, replace=True, prob=golden["p"]), golden["sample_3_weighted"])
    np.testing.assert_array_equal(stream.sample(50, 10), golden["sample_10_of_50"])
    np.testing.assert_allclose(stream.runif(2), golden["runif"], rtol=1e-14)


# What R 4.2.2 draws after set.seed(1): the call, the draws, and the next uniform as the 32-bit word it comes from.
TIED = [2, 1, 2, 1, 2, 1]
DRAWS_OF_R = [
    ("Rejection", lambda r: r.sample(6, 8, True, TIED), [5, 5, 1, 2, 3, 2, 2, 1], 2702024244),
    ("Rejection", lambda r: r.sample(6, 4, False, TIED), [5, 1, 6, 2], 866217298),
    ("Rejection", lambda r: r.sample(300, 5, True, range(1, 301)), [165, 239, 187, 258, 207], 911145191),
    ("Rounding", lambda r: r.sample(300, 5, True, range(1, 301)), [261, 112, 167, 273, 270], 3858554316),
    ("Rejection", lambda r: r.sample(30_000_000, 4), [10938497, 27387389, 17633234, 12201267], 2950740658),
    ("Rejection", lambda r: r.sample(4e15, 2, True), [2356543641544833, 534349528607019], None),
    ("Rounding", lambda r: r.sample(3_000_000_000, 3, True), [796525989, 1718560151, 605045817], 4057349384),
]


@pytest.mark.parametrize(("kind", "draw", "expected", "next_word"), DRAWS_OF_R)
def test_the_rarer_ways_to_sample(kind, draw, expected, next_word):
    stream = RRandom(1, kind)
    np.testing.assert_array_equal(draw(stream), expected)
    if next_word is not None:
        assert round(stream.unif_rand(1)[0] * 2**32) == next_word


@pytest.mark.parametrize("n", [1, 2, 3, 1000, 65535, 65536, 65537, 2**31 - 1, 4 * 10**15])
@pytest.mark.parametrize("kind", ["Rejection", "Rounding"])
def test_many_draws_at_once_are_the_draws_one_by_one(n, kind):
    together, single = RRandom(3, kind), RRandom(3, kind)
    drawn = together.index(n, 200)
    np.testing.assert_array_equal(drawn, [single.index(n, 1)[0] for _ in range(200)])
    np.testing.assert_array_equal(together.random_seed, single.random_seed)
    assert drawn.min() >= 0
    assert drawn.max() < n


def test_rejection_reads_the_words_as_r_does():
    """The specification read word by word: chunks of 16 bits, the low bits kept, again while too large."""
    for n in (5, 300, 65536, 70000, 2**40 + 1):
        stream, words = RRandom(11), RRandom(11)
        bits = math.ceil(math.log2(n))
        expected = []
        while len(expected) < 50:
            value = 0
            for _ in range(0, bits + 1, 16):
                value = 65536 * value + math.floor(65536 * words.unif_rand(1)[0])
            if (value := value & ((1 << bits) - 1)) < n:
                expected.append(value)
        np.testing.assert_array_equal(stream.index(n, 50), expected)
        np.testing.assert_array_equal(stream.random_seed, words.random_seed)


def test_indices_in_bulk_are_the_indices_one_by_one():
    bulk, single = RRandom(1), RRandom(1)
    indices = bulk.index(70_000, 20_000)
    assert [single.index(70_000, 1)[0] for _ in range(500)] == indices[:500].tolist()
    assert 0 <= indices.min() < indices.max() < 70_000


def test_the_normal_quantile_is_that_of_the_standard_library():
    """Python's ``statistics`` has AS 241 too, written by others."""
    uniform = RRandom(5).unif_rand(2 * 20_000).reshape(-1, 2)
    p = (np.floor(134217728.0 * uniform[:, 0]) + uniform[:, 1]) / 134217728.0
    expected = [statistics.NormalDist().inv_cdf(value) for value in p.tolist()]
    np.testing.assert_array_equal(RRandom(5).rnorm(20_000), expected)


def test_the_state_goes_to_r_and_back():
    stream = RRandom(7, sample_kind="Rounding")
    stream.runif(1000)
    state = stream.random_seed
    assert state.dtype == np.int32
    assert state.shape == (626,)
    assert state[0] == 403
    for continued in (
        RRandom.from_random_seed(state),
        RRandom.from_random_seed(state.tolist()),
        RRandom.from_random_seed(state.astype(float)),
        pickle.loads(pickle.dumps(stream)),
    ):
        assert continued.sample_kind == "Rounding"
        np.testing.assert_array_equal(continued.random_seed, state)
        np.testing.assert_array_equal(continued.runif(700), RRandom.from_random_seed(state).runif(700))


def test_nothing_is_drawn_where_r_draws_nothing():
    stream = RRandom(1)
    before = stream.random_seed
    np.testing.assert_array_equal(stream.runif(3, 2, 2), [2, 2, 2])
    np.testing.assert_array_equal(stream.rnorm(2, 5, 0), [5, 5])
    assert stream.runif(0).shape == stream.rnorm(0).shape == stream.index(5, 0).shape == (0,)
    np.testing.assert_array_equal(stream.random_seed, before)


GENERATORS = json.loads((Path(__file__).parent / "recorded" / "generators.json").read_text())


def hexadecimal(numbers: np.ndarray) -> list[str]:
    return [struct.pack(">d", number).hex() for number in numbers]


@pytest.mark.parametrize("golden", GENERATORS, ids=lambda golden: f"{golden['kind']}, {golden['sample_kind']}")
def test_every_generator_of_r_draws_what_r_draws(golden):
    """Issue 11, number 21: to the bit, and .Random.seed afterwards is R's. recorded/generators.R made the record."""
    stream = RRandom.from_random_seed(golden["before"])
    if "Knuth" not in golden["kind"]:
        begun = RRandom(7, sample_kind=golden["sample_kind"], kind=golden["kind"])
        np.testing.assert_array_equal(begun.random_seed, golden["before"])
    else:
        with pytest.raises(ValueError, match="Knuth"):
            stream.set_seed(7)
    drawn = stream.runif(1100)
    assert hexadecimal(np.r_[drawn[:40], drawn[999:]]) == golden["runif"]
    assert hexadecimal(stream.rnorm(5)) == golden["rnorm"]
    for sample, arguments in zip(golden["sample"], ((1000, 12, True), (70000, 5, True), (20,)), strict=True):
        np.testing.assert_array_equal(stream.sample(*arguments), sample)
    np.testing.assert_array_equal(stream.random_seed, golden["after"])
    assert repr(pickle.loads(pickle.dumps(stream))) == repr(stream)
    again = RRandom.from_random_seed(golden["before"])
    np.testing.assert_array_equal(np.concatenate([again.runif(1) for _ in range(1100)]), drawn)


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (10003, "Buggy Kinderman-Ramage"),
        (10103, "Ahrens-Dieter"),
        (10203, "Box-Muller"),
        (10303, "user-supplied"),
        (10503, "Kinderman-Ramage"),
    ],
)
def test_another_normal_kind_is_refused_only_where_a_normal_is_drawn(code, name):
    """Issue 11, number 21."""
    state = RRandom(1).random_seed
    state[0] = code
    stream = RRandom.from_random_seed(state)
    np.testing.assert_array_equal(stream.runif(5), RRandom(1).runif(5))
    before = stream.random_seed
    assert before[0] == code
    with pytest.raises(ValueError, match=name):
        stream.rnorm(1)
    np.testing.assert_array_equal(stream.random_seed, before)


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ([10405, 1, 2], "user-supplied"),
        ([10407, 1, 2, 3], "L'Ecuyer-CMRG, 7 integers"),
        ([10407, 0, 0, 0, 1, 1, 1], "L'Ecuyer"),
        ([10407, -1, 1, 1, 1, 1, 1], "L'Ecuyer"),
        ([10400, 1, 2], "Wichmann-Hill, 4 integers"),
        ([10404, *[0] * 101], "not 0"),
    ],
)
def test_what_is_no_state_of_a_generator_is_refused(state, message):
    with pytest.raises(ValueError, match=message):
        RRandom.from_random_seed(state)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda state: state[:100], "626 integers"),
        (lambda state: state[:0], "10403 or 403"),
        (lambda state: np.r_[99999, state[1:]], "10403 or 403"),
        (lambda state: np.r_[-1, state[1:]], "10403 or 403"),
        (lambda state: np.r_[10403, 625, state[2:]], "position"),
        (lambda state: np.r_[10403, 1, 0 * state[2:]], "not 0"),
        (lambda state: state.astype(float) + 0.5, "integers of 32 bits"),
        (lambda state: np.r_[state[:-1].astype(float), np.nan], "integers of 32 bits"),
        (lambda state: state.astype(np.int64) * 2**20, "integers of 32 bits"),
        (lambda state: state.astype(str), "vector of integers"),
        (lambda state: state[None], "vector of integers"),
    ],
)
def test_a_state_that_is_none_is_refused(change, message):
    stream = RRandom(1)
    before = stream.random_seed
    with pytest.raises(ValueError, match=message):
        stream.random_seed = change(before.copy())
    np.testing.assert_array_equal(stream.random_seed, before)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda stream: stream.set_seed(float("nan")), "seed"),
        (lambda stream: stream.set_seed(1.5), "seed"),
        (lambda stream: stream.set_seed(2**31), "seed"),
        (lambda stream: stream.set_seed("1"), "seed"),
        (lambda stream: stream.set_seed(True), "seed"),
        (lambda stream: stream.set_seed(1, "Rejecting"), "sample_kind"),
        (lambda stream: stream.unif_rand(-1), "n should"),
        (lambda stream: stream.runif(2, 1, 0), "min <= max"),
        (lambda stream: stream.runif(2, 0, math.inf), "finite"),
        (lambda stream: stream.runif(2, 0, [1, 2]), "max should be a single number"),
        (lambda stream: stream.rnorm(2, math.nan), "mean"),
        (lambda stream: stream.rnorm(2, 0, -1), "sd"),
        (lambda stream: stream.rnorm(math.nan), "n should"),
        (lambda stream: stream.index(0, 1), "n should"),
        (lambda stream: stream.index(10**16, 1), "n should"),
        (lambda stream: stream.sample(0), "x should"),
        (lambda stream: stream.sample([[1, 2]]), "one dimension"),
        (lambda stream: stream.sample(3, 4), "size should be at most 3"),
        (lambda stream: stream.sample(3, -1), "size"),
        (lambda stream: stream.sample(3, prob=[1, 2]), "prob should be 3 numbers"),
        (lambda stream: stream.sample(2, prob=[1, -2]), "prob"),
        (lambda stream: stream.sample(2, prob=[1, math.nan]), "prob"),
        (lambda stream: stream.sample(2, prob=[1, 0]), "2 positive"),
        (lambda stream: stream.sample(2, 1, True, prob=[0, 0]), "1 positive"),
    ],
)
def test_what_cannot_be_is_an_error_that_names_it(call, message):
    stream = RRandom(1)
    before = stream.random_seed
    with pytest.raises((ValueError, TypeError), match=message):
        call(stream)
    np.testing.assert_array_equal(stream.random_seed, before)


def test_a_sequence_is_drawn_from_itself():
    assert RRandom(1).sample(["a", "b", "c"]).tolist() == [["a", "b", "c"][i - 1] for i in RRandom(1).sample(3)]
    assert RRandom(1).sample([5]).tolist() == [5]
    assert RRandom(1).sample([]).tolist() == []


def test_the_stream_of_the_module():
    pytrainr.set_seed(1)
    drawn = [pytrainr.runif(3), pytrainr.rnorm(3), pytrainr.sample(10), pytrainr.sample(10, 3, True)]
    own = RRandom(1)
    for one, other in zip(drawn, [own.runif(3), own.rnorm(3), own.sample(10), own.sample(10, 3, True)], strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(default_stream().random_seed, own.random_seed)


def test_without_a_seed_streams_differ():
    assert len({RRandom().random_seed.tobytes() for _ in range(3)}) == 3


def test_threads_share_a_stream_without_losing_a_word():
    """Every call's numbers are a piece of the sequence one thread would have drawn, and no piece twice."""
    stream, pieces = RRandom(9), []

    def draw() -> None:
        for _ in range(200):
            pieces.append(stream.unif_rand(7))

    threads = [threading.Thread(target=draw) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = RRandom(9).unif_rand(4 * 200 * 7).reshape(-1, 7)
    assert sorted(map(tuple, pieces)) == sorted(map(tuple, expected))


if shutil.which("Rscript"):  # the golden draws above stand for R where there is none

    def test_draws_of_r_itself():
        script = """
            for (seed in c(1, -77, 20240229)) for (kind in c("Rejection", "Rounding")) {
              suppressWarnings(set.seed(seed, sample.kind = kind))
              cat(runif(3, -2, 5), rnorm(50, 1, 3), sample(100), sample.int(3e7, 5), sample.int(3e9, 5, TRUE),
                  sample(6, 20, TRUE, c(2, 1, 2, 1, 2, 1)), sample(6, 6, FALSE, c(2, 1, 2, 1, 2, 1)),
                  sample(300, 20, TRUE, c(1:150, 1:150)), .Random.seed, sep = " ")
              cat("\\n")
            }"""
        options = ["--vanilla", "-e", "options(digits = 22)", "-e", script]
        lines = subprocess.run(["Rscript", *options], capture_output=True, text=True, check=True).stdout.splitlines()
        assert len(lines) == 6
        for line, (seed, kind) in zip(
            lines, [(s, k) for s in (1, -77, 20240229) for k in ("Rejection", "Rounding")], strict=True
        ):
            stream = RRandom(seed, kind)
            drawn = [
                stream.runif(3, -2, 5),
                stream.rnorm(50, 1, 3),
                stream.sample(100),
                stream.sample(30_000_000, 5),
                stream.sample(3_000_000_000, 5, True),
                stream.sample(6, 20, True, [2, 1, 2, 1, 2, 1]),
                stream.sample(6, 6, False, [2, 1, 2, 1, 2, 1]),
                stream.sample(300, 20, True, [*range(1, 151), *range(1, 151)]),
                stream.random_seed,
            ]
            np.testing.assert_allclose(np.array(line.split(), dtype=float), np.concatenate(drawn), rtol=1e-14)
