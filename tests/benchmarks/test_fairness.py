"""The benchmark's judgement of its own rounds, and its opponents: as good on narrow registers as on wide ones."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

import llvmlite.binding as llvm
import numpy as np
import pytest

from pytrainr import predictr

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@pytest.fixture(autouse=True)
def _importable(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))


def clocks(monkeypatch, others):
    """Clocks by which a contestant takes a second, while others keep so many processors busy, round by round."""
    import fairness

    moments, busy = itertools.count(), 0.0
    shares = iter([share for share in others for _ in range(4)])

    def now():
        nonlocal busy
        second = float(next(moments))
        busy += 1.0 + next(shares, 0.0)
        return fairness._Moment(second, second, busy)

    monkeypatch.setattr(fairness._Moment, "now", now)
    return fairness


def test_a_fair_machine(monkeypatch):
    rounds = clocks(monkeypatch, []).Rounds({"R": lambda: None}, 5)
    assert rounds.seconds() == {"R": [1.0] * 5}
    assert rounds.complaints() == []


def test_unfair_rounds_are_repeated(monkeypatch):
    rounds = clocks(monkeypatch, [0.0, 1.5, 0.0, 0.0, 0.9]).Rounds({"R": lambda: None}, 4)
    assert len(rounds.seconds()["R"]) == 4
    assert rounds.complaints() == []


def test_a_busy_machine_is_told(monkeypatch):
    rounds = clocks(monkeypatch, [1.5] * 20).Rounds({"R": lambda: None}, 4)
    assert len(rounds.seconds()["R"]) == 8
    assert any("busy" in complaint for complaint in rounds.complaints())


def test_times_that_vary_are_told():
    import fairness

    rounds = fairness.Rounds({}, 0)
    rounds._rounds = [({"PyTorch, 2 threads": seconds}, 0.0) for seconds in (1.0, 1.0, 20.0, 50.0)]
    assert any("PyTorch, 2 threads vary" in complaint for complaint in rounds.complaints())


@pytest.mark.skipif(shutil.which("g++") is None, reason="no g++")
@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
def test_opponents_do_the_same_work_on_every_register(monkeypatch, tmp_path, network_type):
    import contestants
    import opponents

    case = contestants.Case(network_type, 24, 5, 9, 60)
    monkeypatch.setattr(opponents, "BUILD", tmp_path)
    features = llvm.get_host_cpu_features()
    processors = ["x86-64", *(["haswell"] if features.get("avx2") and features.get("fma") else []), "native"]
    trained = []
    for processor in processors:
        common = [f"-march={processor}" if option.startswith("-march") else option for option in opponents.COMMON]
        monkeypatch.setattr(opponents, "COMMON", common)
        monkeypatch.setattr(opponents, "PROCESSOR", processor)
        weights: list[np.ndarray] = []
        original = opponents.Opponent.train

        def train(self, X, Y, order, starts, given, rate, original=original, weights=weights):
            weights[:] = given
            return original(self, X, Y, order, starts, given, 0.01)

        monkeypatch.setattr(opponents.Opponent, "train", train)
        error = contestants.cpp("strict")(case)()
        monkeypatch.setattr(opponents.Opponent, "train", original)
        trained.append((error, *weights))
    for other in trained[1:]:
        for ours, theirs in zip(trained[0], other, strict=True):
            np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
    X, Y = case.data()
    model = case.training().model
    first = case.groups().order[: case.groups().starts[1]]  # trained on before any weight changes
    expected = np.abs(Y[first, :, 0] - predictr(model, X[first])).sum(axis=1)
    np.testing.assert_allclose(trained[0][0][first], expected, rtol=1e-9)
