"""The program that kills servers sees what is lost: a run without faults says something (issue 18, "To show")."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
import pytrainr_client
from pytrainr_server import start_local_server

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


def test_a_lost_job_other_bits_and_a_leftover_are_faults(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import kills

    references = {"tiny": kills.expected("tiny")}
    with start_local_server(tmp_path / "served") as server, pytrainr_client.connect(server.address) as client:
        batch = kills.Batch(tmp_path, random.Random(1), references)
        batch._submit(client, "tiny", "kept")
        batch._compare(client)
        assert batch.faults == []

        client.job("trainingJobs/kept").delete()
        batch._compare(client)
        assert batch.faults == ["trainingJobs/kept was acknowledged and is lost", "0 jobs, of 1 handed in"]

        batch = kills.Batch(tmp_path, random.Random(1), references)
        batch._submit(client, "tiny", "other")
        references["tiny"].time_synapse[0][0, 0] = np.nextafter(references["tiny"].time_synapse[0][0, 0], 1.0)
        batch._compare(client)
        assert batch.faults == ["trainingJobs/other (tiny) has other bits"]

        (tmp_path / "data" / "jobs").mkdir(parents=True)
        (tmp_path / "data" / "models").mkdir()
        (tmp_path / "data" / "models" / "orphan").touch()
        assert [path.name for path in batch._leftovers()] == ["orphan"]
