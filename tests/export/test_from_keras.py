"""``from_keras``: a model of Keras, and its files, predict the same here (issue 14, number 4)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, from_keras, predictr, trainr
from pytrainr import layers as ours
from tests.exact.test_keras import MASKED, PLAIN, SINGLE, STEPS, TOKENS, WIDTH, model_of

keras = pytest.importorskip("keras", reason="Keras is missing: pip install 'pytrainr[torch]' to compare with it")
pytest.importorskip("h5py", reason="h5py is missing: pip install 'pytrainr[keras]'")

X = np.random.default_rng(1).standard_normal((5, STEPS, WIDTH))
TOLERANCE = SINGLE
"""Keras multiplies matrices in single precision."""


def randomised(model: Any) -> Any:
    """Biases and all others away from what they begin as."""
    random = np.random.default_rng(3)
    model.set_weights([array + 0.3 * random.standard_normal(array.shape) for array in model.get_weights()])
    return model


POOLED = (ours.MaxPooling1D, ours.AveragePooling1D)
STACKS = [[*stack, ours.Dense(2)] if isinstance(stack[-1], POOLED) else stack for stack in PLAIN]
"""With weights, all of them."""


@pytest.mark.parametrize("stack", STACKS, ids=str)
def test_a_model_and_both_files_predict_the_same(stack: list[Any], tmp_path: Path) -> None:
    """Every layer that both have, both conventions of the gru: the model, its .keras and its .weights.h5."""
    model = randomised(model_of(stack, X))
    expected = keras.ops.convert_to_numpy(model(X))
    found = from_keras(model)
    assert list(found.layers) == stack
    assert np.abs(predictr(found, X).reshape(expected.shape) - expected).max() < TOLERANCE * max(
        1.0, np.abs(expected).max()
    )
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    for other in (from_keras(tmp_path / "m.keras"), from_keras(tmp_path / "m.weights.h5", stack, STEPS)):
        np.testing.assert_array_equal(predictr(other, X), predictr(found, X))


@pytest.mark.parametrize("stack", MASKED[:6], ids=str)
def test_tokens_with_a_mask(stack: list[Any]) -> None:
    """Embedding(mask_zero=True) below."""
    tokens = np.random.default_rng(2).integers(1, TOKENS, (5, STEPS))
    tokens[1, 4:] = 0
    model = randomised(model_of([ours.Embedding(TOKENS, 4, mask_zero=True), *stack], tokens[:, :, None]))
    expected = keras.ops.convert_to_numpy(model(tokens))
    found = predictr(from_keras(model, steps=STEPS), tokens).reshape(expected.shape)
    present = ~np.isnan(found)
    assert present.mean() > 0.9
    assert np.abs(found - expected)[present].max() < TOLERANCE * max(1.0, np.abs(expected).max())


@pytest.mark.parametrize("reset_after", [True, False])
def test_weights_are_taken_over_digit_for_digit(reset_after: bool) -> None:
    """In double precision the equations with Keras's weights, written out, are ours to 1e-12."""
    layer = keras.layers.GRU(4, reset_after=reset_after, dtype="float64")
    model = randomised(keras.Sequential([keras.Input((STEPS, WIDTH), dtype="float64"), layer]))
    W, R, b = model.get_weights()
    assert W.dtype == np.float64

    def logistic(a: np.ndarray) -> np.ndarray:
        return 1.0 / (1.0 + np.exp(-a))

    h = np.zeros((5, 4))
    own, recurrent = b if reset_after else (b, np.zeros(12))
    for t in range(STEPS):
        x_z, x_r, x_g = np.split(X[:, t] @ W + own, 3, axis=1)
        r_z, r_r, r_g = np.split(h @ R + recurrent, 3, axis=1)
        z, r = logistic(x_z + r_z), logistic(x_r + r_r)
        g = np.tanh(x_g + (r * r_g if reset_after else (r * h) @ R[:, 8:]))
        h = z * h + (1 - z) * g
    assert np.abs(predictr(from_keras(model), X)[:, 0] - h).max() < 1e-12


def test_it_steps_is_saved_and_trained_on(tmp_path: Path) -> None:
    """The model is one like any other."""
    net = randomised(keras.Sequential([keras.Input((STEPS, WIDTH)), keras.layers.LSTM(4), keras.layers.Dense(1)]))
    model = from_keras(net, loss="absolute", learningrate=0.01, batch_size=5, numepochs=20)
    step = model.stepper()
    np.testing.assert_allclose([step(x) for x in X[0]][-1], predictr(model, X[:1]).ravel(), rtol=1e-12)
    model.save(tmp_path / "m.model")
    on = trainr(np.ones((5, 1, 1)), X, model=Model.load(tmp_path / "m.model"), rng=RRandom(1))
    assert on.loss == "absolute"
    assert on.mean_error[-1] < on.mean_error[0]
    short = from_keras(net, dtype="float32")
    assert np.abs(predictr(short, X).ravel() - keras.ops.convert_to_numpy(net(X)).ravel()).max() < 1e-6


def test_a_chain_of_a_functional_model() -> None:
    """What is made with calls of layers, where each follows the one before; a branch is named."""
    x = keras.Input((STEPS, WIDTH))
    y = keras.layers.GRU(3, name="reader")(x)
    model = keras.Model(x, keras.layers.Dense(1)(y))
    expected = keras.ops.convert_to_numpy(model(X))
    assert np.abs(predictr(from_keras(model), X).reshape(expected.shape) - expected).max() < SINGLE
    both = keras.layers.Concatenate(name="join")([y, keras.layers.LSTM(2)(x)])
    with pytest.raises(ValueError, match="only a chain of layers"):
        from_keras(keras.Model(x, both))


