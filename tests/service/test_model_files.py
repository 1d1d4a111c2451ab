"""Models as files, by the service: C, ONNX, R's list, the library's own (issue 15, number 5)."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, ServerError
from pytrainr_server import LocalServer, start_local_server
from trainr import wire
from trainr.v1 import model_pb2, model_pb2_grpc

import pytrainr
from pytrainr import Model, RRandom
from tests.service.conftest import SecureServer, adder
from tests.service.test_bad_input import refused

INVALID = grpc.StatusCode.INVALID_ARGUMENT


@pytest.fixture(scope="module")
def model() -> Model:
    X, Y = adder(40)
    return pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=4, rng=RRandom(1), epoch_function=())


@pytest.fixture(scope="module")
def biased() -> Model:
    X, Y = adder(40)
    return pytrainr.trainr(Y, X, learningrate=0.1, use_bias=True, rng=RRandom(1), epoch_function=())


@pytest.fixture(scope="module")
def stub(plain: LocalServer) -> Iterator[model_pb2_grpc.ModelServiceStub]:
    with grpc.insecure_channel(plain.address) as channel:
        yield model_pb2_grpc.ModelServiceStub(channel)


def compiled(source: Path, X: np.ndarray) -> np.ndarray:
    """What the program of a C file prints for one sequence."""
    program = source.with_suffix("")
    flags = ["-std=c99", "-O2", "-ffp-contract=off", "-DPYTRAINR_MAIN"]
    subprocess.run(["cc", *flags, str(source), "-lm", "-o", str(program)], check=True)
    text = "\n".join(",".join(map(repr, map(float, row))) for row in X)
    done = subprocess.run([str(program)], input=text, capture_output=True, text=True, check=True)
    return np.array([[float(number) for number in line.split(",")] for line in done.stdout.split()])


def test_every_format_of_a_stored_model_and_of_one_sent_along(client: Client, model: Model, tmp_path: Path) -> None:
    """15.5: the files are those of the library; C gives the bits of predictr, ONNX Runtime the same to 1e-12."""
    runtime = pytest.importorskip("onnxruntime")
    X, _ = adder(3, seed=5)
    name = client.store_model(model, "files")
    for given, folder in ((name, tmp_path / "stored"), (model, tmp_path / "sent")):
        folder.mkdir()
        for ending in ("trainr", "rds", "c", "onnx"):
            client.export_model(given, folder / f"net.{ending}")
        expected = pytrainr.predictr(model, X)
        for loaded in (Model.load(folder / "net.trainr"), pytrainr.read_r_model(folder / "net.rds")):
            np.testing.assert_array_equal(pytrainr.predictr(loaded, X), expected)
        np.testing.assert_array_equal(compiled(folder / "net.c", X[0])[:, 0], pytrainr.predictr(model, X[:1])[0])
        session = runtime.InferenceSession((folder / "net.onnx").read_bytes(), providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(["Y"], {"X": X})[0][:, :, 0], expected, rtol=1e-12)
    model.to_c(tmp_path / "net.c")
    assert (tmp_path / "stored" / "net.c").read_text() == (tmp_path / "net.c").read_text()
    client.export_model(model, tmp_path / "other", "c", name="sum")
    assert "sum_predict" in (tmp_path / "other").read_text()


def test_what_a_format_cannot_say_is_named_and_nothing_is_written(
    client: Client, biased: Model, tmp_path: Path
) -> None:
    """15.5: R's recycled bias has no form in ONNX; a file that was there stays."""
    (tmp_path / "net.onnx").write_text("before")
    with pytest.raises(ServerError, match="use_bias=True") as caught:
        client.export_model(biased, tmp_path / "net.onnx")
    assert caught.value.reason == "NOT_EXPORTABLE"
    assert (tmp_path / "net.onnx").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["net.onnx"]
    with pytest.raises(ValueError, match=r"path is .*should be or end in one of trainr, rds, c, onnx"):
        client.export_model(biased, tmp_path / "net.exe")
    with pytest.raises(ValueError, match="format is 'exe'"):
        client.export_model(biased, tmp_path / "net.c", "exe")


def test_another_owner_has_no_files_of_it(secure: SecureServer, client: Client, model: Model, tmp_path: Path) -> None:
    name = client.store_model(model, "mine-alone")
    with secure.connect(secure.other_token) as other, pytest.raises(LookupError):
        other.export_model(name, tmp_path / "net.c")


