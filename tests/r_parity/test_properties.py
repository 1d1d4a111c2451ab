"""The compiled kernels against the plain reading of the specification, on random shapes and options, bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import pytrainr
from pytrainr import RRandom, predictr, trainr
from tests.r_parity.naive import Naive


@st.composite
def runs(draw: Any) -> dict[str, Any]:
    network_type = draw(st.sampled_from(["rnn", "gru", "lstm"]))
    return {
        "network_type": network_type,
        "hidden_dim": draw(st.lists(st.integers(1, 19), min_size=1, max_size=3)),
        "input_dim": draw(st.integers(1, 4)),
        "output_dim": draw(st.integers(1, 3)),
        "samples": draw(st.integers(1, 12)),
        "time_dim": draw(st.integers(1, 7)),
        "seed": draw(st.integers(-1000, 1000)),
        "learningrate": draw(st.sampled_from([0.01, 0.1, 1.0, 30.0])),
        "learningrate_decay": draw(st.sampled_from([1.0, 0.5])),
        "momentum": draw(st.sampled_from([0.0, 0.3])),
        "sigmoid": draw(st.sampled_from(["logistic", "Gompertz", "tanh"])) if network_type == "rnn" else "logistic",
        "use_bias": draw(st.booleans()),
        "batch_size": draw(st.sampled_from([1, 2, 3.5, 100])),
        "numepochs": draw(st.integers(1, 3)),
        "update_rule": draw(st.sampled_from(["sgd", "sgd", "sgd", "adagrad"])),
        "clipping": draw(st.sampled_from([None, None, 0.05, 1e150])),
        "unsync": draw(st.booleans()),
        "X_scale": draw(st.sampled_from([1.0, 100.0, 1e150])),
    }


EXPLODING = {
    "network_type": "lstm",
    "hidden_dim": [3],
    "input_dim": 2,
    "output_dim": 1,
    "samples": 6,
    "time_dim": 5,
    "seed": 23,
    "learningrate": 1e160,
    "learningrate_decay": 1.0,
    "momentum": 0.0,
    "sigmoid": "logistic",
    "use_bias": True,
    "batch_size": 2,
    "numepochs": 3,
    "update_rule": "sgd",
    "clipping": 1e150,
    "unsync": False,
    "X_scale": 1.0,
}


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)
@given(runs())
@example(EXPLODING)
@example({**EXPLODING, "network_type": "gru"})
def test_kernels_equal_the_plain_reading(case: dict[str, Any]) -> None:
    data = np.random.default_rng(abs(case["seed"]))
    samples, time_dim = case["samples"], case["time_dim"]
    X = case["X_scale"] * data.standard_normal((samples, time_dim, case["input_dim"]))
    Y = data.uniform(0, 1, (samples, time_dim, case["output_dim"]))
    batch_size = min(case["batch_size"], samples)
    options = {name: case[name] for name in ("learningrate", "learningrate_decay", "momentum", "sigmoid", "use_bias")}
    options |= {name: case[name] for name in ("numepochs", "update_rule", "network_type", "clipping")}
    options["batch_size"] = batch_size
    padded_X, padded_Y, unused = X, Y, 0
    if case["unsync"]:
        rest = np.zeros((samples, time_dim - 1, 1))
        padded_X = np.concatenate([X, np.repeat(rest, X.shape[2], 2)], 1)
        padded_Y = np.concatenate([np.repeat(rest, Y.shape[2], 2), Y], 1)
        unused = max(1, time_dim - 1)
    dims = (X.shape[2], *case["hidden_dim"], Y.shape[2])
    naive = Naive(
        dims=dims,
        seed=case["seed"],
        unused_steps=unused,
        **{**options, "momentum": 0.0 if case["update_rule"] == "adagrad" else options["momentum"]},
    )
    error = naive.train(padded_X, padded_Y)
    rng = RRandom(case["seed"])
    try:
        model = trainr(
            np.asfortranarray(Y),
            X,
            hidden_dim=case["hidden_dim"],
            seq_to_seq_unsync=case["unsync"],
            epoch_function=pytrainr.epoch_annealing,
            rng=rng,
            **options,
        )
    except pytrainr.DivergedError as diverged:
        assert np.isnan(error[:, diverged.epoch - 1]).any()
        assert not np.isnan(error[:, : diverged.epoch - 1]).any()
        return
    for ours, theirs in (
        (model.time_synapse, naive.W),
        (model.recurrent_synapse, naive.R),
        (model.bias_synapse, naive.b),
        (model.time_synapse_update, naive.dW),
        (model.recurrent_synapse_update, naive.dR),
        (model.bias_synapse_update, naive.db),
    ):
        for a, b in zip(ours, theirs, strict=True):
            assert np.array_equal(a, b, equal_nan=True)
    assert np.array_equal(model.error, error)
    assert np.array_equal(rng.unif_rand(2), naive.rng.unif_rand(2))
    with np.errstate(all="ignore"):
        _, output = naive.forward(padded_X)
    predicted = predictr(model, X).reshape(samples, time_dim, -1)
    assert np.array_equal(predicted, output[:, time_dim - 1 :] if case["unsync"] else output, equal_nan=True)
