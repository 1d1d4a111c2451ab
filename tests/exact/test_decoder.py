"""Decoders (issue 12): attention, its own output or the target fed back, tokens; gradients against PyTorch to 1e-9."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.exact.kernels import Driving
from pytrainr.exact.layers.layer import Layer
from pytrainr.exact.layers.recurrent import Recurrent
from pytrainr.layers import GRU, LSTM, AdaptiveComputation, Decoder, Dense, Embedding, Jordan, SimpleRNN
from tests.exact.checking import ListCase

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'pytrainr[test]' to compare with it")

UNITS, STEPS, TARGETS, TOKENS = 3, 5, 4, 6


def tensors(case: ListCase) -> dict[str, Any]:
    """The case's weights by the layer's place and name."""
    named = [f"{path[0]}.{weight.name}" for path, _, weight in case.network.options._weights]
    arrays = [torch.tensor(block.view(case.weights), requires_grad=True) for block in case.network.layout]
    return dict(zip(named, arrays, strict=True))


def gru(weights: dict[str, Any], x: Any, h: Any) -> Any:
    """z, r = σ(x W + h R + b);  g = tanh(x W_g + (h∘r) R_g + b_g)."""
    n, recurrent = UNITS, weights["1.recurrent_kernel"]
    from_x = x @ weights["1.kernel"] + weights["1.bias"]
    z, r = torch.sigmoid(from_x[:, : 2 * n] + h @ recurrent[:, : 2 * n]).chunk(2, 1)
    g = torch.tanh(from_x[:, 2 * n :] + (h * r) @ recurrent[:, 2 * n :])
    return (1 - z) * h + z * g


def context(weights: dict[str, Any], attention: str | None, states: Any, absent: Any, h: Any) -> Any:
    if attention is None:
        last = (~absent).int().cumsum(1).argmax(1)
        return states[torch.arange(len(states)), last]
    if attention == "dot":
        e = (states @ h[:, :, None])[:, :, 0]
    else:
        e = torch.tanh(states @ weights["1.key"] + (h @ weights["1.query"])[:, None]) @ weights["1.score"]
    return (torch.softmax(e.masked_fill(absent, -torch.inf), 1)[:, :, None] * states).sum(1)


def decoded(case: ListCase, decoder: Decoder, weights: dict[str, Any], taught: bool) -> Any:
    """What comes out, written out: (samples, steps, outputs)."""
    absent = torch.tensor(np.isnan(case.X[:, :, 0]))
    x = torch.tensor(np.nan_to_num(case.X))
    states = torch.tanh(x @ weights["0.kernel"] + weights["0.bias"])
    n, targets = len(x), torch.tensor(case.Y)
    h = torch.zeros(n, UNITS, dtype=torch.float64)
    if "1.initial_state" in weights:
        h = h + weights["1.initial_state"]
    outputs = decoder.output.units if decoder.output else 0
    fed, given = torch.zeros(n, outputs, dtype=torch.float64), []
    tokens = torch.zeros(n, dtype=torch.long)
    for t in range(decoder.steps):
        read = [context(weights, decoder.attention, states, absent, h)]
        if decoder.feed != "nothing":
            if taught and t:
                target = targets[:, t - 1]
                if decoder.embedding:
                    tokens = target[:, 0].long()
                else:
                    fed = torch.where(torch.isnan(target), fed, target)
            read.append(weights["1.embeddings"][tokens] if decoder.embedding else fed)
        h = gru(weights, torch.cat(read, 1), h)
        y = h
        if decoder.output:
            y = h @ weights["1.output_kernel"] + weights["1.output_bias"]
            y = {"softmax": lambda y: torch.softmax(y, 1), "tanh": torch.tanh, None: lambda y: y}[decoder.activation](y)
        given.append(y)
        fed, tokens = y, y.detach().argmax(1)
    return torch.stack(given, 1)


def compare(decoder: Decoder, mask: str | None = None, missing: bool = False, **options: Any) -> None:
    """Outputs (always with its own feed) and gradients are those of the equations written out."""
    layers = [Dense(UNITS, activation="tanh"), decoder]
    case = ListCase(layers, STEPS, 2, 4, mask=mask, **options)
    if missing:
        case.Y[1, 1], case.Y[2, 2:] = np.nan, np.nan
    weights = tensors(case)
    own = decoded(case, decoder, weights, taught=False).detach().numpy()
    assert np.abs(case.network.forward(case.weights, case.X)[0] - own).max() < 1e-12
    y = decoded(case, decoder, weights, decoder.feed == "teacher")
    target, there = torch.tensor(case.Y), torch.tensor(~np.isnan(case.Y))
    if "loss" in options:
        loss = -torch.log(torch.gather(y, 2, target.long())).sum()
    else:
        loss = 0.5 * ((y - torch.nan_to_num(target)) ** 2)[there].sum()
    loss.backward()
    gradient, _ = case.gradient(case.weights)
    for block, (name, tensor) in zip(case.network.layout, weights.items(), strict=True):
        expected = tensor.grad.numpy()
        assert np.abs(block.view(gradient) - expected).max() <= 1e-9 * max(1.0, np.abs(expected).max()), name


CELL = GRU(UNITS, reset_after=False)
NUMBERS, TOKEN = Dense(2, activation="tanh"), Dense(TOKENS, activation="softmax")


@pytest.mark.parametrize("mask", [None, "nan"])
@pytest.mark.parametrize("attention", [None, "additive", "dot"])
@pytest.mark.parametrize("feed", ["nothing", "own", "teacher"])
def test_numbers(feed: str, attention: str | None, mask: str | None) -> None:
    """The gradient goes through what is fed back, and not into a target."""
    compare(Decoder(CELL, TARGETS, attention, feed, NUMBERS), mask)


@pytest.mark.parametrize("feed", ["own", "teacher"])
def test_tokens(feed: str) -> None:
    """The likeliest token, or the target's, is fed back as its embedding, whose rows follow the gradient."""
    decoder = Decoder(CELL, TARGETS, "additive", feed, TOKEN, Embedding(TOKENS, 2))
    compare(decoder, loss="sparse_categorical_crossentropy")


