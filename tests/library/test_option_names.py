"""11.7: an option that is known, here or elsewhere, but has no effect in this call, raises and says what to write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import RRandom, predictr, trainr
from pytrainr.exact.options import EXACT_DEFAULTS
from pytrainr.option_names import foreign_name
from pytrainr.r_arguments import DEFAULTS, OURS

X = np.linspace(0, 1, 5 * 4 * 2).reshape(5, 4, 2)
Y = np.linspace(0, 1, 5 * 4).reshape(5, 4, 1)


def train(**options: Any) -> pytrainr.Model:
    return trainr(Y, X, **{"learningrate": 0.1, "hidden_dim": 2, "epoch_function": [], "rng": RRandom(1), **options})


def refused(**options: Any) -> str:
    with pytest.raises(TypeError) as caught:
        train(**options)
    assert isinstance(caught.value, pytrainr.ArgumentError)
    assert caught.value.argument in options
    return str(caught.value)


@pytest.mark.parametrize("name", sorted({*EXACT_DEFAULTS, "validation"} - {"clipping"}))
def test_options_of_exact_training_need_it(name: str) -> None:
    """11.7: dropout=, validation=, loss=, … were kept as R's `...` and did nothing."""
    assert refused(**{name: EXACT_DEFAULTS.get(name)}) == (
        f"{name!r} has no effect in R's arithmetic: it comes with exact=True"
    )
    with pytest.raises(TypeError, match="comes with exact=True"):
        train(model=train(), **{name: 1})


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize(
    ("name", "advice"),
    [
        ("seed", "pytrainr.set_seed(1) before the call, or rng=pytrainr.RRandom(1)"),
        ("random_state", "pytrainr.set_seed(1)"),
        ("lr", "it is called learningrate"),
        ("optimizer", "it is called update_rule"),
        ("sample_weights", "it is called sample_weight and comes with exact=True"),
        ("batch", "it is called batch_size"),
        ("epochs", "it is called numepochs"),
        ("units", "it is called hidden_dim"),
        ("hidden", "it is called hidden_dim"),
        ("activation", "it is called sigmoid"),
        ("callbacks", "given as epoch_function"),
        ("verbose", "epoch_function=pytrainr.epoch_annealing is silent"),
        ("weight_decay", "it is called l2 and comes with exact=True"),
        ("validation_split", "it is called validation and comes with exact=True"),
        ("early_stopping", "it is called patience and comes with exact=True"),
        ("num_layers", "hidden_dim=(16, 8) has a number for each hidden layer"),
        ("lookback", "pytrainr.series.windows cuts a series into samples"),
        ("model_id", "it belongs to train_async"),
        ("linear.output", "it is called output and comes with exact=True"),
        ("return_state", "it belongs to predictr"),
    ],
)
def test_names_that_users_bring_along(name: str, advice: str, exact: bool) -> None:
    """11.7: seed, lr, optimizer, … say what to write instead, in a first training and in a further one."""
    assert refused(**{name: 1}, exact=exact).startswith(f"{name!r} is no argument of trainr: ")
    assert advice in refused(**{name: 1}, exact=exact)
    assert advice in refused(**{name: 1}, model=train(exact=exact))


def test_no_advice_is_for_an_argument_of_trainr() -> None:
    """11.7: the registry and the arguments do not overlap."""
    assert not [name for name in (*DEFAULTS, *EXACT_DEFAULTS, *OURS, "validation") if foreign_name(name)]


@pytest.mark.parametrize("exact", [False, True])
@pytest.mark.parametrize("name", ["X_test", "test_data", "note", "weights", "target", "data", "my_seed", "losses_seen"])
def test_names_of_a_users_own_stay(name: str, exact: bool) -> None:
    """11.7: R's `...` still keeps what an epoch function wants to find on the model."""
    assert train(**{name: "mine"}, exact=exact)[name] == "mine"


def test_predictr_has_names_of_its_own() -> None:
    """11.7: state, return_state and mask did nothing for a model in R's arithmetic."""
    model = train()
    for name in ("state", "return_state", "mask"):
        with pytest.raises(TypeError, match=f"'{name}' has no effect in R's arithmetic: it comes with exact=True"):
            predictr(model, X, **{name: None})  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="'verbose' is no argument of predictr"):
        predictr(model, X, verbose=0)
    assert np.array_equal(predictr(model, X, note="mine"), predictr(model, X))


def test_a_model_in_r_s_arithmetic_is_not_retrained_exactly() -> None:
    """11.7: exact=True with such a model was ignored."""
    with pytest.raises(ValueError, match="exact: the model was trained in R's arithmetic"):
        train(model=train(), exact=True)
    assert train(model=train(exact=True)).exact
