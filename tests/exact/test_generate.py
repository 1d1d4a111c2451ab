"""``generate`` (issue 12.3): greedy, temperature, top-k, beams, stop token, seeds; decoders and language models."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, generate, predictr, set_seed, trainr
from pytrainr.layers import (
    GRU,
    LSTM,
    Attention,
    Decoder,
    Dense,
    Embedding,
    LayerNormalization,
    MultiHeadAttention,
    PositionEmbedding,
)

TOKENS, STEPS = 4, 3
OPTIONS: dict[str, Any] = {
    **{"exact": True, "learningrate": 0.02, "update_rule": "adam", "batch_size": 10, "epoch_function": []},
    **{"loss": "sparse_categorical_crossentropy"},
}
SOFTMAX = Dense(TOKENS, activation="softmax")
STACKS: dict[str, list[Any]] = {
    "steps": [Embedding(TOKENS, 3), GRU(4, return_sequences=True, learn_initial_state=True), SOFTMAX],
    "last": [Embedding(TOKENS, 3), LSTM(4), SOFTMAX],
    "heads": [Embedding(TOKENS, 4), PositionEmbedding(9), MultiHeadAttention(2, 2, use_causal_mask=True), SOFTMAX],
    "decoder": [
        *(Embedding(TOKENS, 3), GRU(4, return_sequences=True)),
        Decoder(GRU(4), STEPS, "additive", "teacher", SOFTMAX, Embedding(TOKENS, 2)),
    ],
    "decoder of one layer": [Decoder(LSTM(3, learn_initial_state=True), STEPS, None, "own", SOFTMAX, Embedding(4, 2))],
}
_MODELS: dict[tuple[str, str], Model] = {}


def data(samples: int = 30) -> tuple[np.ndarray, np.ndarray]:
    """Tokens, each the one before and one more or less."""
    random = np.random.default_rng(0)
    X = (random.integers(0, TOKENS, (samples, 1)) + random.choice([1, 1, 2], (samples, 6)).cumsum(axis=1)) % TOKENS
    return X[:, :5], X[:, 1:, None].astype(float)


def model_of(name: str, dtype: str = "float64", epochs: int = 8) -> Model:
    if (name, dtype) not in _MODELS:
        X, Y = data()
        steps = {"last": 1, "decoder": STEPS, "decoder of one layer": STEPS}.get(name, 5)
        layers = STACKS[name]
        _MODELS[name, dtype] = trainr(
            Y[:, -steps:], X, layers=layers, numepochs=epochs, dtype=dtype, rng=RRandom(1), **OPTIONS
        )
    return _MODELS[name, dtype]


def probabilities(model: Model, X: np.ndarray, written: np.ndarray) -> np.ndarray:
    """Those of the token after ``written`` (rows, t), by predicting all that has been written so far; of a decoder by
    one whose layers are the same and that is taught what was written: its equations, written out."""
    if not isinstance(model.layers[-1], Decoder):
        output = predictr(model, np.concatenate([X, written], axis=1), real_output=False)
        return output[:, -1]
    return decoded(model, X, written)


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-x))


def gru(W: np.ndarray, R: np.ndarray, b: np.ndarray, c: np.ndarray, x: np.ndarray, h: np.ndarray) -> np.ndarray:
    p, q, n = x @ W + b, h @ R + c, h.shape[1]
    z, r = sigmoid(p[:, :n] + q[:, :n]), sigmoid(p[:, n : 2 * n] + q[:, n : 2 * n])
    return (1.0 - z) * h + z * np.tanh(p[:, 2 * n :] + r * q[:, 2 * n :])


def decoded(model: Model, X: np.ndarray, written: np.ndarray) -> np.ndarray:
    """The equations of STACKS["decoder"] in NumPy."""
    (E,), encoder, weights = model.embedding_weights, model.gru_weights, model.decoder_weights
    *cell, Q, K, v, V, c, rows = weights
    h = np.zeros((len(X), 4))
    states = []
    for t in range(X.shape[1]):
        h = gru(*encoder, E[X[:, t]], h)
        states.append(h)
    k = np.stack(states, axis=1)
    h = np.zeros((len(X), 4))
    for t in range(written.shape[1] + 1):
        e = np.tanh(k @ K + (h @ Q)[:, np.newaxis]) @ v
        alpha = np.exp(e) / np.exp(e).sum(axis=1, keepdims=True)
        token = written[:, t - 1] if t else np.zeros(len(X), int)
        h = gru(*cell, np.concatenate([(alpha[:, :, np.newaxis] * k).sum(axis=1), rows[token]], axis=1), h)
    y = np.exp(h @ V + c)
    return y / y.sum(axis=1, keepdims=True)


def score(model: Model, x: np.ndarray, tokens: Any, stop: int | None = None) -> float:
    """The log probability of the tokens, and of the stop after them."""
    tokens, total = [*tokens, *([] if stop is None else [stop])], 0.0
    for t in range(len(tokens)):
        written = np.array([tokens[:t]], dtype=int).reshape(1, t)
        total += float(np.log(probabilities(model, x[np.newaxis], written)[0, tokens[t]]))
    return total


def every(stop: int | None) -> list[tuple[tuple[int, ...], bool]]:
    """All sequences of at most STEPS tokens, and whether a stop follows."""
    if stop is None:
        return [(tokens, False) for tokens in itertools.product(range(TOKENS), repeat=STEPS)]
    others = [token for token in range(TOKENS) if token != stop]
    ended = [(tokens, True) for t in range(STEPS) for tokens in itertools.product(others, repeat=t)]
    return ended + [(tokens, False) for tokens in itertools.product(others, repeat=STEPS)]


@pytest.mark.parametrize("stop", [None, 2])
@pytest.mark.parametrize("name", ["steps", "heads", "decoder"])
def test_a_wide_beam_is_exhaustive_search(name: str, stop: int | None) -> None:
    """With as many beams as there are sequences, the likeliest of all is found, with its probability."""
    model, X = model_of(name), data()[0][:3]
    answers, scores = generate(model, X, STEPS, beam_width=TOKENS**STEPS, stop_token=stop, scores=True)
    for x, answer, found in zip(X, answers, scores, strict=True):
        known = {tokens: score(model, x, tokens, stop if ends else None) for tokens, ends in every(stop)}
        best = max(known, key=lambda tokens: known[tokens])
        assert tuple(answer) == best
        assert abs(found - known[best]) < 1e-10


def test_a_length_penalty_compares_means() -> None:
    """By log p/length: exhaustively as well."""
    model, X, stop = model_of("steps"), data()[0][:4], 2
    answers = generate(model, X, STEPS, beam_width=TOKENS**STEPS, stop_token=stop, length_penalty=1.0)
    for x, answer in zip(X, answers, strict=True):
        known = {
            tokens: score(model, x, tokens, stop if ends else None) / (len(tokens) + ends)
            for tokens, ends in every(stop)
        }
        assert tuple(answer) == max(known, key=lambda tokens: known[tokens])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", STACKS)
def test_greedy(name: str, dtype: str) -> None:
    """The likeliest each time: of a decoder what predictr feeds back itself; top_k=1 and one beam are the same."""
    model, X = model_of(name, dtype), data()[0]
    if name == "decoder of one layer":
        X = X[:, :, np.newaxis].astype(float)
    answers, scores = generate(model, X, STEPS, scores=True)
    if "decoder" in name:
        predicted = predictr(model, X)
        assert np.array_equal(np.array(answers), predicted.argmax(axis=2))
        likeliest = np.log(predicted.max(axis=2)).sum(axis=1)
    else:
        written, likeliest = np.empty((len(X), 0), int), np.zeros(len(X))
        for _ in range(STEPS):
            next_one = probabilities(model, X, written)
            written = np.column_stack([written, next_one.argmax(axis=1)])
            likeliest += np.log(next_one.max(axis=1))
        assert np.array_equal(np.array(answers), written)
    assert np.abs(scores - likeliest).max() < (1e-10 if dtype == "float64" else 1e-4)
    assert np.array_equal(np.array(generate(model, X, STEPS, top_k=1, rng=RRandom(3))), np.array(answers))
    assert np.array_equal(np.array(generate(model, X, STEPS, beam_width=1)), np.array(answers))


def test_more_steps_than_in_training() -> None:
    """A decoder goes on as long as it is asked to, and stops as early."""
    model, X = model_of("decoder"), data()[0]
    long = np.array(generate(model, X, STEPS + 3))
    assert long.shape == (30, STEPS + 3)
    assert np.array_equal(long[:, :STEPS], np.array(generate(model, X)))
    assert np.array_equal(long[:, :1], np.array(generate(model, X, 1)))


def test_drawing() -> None:
    """Tokens come as often as the network says, sharper when cold, among the likeliest only with top_k."""
    model = model_of("steps")
    X = np.repeat(data()[0][:1], 4000, axis=0)
    p = predictr(model, X[:1], real_output=False)[0, -1]

    def shares(**options: Any) -> np.ndarray:
        drawn = np.array(generate(model, X, 1, rng=RRandom(5), **options))
        return np.bincount(drawn[:, 0], minlength=TOKENS) / len(X)

    assert np.abs(shares(temperature=1.0) - p).max() < 0.03
    assert np.abs(shares(temperature=0.5) - p**2 / (p**2).sum()).max() < 0.03
    likeliest = np.argsort(-p)[:2]
    kept = np.where(np.isin(np.arange(TOKENS), likeliest), p, 0.0)
    assert np.abs(shares(top_k=2) - kept / kept.sum()).max() < 0.03
    assert shares(temperature=1e-5)[p.argmax()] == 1.0


def test_seeds() -> None:
    """The same seed, the same tokens; a sample's do not depend on whether others have ended."""
    model, X = model_of("steps"), data()[0]
    one = generate(model, X, 6, temperature=2.0, rng=RRandom(1))
    assert np.array_equal(one, generate(model, X, 6, temperature=2.0, rng=RRandom(1)))
    assert not np.array_equal(one, generate(model, X, 6, temperature=2.0, rng=RRandom(2)))
    set_seed(1)
    assert np.array_equal(one, generate(model, X, 6, temperature=2.0))
    stopped = generate(model, X, 6, temperature=2.0, rng=RRandom(1), stop_token=3)
    for whole, cut in zip(one, stopped, strict=True):
        assert np.array_equal(cut, whole[: np.flatnonzero(whole == 3)[0]] if 3 in whole else whole)


