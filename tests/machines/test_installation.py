"""What a user installs (issue 10.4): the wheel and the source distribution, in clean environments."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.machines.clean import ROOT, SETUPTOOLS, Environment, distributions

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = ("pytrainr", "pytrainr_client", "pytrainr_server", "trainr")
TRAIN = """
import sys
import numpy as np
import pytrainr
assert not {"grpc", "google.protobuf", "scipy.linalg"} & set(sys.modules), sorted(sys.modules)
X = pytrainr.RRandom(1).unif_rand(40).reshape(20, 2, 1)
model = pytrainr.trainr(X, X, learningrate=0.1, hidden_dim=3, epoch_function=[], rng=pytrainr.RRandom(1))
print(pytrainr.__file__, float(model.error[0, 0]).hex())
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return distributions(tmp_path_factory.mktemp("distributions"))


@pytest.fixture(scope="module")
def base(built, tmp_path_factory):
    """The wheel as ``pip install pytrainr`` installs it."""
    environment = Environment(tmp_path_factory.mktemp("base"))
    environment.install(built[1])
    return environment


def test_the_source_distribution_and_the_wheel_hold_every_package_whole(built):
    source, wheel = built
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    sources = {"pytrainr": ROOT, "pytrainr_client": ROOT / "client/python", "pytrainr_server": ROOT / "server"}
    for package in PACKAGES:
        folder = sources.get(package, ROOT / "proto/python")
        expected = {path.relative_to(folder).as_posix() for path in (folder / package).rglob("*.py")}
        assert expected <= names
        assert f"{package}/py.typed" in names
    assert {f"pytrainr/data/{path.name}" for path in (ROOT / "pytrainr/data").glob("*.csv")} <= names
    assert not [name for name in names if name.startswith(("tests", "examples", "build"))]
    with tarfile.open(source) as archive:
        assert any(name.endswith("/LICENSE") for name in archive.getnames())


def test_the_base_is_numpy_numba_and_scipy(base):
    listed = base.run("python", "-m", "pip", "list", "--format=freeze").stdout
    names = {line.split("==")[0].lower() for line in listed.split()}
    assert names - {"pip", "setuptools", "wheel"} == {"pytrainr", "numpy", "numba", "llvmlite", "scipy"}
    assert PROJECT["build-system"]["requires"] == [SETUPTOOLS]


def test_the_base_trains(base):
    run = base.run("python", "-c", TRAIN)
    assert run.returncode == 0, run.stderr
    file, error = run.stdout.split()
    assert Path(file).is_relative_to(base.place)
    X = __import__("pytrainr").RRandom(1).unif_rand(40).reshape(20, 2, 1)
    from pytrainr import RRandom, trainr

    model = trainr(X, X, learningrate=0.1, hidden_dim=3, epoch_function=[], rng=RRandom(1))
    assert float(model.error[0, 0]).hex() == error


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("pytrainr-server --help", "pip install 'pytrainr[server]'"),
        ("pytrainr-server", "pytrainr-server needs grpc, grpc_status, google.protobuf"),
        ("python -m pytrainr_server token list", "pip install 'pytrainr[server]'"),
        ("python -c __import__('pytrainr_client')", "pip install 'pytrainr[client]'"),
        ("pytrainr demo", "the demo needs matplotlib and tqdm: pip install 'pytrainr[plots,progress]'"),
    ],
)
def test_a_missing_extra_is_one_clear_line_before_anything_is_compiled(base, command, message):
    program, *arguments = command.split(" ")
    cached = sorted((base.place / "cache").rglob("*"))
    run = base.run(program, *arguments)
    assert run.returncode == 1
    assert message in run.stderr.splitlines()[-1]
    assert ("Traceback" in run.stderr) == ("import" in command)
    assert sorted((base.place / "cache").rglob("*")) == cached


def test_the_commands_of_a_wheel_explain_themselves(base):
    for arguments in (["--help"], ["train", "--help"], ["predict", "--help"], ["demo", "--help"]):
        run = base.run("pytrainr", *arguments)
        assert run.returncode == 0, run.stderr
        assert "usage: pytrainr" in run.stdout


