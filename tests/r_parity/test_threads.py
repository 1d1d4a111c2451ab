"""Large groups are shared among threads: not one bit may change."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from pytrainr import RRandom, trainr
from pytrainr.r import network
from pytrainr.threads import limited_threads
from pytrainr.training import Stopped, Training

CASES = {
    "one layer": {},
    "three layers": {"hidden_dim": [5, 9, 3], "use_bias": True},
    "momentum, several outputs": {"momentum": 0.3, "use_bias": True, "outputs": 3},
    "adagrad": {"update_rule": "adagrad"},
    "clipping": {"clipping": 0.01, "hidden_dim": [4, 4]},
    "the store": {"keep_store": True, "hidden_dim": [4, 6]},
    "unsync": {"seq_to_seq_unsync": True},
    "packed": {"hidden_dim": 70},
}


@pytest.fixture(autouse=True)
def _share_small_groups(monkeypatch):
    monkeypatch.setattr(network, "_SHARED_FROM", 1.0)
    monkeypatch.setattr(network, "_SHARE_SAMPLES", 1)


def data(outputs: int = 1):
    random = np.random.default_rng(5)
    return random.random((41, 6, outputs)), random.random((41, 6, 2))


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("case", CASES)
def test_threads_change_no_bit(network_type, case):
    given = dict(CASES[case])
    Y, X = data(given.pop("outputs", 1))
    options = {"learningrate": 0.05, "hidden_dim": 7, "batch_size": 7, "numepochs": 3, "epoch_function": []} | given
    models = []
    for threads in (1, 2, 3):  # some groups have fewer samples than threads
        with limited_threads(threads):
            models.append(trainr(Y, X, network_type=network_type, rng=RRandom(1), **options))
    assert models[0] == models[1]
    assert models[0] == models[2]


def test_nan_is_replaced_by_the_same_random_numbers():
    Y, X = data()
    results = []
    for threads in (1, 2):
        with limited_threads(threads):
            training = Training(Y, X, rng=RRandom(1), learningrate=0.1, batch_size=10, clipping=0.5, epoch_function=[])
            training.state["_update"][3:5] = np.nan
            training.advance()
            results.append((training.state["weights"].copy(), training.rng.runif(3)))
    assert np.array_equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])


def advance_to_the_end(training: Training) -> None:
    while not training.finished:
        training.advance()


def test_a_crew_stops_and_goes_on():
    Y, X = data()
    options = {"learningrate": 0.01, "batch_size": 10, "numepochs": 1000, "epoch_function": []}
    with limited_threads(1):
        expected = trainr(Y, X, rng=RRandom(1), **options)
    training = Training(Y, X, rng=RRandom(1), **options)
    with limited_threads(2):
        for _ in range(5):
            stopper = threading.Thread(target=lambda: (time.sleep(0.01), training.stop()))
            stopper.start()
            with pytest.raises(Stopped):
                advance_to_the_end(training)
            stopper.join()
        advance_to_the_end(training)
    assert training.result() == expected
