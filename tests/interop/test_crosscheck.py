"""``pytrainr crosscheck``: the golden runs agree, and what is changed in a record is found."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytrainr.interop.crosscheck import main

GOLDEN = Path(__file__).resolve().parents[1] / "golden"


def record(name: str) -> dict[str, Any]:
    with gzip.open(GOLDEN / f"{name}.json.gz") as file:
        return json.load(file)


def changed(recorded: dict[str, Any], index: int, value: float) -> None:
    """Put another number into a recorded array."""
    numbers = np.frombuffer(base64.b64decode(recorded["f8"]), "<f8").copy()
    numbers[index] = value
    recorded["f8"] = base64.b64encode(numbers.tobytes()).decode()


def numbers(recorded: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(base64.b64decode(recorded["f8"]), "<f8")


@pytest.mark.parametrize("name", ["hidden1_lstm", "retrain_gru", "unsync_y3_rnn", "adagrad_rnn"])
def test_golden_runs_are_identical(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOLDEN / f"{name}.json.gz")]) == 0
    printed = capsys.readouterr().out
    assert "every bit" in printed
    assert "final time_synapse[[1]]" in printed


def test_a_difference_is_measured_and_located(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = record("hidden1_rnn")
    error = run["error"]
    rows = error["dim"][0]
    value = numbers(error)[rows + 2]
    changed(error, rows + 2, np.nextafter(np.nextafter(value, 9), 9))
    changed(run["predict"], 0, float("nan"))
    file = tmp_path / "changed.json"
    file.write_text(json.dumps(run))
    assert main(["--brief", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "up to 2 ulp at [3, 2]" in printed
    assert "infinitely many ulp at [1, 1]: R nan" in printed
    assert "2 of 27 arrays differ" in printed


def test_signs_of_zero_and_small_numbers_count_as_they_lie(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = record("hidden1_rnn")
    update = run["time_synapse_update"][0]
    zero = int(np.flatnonzero(numbers(update) == 0)[0])
    changed(update, zero, -float(numbers(update)[zero]))
    file = tmp_path / "sign.json"
    file.write_text(json.dumps(run))
    assert main([str(file)]) == 0
    changed(update, zero, -5e-324)
    file.write_text(json.dumps(run))
    assert main([str(file)]) == 1
    assert "up to 1 ulp" in capsys.readouterr().out


@pytest.mark.parametrize("name", ["time_mismatch", "batch_larger_than_data", "sigmoid_tanh", "layers_unequal_gru"])
def test_where_r_stopped_it_says_what_happens_here(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOLDEN / f"{name}.json.gz")]) == 0
    printed = capsys.readouterr().out
    assert "R stopped:" in printed
    assert "here as well:" in printed or "layers of unequal size" in printed


def test_a_training_that_stops_only_here_is_a_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = record("hidden1_rnn")
    run["args"]["learningrate"] = -1
    file = tmp_path / "stops.json"
    file.write_text(json.dumps(run))
    assert main([str(file)]) == 1
    assert "here it stops: learningrate" in capsys.readouterr().out


def test_other_files_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = tmp_path / "other.json"
    other.write_text("{}")
    assert main([str(other)]) == 2
    other.write_bytes(b"\x1f\x8b nonsense")
    assert main([str(other)]) == 2
    assert main([str(tmp_path / "nothing.json")]) == 2
    assert "is not a record" in capsys.readouterr().err
