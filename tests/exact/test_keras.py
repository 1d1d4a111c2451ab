"""Layers against Keras, whose names, defaults, masks and table they have (issue 12). Keras is a test-only extra."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
from typing import Any

import numpy as np
import pytest

from pytrainr import layers as ours
from pytrainr.exact.layer_list import LayerList, summary_of
from pytrainr.r_random import RRandom
from tests.exact.checking import ListCase

pytest.importorskip("torch", reason="PyTorch is missing: Keras computes with it")
os.environ.setdefault("KERAS_BACKEND", "torch")
keras = pytest.importorskip("keras", reason="Keras is missing: pip install 'pytrainr[torch]' to compare with it")

SHARED = [name for name in ours.LAYERS if hasattr(keras.layers, name)]
OWN_WORDS = {"layers", "layer", "cell"}
"""Arguments that are layers: they have no default."""

STEPS, WIDTH, TOKENS = 7, 3, 11
SINGLE = 5e-6
"""Keras multiplies matrices in single precision, whatever is asked for."""


def theirs(layer: Any) -> Any:
    """The same layer of Keras, with the same options."""
    options = {}
    for field in dataclasses.fields(layer):
        value = getattr(layer, field.name)
        options[field.name] = theirs(value) if isinstance(value, ours.Layer) else value
    for name in ("peephole", "projection", "learn_initial_state"):  # which Keras's layers lack
        assert not options.pop(name, 0)
    return getattr(keras.layers, type(layer).__name__)(**options)


def their_gates(layer: Any, matrix: np.ndarray) -> np.ndarray:
    """Our gates side by side in Keras's order; our z of a gru is the share of the new state, theirs that of the old."""
    gates = np.split(matrix, len(layer.gates), axis=-1)
    if isinstance(layer, ours.GRU):
        z, r, g = gates
        gates = [-z, r, g]
    if isinstance(layer, ours.LSTM):
        f, i, g, o = gates
        gates = [i, f, g, o]
    return np.concatenate(gates, axis=-1)


def their_weights(layer: Any, given: list[np.ndarray]) -> list[np.ndarray]:
    """Our weights of a layer as Keras's, used up from the front of ``given``."""
    if isinstance(layer, ours.Bidirectional):
        return [*their_weights(layer.layer, given), *their_weights(layer.layer, given)]
    if isinstance(layer, ours.TimeDistributed):
        return their_weights(layer.layer, given)
    if hasattr(layer, "gates"):
        arrays = [their_gates(layer, given.pop(0)) for _ in range(2 + layer.use_bias)]
        if isinstance(layer, ours.GRU) and layer.reset_after and layer.use_bias:
            arrays[2] = np.stack([arrays[2], their_gates(layer, given.pop(0))])
        return arrays
    if isinstance(layer, ours.Conv1D):
        kernel = given.pop(0)
        kernel = kernel.reshape(layer.kernel_size, -1, kernel.shape[-1])
        return [kernel, *(given.pop(0) for _ in range(layer.use_bias))]
    count = {"Dense": 1 + getattr(layer, "use_bias", 0), "Embedding": 1}.get(type(layer).__name__, 0)
    if isinstance(layer, ours.LayerNormalization):
        count = layer.scale + layer.center
    return [given.pop(0) for _ in range(count)]


def model_of(stack: list[Any], X: np.ndarray) -> Any:
    """Keras's model of the same layers."""
    keras.utils.clear_session()
    model = keras.Sequential([theirs(layer) for layer in stack])
    model.build((None, X.shape[1]) if isinstance(stack[0], ours.Embedding) else (None, *X.shape[1:]))
    return model