def test_the_demo_of_a_wheel_has_its_data_and_its_server(built, tmp_path):
    """Beside the wheel the packages of this environment: another wheel of the same versions would only cost time."""
    environment = Environment(tmp_path)
    environment.install("--no-deps", built[1])
    environment.borrow()
    run = environment.run("pytrainr", "demo", "--out", tmp_path / "demo")
    assert run.returncode == 0, run.stderr
    assert "2000 of 2000 fresh sums right" in run.stdout
    assert "nottem, next month" in run.stdout
    assert len(list((tmp_path / "demo").glob("*.png"))) == 4
    script = (
        "import pytrainr_client, pytrainr_server\n"
        "with pytrainr_server.start_local_server() as s, pytrainr_client.connect(s.address) as c:\n"
        "    print(c.server_info().version, pytrainr_client.__file__, pytrainr_server.__file__)"
    )
    run = environment.run("python", "-c", script)
    assert run.returncode == 0, run.stderr
    version, *files = run.stdout.split()
    assert version == PROJECT["project"]["version"]
    assert all(Path(file).is_relative_to(tmp_path) for file in files)


# the stubs and what they run on ---------------------------------------------------------------------------------------

ROUND_TRIP = """
import google.protobuf, grpc, numpy as np
from trainr import wire
from trainr.v1 import (dataset_pb2_grpc, model_pb2, model_pb2_grpc, prediction_pb2_grpc, server_info_pb2_grpc,
                       training_pb2, training_pb2_grpc)
array = np.asfortranarray(np.arange(24.0).reshape(2, 3, 4))
sent = training_pb2.Training(options=training_pb2.TrainingOptions(learningrate=0.1, hidden_dim=[3, 4]))
sent.x.CopyFrom(wire.encode_array(array))
got = training_pb2.Training.FromString(sent.SerializeToString())
assert got == sent and [np.array_equal(wire.decode_array(t, "x"), array) for t in wire.tensors(got)] == [True]
value = wire.encode_value({"hidden_dim": (3, 4), "x": array, "name": "a"})
value = wire.decode_value(model_pb2.Value.FromString(value.SerializeToString()), "options")
assert value["hidden_dim"] == (3, 4) and np.array_equal(value["x"], array)
channel = grpc.insecure_channel("127.0.0.1:1")
training_pb2_grpc.TrainingServiceStub(channel), model_pb2_grpc.ModelServiceStub(channel)
channel.close()
print(google.protobuf.__version__, grpc.__version__)
"""


def beside(place: Path, *what: str) -> dict[str, str]:
    """An environment in which these packages come before those of this one, and the sources before all."""
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target", place, *what]
    run = subprocess.run(pip, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    sources = [ROOT, ROOT / "server", ROOT / "client/python", ROOT / "proto/python"]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [place, *sources]))}


def output(script: str, environment: dict[str, str]) -> list[str]:
    command = [sys.executable, "-c", script]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    return run.stdout.split()


@pytest.mark.parametrize("protobuf", ["protobuf==5.29.*", "protobuf==6.33.*", "protobuf==7.*"])
def test_the_stubs_load_and_go_there_and_back_on_every_protobuf(tmp_path, protobuf):
    """TensorFlow 2.19 wants 5, MLflow and Streamlit 6; the oldest is below."""
    version = output(ROUND_TRIP, beside(tmp_path, protobuf))[0]
    assert version.startswith(protobuf.split("==")[1].rstrip("*"))


def test_the_oldest_grpc_and_protobuf_that_the_extras_allow_serve(tmp_path):
    extras = PROJECT["project"]["optional-dependencies"]
    bounds = [*extras["client"], *(bound for bound in extras["server"] if bound.startswith("grpcio"))]
    oldest = dict(bound.split(">=") for bound in bounds)
    environment = beside(tmp_path, *(f"{name}=={version}" for name, version in oldest.items()))
    assert output(ROUND_TRIP, environment) == [oldest["protobuf"], oldest["grpcio"]]
    script = (
        "import grpc, numpy as np, pytrainr, pytrainr_client, pytrainr_server\n"
        "with pytrainr_server.start_local_server() as s, pytrainr_client.connect(s.address) as c:\n"
        "    X = np.ones((20, 3, 1)); rng = pytrainr.RRandom\n"
        "    there = c.trainr(X, X, rng=rng(1), learningrate=.1, numepochs=3, epoch_function=[])\n"
        "    here = pytrainr.trainr(X, X, rng=rng(1), learningrate=.1, numepochs=3, epoch_function=[])\n"
        "    assert np.array_equal(c.predictr(there, X), pytrainr.predictr(here, X))\n"
        "    job = c.train_async(X, X, rng=rng(1), learningrate=.1, model_id='m')\n"
        "    job.wait(); print(grpc.__version__)\n"
        "    try: c.predictr('models/none', X)\n"
        "    except pytrainr_client.NotFoundError as error: print(error.code.name)\n"
    )
    assert output(script, environment) == [oldest["grpcio"], "NOT_FOUND"]
