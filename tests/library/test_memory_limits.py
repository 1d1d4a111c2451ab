"""What needs more memory than there is is refused with the estimate, before it is taken (issue 18.3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pytrainr
from pytrainr import RRandom
from pytrainr.memory import NotEnoughMemoryError, _control_group, check_memory, limited_memory, memory_limit
from pytrainr.training import Training


def group(tmp_path: Path, line: str, files: dict[str, str]) -> float | None:
    (tmp_path / "cgroup").write_text(line)
    for name, text in files.items():
        path = tmp_path / "fs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return _control_group(tmp_path / "cgroup", tmp_path / "fs")


@pytest.mark.parametrize(
    ("line", "files", "limit"),
    [
        ("0::/a/b\n", {"a/b/memory.max": "max\n", "a/memory.max": "4294967296\n", "memory.max": "max\n"}, 2.0**32),
        ("0::/a\n", {"a/memory.max": "100\n"}, 100.0),
        ("0::/a\n", {"a/memory.max": "max\n"}, None),
        ("0::/the/hosts\n", {"memory.max": "77\n"}, 77.0),  # inside a container, with its own root
        ("5:cpu,memory:/a\n", {"memory/a/memory.limit_in_bytes": "1000\n"}, 1000.0),
        ("5:memory:/a\n", {"memory/a/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ("5:memory:/x\n0::/\n", {"memory/memory.limit_in_bytes": "500\n"}, 500.0),
        ("", {}, None),
    ],
)
def test_the_limit_of_a_control_group(tmp_path: Path, line: str, files: dict[str, str], limit: float | None) -> None:
    """Of version 2 and of version 1, from the group up to the root."""
    assert group(tmp_path, line, files) == limit


def test_a_share_is_for_the_thread_that_has_it() -> None:
    with limited_memory(2e6), pytest.raises(NotEnoughMemoryError, match=r"an example needs 3 MB .* may have 2 MB"):
        check_memory(3e6, "an example")
    check_memory(3e6, "an example")
    assert memory_limit() is None or memory_limit() > 3e6  # type: ignore[operator]


def refused(**options: Any) -> None:
    X = np.full((4, 3, 2), 0.5)
    with limited_memory(1e8), pytest.raises(NotEnoughMemoryError, match=r"needs \d.* one request may have 100 MB"):
        Training(X[:, :, :1], X, learningrate=0.1, rng=RRandom(1), **options)


@pytest.mark.parametrize(
    "options",
    [
        {"hidden_dim": 13_000},
        {"hidden_dim": 200_000},
        {"hidden_dim": (400,) * 50},
        {"hidden_dim": 13_000, "network_type": "lstm"},
        {"numepochs": 10_000_000},
        {"batch_size": 1e-7},
        {"hidden_dim": 2_000, "exact": True, "network_type": "gru", "update_rule": "adam"},
        {"hidden_dim": 13_000, "exact": True, "network_type": "esn"},
        {"hidden_dim": 20_000, "exact": True, "network_type": "lstm", "proj_size": 3_000, "attention": True},
        {"numepochs": 10_000_000, "exact": True},
    ],
    ids=str,
)
def test_a_training_is_refused_before_memory_is_taken(options: dict[str, Any]) -> None:
    refused(**options)


@pytest.mark.parametrize("options", [{}, {"exact": True, "network_type": "gru"}])
def test_a_prediction_is_refused_before_memory_is_taken(options: dict[str, Any]) -> None:
    """Of a few numbers that stand for many: a broadcast X; states above all."""
    X = np.full((4, 3, 2), 0.5)
    model = pytrainr.trainr(X[:, :, :1], X, learningrate=0.1, hidden_dim=50, epoch_function=(), **options)
    many = np.broadcast_to(X[:1], (100_000, 3, 2))
    with limited_memory(5e7), pytest.raises(NotEnoughMemoryError, match="predicting"):
        pytrainr.predictr(model, many, hidden=True)
    long = np.broadcast_to(X[:1, :1], (1, 2_000_000, 2))
    with limited_memory(5e7), pytest.raises(NotEnoughMemoryError, match="predicting"):
        pytrainr.predictr(model, long)
    assert pytrainr.predictr(model, X).shape == (4, 3)


@pytest.mark.parametrize(
    "options",
    [
        {"network_type": "rnn", "hidden_dim": 400},
        {"network_type": "lstm", "hidden_dim": 200},
        {"network_type": "gru", "hidden_dim": 200, "exact": True, "update_rule": "adam"},
    ],
    ids=str,
)
def test_the_estimate_is_not_far_off(options: dict[str, Any]) -> None:
    """Training keeps within the estimate, and takes a good part of it: measured by what NumPy allocates."""
    import tracemalloc

    X = np.full((40, 10, 2), 0.5)

    def begun() -> Training:
        training = Training(X[:, :, :1], X, learningrate=0.1, rng=RRandom(1), begin=False, batch_size=40, **options)
        training.begin()
        training.advance()
        return training

    begun()  # what is compiled and imported once is not the training's
    tracemalloc.start()
    try:
        training = begun()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.2 * training.memory_bytes() < peak < 1.2 * training.memory_bytes() + 2e6, peak


@pytest.mark.parametrize("exact", [False, True])
def test_a_stepper_of_many_samples_is_refused_with_the_estimate(exact: bool) -> None:
    X = np.full((4, 3, 2), 0.5)
    model = pytrainr.trainr(
        X[:, :, :1], X, learningrate=0.1, hidden_dim=4, exact=exact, rng=RRandom(1), epoch_function=()
    )
    with limited_memory(1e8):
        with pytest.raises(NotEnoughMemoryError, match=r"a stepper of 1000000000 samples needs \d.* may have 100 MB"):
            model.stepper(samples=1_000_000_000)
        assert model.stepper(samples=2)(X[:2, 0]).shape == (2, 1)
