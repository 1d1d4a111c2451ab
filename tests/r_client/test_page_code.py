"""Issue 16: the Python and R code that the page copies runs as it stands, beside its data, to the job's very model."""

from __future__ import annotations

import json
import os
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrainr_client
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.web.code import python_code, r_code
from trainr.v1 import model_pb2, tensor_pb2, training_pb2

import pytrainr
from pytrainr import RRandom
from pytrainr.layers import GRU, Bidirectional, Dense
from tests.r_client.r import R

RANDOM = np.random.default_rng(2)
X, Y = RANDOM.uniform(0, 1, (12, 5, 2)), RANDOM.uniform(0, 1, (12, 5, 1))
LAYERS = [Bidirectional(GRU(3, return_sequences=True)), Dense(1, activation="sigmoid")]
TRAININGS: dict[str, tuple[str, dict[str, Any]]] = {
    "lstm": ("time_synapse", {"network_type": "lstm", "hidden_dim": (4, 2), "clipping": 0.5, "numepochs": 3}),
    "layers": (
        "bidirectional_weights",
        {
            **{"exact": True, "layers": LAYERS, "update_rule": "adam", "sample_weight": RANDOM.uniform(0.5, 1, 12)},
            **{"validation": 0.25, "numepochs": 2, "loss": "huber"},
        },
    ),
}


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    with start_local_server(tmp_path_factory.mktemp("page"), flags=["--web", "127.0.0.1:0"]) as server:
        yield server


def job_of(page: str, id: str) -> dict[str, Any]:
    """What the page is told of a job."""
    asked = urllib.request.Request(f"{page}api/sign-in", b"{}", {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked) as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    with urllib.request.urlopen(urllib.request.Request(f"{page}api/jobs/{id}", headers={"Cookie": cookie})) as found:
        shown: dict[str, Any] = json.loads(found.read())
        return shown


@pytest.mark.parametrize("id", TRAININGS)
def test_the_code_runs(
    watched: LocalServer, r_library: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, id: str
) -> None:
    field, options = TRAININGS[id]
    with pytrainr_client.connect(watched.address) as client:
        model = client.train_async(Y, X, rng=RRandom(7), learningrate=0.1, job_id=id, **options).wait()
    shown = job_of(watched.page, id)
    expected = [float(value).hex() for value in np.asarray(model[field][0]).ravel(order="F")]

    monkeypatch.chdir(tmp_path)
    arrays = {"X": X, "Y": Y, **({"sample_weight": options["sample_weight"]} if "sample_weight" in options else {})}
    for name, array in arrays.items():
        np.save(f"{name}.npy", array)
    pytrainr.set_seed(7)
    names: dict[str, Any] = {}
    exec(shown["python"], names)
    assert [float(value).hex() for value in np.asarray(names["model"][field][0]).ravel(order="F")] == expected

    for name, array in arrays.items():
        array.ravel(order="F").tofile(f"{name}.bin")
    read = "".join(
        f'saveRDS(array(readBin("{name}.bin", "double", {array.size}), c({", ".join(map(str, array.shape))})), '
        f'"{name}.rds");'
        for name, array in arrays.items()
    )
    Path("script.R").write_text(shown["r"])
    ours = f'setwd("{os.getcwd()}"); {read} set.seed(7); source("script.R"); '
    printed = R(r_library, watched.address).run(ours + f'writeBin(as.vector(model${field}[[1]]), "weights.bin")')
    assert [value.hex() for value in np.fromfile("weights.bin").tolist()] == expected, printed


def test_schedules_are_code_in_both_languages() -> None:
    """A schedule that the server runs is the call that makes it, in either language."""
    names = ["epoch_print", 'StepSchedule{"epochs": 2, "factor": 0.5}']
    options = training_pb2.TrainingOptions(learningrate=0.1, epoch_function=names)
    training = training_pb2.Training(options=options)
    assert "epoch_function=[pytrainr.epoch_print, pytrainr.StepSchedule(epochs=2, factor=0.5)]" in python_code(
        training, ""
    )
    assert "epoch_function = list(epoch_print, step_schedule(epochs = 2, factor = 0.5))" in r_code(training, "")


def test_names_and_texts_cannot_become_code() -> None:
    """An option's name or text that would be code is quoted; what is unknown is said in a comment."""
    wild = 'a"; system("rm") #\n`'
    options = training_pb2.TrainingOptions(learningrate=0.1, sigmoid=wild, epoch_function=["halved", wild])
    options.extra.append(model_pb2.Option(name=wild, value=model_pb2.Value(string_value=wild)))
    options.extra.append(model_pb2.Option(name="if", value=model_pb2.Value(double_value=float("inf"))))
    shape = tensor_pb2.Tensor(dim=[2, 3, 1])
    training = training_pb2.Training(x=shape, y=shape, options=options, pause_each_epoch=True)
    seen: dict[str, Any] = {}

    class Server:
        def __enter__(self) -> Server:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def trainr(self, Y: Any, X: Any, **given: Any) -> None:
            seen.update(given)

    code = python_code(training, wild)
    assert "# It had epoch functions of its caller's own: halved\n" in code
    code = code.replace("pytrainr_client.connect", "Server").replace("np.load", "str")
    exec(code.replace("import", "#"), {"Server": lambda address: Server(), "float": float})
    assert seen == {"learningrate": 0.1, "sigmoid": wild, wild: wild, "if": float("inf")}
    in_r = r_code(training, wild)
    assert len(in_r.splitlines()) == 7
    assert r'`a"; system("rm") #\n\`` = "a\"; system(\"rm\") #\n`"' in in_r
