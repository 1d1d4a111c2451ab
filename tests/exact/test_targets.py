"""What trainr(exact=True) takes beside X and Y (issue 12, point 5): classes as integers, weights, metrics, states."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, predictr, trainr
from pytrainr.exact.reservoir import ridge
from pytrainr.layers import GRU, LSTM, Bidirectional, Dense, EchoState, LastSteps, SimpleRNN

OPTIONS: dict[str, Any] = {"exact": True, "learningrate": 0.02, "update_rule": "adam", "batch_size": 6}
OPTIONS |= {"numepochs": 4, "epoch_function": []}
CLASSIFIER = [GRU(5), Dense(3, activation="softmax")]
SPARSE, ONE_HOT = "sparse_categorical_crossentropy", "categorical_crossentropy"


def data(samples: int = 30, steps: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Sequences of two variables and a class of three: how often the sum is positive, roughly."""
    X = np.random.default_rng(3).standard_normal((samples, steps, 2))
    return X, np.digitize(X.sum(axis=(1, 2)), [-1.0, 1.0])[:, np.newaxis, np.newaxis]


def trained(Y: np.ndarray, X: np.ndarray, **options: Any) -> Model:
    return trainr(Y, X, rng=RRandom(4), **{**OPTIONS, **options})


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_classes_are_one_hot_vectors(tmp_path: Any, dtype: str) -> None:
    """Integer targets train what one-hot targets train, to the bit, and are kept in files."""
    X, Y = data()
    sparse = trained(Y, X, layers=CLASSIFIER, loss=SPARSE, dtype=dtype, validation=0.2)
    one_hot = trained(np.eye(3)[Y[:, :, 0]], X, layers=CLASSIFIER, loss=ONE_HOT, dtype=dtype, validation=0.2)
    assert np.array_equal(sparse.error, one_hot.error)
    assert np.array_equal(sparse.validation_loss, one_hot.validation_loss)
    assert predictr(sparse, X).shape == (30, 1, 3)
    sparse.save(tmp_path / "model")
    again = trainr(Y, X, Model.load(tmp_path / "model"), rng=RRandom(1))
    assert np.array_equal(predictr(sparse, X), predictr(Model.load(tmp_path / "model"), X))
    assert again.mean_error[-1] < sparse.mean_error[0]


@pytest.mark.parametrize(
    ("Y", "options", "says"),
    [
        (3, {}, r"Y\[0, 0, 0\] is 3.*whole numbers from 0 to 2"),
        (0.5, {}, r"Y\[0, 0, 0\] is 0.5"),
        (0, {"metrics": ["mae"]}, "there is only 'accuracy'"),
        (0, {"metrics": ["acuracy"]}, "did you mean 'accuracy'"),
        (0, {"sample_weight": np.ones(3)}, r"sample_weight should be numbers, one a sample \(30\)"),
        (0, {"sample_weight": np.full(30, -1.0)}, r"sample_weight\[0\] is -1"),
        (0, {"class_weight": "balanced"}, "class_weight should be the weight of each class"),
        (0, {"layers": [GRU(3), Dense(3)]}, "needs outputs between 0 and 1"),
        (0, {"layers": None, "output": "softmax", "hidden_dim": 2}, "needs layers"),
        (0, {"initial_state": np.zeros((30, 4))}, r"initial_state should be .*\(30, 5\)"),
    ],
)
def test_errors(Y: float, options: dict[str, Any], says: str) -> None:
    X, classes = data()
    with pytest.raises(ValueError, match=says):
        trained(np.full(classes.shape, Y), X, **{"layers": CLASSIFIER, "loss": SPARSE, **options})


def test_a_weight_is_as_many_samples() -> None:
    """A sample of weight 2 counts as two, one of weight 0 as none: gradient and validation loss."""
    X, Y = data(12)
    weight = np.array([2.0] * 4 + [0.0] * 4 + [1.0] * 4)
    rows = [0, 0, 1, 1, 2, 2, 3, 3, 8, 9, 10, 11]
    options: dict[str, Any] = {"layers": CLASSIFIER, "loss": SPARSE, "update_rule": "sgd", "numepochs": 3}
    options |= {"batch_size": 12, "validation": (X, Y)}
    weighted = trained(Y, X, sample_weight=weight, **options)
    repeated = trained(Y[rows], X[rows], **options)
    assert np.allclose(predictr(weighted, X), predictr(repeated, X), rtol=0.0, atol=1e-12)
    assert np.allclose(weighted.validation_loss, repeated.validation_loss, rtol=1e-12)
    per_step = trained(Y, X, sample_weight=weight[:, np.newaxis], **options)
    assert np.array_equal(predictr(per_step, X), predictr(weighted, X))


def test_class_weight_is_a_weight_by_class() -> None:
    """class_weight multiplies the loss of each class's targets, integers or one-hot, and the sample's own weight."""
    X, Y = data()
    by_class = np.array([1.0, 4.0, 0.5])
    own = np.linspace(0.5, 2.0, 30)
    weights = own * by_class[Y[:, 0, 0]]
    expected = trained(Y, X, layers=CLASSIFIER, loss=SPARSE, sample_weight=weights)
    given: dict[str, Any] = {"layers": CLASSIFIER, "sample_weight": own}
    for model in (
        trained(Y, X, loss=SPARSE, class_weight={1: 4.0, 2: 0.5}, **given),
        trained(np.eye(3)[Y[:, :, 0]], X, loss=ONE_HOT, class_weight=list(by_class), **given),
    ):
        assert np.array_equal(predictr(model, X), predictr(expected, X))
    with pytest.raises(ValueError, match="class_weight needs targets that are classes"):
        trained(Y / 2, X, layers=[GRU(2), Dense(1)], class_weight=[1.0, 2.0])


