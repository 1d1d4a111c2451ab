"""Adaptive computation time around any cell (issue 12, point 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, layer_states, predictr, trainr
from pytrainr.layers import GRU, LSTM, AdaptiveComputation, Dense, EchoState
from tests.exact.checking import ListCase

NEAR_A_BEND = 1e-5  # the number of steps is a step function: differences must not reach across
LAYER = AdaptiveComputation(LSTM(3, return_sequences=True), max_steps=4, ponder_cost=0.3)


def in_torch(torch: Any, layer: AdaptiveComputation, x: Any, named: dict[str, Any]) -> tuple[Any, Any]:
    """The paper's equations, sample by sample: the outputs and the ponder cost."""
    outputs, cost = [], 0.0
    for sample in x:
        h = c = torch.zeros(layer.cell.units, dtype=x.dtype)
        for t in range(x.shape[1]):
            states, shares, total, n = [], [], 0.0, 0
            inner_h, inner_c = h, c
            while True:
                sign = torch.tensor([1.0 if n == 0 else 0.0], dtype=x.dtype)
                gates = torch.cat([sample[t], sign]) @ named["kernel"] + inner_h @ named["recurrent_kernel"]
                f, i, g, o = (gates + named["bias"]).chunk(4)
                inner_c = torch.sigmoid(f) * inner_c + torch.sigmoid(i) * torch.tanh(g)
                inner_h = torch.sigmoid(o) * torch.tanh(inner_c)
                n += 1
                p = torch.sigmoid(inner_h @ named["halting_kernel"] + named["halting_bias"][0])
                states.append(torch.stack([inner_h, inner_c]))
                if total + p >= 1 - 0.01 or n == layer.max_steps:
                    shares.append(1 - total)
                    break
                shares.append(p)
                total = total + p
            h, c = sum(share * state for share, state in zip(shares, states, strict=True))
            cost = cost + layer.ponder_cost * (n + shares[-1])
            outputs.append(h)
    return torch.stack(outputs).reshape(x.shape[0], x.shape[1], -1), cost


def test_against_torch() -> None:
    """Outputs, the loss with its ponder cost and every gradient are those of the equations in PyTorch, to 1e-9."""
    torch = pytest.importorskip("torch")
    case = ListCase([LAYER], 5, 2, 4)
    names = [weight.name for weight in LAYER.weights(5, 3)]
    blocks = list(case.network.layout)
    tensors = [torch.tensor(block.view(case.weights), requires_grad=True) for block in blocks]
    y, cost = in_torch(torch, LAYER, torch.tensor(case.X), dict(zip(names, tensors, strict=True)))
    assert np.abs(case.network.forward(case.weights, case.X)[0] - y.detach().numpy()).max() < 1e-9
    loss = (0.5 * (y - torch.tensor(case.Y)) ** 2).sum() + cost
    assert abs(case.loss(case.weights) - loss.item()) < 1e-9
    loss.backward()
    gradient, _ = case.gradient(case.weights)
    for block, tensor, name in zip(blocks, tensors, names, strict=True):
        theirs = tensor.grad.numpy()
        assert np.abs(block.view(gradient) - theirs).max() <= 1e-9 * max(1.0, np.abs(theirs).max()), name


@pytest.mark.parametrize("mask", [None, "nan"])
@pytest.mark.parametrize("seed", [0, 1])
def test_gradient(mask: str | None, seed: int) -> None:
    """Around cells that go back by the product and past it, over others, where sequences end early."""
    gru = AdaptiveComputation(GRU(3, reset_after=False), max_steps=5, ponder_cost=0.1)
    for stack in ([Dense(2), LAYER, Dense(1)], [Dense(2), gru]):
        case = ListCase(stack, 5, 2, 3, seed, mask=mask)
        assert case.worst_difference(step=NEAR_A_BEND) < 1e-5


