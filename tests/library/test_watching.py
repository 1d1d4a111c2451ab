"""While training (issue 14, number 5): early stopping, checkpoints, logs, measurements on other samples."""

from __future__ import annotations

import csv
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytrainr import (
    Checkpoint,
    EarlyStopping,
    Model,
    RRandom,
    epoch_annealing,
    epoch_csv,
    epoch_held_out,
    epoch_tensorboard,
    predictr,
    trainr,
)
from pytrainr.epoch_functions import curves, is_observer, measured

random = np.random.default_rng(7)
X = random.uniform(size=(30, 4, 2))
Y = random.uniform(size=(30, 4, 1))  # nothing to learn
ARITHMETICS = pytest.mark.parametrize("exact", [False, True], ids=["as R", "exact"])


def trained(functions: Any, **options: Any) -> Model:
    how = {"learningrate": 0.5, "hidden_dim": 6, "numepochs": 60, "rng": RRandom(1), **options}
    return trainr(Y[:20], X[:20], epoch_function=functions, **how)


def rising_after(best: int) -> Any:
    """Sets held_out_error, which falls to the epoch ``best`` and rises then."""

    def function(model: Model) -> Model:
        model.held_out_error = np.abs(np.arange(1, model.numepochs + 1) - best) + 1.0
        return model

    return function


def weights(model: Model) -> list[np.ndarray]:
    return [*model.time_synapse, *model.recurrent_synapse]


