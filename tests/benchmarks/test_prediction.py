"""The benchmark of prediction calls kernels as nothing else does: here they run."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks import prediction


@pytest.mark.parametrize("exact", [False, True])
def test_the_forward_pass_of_training_runs(exact: bool) -> None:
    X = np.random.default_rng(2).uniform(0.0, 1.0, (250, prediction.STEPS, 2))
    prediction.forward_pass(prediction.trained("gru", exact), X)()
