"""Convolution, pooling, residual stacks (issue 12) everywhere that networks go: prediction, steppers, masks, states,
files."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.layers import (
    GRU,
    TCN,
    Activation,
    AveragePooling1D,
    Conv1D,
    Dense,
    Dropout,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    LastSteps,
    MaxPooling1D,
    Residual,
    Sequential,
    SpatialDropout1D,
    TimeDistributed,
)
from pytrainr.series import forecast, windows
from pytrainr.threads import limited_threads
from tests.exact.checking import ListCase

STEPS = 9
CAUSAL: list[list[Any]] = [
    [Conv1D(3, 3, padding="causal", dilation_rate=2, activation="tanh")],
    [Conv1D(3, 2, padding="causal"), GRU(3, return_sequences=True), Conv1D(2, 4, padding="causal")],
    [TCN(3, 2, (1, 2, 4), dropout=0.2, return_sequences=True)],
    [Residual(Conv1D(4, 3, padding="causal", dilation_rate=9)), Conv1D(2, 1)],
]
NAMES = ["dilated", "with_gru", "tcn", "residual"]


def data(steps: int = STEPS, samples: int = 6, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal((samples, steps, 2))


def trained(stack: list[Any], X: np.ndarray, **options: Any) -> Model:
    """A model of these layers after two epochs on random targets of the right shape."""
    steps, outputs = ListCase(stack, X.shape[1], X.shape[2]).network.options.shapes()[-1]
    Y = np.random.default_rng(1).uniform(0.2, 0.8, (X.shape[0], steps, outputs))
    given: dict[str, Any] = {"learningrate": 0.01, "batch_size": 4, "numepochs": 2, "epoch_function": []}
    return trainr(Y, X, exact=True, layers=stack, rng=RRandom(1), **{**given, **options})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("stack", CAUSAL, ids=NAMES)
def test_stepper(stack: list[Any], dtype: str) -> None:
    """A stepper gives at every step, to the bit, what predictr gives for the sequence so far; its state goes on."""
    X = data()
    model = trained(stack, X, dtype=dtype)
    step, again = model.stepper(), model.stepper()
    for t in range(STEPS):
        if t == 5:
            again.state = step.state
        y = step(X[0, t])
        assert np.array_equal(y, predictr(model, X[:1, : t + 1], real_output=False)[0, -1])
        if t >= 5:
            assert np.array_equal(again(X[0, t]), y)
    step.reset()
    assert np.array_equal(step(X[1, 0]), predictr(model, X[1:2, :1], real_output=False)[0, 0])


@pytest.mark.parametrize("stack", CAUSAL, ids=NAMES)
def test_prediction_goes_on_from_a_state(stack: list[Any]) -> None:
    """Piece by piece gives what the whole sequences at once give."""
    X = data()
    model = trained(stack, X)
    whole = predictr(model, X, real_output=False)
    state, begin = None, 0
    for end in (1, 5, 6, STEPS):
        y, state = predictr(model, X[:, begin:end], real_output=False, state=state, return_state=True)
        assert np.allclose(y, whole[:, begin:end], rtol=0.0, atol=1e-14)
        begin = end


@pytest.mark.parametrize("stack", CAUSAL, ids=NAMES)
def test_gradient_from_initial_states(stack: list[Any]) -> None:
    """What came before the first step enters the gradient of a convolution's weights."""
    if "TCN" in repr(stack) or "relu" in repr(stack):
        stack = [TCN(3, 2, (1, 2), activation="tanh", return_sequences=True)]
    case = ListCase(stack, steps=4, samples=3)
    states = np.random.default_rng(2).standard_normal((3, case.network.state_width))
    case.network.initial_states = states
    assert case.worst_difference(lambda weights: case.network.forward(weights, case.X, case.Y, states)[1]) < 1e-6


def test_trained_piece_by_piece() -> None:
    """bptt_steps: the window goes over from piece to piece, so at a learning rate of 0 the error is the whole's."""
    X, options = data(10), {"learningrate": 1e-300, "numepochs": 1, "batch_size": 3}
    for stack in CAUSAL[:2]:
        whole, pieces = (trained(stack, X, bptt_steps=steps, **options) for steps in (None, 4))
        assert np.allclose(whole.error, pieces.error, rtol=1e-12)


