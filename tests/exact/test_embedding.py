"""Embeddings (issue 12): tokens as X, masks by token 0, gradients and updates of only the rows that a group read."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.layers import GRU, LSTM, Dense, Dropout, Embedding, Flatten, LastSteps, SimpleRNN
from tests.exact.checking import STOP, ListCase

TOKENS = 7


def token_case(above: list[Any], seed: int = 0, samples: int = 4, steps: int = 5, **options: Any) -> ListCase:
    """A network that reads tokens; the first of them is 5 everywhere."""
    mask_zero = options.pop("mask_zero", False)
    X = np.random.default_rng(seed).integers(0, TOKENS, (samples, steps, 1)).astype(float)
    X[:, 0] = 5.0
    return ListCase([Embedding(TOKENS, 3, mask_zero), *above], steps, 1, samples, seed, X=X, **options)


@settings(max_examples=10, deadline=None)
@given(
    above=st.sampled_from([[], [GRU(2)], [LSTM(3, return_sequences=True), Dense(2)], [Flatten(), Dense(2)]]),
    mask_zero=st.booleans(),
    steps=st.integers(1, 5),
    samples=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_gradient(above: list[Any], mask_zero: bool, steps: int, samples: int, seed: int) -> None:
    """The gradient of every row is that of the loss, masked by token 0 or not."""
    if mask_zero and above and isinstance(above[0], Flatten):
        above = [LastSteps(2)]
    case = token_case(above, seed, samples, steps, mask_zero=mask_zero)
    assert case.worst_difference(step=2e-3) < 1e-5


def trained(case: ListCase, rule: str, groups: list[list[int]], **options: Any) -> dict[str, np.ndarray]:
    """All that training keeps after the given groups, the weights among it."""
    for name, value in {"update_rule": rule, "learningrate": 0.1, **options}.items():
        case.model[name] = value
    case.network = type(case.network)(case.model)
    state = {suffix: case.network.layout.zeros() for suffix in case.network.slots}
    state["weights"] = case.weights.copy()
    order, starts = np.concatenate(groups), np.cumsum([0, *map(len, groups)])
    batch = SimpleNamespace(X=case.X, Y=case.Y, order=order, starts=starts, error=np.zeros(order.size))
    case.network.run_groups(case.model, state, batch, 0, RRandom(1), STOP)
    return state


def one_hot(case: ListCase) -> ListCase:
    """The same network without an embedding: one-hot vectors and a matrix."""
    above = case.network.options.layers[1:]
    X = np.eye(TOKENS)[case.X[:, :, 0].astype(int)]
    same = ListCase([Dense(3, use_bias=False), *above], X.shape[1], TOKENS, X.shape[0], X=X)
    same.weights, same.Y = case.weights.copy(), case.Y
    return same


GROUPS = [[0, 1], [2], [3, 0, 2]]


@pytest.mark.parametrize(
    ("rule", "options"), [("sgd", {}), ("sgd", {"clip_norm": 0.2}), ("adagrad", {}), ("adagrad", {"clipping": 0.01})]
)
def test_rows_that_were_read_are_all_that_changes(rule: str, options: dict[str, float]) -> None:
    """Where a rule leaves alone what has no gradient, updating some rows is the same as updating all."""
    case = token_case([GRU(2)], scale=0.5)
    case.X[case.X == 6.0] = 1.0
    sparse = trained(case, rule, GROUPS, **options)
    dense = trained(one_hot(case), rule, GROUPS, **options)
    assert np.allclose(sparse["weights"], dense["weights"], rtol=0.0, atol=1e-13)
    rows = case.network.layout.find("embedding_weights", 0)
    assert np.array_equal(rows.view(sparse["weights"])[6], rows.view(case.weights)[6])


def test_adam_is_lazy_as_in_pytorch() -> None:
    """adam's moments of a row stand still while it is not read: torch.optim.SparseAdam, to 1e-9."""
    torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'pytrainr[test]'")
    case = token_case([Dense(2, use_bias=False)], scale=0.5, steps=2)
    ours = trained(case, "adam", GROUPS, epsilon=1e-30)["weights"]
    blocks = {block.field: block for block in case.network.layout}
    rows = torch.nn.Embedding(TOKENS, 3, sparse=True, dtype=torch.float64)
    rows.weight.data = torch.tensor(blocks["embedding_weights"].view(case.weights))
    kernel = torch.tensor(blocks["dense_weights"].view(case.weights), requires_grad=True)
    optimisers = [
        torch.optim.SparseAdam(rows.parameters(), 0.1, eps=1e-30),
        torch.optim.Adam([kernel], 0.1, eps=1e-30),
    ]
    X, Y = torch.tensor(case.X[:, :, 0]).long(), torch.tensor(case.Y)
    for group in GROUPS:
        for optimiser in optimisers:
            optimiser.zero_grad()
        (0.5 * ((rows(X[group]) @ kernel - Y[group]) ** 2).sum()).backward()
        for optimiser in optimisers:
            optimiser.step()
    for block, theirs in ((blocks["embedding_weights"], rows.weight), (blocks["dense_weights"], kernel)):
        assert np.abs(block.view(ours) - theirs.detach().numpy()).max() < 1e-9