@ARITHMETICS
def test_early_stopping_brings_the_best_weights_back(exact: bool) -> None:
    """It ends ``patience`` epochs after the best one; the model is that of the best, to the bit."""
    model = trained([epoch_annealing, rising_after(9), EarlyStopping(patience=4)], exact=exact)
    assert model.error.shape == (20, 13)
    assert model.current_epoch == 13
    assert model.best_epoch_kept == 9
    assert "stop_training" not in model
    for mine, theirs in zip(weights(model), weights(trained(epoch_annealing, exact=exact, numepochs=9)), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    np.testing.assert_array_equal(predictr(model, X), predictr(Model(dict(model.items())), X))


@ARITHMETICS
def test_the_best_weights_come_back_at_the_last_epoch_too(exact: bool) -> None:
    """Also where numepochs ends it first; with restore=False the last weights stay."""
    model = trained([rising_after(9), EarlyStopping(patience=40)], numepochs=12, exact=exact)
    assert model.best_epoch_kept == 9
    best = trained([], numepochs=9, exact=exact)
    np.testing.assert_array_equal(weights(model)[0], weights(best)[0])
    kept = trained([rising_after(9), EarlyStopping(patience=40, restore=False)], numepochs=12, exact=exact)
    np.testing.assert_array_equal(weights(kept)[0], weights(trained([], numepochs=12, exact=exact))[0])
    assert "best_epoch_kept" not in kept


def test_a_metric_is_to_be_large_and_wins_over_the_loss_of_validation() -> None:
    """monitor="validation_accuracy": its best epoch's weights come back, not those of the smallest loss."""
    Z = (X[:, :, :1] > 0.5).astype(float)
    best: list[Any] = []

    def note(model: Model) -> Model:
        accuracy = model.validation_accuracy[model.current_epoch - 1]
        if not best or accuracy > best[0]:
            best[:] = [accuracy, int(model.current_epoch), [array.copy() for array in model.time_synapse]]
        return model

    options: dict[str, Any] = {"exact": True, "validation": 0.3, "metrics": ["accuracy"], "numepochs": 80}
    options |= {"loss": "binary_crossentropy", "update_rule": "adam", "learningrate": 0.1}
    functions = [note, EarlyStopping(patience=12, monitor="validation_accuracy")]
    model = trainr(Z, X, hidden_dim=6, epoch_function=functions, rng=RRandom(2), **options)
    assert model.best_epoch == model.best_epoch_kept == best[1]
    assert best[1] != int(np.argmin(model.validation_loss)) + 1
    for mine, theirs in zip(model.time_synapse, best[2], strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_what_early_stopping_watches_has_to_be_there() -> None:
    """A monitor that nobody measures is an error that names those that are."""
    with pytest.raises(ValueError, match=r"monitor .*error; it is 'validation_loss'"):
        trained([EarlyStopping(monitor="validation_loss")])


def test_any_function_may_end_the_training() -> None:
    """model.stop_training = True, as Keras has it; anything but true or false is an error."""

    def stop(model: Model) -> Model:
        model.stop_training = model.current_epoch == 3
        return model

    model = trained(stop)
    assert model.error.shape == (20, 3)
    assert "stop_training" not in model
    again = trainr(Y[:20], X[:20], model=model)
    assert again.current_epoch == 3

    def wrong(model: Model) -> Model:
        model.stop_training = "yes"
        return model

    with pytest.raises(TypeError, match=r"model\.stop_training"):
        trained(wrong)


def test_early_stopping_is_saved_with_the_model(tmp_path: Path) -> None:
    """Its settings come back by name, and training on begins its count anew."""
    model = trained([rising_after(3), EarlyStopping(patience=2)])
    model.epoch_function = model.epoch_function[1:]
    model.save(tmp_path / "m.model")
    loaded = Model.load(tmp_path / "m.model")
    assert isinstance(loaded.epoch_function[0], EarlyStopping)
    assert loaded.epoch_function[0].patience == 2
    on = trainr(Y[:20], X[:20], model=loaded)
    assert on.best_epoch_kept == int(np.argmin(on.mean_error)) + 1


def test_held_out_error_is_r_s_error_on_other_samples() -> None:
    """After each epoch the mean over samples of Σ|y − ŷ|; a normalisation kept on the model is not applied again."""
    scales = {"input_center": [1.0, 2.0], "input_scale": [2.0, 3.0], "output_center": [0.5], "output_scale": [4.0]}
    for more in ({}, scales):
        model = trained([epoch_held_out(X[20:], Y[20:])], numepochs=5, **more)
        plain = Model({name: value for name, value in model.items() if name not in scales})
        expected = np.abs(predictr(plain, X[20:])[:, :, np.newaxis] - Y[20:]).sum(axis=(1, 2)).mean()
        assert model.held_out_error[-1] == pytest.approx(expected, rel=1e-12)
        assert model.held_out_error.shape == (5,)
    with pytest.raises(ValueError, match=r"Y should be shaped as the predictions for X"):
        trained([epoch_held_out(X[20:], Y[20:, :2])])


def test_a_checkpoint_is_the_best_model_so_far(tmp_path: Path) -> None:
    """The file has the best epoch's model, whole, and trains on by itself; with {epoch} each epoch has its own."""
    path = tmp_path / "best.model"
    functions = [epoch_annealing, epoch_csv(tmp_path / "log.csv"), rising_after(4), Checkpoint(path)]
    trained(functions, numepochs=8)
    saved = Model.load(path, functions={"function": rising_after(4)})
    assert saved.current_epoch == 4
    best = trained(epoch_annealing, numepochs=4)
    np.testing.assert_array_equal(predictr(saved, X), predictr(best, X))
    assert [getattr(f, "__name__", "") for f in saved.epoch_function] == ["epoch_annealing", "function"]
    trainr(Y[:20], X[:20], model=saved)
    every = Checkpoint(tmp_path / "{epoch}.model", best_only=False, every=3)
    trained([every], numepochs=8)
    assert sorted(p.name for p in tmp_path.glob("[0-9].model")) == ["3.model", "6.model", "8.model"]


def test_a_row_for_each_epoch(tmp_path: Path) -> None:
    """The CSV log has what is measured, digit for digit, and what is annealed."""
    path = tmp_path / "log.csv"
    functions = [epoch_csv(path), epoch_annealing]
    options = {"exact": True, "validation": 0.2, "metrics": ["mae"], "learningrate_decay": 0.9, "numepochs": 6}
    model = trained(functions, **options)
    rows = list(csv.DictReader(path.open()))
    assert [int(row["epoch"]) for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [float(row["error"]) for row in rows] == list(model.mean_error)
    assert [float(row["validation_loss"]) for row in rows] == list(model.validation_loss)
    assert [float(row["training_mae"]) for row in rows] == list(model.training_mae)
    assert float(rows[1]["learningrate"]) == 0.5 * 0.9
    trained(functions, **{**options, "numepochs": 2})
    assert len(path.read_text().splitlines()) == 3
    trained([epoch_csv(path, append=True)], **{**options, "numepochs": 2})
    assert len(path.read_text().splitlines()) == 5


def test_tensorboard(tmp_path: Path) -> None:
    """Scalars under their names, histograms of the weights: read back from the file that TensorBoard reads."""
    pytest.importorskip("tensorboardX", reason="tensorboardX is missing: pip install 'pytrainr[tensorboard]'")
    from tensorboardX.proto.event_pb2 import Event

    model = trained([epoch_tensorboard(tmp_path / "run"), epoch_annealing], numepochs=3)
    (path,) = (tmp_path / "run").iterdir()
    data, events = path.read_bytes(), []
    while data:  # length (8), its checksum (4), the record, its checksum (4)
        size = int.from_bytes(data[:8], "little")
        events.append(Event.FromString(data[12 : 12 + size]))
        data = data[16 + size :]
    scalars: dict[str, list[float]] = {}
    histograms = set()
    for event in events:
        for value in event.summary.value:
            if value.HasField("histo"):
                histograms.add(value.tag)
            else:
                scalars.setdefault(value.tag, []).append(value.simple_value)
    np.testing.assert_allclose(scalars["error"], model.mean_error, rtol=1e-6)
    assert scalars["learningrate"] == [0.5] * 3
    assert {"time_synapse/0", "time_synapse/1", "recurrent_synapse/0"} <= histograms


def test_who_only_watches() -> None:
    """What needs no weights can watch a training on a server; the others make it wait."""
    pytest.importorskip("tensorboardX")
    assert is_observer(epoch_csv("log.csv"))
    assert is_observer(epoch_tensorboard("folder", histograms=False))
    assert not is_observer(epoch_tensorboard("folder"))
    assert not is_observer(Checkpoint("file"))
    assert not is_observer(epoch_held_out(X, Y))
    pickle.loads(pickle.dumps(epoch_tensorboard("folder")))


def test_curves_and_numbers_of_an_epoch() -> None:
    """What a model keeps of each epoch, and of the last one."""
    model = trained([], exact=True, validation=0.2, metrics=["mae"], numepochs=4)
    assert list(curves(model)) == ["error", *[n for n in model if n in curves(model) and n != "error"]]
    assert set(curves(model)) == {"error", "validation_loss", "training_mae", "validation_mae"}
    assert measured(model) == {name: values[-1] for name, values in curves(model).items()}