def test_unequal_lengths_and_files(tmp_path: Any) -> None:
    """What pads a beginning is not read, and never written; a file writes the same."""
    X, Y = data()
    X, Y = X + 1, Y + 1.0
    layers = [Embedding(TOKENS + 1, 3, mask_zero=True), GRU(4, return_sequences=True), Dense(5, activation="softmax")]
    model = trainr(Y, X, layers=layers, numepochs=5, rng=RRandom(1), **OPTIONS)
    padded = np.column_stack([X[:, :2], np.zeros((30, 3), int)])
    answers = generate(model, padded, 4)
    assert np.array_equal(answers, generate(model, X[:, :2], 4))
    assert all((answer > 0).all() for answer in generate(model, padded, 20, temperature=50.0, rng=RRandom(1)))
    model.save(tmp_path / "model")
    assert np.array_equal(generate(Model.load(tmp_path / "model"), padded, 4), answers)


def test_encoders_of_unequal_lengths() -> None:
    """A decoder step by step looks at the steps that have an entry, as predictr's does."""
    X = np.random.default_rng(0).standard_normal((12, 6, 2))
    X[3:, 4:], X[7, 1:] = np.nan, np.nan
    Y = np.random.default_rng(1).integers(0, TOKENS, (12, STEPS, 1)).astype(float)
    decoder = Decoder(GRU(4), STEPS, "dot", "own", SOFTMAX, Embedding(TOKENS, 2))
    for layers in ([GRU(4, return_sequences=True), decoder], [Dense(4), LayerNormalization(), Attention(), decoder]):
        model = trainr(Y, X, layers=layers, mask="nan", numepochs=2, rng=RRandom(1), **OPTIONS)
        assert np.array_equal(np.array(generate(model, X)), predictr(model, X).argmax(axis=2))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"max_length": None}, "max_length: a language model goes on for ever"),
        ({"max_length": 0}, "max_length should be"),
        ({"temperature": 0.0}, "temperature should be positive, not 0.0; without it: greedy"),
        ({"top_k": 0}, "top_k should be"),
        ({"beam_width": 3, "temperature": 1.0}, "temperature is for drawing tokens; a beam search draws none"),
        ({"beam_width": 3, "rng": RRandom(1)}, "rng is for drawing tokens"),
        ({"rng": RRandom(1)}, "rng is for drawing tokens: give temperature=1.0"),
        ({"length_penalty": 1.0}, "length_penalty belongs to a beam search"),
        ({"beam_width": 2, "length_penalty": -1.0}, "length_penalty should be 0 or more"),
        ({"stop_token": TOKENS}, "stop_token is one of the 4 tokens, counted from 0, not 4"),
        ({"X": np.full((2, 3), 9)}, r"X\[0, 0, 0\] is 9.*tokens, whole numbers from 0 to 3"),
    ],
)
def test_errors_teach(options: dict[str, Any], says: str) -> None:
    given = {"X": data()[0], "max_length": 3, **options}
    with pytest.raises(ValueError, match=says):
        generate(model_of("steps"), **given)


def test_models_that_write_nothing() -> None:
    X, Y = data()
    options = {**OPTIONS, "numepochs": 1, "loss": None}
    with pytest.raises(ValueError, match="model should be trained with exact=True"):
        generate(trainr(Y[:, :, 0] / 4, X, learningrate=0.1, epoch_function=[]), X, 3)
    numbers = trainr(Y, X, layers=[GRU(3, return_sequences=True), Dense(1)], **options)
    with pytest.raises(ValueError, match=r"model should write tokens.*predictr gives numbers"):
        generate(numbers, X, 3)
    classes = trainr(Y[:, -1:], X, layers=[Embedding(9, 2), GRU(3), SOFTMAX], **{**OPTIONS, "numepochs": 1})
    with pytest.raises(ValueError, match="it reads 9, it puts out 4"):
        generate(classes, X, 3)
