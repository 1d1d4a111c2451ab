"""Networks given as lists of layers (issue 12): gradients against central differences, wherever a layer stands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numba import typeof

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.exact import network
from pytrainr.exact.layer_list import LayerList
from pytrainr.layers import (
    GRU,
    LAYERS,
    LSTM,
    NTM,
    Activation,
    AdaptiveComputation,
    Attention,
    AttentionPooling,
    AveragePooling1D,
    Bidirectional,
    Conv1D,
    Decoder,
    Dense,
    Dropout,
    Flatten,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    Jordan,
    LastSteps,
    LayerNormalization,
    MaxPooling1D,
    MultiHeadAttention,
    PositionalEncoding,
    PositionEmbedding,
    Pyramid,
    RepeatVector,
    Residual,
    Sequential,
    SimpleRNN,
    SpatialDropout1D,
    TimeDistributed,
)
from tests.exact.checking import ListCase

STEP, NEAR_A_BEND = 2e-3, 1e-5

EXAMPLES: dict[str, list[Any]] = {
    "SimpleRNN": [SimpleRNN(3), SimpleRNN(2, activation="logistic", use_bias=False, return_sequences=True)],
    "Jordan": [Jordan(3, outputs=2, return_sequences=True)],
    "GRU": [
        GRU(3),
        GRU(2, return_sequences=True),
        GRU(2, use_bias=False),
        GRU(3, reset_after=False),
        GRU(2, learn_initial_state=True),
        GRU(2, reset_after=False, return_sequences=True),
    ],
    "Decoder": [
        Decoder(GRU(2), 3),
        Decoder(GRU(2), 2, "dot"),
        Decoder(GRU(2, learn_initial_state=True), 3, None, "own", Dense(2, activation="tanh")),
    ],
    "LSTM": [LSTM(3), LSTM(3, learn_initial_state=True), LSTM(3, peephole=True, projection=2, return_sequences=True)],
    "NTM": [
        NTM(2, memory_slots=3, memory_width=2),
        NTM(2, memory_slots=4, memory_width=2, controller="dense", return_sequences=True),
    ],
    "AdaptiveComputation": [AdaptiveComputation(SimpleRNN(2, return_sequences=True), max_steps=2)],
    "Dense": [Dense(3, activation="tanh"), Dense(2, activation="softmax"), Dense(2, use_bias=False)],
    "Activation": [Activation("tanh"), Activation("softmax"), Activation("Gompertz")],
    "Dropout": [Dropout(0.3)],
    "SpatialDropout1D": [SpatialDropout1D(0.3)],
    "LayerNormalization": [
        LayerNormalization(),
        LayerNormalization(0.1, center=False),
        LayerNormalization(scale=False),
    ],
    "Flatten": [Flatten()],
    "RepeatVector": [RepeatVector(3)],
    "TimeDistributed": [TimeDistributed(Dense(2, activation="tanh"))],
    "LastSteps": [LastSteps(2)],
    "Pyramid": [Pyramid(2)],
    "Attention": [
        Attention(),
        Attention(use_scale=True, use_causal_mask=True),
        Attention("additive"),
        Attention("additive", units=3, use_causal_mask=True),
    ],
    "AttentionPooling": [AttentionPooling(), AttentionPooling(units=3), AttentionPooling("dot")],
    "MultiHeadAttention": [
        MultiHeadAttention(2, 3),
        MultiHeadAttention(3, 2, value_dim=1, use_bias=False, use_causal_mask=True),
    ],
    "PositionalEncoding": [PositionalEncoding()],
    "PositionEmbedding": [PositionEmbedding(6)],
    "Bidirectional": [
        Bidirectional(GRU(2, return_sequences=True)),
        Bidirectional(SimpleRNN(2), merge_mode="sum"),
    ],
    "Conv1D": [
        Conv1D(2, 3, padding="causal", dilation_rate=2, activation="tanh"),
        Conv1D(3, 2),
        Conv1D(2, 3, strides=2, padding="same", use_bias=False),
        Conv1D(2, 2, strides=2, padding="causal", activation="softmax"),
        Conv1D(2, 3, padding="same", dilation_rate=2),
        Conv1D(3, 1, strides=3),
    ],
    "MaxPooling1D": [MaxPooling1D(), MaxPooling1D(3, strides=1, padding="same"), MaxPooling1D(2, padding="same")],
    "AveragePooling1D": [AveragePooling1D(), AveragePooling1D(3, 1, "same"), AveragePooling1D(3, 2, padding="same")],
    "GlobalMaxPooling1D": [GlobalMaxPooling1D()],
    "GlobalAveragePooling1D": [GlobalAveragePooling1D()],
    "Residual": [Residual(Dense(2, activation="tanh")), Residual(Conv1D(3, 2, padding="causal"))],
    "Sequential": [Sequential([Dense(2), Activation("tanh")])],
}
"""Each layer with some of its options. A layer that is added is added here, and checked in every place."""

layers = st.sampled_from([layer for examples in EXAMPLES.values() for layer in examples])


def without_dropout(stack: list[Any]) -> bool:
    return not any(isinstance(layer, (Dropout, SpatialDropout1D)) for layer in stack)


def fitting(stack: list[Any], steps: int, width: int, mask: str | None) -> None:
    """Leave out the lists in which a layer does not fit the one before, or takes no mask."""
    try:
        LayerList(tuple(stack), width, steps, padded=mask is not None).check()
    except ValueError as error:
        assume("does not fit" not in str(error))
        raise


@settings(max_examples=25, deadline=None)
@given(
    stack=st.lists(layers, min_size=1, max_size=4).filter(without_dropout),
    steps=st.integers(1, 6),
    width=st.integers(1, 3),
    samples=st.integers(1, 4),
    mask=st.sampled_from([None, "nan"]),
    seed=st.integers(0, 9),
)
def test_gradient_of_any_list(
    stack: list[Any], steps: int, width: int, samples: int, mask: str | None, seed: int
) -> None:
    """The gradient is that of the loss, for lists of any layers on any shape, masked or not."""
    fitting(stack, steps, width, mask)
    case = ListCase(stack, steps, width, samples, seed, mask=mask)
    # a maximum has a bend, which the smaller step does not reach
    assert any(case.worst_difference(step=step) < 1e-5 for step in (STEP, STEP / 100))


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_has_an_example(name: str) -> None:
    """No layer of the registry is left out of the property above, but for those with a test of their own."""
    assert name in EXAMPLES or name in ("EchoState", "Embedding")


def data(samples: int = 40) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    X = random.standard_normal((samples, 6, 2))
    return X, 1 / (1 + np.exp(-X.sum(axis=(1, 2))))[:, np.newaxis, np.newaxis]


def test_a_list_trains_is_saved_and_predicts(tmp_path: Any) -> None:
    """trainr(layers=…) learns; the model keeps its list and its weights by layer, on the disk too."""
    X, Y = data()
    stack = [Bidirectional(GRU(4, return_sequences=True)), GRU(3), Dense(1, activation="logistic")]
    model = trainr(
        Y,
        X,
        exact=True,
        layers=stack,
        learningrate=0.05,
        update_rule="adam",
        batch_size=8,
        numepochs=15,
        rng=RRandom(1),
        epoch_function=[],
    )
    assert model.layers == tuple(stack)
    assert model.mean_error[-1] < 0.5 * model.mean_error[0]
    assert [array.shape for array in model.gru_weights] == [(8, 9), (3, 9), (9,), (9,)]
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded == model
    assert np.array_equal(predictr(loaded, X), predictr(model, X))


def test_a_shorthand_shows_its_list() -> None:
    """model.layers of a shorthand is the list that it stands for; trained from that, it is the same network."""
    X, Y = data()
    model = trainr(
        Y, X, exact=True, network_type="gru", hidden_dim=3, learningrate=0.1, use_bias=True, epoch_function=[]
    )
    assert model.layers == (GRU(3, reset_after=False), Dense(1, activation="logistic"))
    assert model.summary().endswith(f"Total params: {model.count_params()}")
    assert model.count_params() == 3 * 3 * (2 + 3 + 1) + 4


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"layers": [GRU(3)]}, "Y has 1 steps of 1 variables.*puts out 1 of 3"),
        ({"layers": []}, "layers should be a list of layers"),
        ({"layers": [3]}, "layers should hold layers"),
        ({"layers": [Activation("tanh")]}, "layers should have weights to train"),
        ({"layers": [Dense(1)], "bidirectional": True}, "bidirectional is a shorthand"),
        ({"layers": [{"kind": "Nothing"}]}, "there is no 'Nothing'"),
        ({"layers": [{"kind": "Dense", "unit": 1}]}, "Dense has no option 'unit'"),
    ],
)
def test_errors_teach(arguments: dict[str, Any], says: str) -> None:
    X, Y = data()
    with pytest.raises((TypeError, ValueError), match=says):
        trainr(Y, X, exact=True, learningrate=0.1, epoch_function=[], **arguments)


def test_options_are_checked() -> None:
    """A layer's options are checked where it is made."""
    with pytest.raises(ValueError, match="GRU: units should be 1 or more"):
        GRU(0)
    with pytest.raises(TypeError, match="Dense: units should be a whole number"):
        Dense(2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="Dense: activation should be one of"):
        Dense(2, activation="sine")


