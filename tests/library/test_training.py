"""Training from the outside: epoch and loss functions, retraining, Ctrl-C, slices, checkpoints."""

from __future__ import annotations

import copy
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import DivergedError, Model, RRandom, predictr, trainr
from pytrainr.training import CheckpointError, Stopped, Training


def data(samples: int = 20, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    return random.uniform(0, 1, (samples, 5, 1)), random.uniform(0, 1, (samples, 5, 2))


Y, X = data()
OPTIONS: dict[str, Any] = {"learningrate": 0.2, "hidden_dim": [3, 4], "network_type": "lstm", "momentum": 0.1}


def trained(**options: Any) -> Model:
    return trainr(Y, X, **{**OPTIONS, "numepochs": 3, "epoch_function": [], "rng": RRandom(4), **options})


def test_epoch_functions_see_and_change_everything() -> None:
    epochs = []

    def watch(model: Model) -> Model:
        epochs.append((model.current_epoch, model.error[:, model.current_epoch - 1].sum(), model.mine))
        model.learningrate = 0.0  # nothing learns from now on
        model.time_synapse[0] = model.time_synapse[0] * 0 + 0.25  # an array of its own
        model.recurrent_synapse[1][...] = 0.5  # in place
        for field in ("time", "recurrent", "bias"):
            model[field + "_synapse_update"] = [0 * update for update in model[field + "_synapse_update"]]
        return model

    model = trained(epoch_function=watch, mine="x")
    assert [epoch for epoch, _, _ in epochs] == [1, 2, 3]
    assert all(error > 0 and mine == "x" for _, error, mine in epochs)
    assert (model.time_synapse[0] == 0.25).all()
    assert (model.recurrent_synapse[1] == 0.5).all()
    assert model.learningrate == 0.0
    by_hand = model.copy()
    assert np.array_equal(predictr(by_hand, X), predictr(model, X))


def test_an_epoch_function_may_return_another_model() -> None:
    model, plain = trained(epoch_function=lambda model: model.copy()), trained()
    model.epoch_function = plain.epoch_function
    assert model == plain


def test_an_epoch_function_that_forgets_to_return() -> None:
    def forgetful(model: Model) -> None:
        model.learningrate = 1.0

    with pytest.raises(TypeError, match=r"epoch_function 'forgetful' should return the model.*returned None"):
        trained(epoch_function=forgetful)


def test_wrong_shape_from_an_epoch_function() -> None:
    def cut(model: Model) -> Model:
        model.time_synapse[0] = model.time_synapse[0][:1]
        return model

    with pytest.raises(ValueError, match=r"model\.time_synapse\[0\] should have the shape \(2, 3, 4\)"):
        trained(epoch_function=cut)


def test_a_loss_function_of_ones_own_equals_the_built_in_one() -> None:
    calls = []

    def own(model: Model) -> Model:
        calls.append(1)
        for field in ("time_synapse_update", "recurrent_synapse_update", "bias_synapse_update"):
            model[field] = [update * model.learningrate for update in model[field]]
        return model

    one, two = trained(loss_function=own), trained()
    assert len(calls) > 3
    one.loss_function = two.loss_function
    assert one == two


def test_retraining_changes_a_copy() -> None:
    model = trained()
    before = model.copy()
    again = trainr(Y, X, model=model, rng=RRandom(9))
    assert model == before
    assert again != model
    assert again.error.shape == (20, 3)


def test_retraining_says_what_it_ignores(capsys: pytest.CaptureFixture[str]) -> None:
    trainr(Y, X, model=trained(), rng=RRandom(9))
    assert "retraining, all options except X, Y and the model itself are ignored" in capsys.readouterr().err


def test_a_diverged_run_hands_over_the_last_finite_model() -> None:
    with pytest.raises(DivergedError, match=r"the error became NaN in epoch \d+ of 50.*learningrate") as caught:
        trained(network_type="rnn", sigmoid="tanh", learningrate=1e6, numepochs=50, momentum=0.9)
    error = caught.value
    assert error.model.current_epoch < error.epoch
    assert all(np.isfinite(weights).all() for weights in error.model.time_synapse)
    assert error.model.error.shape == (20, error.model.current_epoch)


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
def test_slicing_changes_no_bit(network_type: str) -> None:
    Y, X = data(300)
    whole = trainr(Y, X, learningrate=0.1, network_type=network_type, numepochs=2, epoch_function=[], rng=RRandom(1))
    sliced = Training(Y, X, learningrate=0.1, network_type=network_type, numepochs=2, epoch_function=[], rng=RRandom(1))
    advances = 0
    while not sliced.finished:
        sliced._speed = 1e-9  # as if every group took an age: one group a slice
        sliced.advance(0.0)
        advances += 1
    assert advances > 100
    assert sliced.result() == whole


def test_a_checkpoint_goes_on_to_the_same_bits() -> None:
    options: dict[str, Any] = {**OPTIONS, "numepochs": 3, "learningrate_decay": 0.9, "keep_store": True}
    options["epoch_function"] = pytrainr.epoch_annealing
    rng = RRandom(5)
    straight = trainr(Y, X, rng=rng, **options)
    first = Training(Y, X, rng=RRandom(5), **options)
    saved = []
    while not first.finished:
        first._speed = 1e-9
        first.advance(0.0)
        saved.append((first.checkpoint(), first.model.error[:, : first.epoch].copy()))
    for checkpoint, columns in saved[::7]:
        other = RRandom(77)
        second = Training(Y, X, rng=other, **options)
        second.restore(checkpoint, columns)
        while not second.finished:
            second.advance()
        assert second.result() == straight
        assert np.array_equal(other.random_seed, rng.random_seed)


def train_on(training: Training) -> None:
    while not training.finished:
        training.advance()


def first_groups(training: Training, groups: int) -> None:
    """Into the next epoch, so far."""
    for _ in range(groups):
        training._speed = 1e-9  # as if every group took an age: one group a slice
        assert not training.advance(0.0)


WITHIN: tuple[dict[str, Any], ...] = (
    {"epoch_function": pytrainr.epoch_annealing, "learningrate_decay": 0.9},
    {"update_rule": "adagrad"},
    {"network_type": "gru", "exact": True, "update_rule": "adam", "dropout": 0.2},
    {"exact": True, "dtype": "float32", "validation": 0.3, "patience": 5, "metrics": ["mae"]},
    {"network_type": "rnn", "epoch_function": pytrainr.ReduceOnPlateau(patience=1)},
)


@pytest.mark.parametrize("options", WITHIN)
@pytest.mark.parametrize("epochs", [0, 2])
def test_a_checkpoint_within_an_epoch_has_the_last_whole_one(options: dict[str, Any], epochs: int) -> None:
    """Whoever cancelled a job that had been taken up within an epoch was left a model that no whole epoch had made."""
    given = {**OPTIONS, "epoch_function": [], **options}

    def begun(numepochs: int) -> Training:
        return Training(Y, X, rng=RRandom(1), **{**copy.deepcopy(given), "numepochs": numepochs})

    first, second, third, expected = begun(5), begun(5), begun(5), begun(max(epochs, 1))
    while expected.epoch < epochs:
        expected.advance()
    while first.epoch < epochs:
        first.advance()
    first_groups(first, 4)
    second.restore(first.checkpoint(), first.model.error[:, :epochs].copy())
    first_groups(second, 3)
    third.restore(second.checkpoint(), second.model.error[:, :epochs].copy())
    whole = expected.last_whole_epoch()
    whole.numepochs = 5
    for training in (first, second, third):
        assert training.last_whole_epoch() == whole, "all of it: counts, what the update rule remembers, histories"
        assert training.last_whole_epoch().error.shape[1] == epochs
        assert training.has_whole_epoch == (epochs > 0)
    for training in (first, third):
        train_on(training)
    assert third.result() == first.result()


def test_a_checkpoint_of_an_older_version_does_not_know_the_last_whole_epoch() -> None:
    """It goes on to the same bits; until the next epoch ends there is no model that could be left."""
    straight = trained()
    first, second = (Training(Y, X, rng=RRandom(4), **OPTIONS, numepochs=3, epoch_function=[]) for _ in range(2))
    first.advance()
    first_groups(first, 2)
    older = {name: value for name, value in first.checkpoint().items() if not name.startswith("whole:")}
    second.restore(older, first.model.error[:, :1].copy())
    assert not second.has_whole_epoch
    assert not any(name.startswith("whole:") for name in second.checkpoint())
    second.advance()
    assert second.has_whole_epoch
    train_on(second)
    assert second.result() == straight


def test_a_checkpoint_after_the_last_finite_epoch_has_that_one() -> None:
    """The weights have overflowed, and only the next epoch's error will say so: what is left is what was finite."""
    options: dict[str, Any] = {"hidden_dim": 3, "numepochs": 6, "network_type": "rnn", "learningrate": 0.1}

    def ruin(model: Model) -> Model:
        if model.current_epoch == 3:
            model.time_synapse[0][...] = np.nan
        return model

    first, second = (Training(Y, X, rng=RRandom(1), epoch_function=ruin, **options) for _ in range(2))
    while first.epoch < 3:
        first.advance()
    second.restore(first.checkpoint(), first.model.error[:, :3].copy())
    for training in (first, second):
        with pytest.raises(DivergedError, match="the model after epoch 2 is attached") as error:
            train_on(training)
        expected = trainr(Y, X, rng=RRandom(1), epoch_function=ruin, **{**options, "numepochs": 2})
        assert np.array_equal(error.value.model.time_synapse[0], expected.time_synapse[0])
        assert np.array_equal(error.value.model.error, expected.error)


@pytest.mark.parametrize("entry", ["whole:epoch", "whole:fields", "whole:state:weights"])
def test_a_damaged_last_whole_epoch_is_refused(entry: str) -> None:
    first, second = (Training(Y, X, rng=RRandom(4), **OPTIONS, numepochs=3, epoch_function=[]) for _ in range(2))
    first.advance()
    first_groups(first, 2)
    for value in (None, -1, 2, np.zeros(3), "1"):
        with pytest.raises(CheckpointError):
            second.restore({**first.checkpoint(), entry: value}, first.model.error[:, :1].copy())


def test_stop_from_another_thread() -> None:
    Y, X = data(2000)
    training = Training(Y, X, learningrate=0.01, hidden_dim=32, numepochs=10**6, epoch_function=[], rng=RRandom(1))
    timer = threading.Timer(0.5, training.stop)
    timer.start()
    with pytest.raises(Stopped):
        train_on(training)
    done = training.epoch
    training.advance(1000)
    assert training.epoch == done + 1


INTERRUPTED = """
import sys, warnings, numpy as np
import pytrainr
samples, batch_size, epochs = map(int, sys.argv[1:])
X = np.random.default_rng(0).integers(0, 2, (samples, 8, 2)).astype(float)
Y = X[:, :, 0]
def announce(model):
    print("epoch", model.current_epoch, flush=True)
    return model
options = dict(learningrate=0.001, hidden_dim=8, network_type="rnn", batch_size=batch_size, epoch_function=announce)
pytrainr.trainr(Y[:50], X[:50], **{**options, "batch_size": 1})
print("start", flush=True)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    model = pytrainr.trainr(Y, X, numepochs=epochs, rng=pytrainr.RRandom(1), **options)
print("returned", model.current_epoch, model.error.shape[1], caught[0].category.__name__, flush=True)
options["epoch_function"] = []
again = pytrainr.trainr(Y, X, numepochs=model.current_epoch, rng=pytrainr.RRandom(1), **options)
print("equal", np.array_equal(again.time_synapse[0], model.time_synapse[0]), flush=True)
"""


@pytest.mark.parametrize(("samples", "batch_size", "epochs"), [(30_000, 1, 1000), (1_500_000, 1_500_000, 20)])
def test_ctrl_c_hands_back_the_last_whole_epoch(samples: int, batch_size: int, epochs: int, tmp_path: Path) -> None:
    script = tmp_path / "interrupted.py"
    script.write_text(INTERRUPTED)
    process = subprocess.Popen(
        [sys.executable, str(script), str(samples), str(batch_size), str(epochs)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    lines = iter(process.stdout.readline, "")
    for line in lines:
        if line.startswith("start"):
            break
    for line in lines:
        if line.startswith("epoch"):
            break
    time.sleep(0.3)  # into the middle of the next epoch
    process.send_signal(signal.SIGINT)
    for line in lines:
        if line.startswith("returned"):
            break
    _, epochs, columns, warning = line.split()
    assert epochs == columns
    assert int(epochs) >= 1
    assert warning == "TrainingInterrupted"
    assert any(line.startswith("equal True") for line in lines)
    assert process.wait(60) == 0


def test_models_keep_no_training_sized_array() -> None:
    model = trained()
    assert not {"store", "store_best", "last_layer_error", "last_layer_delta"} & set(model.keys())
    with pytest.raises(AttributeError, match="keep_store=True"):
        _ = model.store


def test_threads_share_the_module_stream() -> None:
    pytrainr.set_seed(3)
    threads = [threading.Thread(target=trained, kwargs={"rng": None}) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert np.isfinite(pytrainr.runif(3)).all()


def test_data_that_must_not_be_written_are_trained_on_where_they_are():
    """Numba would compile a kernel of its own for read-only arrays."""
    from pytrainr.r.epoch import run_groups

    X, Y = np.random.default_rng(1).random((2, 20, 5, 1))
    first = trainr(Y, X, learningrate=0.1, epoch_function=[], rng=RRandom(1))
    kinds = len(run_groups.signatures)
    for array in (X, Y):
        array.flags.writeable = False
    assert trainr(Y, X, learningrate=0.1, epoch_function=[], rng=RRandom(1)) == first
    assert len(run_groups.signatures) == kinds
