"""Attention (issue 12): against PyTorch to 1e-9, unequal lengths, what no step may see, steppers."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, layer_states, predictr, trainr
from pytrainr.layers import (
    GRU,
    Attention,
    AttentionPooling,
    Decoder,
    Dense,
    Embedding,
    MultiHeadAttention,
    PositionalEncoding,
    PositionEmbedding,
    SimpleRNN,
)
from tests.exact.checking import ListCase

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'pytrainr[test]' to compare with it")

WIDTH, STEPS = 6, 5


def case_of(*layers: Any, **options: Any) -> ListCase:
    return ListCase(list(layers), STEPS, WIDTH, 4, **options)


def check(case: ListCase, ours: list[Any], y: Any) -> None:
    """Outputs and the gradients by ``ours`` are PyTorch's, to 1e-9 of the largest; a target that is NaN is none."""
    mine = case.network.forward(case.weights, case.X)[0]
    target, there = torch.tensor(case.Y), torch.tensor(~np.isnan(case.Y))
    assert np.abs(mine - y.detach().numpy())[there.numpy()].max() <= 1e-9
    (0.5 * (y - target)[there] ** 2).sum().backward()
    gradient, _ = case.gradient(case.weights)
    for block, tensor in zip(case.network.layout, ours, strict=True):
        expected = tensor.grad.numpy()
        assert np.abs(block.view(gradient) - expected).max() <= 1e-9 * max(1.0, np.abs(expected).max()), block


def tensors(case: ListCase) -> list[Any]:
    return [torch.tensor(block.view(case.weights), requires_grad=True) for block in case.network.layout]


def entries(case: ListCase) -> tuple[Any, Any]:
    """X with 0 where there is no entry, and where there is none (samples, steps)."""
    absent = np.isnan(case.X[:, :, 0])
    return torch.tensor(np.where(np.isnan(case.X), 0.0, case.X)), torch.tensor(absent)


