"""Bad input: the error names the argument, what it is and what it should be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import predictr, trainr

X = np.linspace(0, 1, 5 * 4 * 2).reshape(5, 4, 2)
Y = np.linspace(0, 1, 5 * 4).reshape(5, 4, 1)


def run(Y: Any = Y, X: Any = X, **options: Any) -> pytrainr.Model:
    return trainr(Y, X, **{"learningrate": 0.1, "hidden_dim": 2, "epoch_function": [], **options})


BAD_ARRAYS: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"X": np.zeros(7)}, ValueError, r"X should be \(samples, time, variables\).*X\.reshape\(1, 7, 1\)"),
    ({"Y": np.zeros(7)}, ValueError, r"Y should be .*it has the shape \(7,\)"),
    ({"X": np.zeros((5, 4, 2, 1))}, ValueError, r"X should be .*\(5, 4, 2, 1\)"),
    ({"X": [[1.0, 2.0], [3.0]]}, ValueError, "X is ragged"),
    ({"X": [["a", "b"]]}, TypeError, "X should hold numbers, it holds .*'a'"),
    ({"X": np.array([[None, 1.0]])}, TypeError, "X should hold numbers, it holds Python objects such as None"),
    ({"X": np.zeros((5, 4, 2), complex)}, TypeError, "X should hold numbers, it holds complex128"),
    ({"X": np.zeros((0, 4, 2))}, ValueError, r"X is empty, its shape is \(0, 4, 2\)"),
    ({"X": np.zeros((5, 4, 0))}, ValueError, r"X is empty"),
    ({"X": np.where(X[2, 1, 0] == X, np.nan, X)}, ValueError, r"X\[2, 1, 0\] is nan"),
    ({"Y": np.where(Y[3, 2, 0] == Y, np.inf, Y)}, ValueError, r"Y\[3, 2, 0\] is inf"),
    ({"X": X[:4]}, ValueError, r"same number of samples .*X has 4, Y has 5"),
    (
        {"X": X[:, :3]},
        ValueError,
        r"time dimension of X is different from the time dimension of Y: X has 3 steps, Y has 4",
    ),
    ({"X": None}, TypeError, "X is missing"),
]


@pytest.mark.parametrize(("bad", "error", "message"), BAD_ARRAYS)
def test_arrays(bad: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(**bad)


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"learningrate": None}, TypeError, "learningrate is missing"),
        ({"learningrate": -1}, ValueError, "learningrate should be a finite number, 0 or more, it is -1"),
        ({"learningrate": float("nan")}, ValueError, "learningrate should be a finite number"),
        ({"learningrate": "fast"}, TypeError, "learningrate should be a finite number.*'fast'"),
        ({"learningrate_decay": float("inf")}, ValueError, "learningrate_decay should be a finite number"),
        ({"momentum": -0.1}, ValueError, "momentum should be"),
        ({"hidden_dim": 0}, ValueError, "hidden_dim should be a whole number, 1 or more, it is 0"),
        ({"hidden_dim": [4, -1]}, ValueError, r"hidden_dim\[1\] should be a whole number, 1 or more, it is -1"),
        ({"hidden_dim": []}, ValueError, "hidden_dim should name at least one hidden layer"),
        ({"hidden_dim": "ten"}, TypeError, "hidden_dim should be a whole number or a list"),
        ({"numepochs": 0}, ValueError, "numepochs should be a whole number, 1 or more"),
        ({"numepochs": 2.5}, ValueError, "numepochs should be a whole number"),
        (
            {"batch_size": 10},
            ValueError,
            r"batch_size should be smaller than twice the number of samples: round\(5 / 10\) = 0",
        ),
        ({"batch_size": 0}, ValueError, "batch_size should be a finite number greater than 0"),
        ({"network_type": "lsmt"}, ValueError, "network_type should be one of.*'lsmt'; did you mean 'lstm'"),
        ({"sigmoid": "gompertz"}, ValueError, "sigmoid should be one of.*did you mean 'Gompertz'"),
        ({"update_rule": "adam"}, ValueError, "update_rule should be one of"),
        ({"use_bias": "yes"}, TypeError, "use_bias should be True or False, it is 'yes'"),
        ({"epoch_function": 3}, TypeError, "epoch_function should be a function of the model"),
        ({"loss_function": "L1"}, TypeError, "loss_function should be a function of the model"),
        ({"clipping": -2}, ValueError, "clipping should be a finite number greater than 0"),
        ({"rng": 1}, TypeError, "rng should be a pytrainr.RRandom"),
        ({"hidden_dims": 20}, TypeError, "unknown argument 'hidden_dims': did you mean 'hidden_dim'"),
        ({"learning_rate": 1}, TypeError, "unknown argument 'learning_rate': did you mean 'learningrate'"),
        ({"batch.size": 2}, TypeError, "did you mean 'batch_size'"),
        ({"Momentum": 0.5}, TypeError, "did you mean 'momentum'"),
        ({"time_synapse": 1}, TypeError, "'time_synapse' is a field that training sets"),
    ],
)
def test_options(bad: dict[str, Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        run(**bad)


def test_more_samples_than_memory_holds() -> None:
    huge_X = np.broadcast_to(np.float64(0), (10**12, 4, 2))
    huge_Y = np.broadcast_to(np.float64(0), (10**12, 4, 1))
    with pytest.raises(
        MemoryError, match=r"training on 1000000000000 samples .* needs .* TB of memory, this machine has"
    ):
        run(huge_Y, huge_X)


def test_arguments_of_ones_own_stay_on_the_model() -> None:
    model = run(test_data=[1, 2], note="mine")
    assert model.test_data == [1, 2]
    assert model["note"] == "mine"
    assert list(model.keys())[:2] == ["test_data", "note"]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8, bool])
@pytest.mark.parametrize("order", ["C", "F"])
def test_dtype_and_memory_order_do_not_matter(dtype: type, order: Any) -> None:
    bits = (X > 0.5).astype(dtype)
    plain = run(X=np.ascontiguousarray(bits, dtype=np.float64), rng=pytrainr.RRandom(1))
    other = run(X=np.asarray(bits, order=order), rng=pytrainr.RRandom(1))
    assert plain == other


def test_a_matrix_is_one_variable() -> None:
    a = run(Y=Y[:, :, 0], X=X[:, :, 0], rng=pytrainr.RRandom(1))
    b = run(Y=Y, X=X[:, :, :1], rng=pytrainr.RRandom(1))
    assert a == b
    assert a.input_dim == 1


@pytest.mark.parametrize(
    ("bad", "error", "message"),
    [
        ({"X": np.zeros(7)}, ValueError, "X should be"),
        ({"X": X[:, :, :1]}, ValueError, "X should have 2 variables .* it has 1"),
        ({"X": np.full((1, 4, 2), np.nan)}, ValueError, r"X\[0, 0, 0\] is nan"),
        ({"hidden": "yes"}, TypeError, "hidden should be True or False"),
        ({"model": {"time_synapse": []}}, TypeError, "model should be what trainr returned"),
        ({"real_outputs": False}, TypeError, "did you mean 'real_output'"),
    ],
)
def test_prediction(bad: dict[str, Any], error: type[Exception], message: str) -> None:
    given = {"model": run(), "X": X, **bad}
    with pytest.raises(error, match=message):
        predictr(**given)


@pytest.mark.parametrize(
    ("Y_again", "X_again", "message"),
    [
        (Y, X[:, :, :1], "X should have 2 variables as in the first training, it has 1"),
        (np.concatenate([Y, Y], 2), X, "Y should have 1 variables as in the first training, it has 2"),
        (Y[:, :3], X[:, :3], "X should have 4 time steps as in the first training, it has 3"),
    ],
)
def test_retraining_on_other_dimensions(Y_again: Any, X_again: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        run(Y_again, X_again, model=run())
