"""``from_torch`` and safetensors: the same predictions, and trained on, stepped, saved (issue 14, number 4)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, from_safetensors, from_torch, predictr, trainr
from pytrainr import layers as ours

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'pytrainr[torch]'")

STEPS, WIDTH = 6, 3
X = np.random.default_rng(1).standard_normal((5, STEPS, WIDTH))


class Net(torch.nn.Module):
    """A recurrent layer and what reads its last state, or with ``sequences`` all of them."""

    def __init__(self, rnn: Any, *more: Any, sequences: bool = False) -> None:
        super().__init__()
        self.rnn, self.more, self.sequences = rnn, torch.nn.Sequential(*more), sequences

    def forward(self, x: Any) -> Any:
        y, state = self.rnn(x)
        if not self.sequences:
            h = state[0] if isinstance(state, tuple) else state
            y = torch.cat(tuple(h[-2:]), dim=1) if self.rnn.bidirectional else h[-1]
            y = y[:, None]
        return self.more(y)


def seeded(make: Any) -> Any:
    """Its weights do not depend on the tests before."""
    torch.manual_seed(1)
    return make()


NETS: dict[str, Any] = {
    "rnn": lambda: Net(torch.nn.RNN(WIDTH, 4, batch_first=True), torch.nn.Linear(4, 2)),
    "relu": lambda: Net(torch.nn.RNN(WIDTH, 4, nonlinearity="relu", bias=False, batch_first=True)),
    "gru": lambda: Net(torch.nn.GRU(WIDTH, 4, batch_first=True), torch.nn.Linear(4, 1), torch.nn.Sigmoid()),
    "gru without bias": lambda: Net(torch.nn.GRU(WIDTH, 4, bias=False, batch_first=True), torch.nn.Linear(4, 1)),
    "lstm": lambda: Net(
        torch.nn.LSTM(WIDTH, 4, num_layers=3, dropout=0.2, batch_first=True),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(4, 3),
        torch.nn.Softmax(dim=-1),
    ),
    "lstm, projected": lambda: Net(torch.nn.LSTM(WIDTH, 5, proj_size=2, batch_first=True), torch.nn.Linear(2, 1)),
    "both directions": lambda: Net(
        torch.nn.GRU(WIDTH, 4, num_layers=2, bidirectional=True, batch_first=True), torch.nn.Linear(8, 2)
    ),
    "at every step": lambda: Net(
        torch.nn.LSTM(WIDTH, 4, bidirectional=True, batch_first=True),
        torch.nn.LayerNorm(8),
        torch.nn.Tanh(),
        torch.nn.Linear(8, 2),
        sequences=True,
    ),
}


@pytest.mark.parametrize("name", NETS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_a_module_predicts_the_same(name: str, dtype: str) -> None:
    """To 1e-12 in float64, to 1e-6 in float32."""
    net = seeded(NETS[name]).to(getattr(torch, dtype)).eval()
    model = from_torch(net, STEPS, return_sequences=net.sequences, dtype=dtype)
    with torch.no_grad():
        expected = net(torch.tensor(X.astype(dtype))).numpy()
    found = predictr(model, X).reshape(expected.shape)
    assert np.abs(found - expected).max() < (1e-12 if dtype == "float64" else 1e-6)


@pytest.mark.parametrize("name", ["rnn", "gru", "lstm", "lstm, projected", "both directions"])
def test_a_state_dict_tells_as_much_or_gets_layers(name: str) -> None:
    """The names alone give the same layers but activations and dropout; with layers any can be said."""
    net = seeded(NETS[name]).double()
    of_module = from_torch(net, STEPS)
    kept = [layer for layer in of_module.layers if not isinstance(layer, ours.Dropout)]
    np.testing.assert_array_equal(predictr(from_torch(net.state_dict(), STEPS, kept), X), predictr(of_module, X))
    plain = from_torch(net.state_dict(), STEPS)
    without = [layer for layer in kept if not isinstance(layer, ours.Activation)]
    assert list(plain.layers) == without


@pytest.mark.parametrize("name", ["gru", "lstm", "rnn"])
def test_it_steps_is_saved_and_trained_on(name: str, tmp_path: Path) -> None:
    """The model is one like any other: its gradient step is PyTorch's."""
    net = seeded(NETS["at every step"] if name == "rnn" else NETS[name]).double().eval()
    options: dict[str, Any] = {"loss": "squared", "learningrate": 0.01, "update_rule": "sgd", "batch_size": 5}
    model = from_torch(net, STEPS, return_sequences=net.sequences, **options)
    if not net.sequences:
        step = model.stepper()
        last = [step(x) for x in X[0]][-1]
        np.testing.assert_allclose(last, predictr(model, X[:1]).ravel(), rtol=1e-12)
    model.save(tmp_path / "m.model")
    loaded = Model.load(tmp_path / "m.model")
    np.testing.assert_array_equal(predictr(loaded, X), predictr(model, X))
    with torch.no_grad():
        Y = net(torch.tensor(X)).numpy() + 1.0
    for part in net.modules():  # dropout apart
        if isinstance(part, torch.nn.Dropout):
            return
    on = trainr(Y, X, model=loaded, rng=RRandom(1))
    optimiser = torch.optim.SGD(net.parameters(), lr=0.01)
    (0.5 * (net(torch.tensor(X)) - torch.tensor(Y)) ** 2).sum().backward()
    optimiser.step()
    with torch.no_grad():
        expected = net(torch.tensor(X)).numpy()
    if name == "gru":  # both biases of a gru follow the gradient here as there
        np.testing.assert_allclose(predictr(on, X).reshape(expected.shape), expected, rtol=1e-9)
    assert on.mean_error[0] > 0