@pytest.mark.parametrize(
    ("layer", "named"),
    [
        (Conv1D(2, 3), r"Conv1D\(padding='valid'\)"),
        (Conv1D(2, 3, padding="same"), r"Conv1D\(padding='same'\)"),
        (Conv1D(2, 1, strides=2), r"Conv1D\(strides=2\)"),
        (Residual(Sequential([Dense(3), Conv1D(2, 3, padding="same")])), r"Conv1D\(padding='same'\)"),
        (MaxPooling1D(), "MaxPooling1D"),
        (AveragePooling1D(), "AveragePooling1D"),
        (GlobalMaxPooling1D(), "GlobalMaxPooling1D"),
        (GlobalAveragePooling1D(), "GlobalAveragePooling1D"),
    ],
    ids=repr,
)
def test_what_looks_ahead_is_named(layer: Any, named: str) -> None:
    """No stepper, state or training piece by piece where a layer, or one inside it, needs later steps: it is named."""
    X = data()
    model = trained([Dense(2), layer], X)
    with pytest.raises(ValueError, match=f"{named} needs the whole sequence, it has no stepper"):
        model.stepper()
    with pytest.raises(ValueError, match=f"{named} needs the whole sequence, it cannot go on from a state"):
        predictr(model, X, return_state=True)
    with pytest.raises(ValueError, match=rf"layer 2 \({named}\) needs the whole"):
        trained([Dense(2), layer], X, bptt_steps=3)


UNEQUAL = st.sampled_from(
    [
        Conv1D(2, 3, padding="causal", activation="tanh"),
        Conv1D(3, 3, padding="same", dilation_rate=2),
        Conv1D(2, 2),
        Conv1D(2, 2, strides=2),
        Conv1D(2, 3, strides=3, padding="causal"),
        MaxPooling1D(2),
        MaxPooling1D(3, strides=1, padding="same"),
        AveragePooling1D(2, strides=1),
        AveragePooling1D(3, strides=1, padding="same"),
        GlobalMaxPooling1D(),
        GlobalAveragePooling1D(),
        GRU(2, return_sequences=True),
        Residual(Conv1D(3, 2, padding="causal")),
        Dense(3, activation="tanh"),
    ]
)


@settings(max_examples=40, deadline=None)
@given(stack=st.lists(UNEQUAL, min_size=1, max_size=3), lengths=st.lists(st.integers(5, STEPS), min_size=1, max_size=4))
def test_masked_sequences_are_as_by_themselves(stack: list[Any], lengths: list[int]) -> None:
    """Sequences that end early give under a mask what each gives by itself; what comes after its end is no entry."""
    try:
        case = ListCase(stack, STEPS, 2, mask="nan")
        alone = [case.network.options.for_steps(length).shapes()[-1][0] for length in lengths]
    except ValueError as error:  # nothing is left of the shortest
        assert "does not fit" in str(error)
        return
    X = data(samples=len(lengths))
    for sample, length in enumerate(lengths):
        X[sample, length:] = np.nan
    together = case.network.forward(case.weights, X)[0]
    same_steps = together.shape[1] == STEPS
    for sample, (length, steps) in enumerate(zip(lengths, alone, strict=True)):
        y = case.network.forward(case.weights, X[sample : sample + 1, :length])[0]
        assert np.allclose(together[sample : sample + 1, :steps], y, rtol=0.0, atol=1e-12)
        assert same_steps or np.isnan(together[sample, steps:]).all()  # else predictr knows from X


def test_what_takes_no_mask_says_so() -> None:
    X = data()
    X[1:, 6:] = np.nan
    for layer, name in ((Conv1D(2, 3, 2, "same"), "conv1d"), (MaxPooling1D(padding="same"), "max_pooling1d")):
        with pytest.raises(ValueError, match=rf"layer 2 \({name}\) does not fit.*takes no mask"):
            trained([Dense(3), layer], X, mask="nan")


def test_any_length() -> None:
    """predictr takes any length that the windows fit into; an error says what they need."""
    X = data()
    model = trained([Conv1D(3, 3), MaxPooling1D(2), Conv1D(2, 2, padding="same"), GlobalMaxPooling1D()], X)
    assert predictr(model, data(40), real_output=False).shape == (6, 1, 2)
    with pytest.raises(ValueError, match=r"layer 1 \(conv1d\) does not fit the input.*it reads 3 steps at a time"):
        predictr(model, X[:, :2])
    with pytest.raises(ValueError, match=r"layer 1 \(residual\).*its layer makes 7 steps of 9"):
        trained([Residual(Conv1D(2, 3))], X)
    with pytest.raises(ValueError, match=r"layer 1 \(sequential\).*its layer 2, Conv1D, is given 7 steps of 4 variab"):
        trained([Sequential([Conv1D(4, 3), Conv1D(4, 8)])], X)