def dropped(layer: Any) -> np.ndarray:
    """What a layer of dropout leaves of X = 1, (samples, steps, variables): the gradient at weights 0 shows it."""
    left = []
    for seed in range(4):
        case = ListCase([layer, Flatten(), Dense(1, use_bias=False)], 20, 10, 1, X=np.ones((1, 20, 10)))
        case.weights[:], case.Y[:], case.model.dropout_seed = 0.0, 1.0, seed
        gradient, _ = case.gradient(case.weights)
        left.append(-case.network.layout.find("dense_weights", 0).view(gradient).reshape(20, 10))
    return np.array(left)


def test_dropout() -> None:
    """A share of the numbers is left out and the others are larger by as much; spatially, whole variables are."""
    left = dropped(Dropout(0.25))
    assert np.allclose(np.unique(left), [0.0, 4 / 3], rtol=1e-12)
    assert 0.2 < (left == 0.0).mean() < 0.3
    assert not (left == left[:, :1]).all()
    spatial = dropped(SpatialDropout1D(0.25))
    assert np.allclose(np.unique(spatial), [0.0, 4 / 3], rtol=1e-12)
    assert (spatial == spatial[:, :1]).all()
    case = ListCase([Dropout(0.5), Dense(2)])
    assert np.array_equal(case.network.forward(case.weights, case.X)[0], case.network.forward(case.weights, case.X)[0])


