"""11.6, 11.8, 11.10: what X, Y, mask and validation may hold, and what a retraining remembers of a validation."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import ArgumentError, DivergedError, Model, ReduceOnPlateau, RRandom, predictr, trainr

SAMPLES, STEPS = 10, 4
X = np.random.default_rng(1).random((SAMPLES, STEPS, 2))
Y = X.mean(axis=2, keepdims=True)
CLASSES = np.eye(3)[np.arange(SAMPLES * STEPS).reshape(SAMPLES, STEPS) % 3]
BAD = [np.nan, np.inf, -np.inf]


def train(Y: Any = Y, X: Any = X, **options: Any) -> Model:
    given = {"learningrate": 0.01, "hidden_dim": 3, "epoch_function": [], "rng": RRandom(1), "batch_size": 4}
    return trainr(Y, X, **{**given, "exact": True, "numepochs": 3, **options})


def refused(Y: Any = Y, X: Any = X, **options: Any) -> ArgumentError:
    with pytest.raises((ValueError, TypeError)) as caught:
        train(Y, X, **options)
    assert isinstance(caught.value, ArgumentError)
    return caught.value


def with_entry(array: np.ndarray, place: tuple[int, int, int], value: float) -> np.ndarray:
    changed = array.copy()
    changed[place] = value
    return changed


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("name", ["X", "Y"])
def test_validation_data_are_finite(name: str, value: float) -> None:
    """11.6: NaN or infinity in the validation data named its entry, instead of ending the training without a word."""
    data = {"X": X[:3], "Y": Y[:3]}
    data[name] = with_entry(data[name], (2, 1, 0), value)
    error = refused(validation=(data["X"], data["Y"]), patience=2)
    assert (error.argument, error.index) == ("validation", (2, 1, 0))
    assert str(error).startswith(f"{name}[2, 1, 0] of validation is {value}")


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("name", ["X", "Y"])
def test_the_share_held_out_is_finite_and_counted_in_the_caller_s_samples(name: str, value: float) -> None:
    """11.6: the last samples are looked at like the others, and named by their number in X."""
    data = {"X": X, "Y": Y}
    data[name] = with_entry(data[name], (9, 3, 0), value)
    error = refused(data["Y"], data["X"], validation=0.2)
    assert (error.argument, error.index) == (name, (9, 3, 0))
    assert str(error).startswith(f"{name}[9, 3, 0] is {value}")


def test_with_a_mask_absent_steps_alone_are_nan() -> None:
    """11.6: NaN where the mask says that a step is there was taken for an absent step; infinity never is one."""
    mask = np.ones((SAMPLES, STEPS))
    mask[9, 3] = 0
    absent_X, absent_Y = with_entry(X, (9, 3, 1), np.nan), with_entry(Y, (9, 3, 0), np.inf)
    for given in (mask, mask.astype(bool), mask.astype(int).tolist()):
        assert np.isfinite(train(absent_Y, absent_X, mask=given, validation=0.2, patience=2).validation_loss).all()
    assert refused(X=with_entry(X, (8, 2, 1), np.nan), mask=mask).index == (8, 2, 1)
    assert refused(X=with_entry(X, (8, 2, 1), np.nan), mask=mask, validation=0.2).index == (8, 2, 1)
    assert refused(Y=with_entry(Y, (8, 2, 0), np.nan), mask=mask).index == (8, 2, 0)
    assert refused(X=with_entry(X, (8, 2, 1), np.inf), mask="nan").index == (8, 2, 1)
    assert refused(X=with_entry(X, (9, 2, 1), np.inf), mask="nan", validation=0.2).index == (9, 2, 1)
    assert refused(mask=np.full((SAMPLES, STEPS), 0.5)).argument == "mask"
    model = train(absent_Y, absent_X, mask=mask)
    for place, given in (((8, 2, 1), mask), ((8, 2, 1), "nan")):
        with pytest.raises(ArgumentError, match=r"X\[8, 2, 1\] is"):
            predictr(model, with_entry(X, place, np.inf if isinstance(given, str) else np.nan), mask=given)


def test_patience_needs_validation() -> None:
    """11.6: without anything to wait for, patience was ignored."""
    assert str(refused(patience=3)) == "patience needs validation: the data whose loss it waits for"


NUMBERS: dict[str, Any] = {
    **{"learningrate": 0.25, "learningrate_decay": 0.5, "momentum": 0.5, "hidden_dim": 3, "numepochs": 2},
    **{"batch_size": 2, "validation": 0.25, "dropout": 0.5, "l2": 0.5, "clipping": 2, "clip_norm": 2.0, "rho": 0.5},
    **{"bptt_steps": 2, "proj_size": 2, "forget_bias": 1.0, "huber_width": 0.5, "beta1": 0.5, "epsilon": 0.5},
}


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers_of_numpy_are_numbers(name: str) -> None:
    """11.6: np.float32(0.2), np.int64(3) and arrays of one number are accepted wherever a number is."""
    lstm = {"network_type": "lstm", "use_bias": True, "numepochs": 1}
    value = NUMBERS[name]
    expected = train(**{**lstm, name: value})
    kinds: list[Any] = [np.float32, np.float64, np.longdouble, np.array]
    kinds += [np.int64, np.int8, np.uint16] if isinstance(value, int) else [np.float16]
    for kind in kinds:
        assert train(**{**lstm, name: kind(value)}) == expected, kind


def test_a_validation_loss_that_is_not_finite_is_divergence() -> None:
    """11.6: nothing could be the best any more, and training ended after patience epochs as if it had learnt."""
    with pytest.raises(DivergedError, match="validation loss is not finite in epoch 1") as caught:
        train(validation=(X[:3] * 1e300, Y[:3] * 1e300), output="linear", patience=2, sigmoid="relu")
    assert caught.value.model.current_epoch == 0


def test_retraining_forgets_the_validation_of_before() -> None:
    """11.8: ReduceOnPlateau read the old run's losses, or raised IndexError, and best_epoch was the old one."""
    plateau = ReduceOnPlateau(factor=0.1, patience=2)
    first = train(validation=0.2, epoch_function=[plateau], learningrate=1e-3)
    assert first.best_epoch
    again = train(model=first)
    assert not [name for name in ("validation_loss", "best_epoch", "best_validation_loss") if name in again]
    assert again.learningrate == 1e-3  # the error of each epoch got smaller: no plateau
    assert first.best_epoch, "the model passed in is not changed"
    once_more = train(model=again, validation=0.3)
    assert once_more.validation_loss.shape == (3,)
    assert once_more.best_validation_loss == once_more.validation_loss.min()