def test_names_and_numbers() -> None:
    """The table is Keras's; the weights are found by the layer's name; options are checked."""
    X = data()
    model = trained([Conv1D(4, 3, activation="relu"), MaxPooling1D(3), TCN(5, 2, (1, 2)), Dense(2)], X)
    summary = model.summary()
    for shown in ("conv1d (Conv1D)", "(None, 7, 4)", "28", "max_pooling1d (MaxPooling1D)", "(None, 2, 4)"):
        assert shown in summary
    assert [array.shape for array in model.conv1d_weights] == [(6, 4), (4,)]
    assert sum(array.size for array in model.sequential_weights) == (8 + 10) * 5 + 2 * 10 * 5 + 4 * 5 + 4 * 5 + 5
    with pytest.raises(ValueError, match="Conv1D: padding should be 'valid', 'same' or 'causal'"):
        Conv1D(3, 3, padding="full")
    with pytest.raises(ValueError, match="MaxPooling1D: strides should be 1 or more"):
        MaxPooling1D(2, 0)
    with pytest.raises(TypeError, match="Sequential: layers should be a list of layers"):
        Sequential(Dense(3))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="TCN: dilations should be a list"):
        TCN(3, 2, 4)  # type: ignore[arg-type]


def test_time_distributed_containers() -> None:
    """Containers of layers of single steps are layers of single steps; those of others are not."""
    X = data()
    block = Sequential([Dense(4, activation="tanh"), Residual(Dense(4))])
    plain, wrapped = (trained([layer], X) for layer in (block, TimeDistributed(block)))
    assert np.array_equal(predictr(plain, X), predictr(wrapped, X))
    with pytest.raises(ValueError, match="TimeDistributed: layer should treat a step by itself"):
        TimeDistributed(Residual(Conv1D(2, 3, padding="causal")))


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_saved_and_loaded(dtype: str, tmp_path: Any) -> None:
    """A model file keeps containers and what is in them; the loaded model predicts and trains on."""
    X = data()
    stack = [
        TCN(3, 2, (1, 2), dropout=0.1, return_sequences=True),
        Residual(Sequential([Conv1D(3, 3, padding="same"), Dropout(0.1), Activation("tanh")])),
        AveragePooling1D(2),
        LastSteps(2),
    ]
    model = trained(stack, X, dtype=dtype)
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert loaded == model
    assert loaded.layers == tuple(stack)
    assert np.array_equal(predictr(loaded, X), predictr(model, X))
    Y = np.zeros((6, 2, 3))
    on = [trainr(Y, X, model=each, learningrate=0.01, numepochs=1, rng=RRandom(3)) for each in (model, loaded)]
    assert np.array_equal(predictr(on[0], X), predictr(on[1], X))


def test_threads() -> None:
    """How many threads there are changes no bit, in training and prediction."""
    X = np.random.default_rng(0).standard_normal((64, 40, 16))
    models = []
    for threads in (1, 2):
        with limited_threads(threads):
            stack = [Conv1D(32, 5, padding="causal", activation="relu"), Conv1D(32, 5), GlobalMaxPooling1D(), Dense(1)]
            models.append(trained(stack, X, batch_size=64))
    assert np.array_equal(predictr(models[0], X), predictr(models[1], X))


def test_learns_what_needs_a_long_memory() -> None:
    """A TCN learns which of the first steps' values it saw 12 steps ago: no shorter window can."""
    random = np.random.default_rng(0)
    X = random.uniform(-1, 1, (200, 13, 1))
    Y = X[:, :1].copy()
    model = trainr(
        Y,
        X,
        exact=True,
        layers=[TCN(8, 3, (1, 2, 4)), Dense(1)],
        learningrate=0.01,
        update_rule="adam",
        batch_size=20,
        numepochs=30,
        rng=RRandom(1),
        epoch_function=[],
    )
    error = predictr(model, X) - Y[:, :, 0]
    assert (error**2).mean() < 0.02 * Y.var()


def test_forecast() -> None:
    """A convolution over the last rows forecasts a wave that it was trained on."""
    series = np.sin(np.arange(120) * 0.5)
    cut = windows(series, lookback=12)
    stack = [Conv1D(6, 4, activation="tanh"), Conv1D(6, 9, activation="tanh"), Dense(1)]
    options: dict[str, Any] = {"update_rule": "adam", "learningrate": 0.01, "numepochs": 60, "batch_size": 10}
    model = trainr(cut.Y, cut.X, exact=True, layers=stack, rng=RRandom(1), epoch_function=[], **options)
    assert np.abs(forecast(model, series, 10, 12)[:, 0] - np.sin(np.arange(120, 130) * 0.5)).max() < 0.2


def test_spatial_dropout_in_a_tcn_is_for_training_only() -> None:
    assert SpatialDropout1D(0.5) in TCN(3, 2, (1,), dropout=0.5).layers[0].layer.layers  # type: ignore[attr-defined]
    case = ListCase([TCN(3, 2, (1, 2), dropout=0.5), Dense(1)])
    predicted = [case.network.forward(case.weights, case.X)[0] for _ in range(2)]
    assert np.array_equal(*predicted)