def test_lengths_that_layers_allow() -> None:
    """predictr takes any length, unless weights count the steps; a layer that is not causal has no stepper."""
    X, Y = data()
    options: dict[str, Any] = {"exact": True, "learningrate": 0.01, "epoch_function": []}
    model = trainr(Y, X, layers=[GRU(3), LayerNormalization(), Dense(1)], **options)
    assert predictr(model, X[:, :2]).shape == (40, 1)
    counted = trainr(Y, X, layers=[TimeDistributed(Dense(2)), Flatten(), Dense(1)], **options)
    with pytest.raises(ValueError, match=r"X has 2 time steps, it should have 6 as in training.*layer 3 \(Dense\)"):
        predictr(counted, X[:, :2])
    with pytest.raises(ValueError, match="Flatten needs the whole sequence, it has no stepper"):
        counted.stepper()
    step = model.stepper()
    for x in X[0]:
        y = step(x)
    assert np.allclose(y, predictr(model, X[:1])[0], rtol=0.0, atol=1e-12)
    with pytest.raises(ValueError, match="TimeDistributed: layer should treat a step by itself"):
        TimeDistributed(GRU(2))


def test_what_is_announced_is_what_training_calls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Helpers compile the epoch's loop for the very types that training calls it with."""
    announced, called = [], []
    monkeypatch.setattr(network, "compile_ahead", lambda function, *arguments: announced.append(arguments))
    monkeypatch.setattr(network, "run_groups", lambda *arguments: called.append(arguments) or 1)
    X, Y = data(1)
    trainr(Y, X, exact=True, layers=[GRU(3), Dense(1)], learningrate=0.1, epoch_function=[])
    assert list(map(typeof, announced[0])) == list(map(typeof, called[0]))
