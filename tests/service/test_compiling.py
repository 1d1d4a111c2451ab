"""While a server compiles, its progress says so, and the clients show it (issue 10.7)."""

from __future__ import annotations

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytrainr_client import connect
from pytrainr_server.local import start_local_server

from pytrainr import RRandom, kernels

X = np.linspace(0.0, 1.0, 12).reshape(2, 3, 2)


def test_a_server_without_kernels_says_what_it_compiles(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (
        start_local_server(environment={"NUMBA_CACHE_DIR": str(tmp_path)}) as server,
        connect(server.address) as client,
    ):
        model = client.trainr(
            X[:, :, :1], X, learningrate=0.1, hidden_dim=2, network_type="lstm", epoch_function=[], rng=RRandom(1)
        )
        said = capsys.readouterr().err
        log = server.log.read_text()
    assert model.current_epoch == 1
    assert re.search(r"the server is compiling [a-z_.]+ \(\d+ of \d+\)", said)
    assert re.search(r"compiling [a-z_.]+ \(\d+ of \d+\)", log)


def test_progress_says_nothing_of_it_otherwise(monkeypatch: pytest.MonkeyPatch) -> None:
    from pytrainr_server.service import follow

    def event(queue_position: int = 0) -> str:
        job = SimpleNamespace(epoch=0, progress=0.0)
        seen: Any = SimpleNamespace(job=job, queue_position=queue_position)
        return follow._progress(seen).progress.compiling

    monkeypatch.setattr(kernels, "now_compiling", lambda: None)
    assert event() == ""
    monkeypatch.setattr(kernels, "now_compiling", lambda: kernels.Progress("r.epoch.run_groups", 3, 11))
    assert event() == "r.epoch.run_groups (3 of 11)"
    assert event(queue_position=2) == ""
