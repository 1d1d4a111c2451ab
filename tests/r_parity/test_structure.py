"""The model is R's list: names, order, shapes, printed texts."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import Model, RRandom, trainr
from tests.r_parity.golden import FOLDER

STRUCTURE = json.loads((FOLDER / "structure.json").read_text())
X = np.linspace(0, 1, 5 * 4 * 2).reshape(5, 4, 2)
Y = np.linspace(0, 1, 5 * 4).reshape(5, 4, 1)


def model_like(case: str) -> Model:
    options: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": [2, 2], "rng": RRandom(1), "keep_store": True}
    options["epoch_function"] = []
    x, y = X, Y
    if case == "rnn":
        options |= {"hidden_dim": [2, 3], "numepochs": 2}
    elif case == "lstm":
        options |= {"hidden_dim": 2}
    elif case == "adagrad_clipping_extra":
        options |= {"hidden_dim": 2, "update_rule": "adagrad", "clipping": 1.0, "foo": "bar"}
    elif case == "unsync":
        options |= {"hidden_dim": 2, "seq_to_seq_unsync": True}
        x, y = X[:, :3], Y[:, :2]
    if case in ("gru", "lstm"):
        options["network_type"] = case
    return trainr(y, x, **options)


def shape_of(recorded: str) -> tuple[int, ...]:
    return tuple(int(n) for n in recorded.partition("[")[2].rstrip("]").split(","))


@pytest.mark.parametrize("case", STRUCTURE["model_structure"])
def test_names_order_and_shapes(case: str) -> None:
    recorded = STRUCTURE["model_structure"][case]
    model = model_like(case)
    assert list(model.keys()) == recorded["names"]
    for name, shape in recorded["shapes"].items():
        if name in ("epoch_function", "loss_function", "input_dim", "output_dim", "time_dim", "time_dim_input"):
            continue
        ours = model[name]
        if isinstance(shape, list):
            assert [array.shape for array in ours] == [shape_of(one) for one in shape], name
        elif isinstance(ours, np.ndarray):
            # R's dims of the training data are 5 samples of 4 steps in every case
            assert len(ours.shape) == len(shape_of(shape)), name
            assert ours.shape[0] == 5


def test_printed_texts(capsys: pytest.CaptureFixture[str]) -> None:
    model = model_like("lstm")
    model.learningrate, model.current_epoch = 1 / 30, 1
    model.error = np.full((5, 1), 1.25)
    pytrainr.epoch_print(model)
    lines = capsys.readouterr().err.splitlines()
    assert lines == ["Trained epoch: 1 - Learning rate: 0.0333333333333333", "Epoch error: 1.25"]
    trainr(Y, X, learningrate=0.1, update_rule="adagrad", rng=RRandom(1), epoch_function=[])
    assert capsys.readouterr().err.strip() == STRUCTURE["texts"]["adagrad"]
    trainr(Y, X, model=model_like("lstm"), rng=RRandom(1))
    assert capsys.readouterr().err.strip() == STRUCTURE["texts"]["retraining"]