def test_there_and_back() -> None:
    """What to_torch gave and PyTorch trained on comes back, scales and all, also by its state_dict."""
    layers = [ours.Bidirectional(ours.GRU(3, reset_after=False)), ours.Dense(2)]
    scales = {
        "input_center": [1.0] * 3,
        "input_scale": [2.0] * 3,
        "output_center": [1.0, 2.0],
        "output_scale": [3.0] * 2,
    }
    model = trainr(X[:, :1, :2], X, exact=True, layers=layers, learningrate=0.1, rng=RRandom(1), **scales)
    module = model.to_torch()
    optimiser = torch.optim.Adam(module.parameters(), lr=0.01)
    for _ in range(3):
        optimiser.zero_grad()
        module(torch.tensor(X)).square().sum().backward()
        optimiser.step()
    with torch.no_grad():
        expected = module(torch.tensor(X)).numpy()
    np.testing.assert_allclose(predictr(from_torch(module, STEPS), X).reshape(expected.shape), expected, rtol=1e-12)
    named = from_torch(module.state_dict(), STEPS, layers, **scales)
    np.testing.assert_allclose(predictr(named, X).reshape(expected.shape), expected, rtol=1e-12)


REFUSED = {
    "BatchNorm1d": lambda: torch.nn.Sequential(torch.nn.BatchNorm1d(3)),
    "GELU": lambda: torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.GELU()),
    r"groups=3": lambda: torch.nn.Sequential(torch.nn.Conv1d(3, 3, 2, groups=3)),
    r"padding=\(1,\)": lambda: torch.nn.Sequential(torch.nn.Conv1d(3, 3, 2, padding=1)),
    r"dim=1": lambda: torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.Softmax(dim=1)),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_taken_over_is_named(name: str) -> None:
    """By its own name and its place in the module."""
    with pytest.raises(ValueError, match=name):
        from_torch(REFUSED[name](), STEPS)
    own = torch.nn.Sequential(torch.nn.Linear(3, 2))
    own.factor = torch.nn.Parameter(torch.ones(1))
    with pytest.raises(ValueError, match="a parameter of its own, factor"):
        from_torch(own, STEPS)
    with pytest.raises(ValueError, match="the names do not tell what table is"):
        from_torch({"table.weight": torch.zeros(10, 3)}, STEPS)
    with pytest.raises(ValueError, match="has the shape"):
        from_torch(torch.nn.Linear(3, 2), STEPS, [ours.Dense(4)])


def test_embedding_and_convolution() -> None:
    """Tokens, and windows of steps."""
    net = seeded(lambda: torch.nn.Sequential(torch.nn.Embedding(9, 4), torch.nn.Linear(4, 2))).double()
    tokens = np.random.default_rng(2).integers(0, 9, (5, STEPS))
    with torch.no_grad():
        expected = net(torch.tensor(tokens)).numpy()
    found = predictr(from_torch(net, STEPS), tokens)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
    for options in ({}, {"padding": "same", "dilation": 2}, {"stride": 2}, {"padding": 1}):
        conv = seeded(lambda options=options: torch.nn.Conv1d(WIDTH, 4, 3, **options)).double()
        with torch.no_grad():
            expected = conv(torch.tensor(X.transpose(0, 2, 1))).numpy().transpose(0, 2, 1)
        np.testing.assert_allclose(predictr(from_torch(conv, STEPS), X), expected, rtol=0, atol=1e-12)


# safetensors ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_safetensors_there_and_back(dtype: str, tmp_path: Path) -> None:
    """The same predictions to the bit, the names of to_torch, and the precision of the network."""
    safetensors = pytest.importorskip("safetensors.numpy")
    layers = [ours.GRU(4, return_sequences=True), ours.LSTM(3, peephole=True), ours.Dense(1)]
    model = trainr(
        X[:, :1, :1], X, exact=True, layers=layers, learningrate=0.1, dtype=dtype, input_center=[0.5] * 3,
        input_scale=[2.0] * 3, output_center=[1.0], output_scale=[0.3], rng=RRandom(1),
    )  # fmt: skip
    model.to_safetensors(tmp_path / "m.safetensors")
    tensors = safetensors.load_file(tmp_path / "m.safetensors")
    assert set(model.to_torch().state_dict()) == set(tensors) - {
        "input_center", "input_scale", "output_center", "output_scale",
    }  # fmt: skip
    assert tensors["0_kernel"].dtype == dtype
    back = from_safetensors(tmp_path / "m.safetensors", numepochs=2)
    np.testing.assert_array_equal(predictr(back, X), predictr(model, X))
    trainr(X[:, :1, :1], X, model=back)


def test_safetensors_of_r_and_of_pytorch(tmp_path: Path) -> None:
    """R's arithmetic goes out as layers; a file with PyTorch's names comes in."""
    pytest.importorskip("safetensors.torch")
    from safetensors.torch import save_file

    model = trainr(X[:, :, :1] > 0, X, learningrate=0.1, network_type="lstm", hidden_dim=(4, 3), rng=RRandom(1))
    model.to_safetensors(tmp_path / "r.safetensors")
    back = from_safetensors(tmp_path / "r.safetensors")
    np.testing.assert_allclose(predictr(back, X), predictr(model, X), rtol=1e-12)
    net = seeded(NETS["lstm, projected"]).double()
    save_file(net.state_dict(), tmp_path / "t.safetensors")
    of_file = from_safetensors(tmp_path / "t.safetensors", steps=STEPS)
    np.testing.assert_array_equal(predictr(of_file, X), predictr(from_torch(net, STEPS), X))
    with pytest.raises(ValueError, match="give steps="):
        from_safetensors(tmp_path / "t.safetensors")