@pytest.mark.parametrize("activation", ["softmax", None])
def test_other_ways(activation: str | None) -> None:
    """A canonical loss cancels the output's slope, not that of what is fed back; a state that is learnt; no output."""
    output = Dense(2, activation=activation)
    compare(Decoder(CELL, TARGETS, "dot", "own", output))
    compare(Decoder(GRU(UNITS, reset_after=False, learn_initial_state=True), TARGETS, "dot", "own", output))
    compare(Decoder(CELL, TARGETS, "dot"))


def test_a_missing_target_teaches_nothing() -> None:
    """Where Y has no target the step after is fed what came out, and the gradient goes that way."""
    compare(Decoder(CELL, TARGETS, "additive", "teacher", NUMBERS), mask="nan", missing=True)


@pytest.mark.parametrize("cell", [LSTM(3, peephole=True, projection=2), SimpleRNN(2), Jordan(3, outputs=2), GRU(2)])
def test_any_cell(cell: Any) -> None:
    """Central differences for other cells that are fed their own output."""
    for decoder in (Decoder(cell, 3, "dot", "own", Dense(2)), Decoder(cell, 3)):
        case = ListCase([Dense(2), decoder, Dense(1)], mask="nan")
        assert case.worst_difference() < 1e-6


OPTIONS: dict[str, Any] = {
    **{"exact": True, "learningrate": 0.02, "update_rule": "adam", "batch_size": 10, "epoch_function": []},
    **{"numepochs": 60},
}


