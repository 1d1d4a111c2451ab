"""Learning-rate schedules, as training meets them."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pytrainr import Model
from pytrainr.schedules import CosineSchedule, ExponentialSchedule, ReduceOnPlateau, StepSchedule


def rates(schedule, errors):
    """The learning rate after each epoch, from 1."""
    model = Model(learningrate=1.0, error=np.array([errors], dtype=float))
    result = []
    for epoch in range(len(errors)):
        model.current_epoch = epoch + 1
        model = schedule(model)
        result.append(model.learningrate)
    return result


def test_exponential():
    assert rates(ExponentialSchedule(0.5), [1, 1, 1]) == [0.5, 0.25, 0.125]


def test_step():
    assert rates(StepSchedule(2, 0.1), [1] * 5) == pytest.approx([1, 0.1, 0.1, 0.01, 0.01])


def test_cosine():
    expected = [0.2 + 0.4 * (1 + math.cos(math.pi * k / 4)) for k in (1, 2, 3, 4)]
    schedule = CosineSchedule(4, lowest=0.2)
    assert rates(schedule, [1] * 4) == pytest.approx(expected)
    assert rates(schedule, [1] * 4) == pytest.approx(expected)  # another training begins anew


def test_plateau():
    assert rates(ReduceOnPlateau(0.5, patience=2), [3, 2, 2, 2, 1, 1, 1]) == [1, 1, 1, 0.5, 0.5, 0.5, 0.25]


def test_plateau_prefers_the_validation_loss():
    model = Model(learningrate=1.0, error=np.array([[3.0, 2.0, 1.0]]), validation_loss=np.array([1.0, 2.0, 2.0]))
    schedule = ReduceOnPlateau(0.5, patience=1)
    for epoch in range(3):
        model.current_epoch = epoch + 1
        schedule(model)
    assert model.learningrate == 0.25