def parity(samples: int = 200, steps: int = 3, bits: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """The paper's task in small: whether an odd number of entries of a vector is 1."""
    X = np.random.default_rng(0).choice([-1.0, 0.0, 1.0], (samples, steps, bits))
    return (X == 1.0).sum(axis=2, keepdims=True) % 2.0, X


OPTIONS: dict[str, Any] = {"exact": True, "learningrate": 0.01, "update_rule": "adam", "batch_size": 10}
OPTIONS |= {"numepochs": 15, "epoch_function": [], "loss": "binary_crossentropy"}


def stack(**options: Any) -> list[Any]:
    return [AdaptiveComputation(LSTM(6, return_sequences=True), **options), Dense(1, activation="logistic")]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_trains_is_kept_and_goes_step_by_step(tmp_path: Any, dtype: str) -> None:
    """As every layer: any length, a stepper, a state to go on from, files, pieces, single precision; and pondering is
    seen, and is less where it costs more."""
    Y, X = parity()
    model = trainr(Y, X, layers=stack(max_steps=4), dtype=dtype, validation=0.1, rng=RRandom(1), **OPTIONS)
    assert model.mean_error[-1] < model.mean_error[0]
    steps = layer_states(model, X)["adaptive_computation"]["ponder_steps"]
    assert steps.shape == X.shape[:2]
    assert np.isin(steps, [1, 2, 3, 4]).all()
    dear = trainr(Y, X, layers=stack(max_steps=4, ponder_cost=2.0), dtype=dtype, rng=RRandom(1), **OPTIONS)
    assert layer_states(dear, X)["adaptive_computation"]["ponder_steps"].mean() < steps.mean()
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded == model
    near = {"rtol": 0.0, "atol": 1e-12 if dtype == "float64" else 1e-5}
    step, whole = loaded.stepper(), predictr(model, X[:1])
    assert np.allclose([float(step(x)[0]) for x in X[0]], whole[0], **near)
    first, state = predictr(model, X[:, :1], return_state=True)
    rest = predictr(model, X[:, 1:], state=state)
    assert np.allclose(np.concatenate([first, rest], axis=1), predictr(model, X), **near)
    assert np.allclose(predictr(model, X[3:4]), predictr(model, X)[3:4], **near)  # whoever is computed with it
    assert predictr(model, X, hidden=True)[0].shape == (200, 3, 6)
    pieces = trainr(Y, X, layers=stack(max_steps=3), dtype=dtype, bptt_steps=2, rng=RRandom(1), **OPTIONS)
    assert np.isfinite(pieces.error).all()
    assert "AdaptiveComputation" in model.summary()


def test_one_step_is_the_cell() -> None:
    """With max_steps=1 and the sign's weights 0 the layer is its cell."""
    cell = LSTM(3, return_sequences=True)
    inner, outer = ListCase([cell]), ListCase([AdaptiveComputation(cell, max_steps=1, ponder_cost=0.0)])
    outer.weights[:] = 0.0
    for number, block in enumerate(inner.network.layout):
        view = outer.network.layout.find("adaptive_computation_weights", number).view(outer.weights)
        view[: block.rows or block.columns] = block.view(inner.weights)
    assert np.array_equal(
        outer.network.forward(outer.weights, inner.X)[0], inner.network.forward(inner.weights, inner.X)[0]
    )


def test_errors() -> None:
    with pytest.raises(ValueError, match="AdaptiveComputation: max_steps should be 1 or more"):
        AdaptiveComputation(GRU(2), max_steps=0)
    with pytest.raises(ValueError, match="ponder_cost should be 0 or more"):
        AdaptiveComputation(GRU(2), ponder_cost=-1.0)
    for cell in (EchoState(2), Dense(2)):
        with pytest.raises((TypeError, ValueError), match="AdaptiveComputation: cell should be a recurrent layer"):
            AdaptiveComputation(cell)  # type: ignore[arg-type]
