"""11.13: schedules are stored with their state, and only training on asks for functions that are not there."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytrainr import (
    CosineSchedule,
    EarlyStopping,
    ExponentialSchedule,
    Model,
    ReduceOnPlateau,
    RRandom,
    StepSchedule,
    epoch_annealing,
    epoch_print,
    predictr,
    trainr,
)
from pytrainr.cli import main
from pytrainr.function_names import UnknownFunction, function_named
from pytrainr.training import CheckpointError, Training

X = np.linspace(0, 1, 5 * 4 * 2).reshape(5, 4, 2)
Y = np.linspace(0, 1, 5 * 4).reshape(5, 4, 1)
SCHEDULES: list[Any] = [
    ExponentialSchedule(0.5),
    StepSchedule(2, 0.3),
    CosineSchedule(7, lowest=0.01),
    ReduceOnPlateau(0.25, patience=1, lowest=1e-6),
]


def train(**options: Any) -> Model:
    return trainr(Y, X, **{"learningrate": 0.1, "hidden_dim": 2, "numepochs": 3, "rng": RRandom(1), **options})


@pytest.mark.parametrize("exact", [False, True])
def test_a_model_with_schedules_is_saved_and_loaded_with_their_state(tmp_path: Path, exact: bool) -> None:
    """11.13: StepSchedule, ReduceOnPlateau, … were "functions that are not pytrainr's"."""
    model = train(epoch_function=copy.deepcopy(SCHEDULES), exact=exact)
    assert model.epoch_function != SCHEDULES, "they have a state by now"
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert loaded == model
    assert [type(f) for f in loaded.epoch_function] == [type(f) for f in SCHEDULES]
    assert np.array_equal(predictr(loaded, X), predictr(model, X))
    assert train(model=loaded, rng=RRandom(2)) == train(model=model, rng=RRandom(2))
    assert loaded == model, "a retraining does not change the schedules of the model passed in"


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_the_name_of_a_schedule_is_all_of_it(schedule: Any) -> None:
    """11.13: by its name a schedule goes into files and over the wire."""
    for value in (schedule, train(epoch_function=[copy.copy(schedule)]).epoch_function[0]):
        assert function_named(value.__name__) == value
        assert function_named(value.__name__ + " #2") == value
        assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    "name",
    [
        *("StepSchedule", "StepSchedule{}", 'StepSchedule{"epochs": "x", "factor": 1}', "StepSchedule{", "Other{}"),
        *('StepSchedule{"epochs": 0, "factor": 1}', 'StepSchedule{"epochs": 1, "factor": 1, "__class__": 1}'),
        'ReduceOnPlateau{"factor": 1, "patience": 1, "lowest": 0, "_best": [], "_waited": 0}',
    ],
)
def test_what_only_looks_like_a_schedule_is_a_name(name: str) -> None:
    """11.13: names come from files and from other programs."""
    assert function_named(name) == UnknownFunction(name)


def test_wrong_settings_of_a_schedule_are_named() -> None:
    """11.13: StepSchedule(0) divided by zero after the first epoch."""
    for make in (lambda: StepSchedule(0), lambda: ReduceOnPlateau(patience=1.5), lambda: CosineSchedule("x")):  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError), match="should be a whole number, 1 or more"):
            make()
    with pytest.raises(ValueError, match="factor should be a finite number"):
        ExponentialSchedule(float("nan"))


@pytest.mark.parametrize("exact", [False, True])
def test_functions_that_are_not_there_are_asked_for_when_training_on(tmp_path: Path, exact: bool) -> None:
    """11.13: prediction, stepping and copying need no training function; training on names what is missing."""

    def mine(model: Model) -> Model:
        return model

    model = train(epoch_function=[mine, epoch_annealing], exact=exact)
    model.save(tmp_path / "m")
    loaded = Model.load(tmp_path / "m")
    assert np.array_equal(predictr(loaded.copy(), X), predictr(model, X))
    assert loaded.stepper()(X[0, 0]).shape == (1,)
    with pytest.raises(ValueError, match=r"epoch_function 'mine', of which only the name is known.*Model\.load"):
        train(model=loaded)
    with pytest.raises(TypeError, match="has only the name; put the function itself"):
        loaded.epoch_function[0](loaded)
    whole = Model.load(tmp_path / "m", functions={"mine": mine})
    assert train(model=whole, rng=RRandom(2)) == train(model=model, rng=RRandom(2))
    loaded.epoch_function = [epoch_annealing]
    assert train(model=loaded).current_epoch == 3

    own_loss = train(loss_function=mine, exact=exact)
    own_loss.save(tmp_path / "m")
    with pytest.raises(ValueError, match="loss_function 'mine', of which only the name is known"):
        train(model=Model.load(tmp_path / "m"))


def test_the_command_line_predicts_with_such_a_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """11.13: it had no way round."""
    model = train(epoch_function=[lambda model: model, StepSchedule(1)], learningrate=0.5)
    model.save(tmp_path / "m.model")
    np.save(tmp_path / "X.npy", X)
    assert (
        main(["predict", str(tmp_path / "m.model"), "--X", str(tmp_path / "X.npy"), "--out", str(tmp_path / "p.npy")])
        == 0
    )
    assert np.array_equal(np.load(tmp_path / "p.npy")[:, :, 0], predictr(model, X))


def test_a_checkpoint_has_the_state_of_the_schedules() -> None:
    """11.13: a job that is taken up again went on with schedules that had forgotten all epochs."""
    options: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 2, "numepochs": 6}
    begun = Training(Y, X, rng=RRandom(1), epoch_function=[epoch_print, *copy.deepcopy(SCHEDULES)], **options)
    while begun.epoch < 3:
        begun.advance()
    saved = begun.checkpoint()
    assert len(json.loads(saved["schedules"])) == len(SCHEDULES)
    resumed = Training(Y, X, rng=RRandom(9), epoch_function=[epoch_print, *copy.deepcopy(SCHEDULES)], **options)
    resumed.restore(saved, begun.model.error[:, :3].copy())
    for training in (begun, resumed):
        while not training.finished:
            training.advance()
    assert resumed.result() == begun.result()


def rising(model: Model) -> Model:
    """The error grows from the second epoch on."""
    model.error[:, model.current_epoch - 1] = abs(model.current_epoch - 2)
    return model


@pytest.mark.parametrize("options", [{}, {"exact": True}, {"exact": True, "dtype": "float32", "network_type": "gru"}])
@pytest.mark.parametrize("epochs", [1, 2, 4, 6])
def test_a_checkpoint_has_the_best_weights_of_early_stopping(options: dict[str, Any], epochs: int) -> None:
    """A job that was taken up again after its best epoch ended with the weights of the last, silently."""
    options = {"learningrate": 0.1, "hidden_dim": 2, "numepochs": 6, **options}

    def training() -> Training:
        return Training(Y, X, rng=RRandom(1), epoch_function=[rising, EarlyStopping(patience=5)], **options)

    begun, resumed = training(), training()
    while begun.epoch < epochs:
        begun.advance()
    resumed.restore(begun.checkpoint(), begun.model.error[:, :epochs].copy())
    for each in (begun, resumed):
        while not each.finished:
            each.advance()
    assert begun.result().best_epoch_kept == 2
    assert resumed.result() == begun.result()
    again = training()
    checkpoint = {name: value for name, value in begun.checkpoint().items() if not name.startswith("schedule:")}
    again.restore(checkpoint, begun.model.error)
    assert again.finished, "after the end there is nothing to keep"


def test_a_checkpoint_without_the_best_weights_is_refused() -> None:
    """As older versions wrote them: the job begins again."""
    begun, resumed = (
        Training(Y, X, learningrate=0.1, hidden_dim=2, numepochs=6, rng=RRandom(1), epoch_function=EarlyStopping())
        for _ in range(2)
    )
    begun.advance()
    checkpoint = {name: value for name, value in begun.checkpoint().items() if not name.startswith("schedule:")}
    with pytest.raises(CheckpointError, match="schedule:0 should be an array"):
        resumed.restore(checkpoint, begun.model.error[:, : begun.epoch].copy())
