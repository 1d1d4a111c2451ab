"""Issue 17.6 in its short form: what scaling_out.py measures is measured, and what it counts is what there was."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.object_store import what_is_missing
from tests.service import postgresql

HERE = [] if what_is_missing() or postgresql.what_is_missing() else ["here"]


def test_efficiency_is_the_part_of_the_time_in_which_all_have_work() -> None:
    from benchmarks.scaling_out import efficiency

    one = [(0.0, 1.0), (1.25, 2.25), (2.5, 3.5)]
    assert efficiency(one, 1) == 0.8, "a quarter of a second between jobs; what comes after the last begins counts not"
    two = [(0.0, 2.0), (1.0, 3.0), (2.0, 4.0), (3.0, 5.0)]
    assert efficiency(two, 2) == 1.0, "from when both have begun"


@pytest.mark.parametrize("all_is", HERE)
def test_waiting_jobs_are_counted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_is: str) -> None:
    """Two workers, real PostgreSQL, object store and Dask; jobs of a tenth of a second."""
    from benchmarks import scaling_out

    monkeypatch.setenv("SCALING_OUT", "")
    monkeypatch.setenv("PYTHONPATH", "")
    state, page = tmp_path / "state.json", tmp_path / "page.md"
    page.write_text(f"before\n{scaling_out.BEGIN}\nold\n{scaling_out.END}\nafter\n")
    arguments = ["--workers", "2", "--jobs", "3", "--seconds", "0.1", "--state", str(state), "--write", str(page)]
    assert scaling_out.main(arguments) == 0
    [result] = scaling_out._kept(state)["wait"]
    assert (result.workers, result.jobs) == (2, 6)
    assert result.counts["puts"] == 1, "each model, once"
    assert result.counts["put_bytes"] > 100_000
    assert result.counts["writes"] >= 4, "taken, claimed, published"
    assert result.counts["alone"] >= 1, "published"
    assert result.counts["locked_seconds"] > 0
    assert 0 < result.efficiency <= 1
    text = page.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| 2 | 0.1 s | Swift | 6 |" in text
