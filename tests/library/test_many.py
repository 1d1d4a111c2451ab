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
    Halving,
    Model,
    ReduceOnPlateau,
    RRandom,
    TrainingDropped,
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


# successive halving (issue 17.4) --------------------------------------------------------------------------------------


def test_the_rungs_are_those_of_the_rule() -> None:
    """81 models of 81 epochs with eta 3: 81 for 1, 27 for 3, 9 for 9, 3 for 27, 1 for all; each round the same cost."""
    assert Halving(3).rungs(81, 81) == [(1, 27), (3, 9), (9, 3), (27, 1)]
    assert Halving(2, epochs=5).rungs(100, 20) == [(5, 50), (10, 25)]
    assert Halving(4).rungs(5, 1000) == [(250, 1)]


@pytest.mark.parametrize("exact", [False, True])
def test_what_goes_on_is_trainrs_to_the_bit_and_what_does_not_is_said(
    exact: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    grid = {"learningrate": [0.01, 0.5, 0.1], "hidden_dim": [2, 5, 3]}
    shared: dict[str, Any] = {"numepochs": 9, "exact": exact, "learningrate_decay": 0.9, "network_type": "gru"}
    if exact:
        shared["validation"] = 0.25
    trained = trainr_many(Y, X, grid, halving=3, **shared)
    full = trainr_many(Y, X, grid, progress=False, **shared)

    def error(model: Model | None, epoch: int) -> float:
        assert model is not None
        return float(model.validation_loss[epoch - 1] if exact else model.error[:, epoch - 1].mean())

    left = sorted(range(9), key=lambda place: error(full[place].model, 1))[:3]
    (last,) = sorted(left, key=lambda place: error(full[place].model, 3))[:1]
    for place, one in enumerate(trained):
        assert one.model is not None
        assert one.options == full[place].options
        if place == last:
            assert one.error is None
            assert one.model == full[place].model
            continue
        epochs = 3 if place in left else 1
        assert isinstance(one.error, TrainingDropped)
        assert str(one.error).startswith(f"dropped after {epochs} of 9 epochs: its error ")
        assert one.model.current_epoch == epochs
        stopped = trainr(Y, X, rng=RRandom(1), epoch_function=until(epochs), **{**shared, **one.options})
        assert np.array_equal(one.model.error, stopped.error)
        if not exact:  # where it has the weights of the best epoch so far
            assert np.array_equal(one.model.time_synapse[0], stopped.time_synapse[0])
    assert "after 1 epochs the best 3 of 9 models go on" in capfd.readouterr().err


def until(epoch: int) -> list[Any]:
    def stop(model: Model) -> Model:
        model.stop_training = model.current_epoch >= epoch
        return model

    return [epoch_annealing, stop]


def test_one_that_diverges_makes_room_and_one_that_stops_itself_stays() -> None:
    """A diverged model is no competitor; one whose function ends it is whole, and holds a place if it is good."""
    shared: dict[str, Any] = {"exact": True, "output": "linear", "numepochs": 4, "progress": False}
    diverged, best, other = trainr_many(Y, X, {"learningrate": [1e6, 0.01, 1e-5]}, halving=2, **shared)
    assert isinstance(diverged.error, DivergedError)
    assert best.error is None
    assert isinstance(other.error, TrainingDropped)
    grid = [{"epoch_function": until(1)}, {"epoch_function": epoch_annealing}, {"learningrate": 1e-6}]
    options = [{"learningrate": 0.01, **options} for options in grid]
    stopped, on, worse = trainr_many(Y, X, options, halving=Halving(2, epochs=2), **shared)
    assert [one.model.current_epoch for one in (stopped, on, worse) if one.model] == [1, 4, 2]
    assert [type(one.error) for one in (stopped, on, worse)] == [type(None), type(None), TrainingDropped]


@pytest.mark.parametrize(
    ("halving", "options", "message"),
    [
        (1, {}, "halving should be 2 or more"),
        (0.5, {}, "halving should be a whole number"),
        (Halving(2, 0), {}, "and its epochs 1 or more"),
        (3, {"numepochs": 2}, "halving with eta=3 needs at least 3 models and 3 epochs"),
        (3, {"grid": {"numepochs": [1, 2]}}, "numepochs cannot be in the grid"),
    ],
)
def test_what_cannot_be_halved_is_said(halving: Any, options: dict[str, Any], message: str) -> None:
    grid = options.pop("grid", {"hidden_dim": [1, 2, 3]})
    with pytest.raises((TypeError, ValueError), match=message):
        trainr_many(Y, X, grid, halving=halving, learningrate=0.1, progress=False, **options)
