"""Many models at once are the models of ``trainr`` one by one."""

from __future__ import annotations

import _thread
import itertools
import threading
from typing import Any

import numpy as np
import pytest

from pytrainr import (
    DivergedError,
    Model,
    ReduceOnPlateau,
    RRandom,
    TrainingInterrupted,
    epoch_annealing,
    set_threads,
    thread_count,
    trainr,
    trainr_many,
)

random = np.random.default_rng(0)
X, Y = random.uniform(size=(30, 4, 2)), random.uniform(size=(30, 4, 1))


@pytest.fixture(autouse=True)
def _two_threads():
    set_threads(2)
    yield
    set_threads(None)


@pytest.mark.parametrize("exact", [False, True])
def test_each_is_trainrs(exact: bool, capfd: pytest.CaptureFixture[str]) -> None:
    grid = {"learningrate": [0.1, 0.3], "hidden_dim": [3, (4, 2)], "network_type": ["rnn", "lstm"]}
    shared: dict[str, Any] = {"numepochs": 3, "exact": exact, "learningrate_decay": 0.9}
    trained = trainr_many(Y, X, grid, seeds=(5, 6), **shared)
    expected = [
        (seed, dict(zip(grid, values, strict=True))) for values in itertools.product(*grid.values()) for seed in (5, 6)
    ]
    assert [(one.seed, one.options) for one in trained] == expected
    for one in trained:
        alone = trainr(Y, X, rng=RRandom(one.seed), epoch_function=epoch_annealing, **one.options, **shared)
        assert one.error is None
        assert one.model == alone
    said = capfd.readouterr().err
    assert "16 of 16 models: " in said
    assert "learningrate=0.3, hidden_dim=(4, 2), network_type=lstm, seed 6: mean error " in said


def test_a_list_of_options_is_trained_as_it_is(capfd: pytest.CaptureFixture[str]) -> None:
    options: list[dict[str, Any]] = [{"hidden_dim": 2}, {"network_type": "gru", "momentum": 0.1}]
    trained = trainr_many(Y, X, options, learningrate=0.1, progress=False)
    assert [(one.seed, one.options) for one in trained] == [(1, options[0]), (1, options[1])]
    assert capfd.readouterr().err.count("models:") == 0
    assert trained[1].model == trainr(
        Y, X, learningrate=0.1, rng=RRandom(1), epoch_function=epoch_annealing, **options[1]
    )


def test_a_model_that_diverges_stops_no_other() -> None:
    grid = {"learningrate": [1e6, 0.01]}
    trained = trainr_many(Y, X, grid, numepochs=4, exact=True, output="linear", progress=False)
    assert isinstance(trained[0].error, DivergedError)
    assert trained[0].model is trained[0].error.model
    assert trained[1].error is None
    assert trained[1].model is not None
    assert trained[1].model.current_epoch == 4


def test_each_model_has_an_epoch_function_of_its_own_and_one_thread() -> None:
    """A schedule remembers; and what is one of many threads starts no more of them."""
    threads = set()

    def note(model: Model) -> Model:
        threads.add((threading.current_thread().name, thread_count()))
        return model

    schedule = ReduceOnPlateau(patience=1)
    shared: dict[str, Any] = {"learningrate": 0.5, "numepochs": 8}
    trained = trainr_many(Y, X, seeds=range(4), epoch_function=[schedule, note], progress=False, **shared)
    for one in trained:
        alone = trainr(Y, X, rng=RRandom(one.seed), epoch_function=ReduceOnPlateau(patience=1), **shared)
        assert one.model is not None
        assert one.model.learningrate == alone.learningrate
        assert np.array_equal(one.model.error, alone.error)
    assert {count for _, count in threads} == {1}
    assert all(name.startswith("pytrainr-many") for name, _ in threads)


def test_ctrl_c_hands_back_what_there_is() -> None:
    def interrupt(model: Model) -> Model:
        if model.name == "long" and model.current_epoch == 3:
            _thread.interrupt_main()
        return model

    set_threads(1)
    shared: dict[str, Any] = {"learningrate": 0.1, "epoch_function": interrupt}
    options = [{"name": "short", "numepochs": 50}, {"name": "long", "numepochs": 10**5}, {"name": "late"}]
    with pytest.warns(TrainingInterrupted, match="1 of 3 models are trained to the end"):
        short, long, late = trainr_many(Y, X, options, progress=False, **shared)
    assert short.error is None
    assert short.model == trainr(Y, X, rng=RRandom(1), **options[0], **shared)
    assert isinstance(long.error, TrainingInterrupted)
    assert short.model is not None
    assert long.model is not None
    epochs = long.model.current_epoch
    assert 2 <= epochs < 10**5
    assert long.model.error.shape == (30, epochs)
    both = min(epochs, 50)
    assert np.array_equal(long.model.error[:, :both], short.model.error[:, :both])
    assert late.model is None
    assert str(late.error) == "interrupted after 0 whole epochs"


def test_an_error_of_the_callers_own_stops_all() -> None:
    def fail(model: Model) -> Model:
        raise RuntimeError("mine")

    with pytest.raises(RuntimeError, match="mine"):
        trainr_many(Y, X, seeds=range(5), learningrate=0.1, epoch_function=fail, progress=False)


@pytest.mark.parametrize(
    ("grid", "options", "message"),
    [
        ({"learningrate": 0.1}, {}, r"grid\['learningrate'\] should be a list of alternatives, it is 0.1"),
        ({"network_type": "gru"}, {}, "should be a list of alternatives"),
        ({"learningrate": [0.1]}, {"learningrate": 0.1}, "learningrate is in the grid and beside it"),
        ({"rng": [RRandom(1)]}, {}, "rng cannot be in the grid"),
        ({}, {"rng": RRandom(1)}, "rng cannot be shared"),
        (3, {}, "grid should be a dict"),
        ({"learningrate": [0.1], "hidden_dims": [3]}, {}, "did you mean 'hidden_dim'"),
    ],
)
def test_what_is_wrong_is_said(grid: Any, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        trainr_many(Y, X, grid, progress=False, **options)
