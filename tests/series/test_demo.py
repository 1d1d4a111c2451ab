"""The demo and the examples, run for real: what they print is what is true."""

from __future__ import annotations

import base64
import gzip
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import pytrainr
from pytrainr.demo import Calls, activity_arrays, run_demo

ROOT = Path(__file__).resolve().parents[2]


def golden(name):
    with gzip.open(ROOT / "tests" / "golden" / f"{name}.json.gz") as file:
        return json.load(file)


def decode(array):
    return np.frombuffer(base64.b64decode(array["f8"]), "<f8").reshape(array["dim"], order="F")


def test_activity_is_the_lecture_s():
    Y, X = activity_arrays()
    recorded = golden("activity91_rnn")
    assert np.array_equal(X, decode(recorded["X"]))
    assert np.array_equal(Y, decode(recorded["Y"]))


@pytest.fixture(scope="module")
def demo(tmp_path_factory):
    """The demo's results, what it said and the calls it made through the functions it was handed."""
    made: list[dict[str, object]] = []
    said: list[str] = []

    def trainr(*arrays, **options):
        made.append(options)
        return pytrainr.trainr(*arrays, **options)

    folder = tmp_path_factory.mktemp("demo")
    results = run_demo(folder, Calls(trainr, pytrainr.predictr), said.append)
    return folder, {(result.task, result.network): result.measured for result in results}, "\n".join(said), made


def test_demo_adds_every_pair(demo):
    _, measured, _, _ = demo
    assert measured["binary sums", "rnn 10 units, 5 epochs"] == "2000 of 2000 fresh sums right"


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
def test_demo_has_r_s_error(demo, network_type):
    _, measured, _, _ = demo
    error = decode(golden(f"activity91_{network_type}")["mean_error"])[-1]
    assert measured["Activity 9.1", network_type].startswith(f"error {error:.4f};")


def test_demo_shows_that_sigmoid_changes_only_rnn(demo):
    _, measured, _, _ = demo
    assert measured["Activity 9.1", "lstm tanh, rate 0.1"].startswith("the very weights of lstm")
    assert "stuck" in measured["Activity 9.1", "rnn tanh, rate 0.1"]
    assert measured["Activity 9.1", "rnn tanh, rate 0.1, seed 1"] == "diverges in epoch 2"


def test_demo_forecasts_better_than_the_baselines(demo):
    _, measured, _, _ = demo
    off = {
        network: float(re.findall(r"off by ([\d.]+) F", text)[0])
        for (task, network), text in measured.items()
        if task.startswith("nottem")
    }
    assert len(off) == 3
    assert min(off, key=off.__getitem__).startswith("rnn")


def test_demo_uses_the_functions_it_is_handed_and_says_where_its_plots_are(demo):
    folder, measured, said, made = demo
    assert len(made) == 12
    assert str(folder.resolve()) in said
    for name in ("adder_error.png", "activity91_error.png", "activity91_fit.png", "nottem.png"):
        assert (folder / name).stat().st_size > 5000
        assert name in said
    assert all(text in said for text in measured.values())


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        ("adder.py", "2000 of 2000 fresh sums right"),
        ("activity91.py", "rnn   mean error 0.084472 after 100 epochs"),
        ("series.py nottem", "same season before"),
    ],
)
def test_examples_run(tmp_path, command, expected):
    script, *arguments = command.split()
    call = [sys.executable, ROOT / "examples" / script, *arguments]
    run = subprocess.run(call, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert expected in run.stdout
