"""Epoch and loss functions, and the numbers they print."""

from __future__ import annotations

import json
import pickle
import re
from pathlib import Path

import numpy as np
import pytest

from pytrainr import Model, epoch_annealing, epoch_print, epoch_progress, loss_L1
from pytrainr.epoch_functions import is_observer
from pytrainr.function_names import UnknownFunction, function_name, function_named
from pytrainr.r_text import number_text

GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "structure.json").read_text())


def model(**fields):
    error = np.array([[0.1, 0.7, 0.0], [0.2, 0.8, 0.0], [0.3, 0.1, 0.0]])
    return Model({"error": error, "learningrate": 1 / 3, "learningrate_decay": 0.1, "numepochs": 3, **fields})


def test_numbers_as_r_pastes_them():
    for expression, expected in zip(GOLDEN["number_text"]["value"], GOLDEN["number_text"]["R"], strict=True):
        numerator, _, divisor = expression.partition("/")
        assert number_text(float(numerator) / float(divisor or 1)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [  # R 4.2.2
        (0.0, "0"),
        (-0.0, "0"),
        (1.0, "1"),
        (-1e-5, "-1e-05"),
        (123456.0, "123456"),
        (100000.0, "1e+05"),
        (0.1 + 0.2, "0.3"),
        (0.00012, "0.00012"),
        (99999.99999999999, "1e+05"),
        (1234567890123456.0, "1234567890123456"),
        (123456789012345678.0, "123456789012345680"),
        (1e22, "1e+22"),
        (float.fromhex("0x1.32635223a814ap-34"), "6.9664559327066e-11"),  # where R's roundings show
        (float.fromhex("-0x1.a2e00bb2abcd0p-1"), "-0.8181155830006"),
        (float("nan"), "NaN"),
        (float("inf"), "Inf"),
        (float("-inf"), "-Inf"),
        (100000, "100000"),
    ],
)
def test_more_numbers_as_r_pastes_them(value, expected):
    assert number_text(value) == expected


def test_epoch_print_writes_two_lines_to_the_error_stream(capsys):
    trained = model(current_epoch=2)
    assert epoch_print(trained) is trained
    out, err = capsys.readouterr()
    assert out == ""
    assert err == "Trained epoch: 2 - Learning rate: 0.333333333333333\nEpoch error: 0.533333333333333\n"


def test_epoch_annealing_lowers_the_learning_rate():
    assert epoch_annealing(model(current_epoch=1)).learningrate == 1 / 3 * 0.1


def test_loss_l1_scales_every_pending_update_in_place():
    rng = np.random.default_rng(1)
    names = ("time_synapse_update", "recurrent_synapse_update", "bias_synapse_update")
    updates = {name: [rng.normal(size=(2, 3)), rng.normal(size=4)] for name in names}
    before = {name: [array.copy() for array in arrays] for name, arrays in updates.items()}
    changed = loss_L1(model(**updates))
    for name in names:
        for layer in range(2):
            assert changed[name][layer] is updates[name][layer]
            np.testing.assert_array_equal(updates[name][layer], before[name][layer] * (1 / 3))


def test_the_progress_bar_counts_epochs_and_begins_again(capsys):
    bar = epoch_progress("fitting")
    for current_epoch in (1, 2, 3, 1):
        trained = model(current_epoch=current_epoch)
        assert bar(trained) is trained
    bar.close()
    text = capsys.readouterr().err
    assert "fitting" in text
    assert "3/3" in text
    assert "error=0.2, learningrate=0.3333" in text
    assert "1/3" in text.rsplit("3/3", 1)[1]
    assert pickle.loads(pickle.dumps(bar)).description == "fitting"


def test_the_progress_bar_shows_what_is_measured(capsys):
    """Epoch, error, validation loss, metrics, learning rate, and the time left (issue 14, number 5)."""
    bar = epoch_progress()
    measures = {"validation_loss": np.array([0.5, 0.25, np.nan]), "validation_accuracy": np.array([0.6, 0.9, np.nan])}
    bar(model(current_epoch=2, **measures))
    bar.close()
    text = capsys.readouterr().err
    assert "2/3" in text
    assert "error=0.5333, validation_loss=0.25, validation_accuracy=0.9, learningrate=0.3333" in text
    assert re.search(r"\[\d\d:\d\d<\d\d:\d\d", text)  # taken and left


def test_the_progress_bar_ends_where_training_does(capsys):
    """Stopped early it stands where it is, and the next training begins another."""
    bar = epoch_progress()
    bar(model(current_epoch=2, stop_training=True))
    assert bar._bar is None


def test_the_progress_bar_without_tqdm_says_what_to_install(monkeypatch):
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(__import__("sys").modules, name, None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'pytrainr\[progress\]'"):
        epoch_progress()


def test_what_only_watches_says_so():
    assert [is_observer(f) for f in (epoch_print, epoch_progress(), epoch_annealing, loss_L1)] == [
        True,
        True,
        False,
        False,
    ]


def test_functions_by_name():
    for function in (epoch_print, epoch_annealing, loss_L1):
        assert function_named(function_name(function)) is function
    assert function_name(function_named("epoch_progress")) == "epoch_progress"

    def mine(model):
        return model

    assert function_named("mine", {"mine": mine}) is mine
    assert function_named("mine") == UnknownFunction("mine")
    mine.__name__ = "epoch_print"
    assert function_name(mine) != "epoch_print"
