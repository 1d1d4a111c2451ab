"""``gates``: what R's gru and lstm do inside, to the bit of a plain reading of the equations."""

from __future__ import annotations

import numpy as np
import pytest

import pytrainr
from pytrainr import RRandom
from tests.r_parity.naive import Naive

NAMES = {
    "gru": {"update": "z", "reset": "r", "candidate": "g"},
    "lstm": {"forget": "f", "input": "i", "candidate": "c", "output": "o"},
}


@pytest.mark.parametrize("network_type", ["gru", "lstm"])
@pytest.mark.parametrize("use_bias", [False, True])
def test_gates_are_those_of_the_equations_to_the_bit(network_type: str, use_bias: bool) -> None:
    """Two layers, and R's recycled bias, which depends on how many samples there are."""
    random = np.random.default_rng(3)
    X, Y = random.uniform(-1, 1, (7, 6, 2)), random.uniform(0, 1, (7, 6, 1))
    options = {"network_type": network_type, "use_bias": use_bias, "learningrate": 0.1}
    model = pytrainr.trainr(Y, X, hidden_dim=(5, 3), numepochs=2, rng=RRandom(1), **options)
    naive = Naive(dims=(2, 5, 3, 1), seed=1, **options)  # type: ignore[arg-type]
    naive.W, naive.R, naive.b = model.time_synapse, model.recurrent_synapse, model.bias_synapse
    found = pytrainr.gates(model, X)
    assert list(found) == [network_type, f"{network_type}_1"]
    states, _ = naive.forward(X)
    for layer, (units, gates) in enumerate(zip((5, 3), found.values(), strict=True)):
        assert list(gates) == list(NAMES[network_type])
        for name, activations in gates.items():
            assert activations.shape == (7, 6, units)
            expected = np.stack([state[NAMES[network_type][name]] for state in states[layer]], axis=1)
            np.testing.assert_array_equal(activations, expected)


def test_what_has_no_gates_says_so() -> None:
    Y, X = np.full((4, 3, 1), 0.5), np.full((4, 3, 1), 0.5)
    rnn = pytrainr.trainr(Y, X, learningrate=0.1)
    with pytest.raises(ValueError, match="model has no gates"):
        pytrainr.gates(rnn, X)
    gru = pytrainr.trainr(Y, X, learningrate=0.1, network_type="gru")
    with pytest.raises(ValueError, match="X should have 1 variable"):
        pytrainr.gates(gru, X.repeat(2, axis=2))
    with pytest.raises(TypeError, match="mask"):
        pytrainr.gates(gru, X, mask="nan")
    with pytest.raises((TypeError, ValueError), match="model"):
        pytrainr.gates("gru", X)  # type: ignore[arg-type]