def reversed_words(samples: int = 100) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of 4 tokens, and the same backwards."""
    X = np.random.default_rng(0).integers(1, TOKENS, (samples, 4))
    return X, X[:, ::-1, None].astype(float)


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_the_lecture_s_translator(dtype: str, tmp_path: Any) -> None:
    """Sequence to sequence with attention, taught: it learns, is saved, and shows its layers."""
    X, Y = reversed_words()
    decoder = Decoder(GRU(16), 4, "additive", "teacher", TOKEN, Embedding(TOKENS, 8))
    layers = [Embedding(TOKENS, 8), GRU(16, return_sequences=True), decoder]
    loss = "sparse_categorical_crossentropy"
    model = trainr(
        Y, X, layers=layers, loss=loss, metrics=["accuracy"], dtype=dtype, rng=RRandom(1), validation=0.1, **OPTIONS
    )
    assert model.training_accuracy[-1] > 0.9
    predicted = predictr(model, X)
    assert (predicted.argmax(axis=2) == Y[:, :, 0]).mean() > 0.9
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded.layers == tuple(layers)
    assert np.array_equal(predictr(loaded, X), predicted)
    assert "decoder (Decoder)" in model.summary()
    assert "(None, 4, 6)" in model.summary()
    with pytest.raises(ValueError, match="Decoder needs the whole sequence, it has no stepper"):
        model.stepper()
    again = trainr(Y, X, model, rng=RRandom(2), numepochs=2)
    assert np.isfinite(again.mean_error).all()


def test_threads_share_a_taught_group(monkeypatch: pytest.MonkeyPatch) -> None:
    """A group shared among threads has the gradient of the whole: each share is fed its own targets."""
    from pytrainr.exact import network

    X = np.random.default_rng(0).standard_normal((64, 6, 2))
    Y = X[:, :3].cumsum(axis=1)
    layers = [GRU(8, return_sequences=True), Decoder(GRU(8), 3, "dot", "teacher", Dense(2))]
    options = {**OPTIONS, "batch_size": 64, "numepochs": 3, "layers": layers}
    alone = trainr(Y, X, rng=RRandom(1), **options)
    monkeypatch.setattr(network, "_SHARED_FROM", 1e4)
    shared = trainr(Y, X, rng=RRandom(1), **options)
    assert np.abs(predictr(shared, X) - predictr(alone, X)).max() < 1e-10


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"attention": "luong"}, "Decoder: attention should be 'additive', 'dot' or None, not 'luong'"),
        ({"feed": "mine"}, "Decoder: feed should be 'own', 'teacher' or 'nothing', not 'mine'"),
        ({"feed": "own"}, r"Decoder: output needs output=Dense\(…\), what is fed back"),
        ({"output": Embedding(2, 3)}, "Decoder: output should be a dense layer"),
        ({"output": TOKEN, "embedding": Embedding(6, 3)}, "feed should be 'own' or 'teacher'"),
        ({"output": TOKEN, "feed": "own", "embedding": Embedding(5, 3)}, "a row for each of the 6 outputs"),
        ({"output": TOKEN, "feed": "own", "embedding": Embedding(6, 3, mask_zero=True)}, "without mask_zero"),
        ({"output": TOKEN, "feed": "own", "embedding": TOKEN}, "embedding should be an embedding layer"),
        ({"cell": TOKEN}, "cell should be a recurrent layer"),
        ({"cell": GRU(3, dropout=0.5)}, "cell should have no dropout"),
        ({"steps": 0}, "steps should be 1 or more"),
    ],
)
def test_errors_teach(options: dict[str, Any], says: str) -> None:
    with pytest.raises((TypeError, ValueError), match=says):
        Decoder(**{"cell": GRU(3), "steps": 2, **options})


def test_lists_that_do_not_fit() -> None:
    """A taught decoder is the last layer; "dot" needs as many variables as units. Both say so by name."""
    X = np.random.default_rng(0).standard_normal((6, 5, 2))
    options = {**OPTIONS, "numepochs": 1}
    taught = Decoder(GRU(3), 5, "additive", "teacher", Dense(2))
    with pytest.raises(ValueError, match=r"layer 2 \(dense\) does not fit layer 1 \(decoder\).*fed the targets"):
        trainr(X, X, layers=[taught, Dense(2)], **options)
    with pytest.raises(ValueError, match=r"layer 1 \(decoder\) does not fit the input.*as many variables as.*3"):
        trainr(X, X, layers=[Decoder(GRU(3), 5, "dot", "own", Dense(2))], **options)


@pytest.mark.parametrize("driver", [lambda cell: Decoder(cell, 3), AdaptiveComputation])
def test_what_drives_a_cell_is_compiled_once_for_all_cells(driver: Callable[[Recurrent], Layer]) -> None:
    """A first use of it with another cell compiles at most that cell, as a layer of its own does (issue 12)."""
    gru, lstm = (driver(cell).kernels for cell in (GRU(4), LSTM(4)))
    assert isinstance(gru, Driving)
    assert isinstance(lstm, Driving)
    assert gru.own is lstm.own
    assert gru.cell is GRU(4).kernels
    assert lstm.cell is LSTM(4).kernels