@pytest.mark.parametrize("mask", [None, "nan"])
@pytest.mark.parametrize("causal", [False, True])
def test_multi_head_attention(causal: bool, mask: str | None) -> None:
    """torch.nn.MultiheadAttention, between two Dense layers, with unequal lengths and causal."""
    case = case_of(Dense(WIDTH), MultiHeadAttention(2, WIDTH // 2, use_causal_mask=causal), mask=mask)
    kernel, bias, *ours = weights = tensors(case)
    attention = torch.nn.MultiheadAttention(WIDTH, 2, batch_first=True, dtype=torch.float64)
    given = {
        "in_proj_weight": torch.cat([matrix.T for matrix in ours[0:6:2]]),
        "in_proj_bias": torch.cat(ours[1:6:2]),
        "out_proj.weight": ours[6].T,
        "out_proj.bias": ours[7],
    }
    x, absent = entries(case)
    x = x @ kernel + bias
    later = torch.triu(torch.ones(STEPS, STEPS, dtype=torch.bool), 1) if causal else None
    more = {"key_padding_mask": absent, "attn_mask": later, "need_weights": False}
    y, _ = torch.func.functional_call(attention, given, (x, x, x), more)
    check(case, weights, y)


@pytest.mark.parametrize("mask", [None, "nan"])
@pytest.mark.parametrize("causal", [False, True])
def test_product(causal: bool, mask: str | None) -> None:
    """torch.nn.functional.scaled_dot_product_attention, the scale learnt."""
    case = case_of(Dense(3), Attention(use_scale=True, use_causal_mask=causal), mask=mask)
    kernel, bias, scale = weights = tensors(case)
    x, absent = entries(case)
    x = x @ kernel + bias
    seen = ~absent[:, None, :] & (torch.tril(torch.ones(STEPS, STEPS)) > 0 if causal else torch.tensor(True))
    y = torch.nn.functional.scaled_dot_product_attention(scale * x, x, x, attn_mask=seen, scale=1.0)
    check(case, weights, y)


def seen_by(e: Any, absent: Any, x: Any) -> Any:
    return torch.softmax(e.masked_fill(absent, -math.inf), -1) @ x


@pytest.mark.parametrize("mask", [None, "nan"])
def test_additive(mask: str | None) -> None:
    """e_tj = vᵀ tanh(x_t Q + x_j K), written out."""
    case = case_of(Dense(3), Attention("additive", units=4), mask=mask)
    kernel, bias, query, key, score = weights = tensors(case)
    x, absent = entries(case)
    x = x @ kernel + bias
    e = torch.tanh((x @ query)[:, :, None] + (x @ key)[:, None]) @ score
    check(case, weights, seen_by(e, absent[:, None], x))


@pytest.mark.parametrize("mask", [None, "nan"])
@pytest.mark.parametrize("mode", ["additive", "dot"])
def test_pooling(mode: str, mask: str | None) -> None:
    """y = Σ_j α_j x_j with e_j = vᵀ tanh(x_j K + b), or v·x_j."""
    case = case_of(Dense(3), AttentionPooling(mode, units=4 if mode == "additive" else None), mask=mask)
    kernel, bias, *own = weights = tensors(case)
    x, absent = entries(case)
    x = x @ kernel + bias
    e = torch.tanh(x @ own[0] + own[1]) @ own[2] if mode == "additive" else x @ own[0]
    check(case, weights, seen_by(e[:, None], absent[:, None], x))


def test_positions() -> None:
    """Sines and cosines as in the paper; learnt places as an embedding's rows."""
    case = ListCase([PositionalEncoding()], 7, 5, 1)
    t, k = np.arange(7)[:, None], np.arange(5)
    angle = t / 10000.0 ** (2 * (k // 2) / 5)
    added = case.network.forward(case.weights, case.X)[0] - case.X
    assert np.abs(added[0] - np.where(k % 2, np.cos(angle), np.sin(angle))).max() < 1e-12
    case = case_of(Dense(3), PositionEmbedding(8))
    kernel, bias, places = weights = tensors(case)
    check(case, weights, torch.tensor(case.X) @ kernel + bias + places[:STEPS])


def data(samples: int = 60) -> tuple[np.ndarray, np.ndarray]:
    """Tokens, 0 after each sequence's end, and whether more of them are above 5 than not."""
    random = np.random.default_rng(0)
    X = random.integers(1, 10, (samples, 8))
    for sample in range(samples):
        X[sample, random.integers(3, 9) :] = 0
    return X, ((X > 5).sum(axis=1) > (X > 0).sum(axis=1) / 2).astype(float)[:, None, None]


OPTIONS: dict[str, Any] = {
    **{"exact": True, "learningrate": 0.02, "update_rule": "adam", "batch_size": 10, "numepochs": 25},
    **{"loss": "binary_crossentropy", "metrics": ["accuracy"], "epoch_function": []},
}
SENTIMENT = [Embedding(10, 8, mask_zero=True), GRU(8, return_sequences=True), AttentionPooling()]
TRANSFORMER = [
    Embedding(10, 8, mask_zero=True),
    PositionEmbedding(8),
    MultiHeadAttention(2, 4),
    AttentionPooling("dot"),
]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("stack", [SENTIMENT, TRANSFORMER], ids=["gru", "heads"])
def test_sentiment_is_learnt_saved_and_whole(stack: list[Any], dtype: str, tmp_path: Any) -> None:
    """The lecture's networks learn; what follows a sequence's end changes nothing; a file gives the same network."""
    X, Y = data()
    layers = [*stack, Dense(1, activation="sigmoid")]
    model = trainr(Y, X, layers=layers, dtype=dtype, rng=RRandom(1), **OPTIONS)
    assert model.training_accuracy[-1] > 0.9
    predicted = predictr(model, X)
    short = X[(X > 0).sum(axis=1) == 3]
    tolerance = 1e-12 if dtype == "float64" else 1e-5
    assert np.abs(predictr(model, short[:, :3]) - predictr(model, short)).max() < tolerance
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded.layers == model.layers
    assert np.array_equal(predictr(loaded, X), predicted)
    assert "attention_pooling (AttentionPooling)" in model.summary()


@pytest.mark.parametrize("layer", [Attention(use_causal_mask=True), MultiHeadAttention(2, 2, use_causal_mask=True)])
def test_no_step_sees_a_later_one(layer: Any) -> None:
    """With use_causal_mask the outputs of a beginning are those of the whole."""
    case = case_of(PositionalEncoding(), layer, Dense(2))
    whole = case.network.forward(case.weights, case.X)[0]
    assert np.abs(case.network.forward(case.weights, case.X[:, :3])[0] - whole[:, :3]).max() < 1e-12


def test_positions_go_step_by_step() -> None:
    """A stepper counts the steps, and so do pieces of truncated back-propagation."""
    X = np.random.default_rng(1).standard_normal((6, 7, 2))
    options: dict[str, Any] = {"exact": True, "learningrate": 0.05, "epoch_function": [], "rng": RRandom(1)}
    layers = [PositionalEncoding(), GRU(3, return_sequences=True), Dense(1)]
    model = trainr(X[:, :, :1], X, layers=layers, bptt_steps=3, **options)
    step = model.stepper(6)
    steps = np.stack([step(X[:, t]) for t in range(7)], axis=1)
    assert np.abs(steps[:, :, 0] - predictr(model, X)).max() < 1e-12
    _, state = predictr(model, X[:, :4], return_state=True)
    assert np.abs(predictr(model, X[:, 4:], state=state) - predictr(model, X)[:, 4:]).max() < 1e-12


@pytest.mark.parametrize(
    "layer", [Attention(), AttentionPooling(), MultiHeadAttention(1, 2, use_causal_mask=True), PositionEmbedding(9)]
)
def test_what_needs_the_whole_sequence_says_so(layer: Any) -> None:
    X = np.random.default_rng(1).standard_normal((6, 7, 2))
    options: dict[str, Any] = {"exact": True, "learningrate": 0.05, "epoch_function": []}
    steps = layer.output_shape(7, 2)[0]
    model = trainr(X[:, :steps, :1], X, layers=[layer, Dense(1)], **options)
    with pytest.raises(ValueError, match=f"{type(layer).__name__} needs the whole sequence, it has no stepper"):
        model.stepper()
    with pytest.raises(ValueError, match=f"{type(layer).__name__}.* needs the whole"):
        trainr(X[:, :steps, :1], X, layers=[layer, Dense(1)], bptt_steps=2, **options)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Attention("concat"), "Attention: score_mode should be one of 'dot', 'additive', not 'concat'"),
        (lambda: Attention(units=3), "Attention: units belong to the score_mode 'additive'"),
        (lambda: Attention("additive", use_scale=True), "use_scale belongs to the score_mode 'dot'"),
        (lambda: AttentionPooling("dot", units=3), "units belong to the score_mode 'additive'"),
        (lambda: MultiHeadAttention(0, 3), "num_heads should be 1 or more"),
        (lambda: MultiHeadAttention(2, 3, value_dim=0), "value_dim should be 1 or more, or None"),
        (lambda: PositionalEncoding(0.5), "max_wavelength should be 1 or more"),
        (lambda: PositionEmbedding(0), "sequence_length should be 1 or more"),
    ],
)
def test_errors_teach(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def test_more_steps_than_places() -> None:
    """A sequence longer than PositionEmbedding has places for is an error that names the layer, in predictr too."""
    X = np.random.default_rng(1).standard_normal((6, 7, 2))
    options: dict[str, Any] = {"exact": True, "learningrate": 0.05, "epoch_function": []}
    with pytest.raises(ValueError, match=r"layer 1 \(position_embedding\) does not fit.*places for 5 steps"):
        trainr(X, X, layers=[PositionEmbedding(5)], **options)
    model = trainr(X[:, :5, :1], X[:, :5], layers=[PositionEmbedding(5), Dense(1)], **options)
    with pytest.raises(ValueError, match=r"position_embedding.*places for 5 steps"):
        predictr(model, X)


def softmax(e: np.ndarray) -> np.ndarray:
    powers = np.exp(e - e.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention_of(layers: list[Any], X: np.ndarray, steps: int, width: int, name: str) -> tuple[Model, np.ndarray]:
    """A model trained a little, and where its attention looks."""
    Y = np.random.default_rng(2).uniform(0.0, 1.0, (X.shape[0], steps, width))
    options = {"exact": True, "loss": "squared", "learningrate": 0.01, "numepochs": 2, "epoch_function": ()}
    model = trainr(Y, X, layers=layers, mask="nan", rng=RRandom(1), **options)
    return model, layer_states(model, X, mask="nan")[name]["attention"]


def test_where_attention_looks_can_be_seen() -> None:
    """layer_states shows the shares: what the layer gives out is their mean, what has no entry has none (issue 13)."""
    X = np.random.default_rng(1).uniform(0.0, 1.0, (4, 5, 3))
    X[1, 3:] = np.nan
    there, known = ~np.isnan(X[:, :, 0]), np.nan_to_num(X)
    for layer in (Attention(use_scale=True), Attention("additive", 2), Attention(use_scale=True, use_causal_mask=True)):
        model, share = attention_of([layer], X, 5, 3, "attention")
        assert share.shape == (4, 5, 5)
        assert np.allclose((share @ known)[there], predictr(model, X, mask="nan")[there], rtol=0.0, atol=1e-12)
        assert (share[1, :3, 3:] == 0.0).all()
    model, share = attention_of([AttentionPooling()], X, 1, 3, "attention_pooling")
    assert share.shape == (4, 5)
    assert np.allclose(share[:, np.newaxis] @ known, predictr(model, X, mask="nan"), rtol=0.0, atol=1e-12)
    assert (share[1, 3:] == 0.0).all()
    model, share = attention_of([MultiHeadAttention(2, 2)], X, 5, 3, "multi_head_attention")
    assert share.shape == (4, 2, 5, 5)
    query, query_bias, key, key_bias = model.multi_head_attention_weights[:4]
    queries, keys = ((known @ w + b).reshape(4, 5, 2, 2) for w, b in ((query, query_bias), (key, key_bias)))
    scores = np.einsum("nthd,nshd->nhts", queries, keys) / math.sqrt(2)
    assert np.allclose(share[0], softmax(scores)[0], rtol=0.0, atol=1e-12)
    model, share = attention_of([Decoder(SimpleRNN(3), 4, "dot")], X, 4, 3, "decoder")
    assert share.shape == (4, 4, 5)
    before = np.concatenate([np.zeros((4, 1, 3)), predictr(model, X, mask="nan", hidden=True)[0][:, :3]], axis=1)
    scores = np.where(there[:, np.newaxis], np.einsum("ntd,nsd->nts", before, known), -np.inf)
    assert np.allclose(share, softmax(scores), rtol=0.0, atol=1e-12)
