"""Loss functions of one's own between the exact gradients and the update."""

from __future__ import annotations

import numpy as np
import pytest

from pytrainr import Model, RRandom, trainr

X = np.random.default_rng(0).uniform(0, 1, (12, 4, 2))
FIELDS = ("time_synapse_update", "recurrent_synapse_update", "bias_synapse_update")


def own(model: Model) -> Model:
    for field in FIELDS:
        model[field] = [update * model.learningrate for update in model[field]]
    return model


@pytest.mark.parametrize("network_type", ["rnn", "lstm"])
def test_one_that_does_what_the_built_in_does(network_type: str) -> None:
    options = {"learningrate": 0.1, "hidden_dim": 3, "network_type": network_type, "exact": True, "numepochs": 2}
    a, b = (
        trainr(X[:, :, :1], X, epoch_function=[], rng=RRandom(1), **options, **more)  # type: ignore[arg-type]
        for more in ({}, {"loss_function": own})
    )
    for field in ("time_synapse", "recurrent_synapse", "bias_synapse"):
        for one, other in zip(a[field], b[field], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-14)


def test_not_together_with_truncated_back_propagation() -> None:
    with pytest.raises(ValueError, match=r"bptt_steps .* loss_function"):
        trainr(X[:, :, :1], X, learningrate=0.1, exact=True, bptt_steps=2, loss_function=own, rng=RRandom(1))