ATTENTIVE: dict[str, Callable[[Any], Any]] = {
    "product": lambda y: keras.layers.Attention()([y, y]),
    "product with a scale, causal": lambda y: keras.layers.Attention(use_scale=True)([y, y], use_causal_mask=True),
    "additive": lambda y: keras.layers.AdditiveAttention()([y, y]),
    "additive, causal": lambda y: keras.layers.AdditiveAttention()([y, y, y], use_causal_mask=True),
    "heads": lambda y: keras.layers.MultiHeadAttention(2, 5)(y, y),
    "heads, causal": lambda y: keras.layers.MultiHeadAttention(3, 2, value_dim=4, use_bias=False)(
        query=y, value=y, use_causal_mask=True
    ),
}
"""Layers by which a sequence looks at itself; Keras calls them with the sequence twice."""


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("name", ATTENTIVE)
def test_attention_to_the_sequence_itself(name: str, first: bool, tmp_path: Path) -> None:
    """Attention, AdditiveAttention and MultiHeadAttention, from the model, its .keras and its .weights.h5."""
    x = keras.Input((STEPS, WIDTH))
    y = x if first else keras.layers.GRU(4, return_sequences=True)(x)
    model = randomised(keras.Model(x, keras.layers.Dense(2)(ATTENTIVE[name](y))))
    expected = keras.ops.convert_to_numpy(model(X))
    found = from_keras(model)
    assert np.abs(predictr(found, X) - expected).max() < TOLERANCE * max(1.0, np.abs(expected).max())
    model.save(tmp_path / "m.keras")
    model.save_weights(tmp_path / "m.weights.h5")
    np.testing.assert_array_equal(predictr(from_keras(tmp_path / "m.keras"), X), predictr(found, X))
    if "additive" not in name:  # whose Q and K the file of weights has not
        other = from_keras(tmp_path / "m.weights.h5", list(found.layers), STEPS)
        np.testing.assert_array_equal(predictr(other, X), predictr(found, X))


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (lambda y: keras.layers.Attention(score_mode="concat")([y, y]), "score_mode='concat', here it is 'dot'"),
        (lambda y: keras.layers.AdditiveAttention(use_scale=False)([y, y]), "use_scale=False"),
        (lambda y: keras.layers.MultiHeadAttention(2, 3, dropout=0.1)(y, y), "dropout=0.1"),
        (lambda y: keras.layers.GroupQueryAttention(2, 4, 2)(y, y), "has no layer here"),
        (lambda y: keras.layers.Attention()([keras.layers.Dense(WIDTH)(y), y]), "only a chain of layers"),
    ],
)
def test_other_attention_is_named(layer: Callable[[Any], Any], message: str) -> None:
    """Dropout of shares, other scores, two sequences."""
    x = keras.Input((STEPS, WIDTH))
    with pytest.raises(ValueError, match=message):
        from_keras(keras.Model(x, keras.layers.Dense(1)(layer(x))))


REFUSED: dict[str, Any] = {
    "'norm' .BatchNormalization. has no layer here": lambda: keras.layers.BatchNormalization(name="norm"),
    "activation='relu', here it is 'tanh'": lambda: keras.layers.GRU(2, activation="relu"),
    "recurrent_activation='hard_sigmoid'": lambda: keras.layers.LSTM(2, recurrent_activation="hard_sigmoid"),
    "go_backwards=True": lambda: keras.layers.SimpleRNN(2, go_backwards=True),
    "activation .* 'gelu'": lambda: keras.layers.Dense(2, activation="gelu"),
    "merge_mode .* 'mul'": lambda: keras.layers.Bidirectional(keras.layers.GRU(2), merge_mode="mul"),
    "groups=3": lambda: keras.layers.Conv1D(3, 2, groups=3),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_cannot_be_taken_over_is_named(message: str) -> None:
    """A layer, an option, an activation."""
    model = keras.Sequential([keras.Input((STEPS, WIDTH)), REFUSED[message]()])
    with pytest.raises(ValueError, match=message):
        from_keras(model)


def test_files_say_what_they_lack(tmp_path: Path) -> None:
    """Weights alone need layers; those have to fit; a model of any length needs steps."""
    model = keras.Sequential([keras.Input((None, WIDTH)), keras.layers.GRU(3)])
    model.save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="a file of weights does not say what they are of"):
        from_keras(tmp_path / "m.weights.h5")
    with pytest.raises(ValueError, match="steps should be given"):
        from_keras(tmp_path / "m.weights.h5", [ours.GRU(3)])
    with pytest.raises(ValueError, match=r"has the shape|not as many weights"):
        from_keras(tmp_path / "m.weights.h5", [ours.GRU(4)], STEPS)
    with pytest.raises(ValueError, match="not as many weights"):
        from_keras(tmp_path / "m.weights.h5", [ours.LSTM(3)], STEPS)


def test_files_are_read_without_keras(tmp_path: Path) -> None:
    """h5py is enough."""
    model = randomised(keras.Sequential([keras.Input((STEPS, WIDTH)), keras.layers.GRU(3), keras.layers.Dense(1)]))
    model.save(tmp_path / "m.keras")
    program = (
        "import sys; sys.modules['keras'] = sys.modules['torch'] = None\n"
        f"import numpy as np; from pytrainr import from_keras, predictr\n"
        f"model = from_keras({str(tmp_path / 'm.keras')!r})\n"
        f"print(float(predictr(model, np.ones((1, {STEPS}, {WIDTH})))[0, 0]))"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert float(printed) == pytest.approx(
        float(keras.ops.convert_to_numpy(model(np.ones((1, STEPS, WIDTH))))[0, 0]), abs=SINGLE
    )