def test_weights_of_the_shorthand_and_of_held_out_samples() -> None:
    """sample_weight goes with the options that are a shorthand too; of samples held out it weighs the validation."""
    X, _ = data()
    Y = 1 / (1 + np.exp(-X.cumsum(axis=1).sum(axis=2, keepdims=True)))
    weight = np.linspace(0.0, 1.0, 30)
    options: dict[str, Any] = {"network_type": "gru", "hidden_dim": 3, "validation": 0.2}
    model = trained(Y, X, sample_weight=weight, **options)
    errors = 0.5 * (predictr(model, X) - Y[:, :, 0]) ** 2
    best = int(model.best_epoch) - 1
    assert np.isclose(model.validation_loss[best], (errors[24:].sum(axis=1) * weight[24:]).mean(), rtol=1e-9)


def test_metrics(tmp_path: Any) -> None:
    """Per epoch, on the data trained on and on validation's; those of the last epoch can be computed again."""
    X, Y = data()
    model = trained(Y, X, layers=CLASSIFIER, loss=SPARSE, metrics="accuracy", validation=(X[:9], Y[:9]), numepochs=6)
    assert model.training_accuracy.shape == model.validation_accuracy.shape == (6,)
    right = predictr(model, X)[:, 0].argmax(axis=1) == Y[:, 0, 0]
    assert model.training_accuracy[model.best_epoch - 1] == right.mean()
    assert model.validation_accuracy[model.best_epoch - 1] == right[:9].mean()
    model.save(tmp_path / "model")
    assert Model.load(tmp_path / "model") == model
    many = trained(X.sum(axis=2, keepdims=True), X, layers=[Dense(1)], metrics=["mae", "mse", "rmse"])
    difference = predictr(many, X) - X.sum(axis=2)
    assert np.isclose(many.training_mae[-1], np.abs(difference).mean(), rtol=1e-12)
    assert np.isclose(many.training_mse[-1], np.square(difference).mean(), rtol=1e-12)
    assert np.isclose(many.training_rmse[-1] ** 2, many.training_mse[-1], rtol=1e-12)


def test_initial_state_is_the_state_before() -> None:
    """Trained from the state in which a first half ended, a network learns the second half as of the whole sequence."""
    X, _ = data()
    Y = X.cumsum(axis=1).sum(axis=2, keepdims=True)
    stack = [LSTM(3, return_sequences=True), SimpleRNN(2, return_sequences=True), Dense(1)]
    model = trained(Y, X, layers=stack)
    _, state = predictr(model, X[:, :2], return_state=True)
    options: dict[str, Any] = {"layers": stack, "learningrate": 1e-300, "numepochs": 1, "update_rule": "sgd"}
    whole, half = trained(Y, X, **options), trained(Y[:, 2:], X[:, 2:], initial_state=state, **options)
    second = predictr(whole, X[:, 2:], state=predictr(whole, X[:, :2], return_state=True)[1])
    known = np.abs(Y[:, 2:, 0] - second).sum(axis=1)
    begun = trained(Y[:, 2:], X[:, 2:], initial_state=predictr(whole, X[:, :2], return_state=True)[1], **options)
    assert np.allclose(begun.error[:, 0], known, rtol=1e-12)
    assert not np.allclose(half.error[:, 0], known, rtol=1e-3)
    with pytest.raises(ValueError, match="initial_state: Bidirectional needs the whole sequence"):
        trained(Y[:, :1], X, layers=[Bidirectional(GRU(2)), Dense(1)], initial_state=state)


def test_echo_state_in_a_list() -> None:
    """[EchoState, Dense] is fitted by ridge regression as network_type="esn" is; anything else says so."""
    X, _ = data(40)
    Y = X.cumsum(axis=1).sum(axis=2, keepdims=True)
    stack = [EchoState(60, spectral_radius=0.8, return_sequences=True), Dense(1)]
    model = trained(Y, X, layers=stack, numepochs=1, ridge=1e-8)
    reservoir = model.echo_state_weights[1]
    assert np.isclose(np.abs(np.linalg.eigvals(reservoir)).max(), 0.8)
    assert 0.02 < np.count_nonzero(reservoir) / reservoir.size < 0.2
    states = predictr(model, X, hidden=True)[0].reshape(-1, 60)
    kernel, intercept = ridge(states, Y.reshape(-1, 1), 1e-8, True)
    assert np.allclose(model.dense_weights[0], kernel, rtol=0.0, atol=1e-9)
    assert np.allclose(predictr(model, X).reshape(-1, 1), states @ kernel + intercept, rtol=0.0, atol=1e-9)
    assert predictr(trained(Y[:, -2:], X, layers=[*stack[:1], LastSteps(2), Dense(1)]), X).shape == (40, 2)
    for wrong in ([EchoState(4), Dense(1, activation="tanh")], [GRU(2, return_sequences=True), EchoState(4), Dense(1)]):
        with pytest.raises(ValueError, match="the weights of an EchoState are fixed"):
            trained(Y[:, -1:], X, layers=wrong)
    with pytest.raises(ValueError, match="ridge belongs to the readout"):
        trained(Y[:, -1:], X, layers=[GRU(2), Dense(1)], ridge=0.5)