def test_a_row_of_a_large_embedding_costs_a_row() -> None:
    """What has no part in a group is not even looked at: it may be NaN."""
    case = token_case([GRU(2)])
    case.X[case.X == 6.0] = 1.0
    case.network.layout.find("embedding_weights", 0).view(case.weights)[6] = np.nan
    after = trained(case, "adam", GROUPS)["weights"]
    assert np.count_nonzero(np.isnan(after)) == 3


def tokens(samples: int = 60, steps: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Sequences, padded with 0 at the end; the class is whether token 1 comes before the end."""
    random = np.random.default_rng(1)
    X = random.integers(1, TOKENS, (samples, steps))
    X[np.arange(steps) >= random.integers(1, steps + 1, (samples, 1))] = 0
    return X, (X == 1).any(axis=1).astype(float)[:, np.newaxis, np.newaxis]


OPTIONS: dict[str, Any] = {"exact": True, "learningrate": 0.03, "update_rule": "adam", "batch_size": 6}
OPTIONS |= {"numepochs": 25, "epoch_function": []}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_learns_is_saved_and_steps(tmp_path: Any, dtype: str) -> None:
    """Integers as X, (samples, steps) or with a last dimension of 1; a stepper takes a token a step; files keep it."""
    X, Y = tokens()
    stack = [Embedding(TOKENS, 4, mask_zero=True), GRU(6), Dropout(0.1), Dense(1, activation="sigmoid")]
    model = trainr(
        Y, X, layers=stack, loss="binary_crossentropy", dtype=dtype, metrics=["accuracy"], rng=RRandom(2), **OPTIONS
    )
    assert model.training_accuracy[-1] > 0.95
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    whole = predictr(loaded, X[:, :, np.newaxis])
    assert np.array_equal(whole, predictr(model, X))
    step = model.stepper()
    for token in X[3]:
        y = step(float(token))
        assert np.isnan(y[0]) == (token == 0)
        if token:
            last = y[0]
    assert abs(last - whole[3, 0]) < 1e-6
    with pytest.raises(ValueError, match=r"x\[0, 0, 0\] is 7.*whole numbers from 0 to 6"):
        step(7.0)


def test_padding_changes_nothing() -> None:
    """With mask_zero a sequence gives the same whatever zeros follow it, and no loss where it has ended."""
    X, Y = tokens(8)
    model = trainr(Y, X, layers=[Embedding(TOKENS, 4, mask_zero=True), LSTM(3), Dense(1)], **OPTIONS)
    longer = np.concatenate([X, np.zeros((8, 3), int)], axis=1)
    assert np.allclose(predictr(model, longer), predictr(model, X), rtol=0.0, atol=1e-12)
    case = token_case([SimpleRNN(2, return_sequences=True)], mask_zero=True)
    case.X[:, 3:] = 0.0
    loss = case.loss(case.weights)
    case.Y[:, 3:] = 100.0
    assert case.loss(case.weights) == loss
    assert np.isnan(case.network.forward(case.weights, case.X)[0][:, 3:]).all()


@pytest.mark.parametrize(
    ("X", "stack", "says"),
    [
        (np.full((4, 3), 7), [Embedding(7, 2), GRU(1)], r"X\[0, 0, 0\] is 7.*whole numbers from 0 to 6"),
        (np.full((4, 3), -1), [Embedding(7, 2), GRU(1)], r"X\[0, 0, 0\] is -1"),
        (np.full((4, 3), 0.5), [Embedding(7, 2), GRU(1)], r"X\[0, 0, 0\] is 0.5"),
        (np.zeros((4, 3, 2)), [Embedding(7, 2), GRU(1)], "needs one variable"),
        (np.zeros((4, 3)), [Dense(1), Embedding(7, 2), GRU(1)], "embedding.* does not fit .*it should be the first"),
        (np.zeros((4, 3)), [Embedding(7, 2, mask_zero=True), Flatten(), Dense(1)], "flatten.*without a mask"),
    ],
)
def test_errors(X: np.ndarray, stack: list[Any], says: str) -> None:
    """No token reaches compiled code unless it has a row, in training, validation or prediction."""
    with pytest.raises(ValueError, match=says):
        trainr(np.zeros((4, 1, 1)), X, exact=True, layers=stack, learningrate=0.1, epoch_function=[])


def test_tokens_are_checked_everywhere() -> None:
    X, Y = tokens(8)
    stack = [Embedding(TOKENS, 2), GRU(2), Dense(1)]
    wrong = np.full((2, 5), 9)
    with pytest.raises(ValueError, match=r"X\[0, 0, 0\] of validation is 9"):
        trainr(Y, X, layers=stack, validation=(wrong, Y[:2]), **OPTIONS)
    model = trainr(Y, X, layers=stack, **OPTIONS)
    with pytest.raises(ValueError, match="is 9"):
        predictr(model, wrong)
    with pytest.raises(ValueError, match="is 9"):
        trainr(Y[:2], wrong, model)
    with pytest.raises(ValueError, match="mask_zero=True says which"):
        trainr(Y, X, layers=[Embedding(TOKENS, 2, mask_zero=True), GRU(1)], mask="nan", **OPTIONS)


def test_lecture_model() -> None:
    """The lecture's network: 320,000 + 4 × 2,080 = 328,320 parameters in Keras's table."""
    X = np.zeros((4, 2), int)
    layers = [Embedding(10000, 32), *[SimpleRNN(32, return_sequences=True)] * 3, SimpleRNN(32)]
    model = trainr(np.zeros((4, 1, 32)), X, exact=True, layers=layers, learningrate=0.1, epoch_function=[])
    summary = model.summary()
    assert 'Model: "sequential"' in summary
    assert "Total params: 328,320" in summary
    assert summary.count("2,080") == 4
    assert "320,000" in summary


def test_a_loss_function_of_ones_own_comes_between() -> None:
    """With a loss_function between gradient and update the same rows are updated; pieces of a sequence have their
    own."""
    X, Y = tokens(12)
    stack = [Embedding(TOKENS, 2), GRU(2), Dense(1)]
    own, compiled = (
        trainr(Y, X, layers=stack, rng=RRandom(1), **more, **OPTIONS)
        for more in ({"loss_function": lambda model: model}, {})
    )
    assert np.array_equal(predictr(own, X), predictr(compiled, X))
    stack = [Embedding(TOKENS, 2), GRU(2, return_sequences=True), Dense(1)]
    model = trainr(np.repeat(Y, 5, axis=1), X, layers=stack, bptt_steps=2, rng=RRandom(1), **OPTIONS)
    assert model.mean_error[-1] < model.mean_error[0]
