"""Every run that R recorded, through the public API: not one bit differs.

But where R itself would have other bits (``pytrainr.r.bits``): there to about 1e-10, and some gru runs, which enlarge a
difference a million times and more, by as much.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import Model, predictr
from pytrainr.r.bits import difference
from tests.r_parity.golden import RUNS, STOPS, array, run, train

WEIGHTS = ("time_synapse", "recurrent_synapse", "bias_synapse")
CHAOTIC = {"exploding_gru": 1e-2, "adder_gru_batch7_momentum_decay": 1e-7, "adder_gru_bias_two_layers": 1e-8}
"""What the last bits of exp grow to in these runs; measured 3.5e-3, 5e-9, 2.4e-10."""


class Same:
    """Compares results of one run with R's."""

    def __init__(self, name: str) -> None:
        self.tolerance = None if difference() is None else CHAOTIC.get(name, 1e-10)

    def __call__(self, ours: Any, golden: dict[str, Any], what: str) -> None:
        want = array(golden)
        got = np.asarray(ours, dtype=np.float64)
        assert got.size == want.size, what
        got = got.reshape(want.shape, order="F")
        if self.tolerance is None:
            assert np.array_equal(got, want, equal_nan=True), what
        else:
            np.testing.assert_allclose(got, want, self.tolerance, self.tolerance, err_msg=what)


@pytest.mark.parametrize("name", RUNS)
def test_training_equals_r(name: str) -> None:
    golden, same = run(name), Same(name)
    model, rng = train(name)
    for field in WEIGHTS:
        assert len(model[field]) == len(golden["final"][field])
        for layer, weights in enumerate(golden["final"][field]):
            same(model[field][layer], weights, f"{field}[{layer}]")
        for layer, update in enumerate(golden[field + "_update"]):
            same(model[field + "_update"][layer], update, f"{field}_update[{layer}]")
    same(model.error, golden["error"], "error")
    same(model.mean_error, golden["mean_error"], "mean_error")
    same([model.learningrate], golden["learningrate"], "learningrate")
    same(model.last_layer_error, golden["last_layer_error"], "last_layer_error")
    same(model.last_layer_delta, golden["last_layer_delta"], "last_layer_delta")
    for layer, states in enumerate(golden["store"]):
        same(model.store[layer], states, f"store[{layer}]")
    assert ("store_best" in model) == golden["has_store_best"]
    same(rng.unif_rand(3), golden["rng_after"], "the random stream afterwards")


@pytest.mark.parametrize("name", RUNS)
def test_prediction_equals_r(name: str) -> None:
    golden, same = run(name), Same(name)
    model, _ = train(name, keep_store=False)
    X, X2 = array(golden["X"]), array(golden["X2"])
    same(predictr(model, X), golden["predict"], "predict")
    if "r_error" not in golden["predict2"]:
        same(predictr(model, X2), golden["predict2"], "predict2")
    for layer, states in enumerate(golden["predict2_hidden"]):
        same(predictr(model, X2, hidden=True, real_output=False)[layer], states, f"predict2_hidden[{layer}]")


@pytest.mark.parametrize("name", RUNS)
def test_initial_weights_equal_r(name: str) -> None:
    golden, same = run(name), Same(name)
    seen: list[Model] = []

    def first_epoch(model: Model) -> Model:
        seen.append(model)
        return model

    model, _ = train(name, learningrate=0.0, momentum=0.0, numepochs=1, epoch_function=first_epoch, clipping=None)
    assert len(seen) >= 1
    if golden["args"].get("update_rule") == "adagrad":
        return
    for field in WEIGHTS:
        for layer, weights in enumerate(golden["init"][field]):
            same(model[field][layer], weights, f"{field}[{layer}]")


@pytest.mark.parametrize("name", [name for name in STOPS if not name.startswith("layers_unequal")])
def test_where_r_stops_the_error_is_clear(name: str) -> None:
    expected = {
        "time_mismatch": "time dimension of X is different from the time dimension of Y",
        "batch_larger_than_data": "batch_size should be smaller than twice the number of samples",
        "sigmoid_tanh": "the error became NaN in epoch",
        "sigmoid_tanh_bias": "the error became NaN in epoch",
    }
    with pytest.raises(ValueError, match=expected[name]):
        train(name)


@pytest.mark.parametrize("name", [name for name in STOPS if name.startswith("layers_unequal")])
def test_unequal_layers_stop_in_r_and_work_here(name: str) -> None:
    model, _ = train(name)
    assert [weights.shape[1] for weights in model.time_synapse[:-1]] == list(model.hidden_dim)
    assert np.isfinite(model.error).all()