@pytest.mark.parametrize("value", [1.5, -0.25])
@pytest.mark.parametrize("options", [{"loss": "binary_crossentropy"}, {"output": "softmax"}])
def test_targets_are_what_the_loss_knows(options: dict[str, Any], value: float) -> None:
    """11.10: cross-entropy trained on targets outside 0 to 1."""
    classes = with_entry(CLASSES, (7, 1, 2), value)
    error = refused(classes, **options)
    assert (error.argument, error.index) == ("Y", (7, 1, 2))
    assert "needs targets between 0 and 1" in str(error)
    assert refused(classes, validation=0.4, **options).index == (7, 1, 2)
    with pytest.raises(ArgumentError, match=r"Y\[7, 1, 2\] is"):
        train(classes, model=train(CLASSES, **options))


@pytest.mark.parametrize("options", [{"output": "softmax"}, {"loss": "categorical_crossentropy"}])
def test_rows_of_classes_are_probabilities(options: dict[str, Any]) -> None:
    """11.10: softmax trained on rows that add up to anything."""
    assert refused(with_entry(CLASSES, (7, 1, 1), 0.5), **options).index == (7, 1)
    assert refused(np.zeros_like(CLASSES), **options).index == (0, 0)
    uneven = np.full_like(CLASSES, 1 / 3, dtype=np.float32)
    assert np.isfinite(train(uneven, **options).error).all()
    absent = CLASSES.copy()
    absent[:, 2] = np.nan
    assert np.isfinite(train(absent, mask="nan", **options).error).all()