def compared(stack: list[Any], X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What both give for X with the same weights, (samples, steps, width)."""
    case = ListCase(stack, X.shape[1], X.shape[2], X.shape[0], X=X)
    model = model_of(stack, X)
    given = [block.view(case.weights).copy() for block in case.network.layout]
    model.set_weights([array for layer in stack for array in their_weights(layer, given)])
    assert not given
    expected = model(X[:, :, 0] if isinstance(stack[0], ours.Embedding) else X)
    expected = keras.ops.convert_to_numpy(expected)
    found = case.network.forward(case.weights, X)[0]
    return found, expected.reshape(found.shape)


PLAIN: list[list[Any]] = [
    [ours.SimpleRNN(4)],
    [ours.SimpleRNN(4, activation="relu", use_bias=False, return_sequences=True)],
    *([ours.GRU(4, use_bias=bias, reset_after=after)] for bias in (True, False) for after in (True, False)),
    [ours.GRU(4, return_sequences=True), ours.GRU(3)],
    [ours.LSTM(4)],
    [ours.LSTM(4, use_bias=False, return_sequences=True), ours.TimeDistributed(ours.Dense(2, activation="softmax"))],
    [ours.Bidirectional(ours.LSTM(4))],
    [ours.Bidirectional(ours.GRU(4, return_sequences=True)), ours.Bidirectional(ours.SimpleRNN(3), merge_mode="sum")],
    [ours.LayerNormalization(), ours.Dense(4, activation="sigmoid"), ours.LayerNormalization(0.1, scale=False)],
    [ours.Dense(5, activation="relu", use_bias=False), ours.Activation("softmax")],
    [ours.Flatten(), ours.Dense(3, activation="tanh"), ours.RepeatVector(4), ours.SimpleRNN(2)],
    [ours.Dropout(0.5), ours.SpatialDropout1D(0.3), ours.GRU(3, dropout=0.2, recurrent_dropout=0.3)],
    *([ours.Conv1D(4, 3, padding=padding, dilation_rate=2)] for padding in ("valid", "same", "causal")),
    *([ours.Conv1D(4, 2, strides=3, padding=padding, activation="relu")] for padding in ("valid", "same", "causal")),
    *([pool(3, stride, padding)] for pool in (ours.MaxPooling1D, ours.AveragePooling1D)
      for stride, padding in ((None, "valid"), (2, "same"), (1, "same"))),
    [ours.Conv1D(4, 2), ours.GlobalMaxPooling1D(), ours.Dense(2)],
    [ours.Conv1D(4, 2), ours.GlobalAveragePooling1D(), ours.Dense(2)],
]  # fmt: skip
"""Networks of layers that Keras has too."""


@pytest.mark.parametrize("stack", PLAIN, ids=str)
def test_the_same_numbers(stack: list[Any]) -> None:
    """With the same weights a layer gives what Keras's of that name and those options gives."""
    X = np.random.default_rng(1).standard_normal((5, STEPS, WIDTH))
    found, expected = compared(stack, X)
    assert np.abs(found - expected).max() < SINGLE


MASKED: list[list[Any]] = [
    [ours.SimpleRNN(3)],
    [ours.GRU(3)],
    [ours.GRU(3, reset_after=False, return_sequences=True)],
    [ours.LSTM(3), ours.Dense(2)],
    [ours.LSTM(3, return_sequences=True), ours.GRU(2, return_sequences=True)],
    [ours.LSTM(3, return_sequences=True), ours.LSTM(2)],
    [ours.Bidirectional(ours.LSTM(3))],
    [ours.Bidirectional(ours.GRU(3, return_sequences=True), merge_mode="sum"), ours.GRU(2)],
    [ours.Bidirectional(ours.SimpleRNN(3, return_sequences=True)), ours.Bidirectional(ours.LSTM(2))],
    [ours.TimeDistributed(ours.Dense(3, activation="tanh")), ours.GRU(2, return_sequences=True)],
    [ours.LayerNormalization(), ours.LSTM(3, return_sequences=True), ours.LayerNormalization()],
    [ours.Dense(3), ours.Activation("tanh"), ours.Dropout(0.5), ours.SpatialDropout1D(0.5), ours.GRU(2)],
    [ours.GlobalAveragePooling1D(), ours.Dense(2)],
]  # fmt: skip
"""What may stand above an ``Embedding`` with ``mask_zero``, as in Keras."""


@pytest.mark.parametrize("stack", MASKED, ids=str)
@pytest.mark.parametrize("holes", [False, True])
def test_masks_travel_as_in_keras(stack: list[Any], holes: bool) -> None:
    """Embedding(mask_zero=True): the same at every step that has an entry, and at the end of the sequence."""
    random = np.random.default_rng(2)
    X = random.integers(1, TOKENS, (6, STEPS, 1)).astype(float)
    for sample in range(1, 6):
        X[sample, STEPS - sample :] = 0.0
    if holes:  # at the start, and in the midst
        X[0, 0] = X[1, :2] = X[2, 3] = 0.0
    found, expected = compared([ours.Embedding(TOKENS, 4, mask_zero=True), *stack], X)
    present = X[:, :, 0] > 0 if found.shape[1] == STEPS else np.ones(found.shape[:2], bool)
    assert np.abs(found - expected)[present].max() < SINGLE


def smallest(name: str) -> Any:
    """A layer of that name with nothing given but what has to be."""
    inner = ours.Dense(2) if name == "TimeDistributed" else ours.GRU(4)
    given = {
        **{"units": 4, "rate": 0.5, "activation": "tanh", "filters": 4, "kernel_size": 3, "n": 2},
        **{"input_dim": TOKENS, "output_dim": 4, "layer": inner},
    }
    kind = ours.LAYERS[name]
    needed = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    return kind(**{option: given[option] for option in needed})


def known_as(value: Any) -> Any:
    """Names that mean the same: no activation is the linear one, and so on."""
    return {"linear": None, "sigmoid": "logistic"}.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize("name", SHARED)
def test_defaults(name: str) -> None:
    """Every option that Keras has too has Keras's default; what has to be given comes first and in Keras's order."""
    signature = inspect.signature(getattr(keras.layers, name).__init__)
    needed = [
        p.name for p in signature.parameters.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD
    ]
    fields = dataclasses.fields(ours.LAYERS[name])
    ours_needed = [f.name for f in fields if f.default is f.default_factory is dataclasses.MISSING]
    assert ours_needed == needed[1 : 1 + len(ours_needed)]  # after self
    assert [f.name for f in fields][: len(needed) - 1] == needed[1:]
    for field in fields:
        if field.name in signature.parameters and field.name not in needed:
            assert known_as(field.default) == known_as(signature.parameters[field.name].default), field.name


LARGE: list[Any] = [
    *(ours.SimpleRNN(40), ours.GRU(40), ours.GRU(40, reset_after=False), ours.LSTM(40), ours.Dense(300)),
    *(ours.LSTM(40, unit_forget_bias=False), ours.Conv1D(30, 5), ours.LayerNormalization()),
]


@pytest.mark.parametrize("layer", [*LARGE, ours.Embedding(50, 40)], ids=str)
def test_initial_weights(layer: Any) -> None:
    """Initial weights are drawn as Keras draws them: the same shapes and limits, orthogonal where Keras's are."""
    tokens = isinstance(layer, ours.Embedding)
    width = 1 if tokens else 20
    network = LayerList((layer,), width, 6)
    weights = network.initial_weights(RRandom(1))
    given = [block.view(weights).copy() for block in network.layout]
    found = their_weights(layer, given)
    expected = model_of([layer], np.zeros((1, 6, width))).get_weights()
    assert [array.shape for array in found] == [array.shape for array in expected]
    for mine, keras_s in zip(found, expected, strict=True):
        if mine.ndim == 2 and np.allclose(keras_s @ keras_s.T, np.eye(len(keras_s)), atol=1e-5):
            assert np.allclose(mine @ mine.T, np.eye(len(mine)))
        elif np.ptp(keras_s) and set(np.unique(keras_s)) != {0.0, 1.0}:  # uniform
            assert abs(np.abs(mine).max() / np.abs(keras_s).max() - 1.0) < 0.02
            assert abs(np.std(mine) / np.std(keras_s) - 1.0) < 0.1
        else:
            assert np.array_equal(np.abs(mine), keras_s)  # zeros are turned to -0 with the update gate


@pytest.mark.parametrize("stack", [*PLAIN, *([ours.Embedding(TOKENS, 4, mask_zero=True), *s] for s in MASKED)], ids=str)
def test_summary(stack: list[Any]) -> None:
    """The table is Keras's: names, kinds, shapes (a single step is shown as one) and numbers of parameters."""
    tokens = isinstance(stack[0], ours.Embedding)
    X = np.zeros((1, STEPS, 1 if tokens else WIDTH))
    model = model_of(stack, X)
    lines = summary_of(LayerList(tuple(stack), X.shape[2], STEPS)).splitlines()
    rows = [re.split(r" {2,}", line) for line in lines[4:-2]]
    inner = any(hasattr(layer, "layer") for layer in stack)  # Keras counts the layers inside as well
    for row, layer in zip(rows, model.layers, strict=True):
        shape = tuple(layer.output.shape)
        shape = shape if len(shape) == 3 else (None, 1, shape[1])
        expected = [f"{layer.name} ({type(layer).__name__})", str(shape), f"{layer.count_params():,}"]
        if inner:
            row[0], expected[0] = (re.sub(r"_\d+ ", " ", text) for text in (row[0], expected[0]))
        assert row == expected
    assert lines[0] == 'Model: "sequential"'
    assert lines[-1] == f"Total params: {model.count_params():,}"


def test_the_summary_of_the_lecture() -> None:
    """Embedding(10000, 32) and four SimpleRNN(32): 320,000 + 4 × 2,080 = 328,320 parameters, as Keras says."""
    stack = [
        ours.Embedding(10000, 32),
        *(ours.SimpleRNN(32, return_sequences=True) for _ in range(3)),
        ours.SimpleRNN(32),
    ]
    printed: list[str] = []
    model_of(stack, np.zeros((1, STEPS, 1))).summary(print_fn=lambda text, **_: printed.append(text))
    assert "Total params: 328,320" in "".join(printed)
    assert summary_of(LayerList(tuple(stack), 1, STEPS)).endswith("Total params: 328,320")


ATTENTION = [
    ours.Attention(),
    ours.Attention(use_scale=True),
    ours.Attention(use_causal_mask=True),
    ours.MultiHeadAttention(2, 3),
    ours.MultiHeadAttention(3, 2, value_dim=4, use_bias=False, use_causal_mask=True),
]


@pytest.mark.parametrize("layer", ATTENTION, ids=str)
@pytest.mark.parametrize("masked", [False, True])
def test_attention(layer: Any, masked: bool) -> None:
    """A sequence that looks at itself: what Keras gives where query, key and value are the same, with a mask too."""
    random = np.random.default_rng(3)
    case = ListCase([layer], STEPS, 4, 5, mask="nan" if masked else None)
    X = case.X
    present = ~np.isnan(X[:, :, 0])
    filled = np.where(np.isnan(X), random.standard_normal(X.shape), X)  # nobody is to read it
    found = case.network.forward(case.weights, np.where(present[:, :, np.newaxis], X, np.nan))[0]
    weights = [block.view(case.weights) for block in case.network.layout]
    mask = keras.ops.convert_to_tensor(present) if masked else None
    x = keras.ops.convert_to_tensor(filled.astype(np.float32))
    if isinstance(layer, ours.Attention):
        same = keras.layers.Attention(use_scale=layer.use_scale)
        call = {"mask": [mask, mask], "use_causal_mask": layer.use_causal_mask}
        same([x, x], **call)
        same.set_weights([weight.reshape(()) for weight in weights])
        expected = same([x, x], **call)
    else:
        options = {name: getattr(layer, name) for name in ("num_heads", "key_dim", "value_dim", "use_bias")}
        same = keras.layers.MultiHeadAttention(**options)
        call = {"query_mask": mask, "value_mask": mask, "use_causal_mask": layer.use_causal_mask}
        same(x, x, **call)
        shapes = [weight.shape for weight in same.get_weights()]
        same.set_weights([weight.reshape(shape) for weight, shape in zip(weights, shapes, strict=True)])
        expected = same(x, x, **call)
        assert same.count_params() == sum(weight.size for weight in weights)
    difference = np.abs(found - keras.ops.convert_to_numpy(expected))[present]
    assert difference.max() < SINGLE
