"""A stepper gives, step by step, the bits of ``predictr`` for a sample predicted alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytrainr import Model, RRandom, int2bin, layers, predictr, trainr
from pytrainr.series import Normalisation


def trained(exact: bool, inputs: int = 2, outputs: int = 1, seed: int = 1, **options: Any) -> tuple[Model, np.ndarray]:
    """A model, and sequences to predict."""
    random = np.random.default_rng(seed)
    X, Y = random.normal(size=(6, 5, inputs)), random.uniform(size=(6, 5, outputs))
    if options.get("output") == "softmax":
        Y /= Y.sum(axis=2, keepdims=True)
    if options.pop("many_to_one", False):
        Y = Y[:, -1:]
    model = trainr(Y, X, learningrate=0.1, exact=exact, rng=RRandom(seed), epoch_function=[], **options)
    return model, random.normal(size=(4, 7, inputs))


def alone(model: Model, X: np.ndarray) -> np.ndarray:
    """(samples, time, outputs), each sample predicted by itself."""
    return np.concatenate([predictr(model, X[k : k + 1], real_output=False) for k in range(len(X))])


def assert_steps_equal(model: Model, X: np.ndarray, expected: np.ndarray | None = None) -> None:
    expected = alone(model, X) if expected is None else expected
    step = model.stepper()
    for sample, wanted in zip(X, expected, strict=True):
        step.reset()
        assert np.array_equal([step(x) for x in sample], wanted, equal_nan=True)
    together = model.stepper(samples=len(X))
    assert np.array_equal([together(X[:, t]) for t in range(X.shape[1])], expected.swapaxes(0, 1), equal_nan=True)


R_KINDS: list[dict[str, Any]] = [
    *({"network_type": kind} for kind in ("rnn", "gru", "lstm")),
    *({"network_type": kind, "use_bias": True, "hidden_dim": (5, 3)} for kind in ("rnn", "gru", "lstm")),
    *({"sigmoid": sigmoid, "use_bias": True, "outputs": 3} for sigmoid in ("tanh", "Gompertz")),
    {"network_type": "lstm", "hidden_dim": (17, 9, 4), "inputs": 1, "outputs": 2, "use_bias": True},
    {"network_type": "gru", "seq_to_seq_unsync": True},
]
EXACT_KINDS: list[dict[str, Any]] = [
    *({"network_type": kind, "use_bias": True} for kind in ("rnn", "gru", "lstm", "jordan", "esn")),
    *({"network_type": kind, "hidden_dim": (17, 5), "outputs": 3} for kind in ("rnn", "gru", "lstm", "jordan")),
    {"network_type": "lstm", "peephole": True, "proj_size": 3, "hidden_dim": (6, 5), "use_bias": True},
    {"network_type": "gru", "dropout": 0.3, "recurrent_dropout": 0.2},
    {"output": "softmax", "outputs": 3},
    {"sigmoid": "relu", "output": "linear", "inputs": 1},
    {"network_type": "lstm", "many_to_one": True},
    {"network_type": "lstm", "dtype": "float32", "use_bias": True},
]


@pytest.mark.parametrize("options", R_KINDS, ids=str)
def test_steps_are_predictrs_in_r(options: dict[str, Any]) -> None:
    assert_steps_equal(*trained(False, **options))


@pytest.mark.parametrize("options", EXACT_KINDS, ids=str)
def test_steps_are_predictrs_in_exact(options: dict[str, Any]) -> None:
    model, X = trained(True, **options)
    if options.get("many_to_one"):  # the output at each step is that of the sequence up to there
        ends = [alone(model, X[:, : t + 1])[:, -1] for t in range(X.shape[1])]
        assert_steps_equal(model, X, np.stack(ends, axis=1))
    else:
        assert_steps_equal(model, X)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(
    exact=st.booleans(),
    network_type=st.sampled_from(["rnn", "gru", "lstm"]),
    hidden_dim=st.lists(st.integers(1, 19), min_size=1, max_size=3),
    inputs=st.integers(1, 4),
    outputs=st.integers(1, 3),
    use_bias=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_steps_are_predictrs_whatever_the_shape(exact: bool, **options: Any) -> None:
    assert_steps_equal(*trained(exact, **options))


@pytest.mark.parametrize("exact", [False, True])
def test_raw_numbers_go_in_and_come_out(exact: bool) -> None:
    values = np.random.default_rng(0).normal(20.0, 5.0, (40, 2))
    scale = Normalisation.by_range(values)
    scaled = scale.apply(values)
    X = np.stack([scaled[k : k + 5] for k in range(30)])
    Y = np.stack([scaled[k + 1 : k + 6, :1] for k in range(30)])
    model = trainr(
        Y, X, learningrate=0.1, exact=exact, rng=RRandom(1), epoch_function=[], use_bias=True, **scale.fields()
    )
    raw = np.stack([values[k : k + 6] for k in range(3)])
    assert_steps_equal(model, raw)
    assert alone(model, raw).min() > 1.0  # raw indeed


def test_a_step_without_entry_holds_the_state() -> None:
    random = np.random.default_rng(0)
    X, Y = random.normal(size=(6, 5, 2)), random.uniform(size=(6, 5, 1))
    X[1, 3:] = Y[1, 3:] = np.nan
    model = trainr(Y, X, learningrate=0.1, exact=True, mask="nan", rng=RRandom(1), epoch_function=[])
    X = random.normal(size=(3, 6, 2))
    X[1, 2, 0] = X[2, 4:] = np.nan
    assert_steps_equal(model, X)


@pytest.mark.parametrize("exact", [False, True])
def test_state_can_be_kept_and_put_back(exact: bool) -> None:
    model, X = trained(exact, network_type="lstm", hidden_dim=(4, 3))
    step = model.stepper()
    first = step(X[0, 0])
    state = step.state
    second = step(X[0, 1])
    assert not np.array_equal(state, step.state)  # a copy, which the second step has not changed
    step.state = state
    assert np.array_equal(step(X[0, 1]), second)
    step.reset()
    assert np.array_equal(step(X[0, 0]), first)
    if exact:
        step.state = predictr(model, X[:1, :3], return_state=True)[1]
        assert np.array_equal(step(X[0, 3]), predictr(model, X[:1, :4])[0, -1:])
    with pytest.raises(ValueError, match=r"state should be numbers of the shape \(1, 14\)"):
        step.state = np.zeros(3)


@pytest.mark.parametrize("form", [list, tuple, np.asfortranarray, lambda x: np.repeat(x, 2)[::2]])
def test_x_may_have_any_form(form: Any) -> None:
    model, X = trained(False)
    step, wanted = model.stepper(), alone(model, X[:1])[0]
    assert np.array_equal([step(form(x)) for x in X[0]], wanted)


def test_x_may_be_a_number_and_the_result_may_have_its_place() -> None:
    model, X = trained(False, inputs=1)
    step, wanted, out = model.stepper(), alone(model, X[:1])[0], np.empty(1)
    assert np.array_equal([step(float(x[0])) for x in X[0]], wanted)
    step.reset()
    assert step(X[0, 0], out) is out
    assert out == wanted[0]
    step.reset()
    assert np.array_equal(step(2), model.stepper()([2.0]))


def test_a_stepper_keeps_the_weights_it_was_made_of() -> None:
    model, X = trained(False)
    step, wanted = model.stepper(), alone(model, X[:1, :1])[0, 0]
    model.time_synapse[0][...] = 0.0
    assert np.array_equal(step(X[0, 0]), wanted)
    assert not np.array_equal(model.stepper()(X[0, 0]), wanted)


def test_what_is_wrong_with_x_is_said_and_changes_nothing() -> None:
    model, X = trained(False)
    step = model.stepper()
    step(X[0, 0])
    before = step.state
    for wrong, error, message in (
        ([np.nan, 1.0], ValueError, "x should hold finite numbers only, it is \\[nan, 1.0\\]"),
        ([1.0, np.inf], ValueError, "finite"),
        ([1.0], ValueError, r"of the shape \(2,\) \(inputs,\), its shape is \(1,\)"),
        (1.0, ValueError, "its shape is"),
        (["a", "b"], TypeError, "x should hold numbers"),
        ([None, 1.0], TypeError, "x should hold numbers"),
    ):
        with pytest.raises(error, match=message):
            step(wrong)
    with pytest.raises(ValueError, match=r"out should be an array of the shape \(1,\)"):
        step(X[0, 0], np.empty((1, 1)))
    step.state = before
    assert np.array_equal(step(X[0, 1]), alone(model, X[:1, :2])[0, 1])
    with pytest.raises(ValueError, match="samples should be a whole number"):
        model.stepper(samples=0)


@pytest.mark.parametrize("option", [{"bidirectional": True}, {"attention": True}, {"pyramid": 2, "hidden_dim": (3, 3)}])
def test_a_network_of_whole_sequences_has_none(option: dict[str, Any]) -> None:
    model, _ = trained(True, many_to_one=True, **option)
    with pytest.raises(ValueError, match="no stepper; use predictr"):
        model.stepper()


def test_one_to_many_has_none() -> None:
    Y = int2bin(np.arange(8), 3)[:, :, np.newaxis]
    model = trainr(Y, Y[:, :1], learningrate=0.1, exact=True, rng=RRandom(1), epoch_function=[])
    with pytest.raises(ValueError, match="one-to-many"):
        model.stepper()


def test_layers_that_read_a_last_step_alone_have_no_stepper() -> None:
    """A recurrent layer above another's last step would read all steps, one by one: an error names both, wherever a
    sequence is taken piece by piece. What keeps no state may stand there."""
    X = np.random.default_rng(0).standard_normal((4, 5, 2))
    quiet = {"learningrate": 0.01, "exact": True, "epoch_function": []}
    model = trainr(X[:, :1, :1], X, layers=[layers.GRU(3), layers.LSTM(2), layers.Dense(1)], **quiet)
    with pytest.raises(ValueError, match="LSTM above GRU, of which it reads the last steps alone"):
        model.stepper()
    _, state = predictr(model, X, return_state=True)
    with pytest.raises(ValueError, match="LSTM above GRU"):
        predictr(model, X, state=state)
    with pytest.raises(ValueError, match="LSTM above GRU"):
        trainr(X[:, :1, :1], X, layers=[layers.GRU(3), layers.LSTM(2), layers.Dense(1)], bptt_steps=2, **quiet)
    stack = [layers.GRU(3), layers.SpatialDropout1D(0.1), layers.LayerNormalization(), layers.Dense(1)]
    model = trainr(X[:, :1, :1], X, layers=stack, **quiet)
    step = model.stepper()
    assert [step(x) for x in X[0]][-1] == predictr(model, X[:1])[0, -1]
