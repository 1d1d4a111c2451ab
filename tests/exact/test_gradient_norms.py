"""``gradient_norms``: what reaches each state, against PyTorch's autograd (issue 13, topic 2)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import RRandom, gradient_norms, predictr, trainr
from pytrainr.layers import GRU, LSTM, Bidirectional, Dense, EchoState, LastSteps, SimpleRNN
from pytrainr.network import kept_network

OPTIONS: dict[str, Any] = {"exact": True, "learningrate": 0.05, "numepochs": 2, "batch_size": 4}


def data(samples: int = 6, steps: int = 7) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(5)
    return random.standard_normal((samples, steps, 2)), random.uniform(0.2, 0.8, (samples, 1, 1))


def trained(layers: list[Any], X: np.ndarray, Y: np.ndarray, **options: Any) -> Any:
    return trainr(Y, X, layers=layers, rng=RRandom(3), **{**OPTIONS, **options})


@pytest.mark.parametrize("kind", ["rnn", "gru", "lstm"])
def test_every_state_against_autograd(kind: str) -> None:
    """Two layers, the loss at the last step: ‖∂L/∂h_t‖ of both at every step is what PyTorch finds."""
    torch = pytest.importorskip("torch")
    cell = {"rnn": SimpleRNN, "gru": GRU, "lstm": LSTM}[kind]
    X, Y = data()
    model = trained([cell(4, return_sequences=True), cell(3), Dense(1)], X, Y)
    norms = gradient_norms(model, X, Y)
    names = {"rnn": "simple_rnn"}.get(kind, kind)
    assert list(norms) == [names, f"{names}_1"]
    states, loss = in_torch(torch, kind, model, X, Y)
    by_state = torch.autograd.grad(loss, [h for layer in states for h in layer])
    for number, name in enumerate(norms):
        steps = X.shape[1]
        expected = torch.stack([g.norm(dim=1) for g in by_state[number * steps : (number + 1) * steps]], 1)
        np.testing.assert_allclose(norms[name], expected.numpy(), rtol=1e-9, atol=1e-14)


def in_torch(torch: Any, kind: str, model: Any, X: np.ndarray, Y: np.ndarray) -> tuple[list[list[Any]], Any]:
    """Every state of the network, written down step by step in PyTorch, and the summed loss."""
    x = [torch.tensor(X[:, t]) for t in range(X.shape[1])]
    network, flat = kept_network(model)
    weights = [torch.tensor(block.view(flat)) for block in network.layout]
    each = {"rnn": 3, "gru": 4, "lstm": 3}[kind]
    states = []
    for layer in range(2):
        kernel, recurrent, bias, *more = weights[layer * each : (layer + 1) * each]
        units = recurrent.shape[0]
        h = c = torch.zeros(X.shape[0], units, dtype=torch.float64)
        found = []
        for x_t in x:
            if kind == "rnn":
                h = torch.tanh(x_t @ kernel + h @ recurrent + bias)
            elif kind == "gru":
                into, back = x_t @ kernel + bias, h @ recurrent + more[0]
                z = torch.sigmoid(into[:, :units] + back[:, :units])
                r = torch.sigmoid(into[:, units : 2 * units] + back[:, units : 2 * units])
                h = (1 - z) * h + z * torch.tanh(into[:, 2 * units :] + r * back[:, 2 * units :])
            else:
                f, i, g, o = (x_t @ kernel + h @ recurrent + bias).chunk(4, 1)
                c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
                h = torch.sigmoid(o) * torch.tanh(c)
            h.requires_grad_(True)
            found.append(h)
        states.append(found)
        x = found
    y = x[-1] @ weights[-2] + weights[-1]
    return states, 0.5 * ((y - torch.tensor(Y[:, 0])) ** 2).sum()


def test_both_directions_run_in_the_sequences_time() -> None:
    """Of a loss at the last output only the last state backwards, which has read nothing else, has all its gradient
    at the last step; forwards it reaches back to the first."""
    X, Y = data()
    model = trained([Bidirectional(GRU(3, return_sequences=True)), LastSteps(1), Dense(1)], X, Y)
    norms = gradient_norms(model, X, Y)
    forwards, backwards = norms["gru"], norms["backward_gru"]
    assert (forwards > 0).all()
    assert (backwards[:, -1] > 0).all()
    assert (backwards[:, :-1] == 0).all()


def test_many_samples_masks_and_weights() -> None:
    """Samples are taken in pieces, one by one they have the same norms; a step without entry has none; a model trained
    with weights counts each target once."""
    X, Y = data(150)
    X[::3, 5:] = np.nan
    model = trained([GRU(3), Dense(1)], X, Y, mask="nan", sample_weight=np.linspace(0.5, 2.0, 150))
    norms = gradient_norms(model, X, Y, mask="nan")["gru"]
    assert norms.shape == (150, 7)
    assert (norms[::3, 4] > 0).all()
    for s in (0, 70, 149):
        np.testing.assert_allclose(gradient_norms(model, X[s : s + 1], Y[s : s + 1])["gru"][0], norms[s], rtol=1e-12)


def test_a_sigmoid_network_forgets_what_an_lstm_keeps() -> None:
    """The lecture's picture: through 60 steps of a logistic rnn next to nothing comes back."""
    X, Y = data(4, 60)
    logistic = trained([SimpleRNN(8, activation="sigmoid"), Dense(1)], X, Y)
    keeping = trained([LSTM(8), Dense(1)], X, Y)
    first = {
        name: norms[:, 0] / norms[:, -1] for m in (logistic, keeping) for name, norms in gradient_norms(m, X, Y).items()
    }
    assert first["simple_rnn"].max() < 1e-20 < 1e-14 < first["lstm"].min()


def test_what_it_cannot_show_is_said() -> None:
    X, Y = data()
    model = trained([GRU(3), Dense(1)], X, Y)
    with pytest.raises(ValueError, match="Y should have 6 samples"):
        gradient_norms(model, X, Y[:5])
    with pytest.raises(ValueError, match="X should have 7 time steps"):
        gradient_norms(model, X[:, :5], Y)
    with pytest.raises(ValueError, match="R's arithmetic does not follow the gradient"):
        gradient_norms(trainr(X[:, :, :1] * 0 + 0.5, X, learningrate=0.1, hidden_dim=3, rng=RRandom(1)), X, Y)
    with pytest.raises(ValueError, match="no recurrent layer"):
        gradient_norms(trained([Dense(1)], X, np.repeat(Y, 7, 1)), X, np.repeat(Y, 7, 1))
    fixed = trained([EchoState(5, return_sequences=True), Dense(1)], X, np.repeat(Y, 7, 1))
    with pytest.raises(ValueError, match="no recurrent layer"):
        gradient_norms(fixed, X, np.repeat(Y, 7, 1))
    assert predictr(model, X).shape == (6, 1)  # the kept network is as it was
