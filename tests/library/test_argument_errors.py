"""11.22: errors about arguments are kept in parts, which each caller's language puts into its own words."""

from __future__ import annotations

import itertools
import pickle
from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr.argument_errors import ArgumentValueError, Place, Setting, Value, reshaped, shown, wrong_value
from pytrainr.exact.options import EXACT_DEFAULTS
from pytrainr.r_arguments import DEFAULTS

X = np.linspace(0, 1, 5 * 4 * 2).reshape(5, 4, 2)
Y = np.linspace(0, 1, 5 * 4).reshape(5, 4, 1)


def error_of(**changed: Any) -> pytrainr.ArgumentError:
    given = {"Y": Y, "X": X, "learningrate": 0.1, "hidden_dim": 2, "epoch_function": [], **changed}
    with pytest.raises((TypeError, ValueError)) as caught:
        pytrainr.trainr(**given)
    assert isinstance(caught.value, pytrainr.ArgumentError), repr(caught.value)
    return caught.value


def test_a_place_is_counted_from_0_and_kept_apart_from_the_words() -> None:
    """11.22: R counts from 1, so the message must not have its positions as text."""
    bad = Y.copy()
    bad[4, 1, 0] = np.nan
    error = error_of(Y=bad)
    assert (error.argument, error.index) == ("Y", (4, 1, 0))
    assert error.parts[0] == Place("Y", (4, 1, 0))
    assert str(error).startswith("Y[4, 1, 0] is nan (sample, time step, variable): Y should hold finite numbers only")
    assert "4, 1, 0" not in "".join(part for part in error.parts if isinstance(part, str))


def test_values_and_settings_are_kept_apart_from_the_words() -> None:
    """11.22: R says TRUE, seq_to_seq_unsync = TRUE and array(X, c(1, 7, 1))."""
    assert error_of(use_bias="yes").parts == (
        *(Place("use_bias"), " should be ", Value(True), " or ", Value(False), ", it is ", Value("yes")),
    )
    assert Setting("seq_to_seq_unsync", True) in error_of(X=X[:, :3]).parts
    assert reshaped("X", 1, 7, 1) in error_of(X=np.zeros(7)).parts


def test_an_error_survives_pickling_and_can_be_continued() -> None:
    """11.22: a worker process hands its errors over."""
    error = wrong_value(Place("Y", (0,), of="validation"), "{place} is {value}", value=2.0)
    assert str(error) == "Y[0] of validation is 2.0"
    assert error.argument == "validation"
    longer = pickle.loads(pickle.dumps(error.followed_by("; not {other}", other=None)))
    assert isinstance(longer, ArgumentValueError)
    assert str(longer) == "Y[0] of validation is 2.0; not None"


WRONG_VALUES: list[Any] = [
    *("a", "", "x" * 5000, b"bytes", [0.1, 0.2], [], (), {}, {"a": 1}, {1, 2}, object(), range(3)),
    *(-1, -0.5, float("nan"), float("inf"), 10**400, 1e300, 1j, "\0", np.nan, np.float32("nan"), np.zeros((100, 100))),
    *(np.array([0.1, 0.2]), np.array([]), np.array("a"), np.array([None]), [[]], [None]),
    *(np.datetime64("2024-01-01"), slice(3), Ellipsis, ["a"] * 1000, list(range(100_000))),
]
INTERNAL = ("tuple.index", "numpy.", "dtype=", "Traceback", "0x", "not supported between", "truth value", "object at")


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    "name", ["X", "Y", "model", "rng", "keep_store", "exact", *DEFAULTS, *EXACT_DEFAULTS, "validation"]
)
def test_whatever_an_argument_is_given_the_error_is_short_and_names_it(name: str, exact: bool) -> None:
    """11.22: no raw internals, no hundred lines of arrays; every argument, every wrong value."""
    for value in WRONG_VALUES:
        given = {"Y": Y, "X": X, "learningrate": 0.1, "hidden_dim": 2, "epoch_function": [], "exact": exact}
        given |= {"network_type": "lstm"} if exact else {}
        try:
            pytrainr.trainr(**{**given, name: value})
        except (pytrainr.NotEnoughMemoryError, pytrainr.DivergedError):
            continue
        except (TypeError, ValueError) as error:
            assert isinstance(error, pytrainr.ArgumentError), (name, value, repr(error))
            assert name in str(error), (name, value, str(error))
            assert len(str(error)) < 400, (name, value, str(error))
            assert not [word for word in INTERNAL if word in str(error)], (name, str(error))


@pytest.mark.parametrize("exact", [False, True])
def test_whatever_predictr_is_given_the_error_is_short_and_names_it(exact: bool) -> None:
    """11.22: predictr's arguments, and those of a stepper."""
    model = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=2, epoch_function=[], exact=exact)
    step = model.stepper()
    calls: dict[str, Any] = {"samples": model.stepper, "x": step}
    for name in ("model", "X", "hidden", "real_output", *(["state", "return_state", "mask"] if exact else [])):
        calls[name] = lambda value, name=name: pytrainr.predictr(**{"model": model, "X": X, name: value})
    for (name, call), value in itertools.product(calls.items(), WRONG_VALUES):
        try:
            call(value)
        except (TypeError, ValueError) as error:
            assert isinstance(error, (pytrainr.ArgumentError, MemoryError)), (name, value, repr(error))
            assert len(str(error)) < 400, (name, value, str(error))
            assert not [word for word in INTERNAL if word in str(error)], (name, str(error))


def test_what_is_shown_of_a_value() -> None:
    """11.22: short values as they are, long ones by what they are; NumPy's scalars as Python's."""
    said = {
        "0.5": np.float32(0.5),
        "3": np.int64(3),
        "True": np.bool_(True),
        "[0.1, 0.2]": np.array([0.1, 0.2]),
        "None": None,
        "an array of the shape (30, 2)": np.zeros((30, 2)),
        "a list of 100 entries": list(range(100)),
        "the function len": len,
        "of the type dict": {"a": 1},
        "inf": 10**400,
    }
    assert {"".join(map(str, shown(value))) for value in said.values()} == set(said)


@pytest.mark.parametrize("wrong", ["a", [], None, ["a"], [np.zeros(3)], [[[1.0], [1.0, 2.0]]], [{"a": 1}]])
def test_what_an_epoch_function_puts_in_the_model_is_named(wrong: Any) -> None:
    """11.22: weights that are none ended in numpy's own errors."""

    def change(model: pytrainr.Model) -> pytrainr.Model:
        model.time_synapse = wrong if not isinstance(wrong, list) or not wrong else [*wrong, *model.time_synapse[1:]]
        return model

    error = error_of(epoch_function=change)
    assert str(error).startswith("model.time_synapse")
    assert error.argument == "model.time_synapse"
