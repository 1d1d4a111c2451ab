"""A learnt state before the first step (issue 12): its gradient, pieces, steppers, files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.layers import GRU, LSTM, Bidirectional, Decoder, Dense, EchoState, Jordan, SimpleRNN
from tests.exact.checking import ListCase

LEARNT: dict[str, Any] = {"learn_initial_state": True, "return_sequences": True}
CELLS = [
    SimpleRNN(3, **LEARNT),
    Jordan(3, outputs=2, **LEARNT),
    GRU(3, **LEARNT),
    GRU(3, reset_after=False, **LEARNT),
    LSTM(3, **LEARNT),
    LSTM(3, peephole=True, projection=2, **LEARNT),
]
OPTIONS: dict[str, Any] = {
    **{"exact": True, "learningrate": 0.05, "update_rule": "adam", "batch_size": 4, "epoch_function": []},
    **{"numepochs": 5},
}


@pytest.mark.parametrize("mask", [None, "nan"])
@pytest.mark.parametrize("cell", CELLS, ids=repr)
def test_gradient(cell: Any, mask: str | None) -> None:
    """Of every cell, alone, in both directions, and inside a decoder."""
    stacks: list[list[Any]] = [[cell, Dense(2)], [Decoder(cell, 3), Dense(1)]]
    if not isinstance(cell, Jordan):
        stacks.append([Bidirectional(cell)])
    for stack in stacks:
        case = ListCase(stack, mask=mask)
        names = [weight.name for _, _, weight in case.network.options._weights]
        assert "initial_state" in names
        assert ("initial_cell" in names) == isinstance(cell, LSTM)
        assert case.worst_difference() < 1e-6


def data() -> np.ndarray:
    return np.random.default_rng(0).standard_normal((12, 7, 2))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_is_learnt_saved_and_stepped_from(dtype: str, tmp_path: Any) -> None:
    """What Y has at the first step can only come from the state before it; a stepper begins there, and again after
    reset."""
    X = data() * 0.01
    Y = np.full((12, 7, 1), 0.8)
    layers = [LSTM(3, **LEARNT), GRU(3, **LEARNT), Dense(1, use_bias=False)]
    model = trainr(Y, X, layers=layers, dtype=dtype, rng=RRandom(1), **{**OPTIONS, "numepochs": 60})
    predicted = predictr(model, X)
    assert np.abs(predicted[:, 0] - 0.8).max() < 0.1
    assert [array.shape for array in model.lstm_weights[-2:]] == [(3,), (3,)]
    assert np.abs(model.gru_weights[-1]).max() > 0.05
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert np.array_equal(predictr(loaded, X), predicted)
    step, tolerance = loaded.stepper(12), 1e-12 if dtype == "float64" else 1e-5
    for _ in range(2):
        for t in range(7):
            assert np.abs(step(X[:, t])[:, 0] - predicted[:, t]).max() < tolerance
        step.reset()
    first, state = predictr(model, X[:, :4], return_state=True)
    rest = predictr(model, X[:, 4:], state=state)
    assert np.abs(np.concatenate([first, rest], axis=1) - predicted).max() < tolerance


def test_pieces_begin_once() -> None:
    """With bptt_steps only the first piece begins in the learnt state; one piece of all steps is the whole."""
    X, options = data(), {**OPTIONS, "rng": RRandom(1)}
    layers = [GRU(3, **LEARNT), Dense(1)]
    pieces = trainr(X[:, :, :1], X, layers=layers, bptt_steps=3, **options)
    step = pieces.stepper(12)
    steps = np.stack([step(X[:, t])[:, 0] for t in range(7)], axis=1)
    assert np.abs(steps - predictr(pieces, X)).max() < 1e-12
    whole = trainr(X[:, :, :1], X, layers=layers, bptt_steps=7, **{**options, "rng": RRandom(1)})
    plain = trainr(X[:, :, :1], X, layers=layers, **{**options, "rng": RRandom(1)})
    assert np.array_equal(predictr(whole, X), predictr(plain, X))


def test_l2_leaves_it_alone() -> None:
    """As a bias, it does not decay."""
    case = ListCase([GRU(3, **LEARNT)])
    names = [weight.name for _, _, weight in case.network.options._weights]
    decayed = dict(zip(names, (block.view(case.network.decayed).max() for block in case.network.layout), strict=True))
    assert decayed["initial_state"] == 0.0
    assert decayed["kernel"] == 1.0


def test_errors_teach() -> None:
    with pytest.raises(ValueError, match="EchoState: learn_initial_state needs weights that are trained"):
        EchoState(3, learn_initial_state=True)
    with pytest.raises(ValueError, match="Decoder: cell should have weights that are trained"):
        Decoder(EchoState(3), 2)
    with pytest.raises(TypeError, match="GRU: learn_initial_state should be True or False"):
        GRU(3, learn_initial_state=1)  # type: ignore[arg-type]