def parts(data: bytes, announced: int | None = None, step: int = 1000) -> Iterator[model_pb2.ReadModelFileRequest]:
    """A file as it is sent."""
    yield model_pb2.ReadModelFileRequest(size_bytes=len(data) if announced is None else announced)
    for start in range(0, len(data), step):
        yield model_pb2.ReadModelFileRequest(data=data[start : start + step])


def read(stub: model_pb2_grpc.ModelServiceStub, sent: Iterator[model_pb2.ReadModelFileRequest]) -> Model:
    return pytrainr_client.models.model_of(stub.ReadModelFile(sent, timeout=60))


def test_a_model_file_is_read_and_not_kept(
    plain: LocalServer, stub: model_pb2_grpc.ModelServiceStub, model: Model, tmp_path: Path
) -> None:
    """15.5: what Python saved comes back field by field; the server stores nothing and leaves no file."""
    model.save(tmp_path / "net.trainr")
    before = sorted(Path(plain.data_dir).rglob("*"))
    back = read(stub, parts((tmp_path / "net.trainr").read_bytes()))
    assert list(back.keys()) == [name for name in model if name in back]
    X, _ = adder(5, seed=2)
    np.testing.assert_array_equal(pytrainr.predictr(back, X), pytrainr.predictr(model, X))
    assert sorted(Path(plain.data_dir).rglob("*")) == before


def test_a_broken_file_is_refused(stub: model_pb2_grpc.ModelServiceStub, model: Model, tmp_path: Path) -> None:
    """Damaged, cut, of another kind, of another length than announced, or a model that computes nothing."""
    model.save(tmp_path / "net.trainr")
    whole = (tmp_path / "net.trainr").read_bytes()
    damaged = bytearray(whole)
    damaged[-100] ^= 1
    for data in (bytes(damaged), whole[:-64], b"no model", whole[:30]):
        assert refused(lambda data=data: read(stub, parts(data)))[::2] == (INVALID, "file")
    for announced in (0, -1, 1 << 60):
        assert refused(lambda announced=announced: read(stub, parts(whole, announced)))[::2] == (INVALID, "size_bytes")
    for announced in (len(whole) - 1, len(whole) + 1):
        assert refused(lambda announced=announced: read(stub, parts(whole, announced)))[::2] == (INVALID, "data")
    assert refused(lambda: read(stub, iter(())))[::2] == (INVALID, "data")
    less = Model.from_fields({name: value for name, value in model.items() if name != "time_synapse"})
    less.save(tmp_path / "less.trainr")
    code, _, field = refused(lambda: read(stub, parts((tmp_path / "less.trainr").read_bytes())))
    assert (code, field) == (INVALID, "time_synapse")


def test_requests_that_make_no_sense(stub: model_pb2_grpc.ModelServiceStub, model: Model) -> None:
    def write(**given: object) -> list[model_pb2.ModelFilePart]:
        return list(stub.WriteModelFile(model_pb2.WriteModelFileRequest(**given), timeout=60))  # type: ignore[arg-type]

    sent = wire.encode_model(dict(model.items()))
    assert refused(lambda: write())[::2] == (INVALID, "model")
    assert refused(lambda: write(model=sent, stored_model="models/a"))[::2] == (INVALID, "model")
    assert refused(lambda: write(model=sent, format=99))[::2] == (INVALID, "format")
    assert refused(lambda: write(model=sent, format=3, name="n" * 64))[::2] == (INVALID, "name")
    found = write(model=sent)
    assert found[0].size_bytes == sum(len(part.data) for part in found)


def test_a_file_that_takes_too_much_memory_is_refused(tmp_path: Path) -> None:
    """As elsewhere: with the estimate, before anything is allocated; the server goes on."""
    X, Y = adder(4)
    large = pytrainr.trainr(Y, X, learningrate=0.1, hidden_dim=700, rng=RRandom(1), epoch_function=())
    flags = ["--memory-bytes", "300000000"]  # 64 MiB for one of these
    with start_local_server(tmp_path, flags=flags) as server, pytrainr_client.connect(server.address) as client:
        with pytest.raises(ServerError, match=r"writing the model as \.c needs .* MB of memory") as caught:
            client.export_model(large, tmp_path / "net.c")
        assert caught.value.reason == "OUT_OF_MEMORY"
        client.export_model(large, tmp_path / "net.trainr")
        assert Model.load(tmp_path / "net.trainr").hidden_dim == large.hidden_dim
