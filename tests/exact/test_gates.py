"""``gates`` of exact networks: what a plain reading of each layer's equations gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import RRandom, gates, predictr, trainr
from pytrainr.layers import GRU, LSTM, Bidirectional, Decoder, Dense

OPTIONS: dict[str, Any] = {"exact": True, "learningrate": 0.1, "numepochs": 1, "epoch_function": []}


def logistic(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def lstm(x: np.ndarray, W: np.ndarray, R: np.ndarray, b: np.ndarray) -> dict[str, np.ndarray]:
    """f, i, o = σ(x W + h R + b);  g = tanh(…);  c ← f∘c + i∘g;  h ← o∘tanh(c)."""
    h = c = np.zeros((x.shape[0], R.shape[0]))
    found: dict[str, list[np.ndarray]] = {"forget": [], "input": [], "candidate": [], "output": [], "h": []}
    for t in range(x.shape[1]):
        f, i, g, o = np.split(x[:, t] @ W + h @ R + b, 4, axis=1)
        f, i, g, o = logistic(f), logistic(i), np.tanh(g), logistic(o)
        c = f * c + i * g
        h = o * np.tanh(c)
        for name, value in zip(found, (f, i, g, o, h), strict=True):
            found[name].append(value)
    return {name: np.stack(values, axis=1) for name, values in found.items()}


def gru(x: np.ndarray, W: np.ndarray, R: np.ndarray, b: np.ndarray, c: np.ndarray) -> dict[str, np.ndarray]:
    """z, r = σ(x W + b + h R + c);  g = tanh(x W_g + b_g + r∘(h R_g + c_g));  h ← (1 − z)∘h + z∘g."""
    h = np.zeros((x.shape[0], R.shape[0]))
    found: dict[str, list[np.ndarray]] = {"update": [], "reset": [], "candidate": [], "h": []}
    for t in range(x.shape[1]):
        from_x, from_h = np.split(x[:, t] @ W + b, 3, axis=1), np.split(h @ R + c, 3, axis=1)
        z, r = logistic(from_x[0] + from_h[0]), logistic(from_x[1] + from_h[1])
        g = np.tanh(from_x[2] + r * from_h[2])
        h = (1 - z) * h + z * g
        for name, value in zip(found, (z, r, g, h), strict=True):
            found[name].append(value)
    return {name: np.stack(values, axis=1) for name, values in found.items()}


def check(found: dict[str, np.ndarray], expected: dict[str, np.ndarray], names: tuple[str, ...]) -> None:
    assert tuple(found) == names
    for name in names:
        np.testing.assert_allclose(found[name], expected[name], rtol=0.0, atol=1e-12)


def test_gates_of_layers_both_ways() -> None:
    """A layer that reads from the end has its gates at the steps that it reads."""
    random = np.random.default_rng(5)
    X, Y = random.standard_normal((6, 5, 2)), random.uniform(0, 1, (6, 5, 1))
    both = Bidirectional(LSTM(3, return_sequences=True))
    model = trainr(Y, X, layers=[both, GRU(2, return_sequences=True), Dense(1)], rng=RRandom(1), **OPTIONS)
    found = gates(model, X)
    assert list(found) == ["lstm", "backward_lstm", "gru"]
    weights = model.bidirectional_weights
    there = lstm(X, *weights[:3])
    back = {name: array[:, ::-1] for name, array in lstm(X[:, ::-1], *weights[3:]).items()}
    check(found["lstm"], there, LSTM.gates)
    check(found["backward_lstm"], back, LSTM.gates)
    check(found["gru"], gru(np.concatenate([there["h"], back["h"]], axis=2), *model.gru_weights), GRU.gates)


def test_steps_without_an_entry_have_no_gates() -> None:
    random = np.random.default_rng(6)
    X, Y = random.standard_normal((4, 5, 2)), random.uniform(0, 1, (4, 5, 1))
    X[1, 3:], Y[1, 3:] = np.nan, np.nan
    model = trainr(Y, X, layers=[LSTM(3, return_sequences=True), Dense(1)], mask="nan", **OPTIONS)
    found = gates(model, X)["lstm"]
    assert np.isnan(found["forget"][1, 3:]).all()
    expected = lstm(np.nan_to_num(X), *model.lstm_weights)
    for name in LSTM.gates:
        np.testing.assert_allclose(found[name][0], expected[name][0], rtol=0.0, atol=1e-12)
        np.testing.assert_allclose(found[name][1, :3], expected[name][1, :3], rtol=0.0, atol=1e-12)


@pytest.mark.parametrize("network_type", ["gru", "lstm"])
def test_a_network_type_of_two_layers_and_a_decoder(network_type: str) -> None:
    """They are the last arrays of ``predictr(hidden=True)``, and a decoder's those of its cell."""
    random = np.random.default_rng(7)
    X, Y = random.standard_normal((4, 5, 2)), random.uniform(0, 1, (4, 5, 1))
    model = trainr(Y, X, network_type=network_type, hidden_dim=(3, 2), rng=RRandom(1), **OPTIONS)
    found = gates(model, X)
    assert list(found) == [network_type, f"{network_type}_1"]
    for layer, states in zip(found.values(), predictr(model, X, hidden=True), strict=False):
        for place, gate in enumerate(reversed(layer.values()), start=1):
            np.testing.assert_array_equal(gate, states[..., -place])
    cell = GRU(3) if network_type == "gru" else LSTM(3, projection=2)
    decoder = trainr(Y, X, layers=[Decoder(cell, 5, None), Dense(1)], rng=RRandom(1), **OPTIONS)
    (decoded,) = gates(decoder, X).values()
    assert {gate.shape for gate in decoded.values()} == {(4, 5, 3)}


def test_what_has_no_gates_says_so() -> None:
    X, Y = np.full((4, 5, 2), 0.1), np.full((4, 5, 1), 0.5)
    with pytest.raises(ValueError, match="model has no gates"):
        gates(trainr(Y, X, hidden_dim=2, **OPTIONS), X)
