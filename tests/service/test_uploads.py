"""Uploads and what is adopted of them: one writer, immutable, checked when read (issues 18.1 and 18.2)."""

from __future__ import annotations

import hashlib
import queue
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import ServerError
from pytrainr_server import LocalServer, start_local_server
from trainr.v1 import dataset_pb2, dataset_pb2_grpc

from pytrainr import RRandom
from tests.service.conftest import adder
from tests.service.test_bad_input import refused

Message = dataset_pb2.UploadDatasetRequest


@pytest.fixture(scope="module")
def stub(plain: LocalServer) -> Iterator[dataset_pb2_grpc.DatasetServiceStub]:
    with grpc.insecure_channel(plain.address) as channel:
        yield dataset_pb2_grpc.DatasetServiceStub(channel)


class Slow:
    """A call of UploadDataset whose messages come one by one."""

    def __init__(self, stub: dataset_pb2_grpc.DatasetServiceStub) -> None:
        self._messages: queue.Queue[Message | None] = queue.Queue()
        self._call: Any = None
        self._outcome: Any = None
        self._thread = threading.Thread(target=self._run, args=(stub,))
        self._thread.start()

    def _run(self, stub: dataset_pb2_grpc.DatasetServiceStub) -> None:
        try:
            self._outcome = stub.UploadDataset(iter(self._messages.get, None), timeout=300)
        except grpc.RpcError as error:
            self._outcome = error

    def send(self, message: Message) -> None:
        self._messages.put(message)

    def end(self) -> Any:
        self._messages.put(None)
        self._thread.join()
        return self._outcome


def committed(stub: dataset_pb2_grpc.DatasetServiceStub, upload_id: str, size: int) -> None:
    """Wait until so much of the upload is stored."""
    for _ in range(600):
        if stub.GetUpload(dataset_pb2.GetUploadRequest(upload_id=upload_id)).committed_bytes == size:
            return
        threading.Event().wait(0.05)
    raise AssertionError("the upload was not committed")


def begun(stub: dataset_pb2_grpc.DatasetServiceStub, upload_id: str, first: bytes, size: int) -> None:
    """An upload that breaks off after its first bytes."""
    messages = [Message(upload_id=upload_id, size_bytes=size, data=first)]
    assert refused(lambda: stub.UploadDataset(iter(messages), timeout=300))[0] == grpc.StatusCode.INVALID_ARGUMENT
    committed(stub, upload_id, len(first))


def test_an_adopted_file_has_no_second_writer(plain: LocalServer, stub: dataset_pb2_grpc.DatasetServiceStub) -> None:
    """Three calls of one upload: the second waits at offset 8, the third completes, the second then writes: refused,
    and the data set is what its hash says."""
    right, planted = b"right..." * 4, b"planted!" * 3
    sha256 = hashlib.sha256(right).hexdigest()
    begun(stub, "one-writer", right[:8], len(right))
    waiting = Slow(stub)
    waiting.send(Message(upload_id="one-writer", size_bytes=len(right), offset=8, data=b""))
    waiting_began(plain, stub)
    rest = [Message(upload_id="one-writer", size_bytes=len(right), offset=8, sha256=sha256, data=right[8:])]
    assert stub.UploadDataset(iter(rest), timeout=300).name == f"datasets/{sha256}"
    waiting.send(Message(data=planted))
    outcome = waiting.end()
    assert outcome.code() == grpc.StatusCode.FAILED_PRECONDITION
    path = plain.data_dir / "datasets" / sha256
    assert path.read_bytes() == right
    assert path.stat().st_mode & 0o222 == 0


def waiting_began(plain: LocalServer, stub: dataset_pb2_grpc.DatasetServiceStub) -> None:
    """The server has taken up the call that waits: its file is open."""
    for _ in range(600):
        opened = (Path(link).resolve() for link in Path(f"/proc/{plain.process.pid}/fd").iterdir())
        if any(path.parent.name == "uploads" for path in opened):
            return
        threading.Event().wait(0.05)
    raise AssertionError("the second call did not begin")


def test_two_honest_retries_do_not_collide(stub: dataset_pb2_grpc.DatasetServiceStub) -> None:
    """The same upload by several calls at once: each ends with the data set, or is told; none with INTERNAL."""
    data = np.random.default_rng(1).bytes(3 << 20)
    sha256 = hashlib.sha256(data).hexdigest()
    codes: list[grpc.StatusCode] = []

    def upload() -> None:
        messages = [Message(upload_id="honest", size_bytes=len(data), sha256=sha256)]
        messages += [Message(data=data[first : first + (1 << 18)]) for first in range(0, len(data), 1 << 18)]
        try:
            assert stub.UploadDataset(iter(messages), timeout=300).name == f"datasets/{sha256}"
            codes.append(grpc.StatusCode.OK)
        except grpc.RpcError as error:
            codes.append(error.code())  # type: ignore[attr-defined]

    for _ in range(5):
        threads = [threading.Thread(target=upload) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        stub.DeleteDataset(dataset_pb2.DeleteDatasetRequest(name=f"datasets/{sha256}", allow_missing=True))
    assert set(codes) <= {grpc.StatusCode.OK, grpc.StatusCode.FAILED_PRECONDITION}
    assert grpc.StatusCode.OK in codes


def flip(path: Path) -> None:
    """One bit of a file, as a bad disk would."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o600)
    path.write_bytes(content)


@pytest.fixture
def large() -> tuple[np.ndarray, np.ndarray]:
    X, Y = adder(40)
    return np.tile(X, (300, 1, 1)), np.tile(Y, (300, 1, 1))


def test_a_damaged_data_set_is_noticed_and_can_be_sent_again(tmp_path: Path, large: Any) -> None:
    """A job never trains on other bytes than those of the hash; sending them again mends the file."""
    X, Y = large
    options = {"learningrate": 0.01, "hidden_dim": 2, "batch_size": len(X)}
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        first = client.train_async(Y, X, rng=RRandom(1), **options).wait()
    for path in (tmp_path / "datasets").iterdir():
        flip(path)
    with start_local_server(tmp_path) as server, pytrainr_client.connect(server.address) as client:
        from trainr.v1 import training_pb2

        named = training(X, Y, [path.name for path in (tmp_path / "datasets").iterdir()])
        with pytest.raises(grpc.RpcError) as error:
            client.training.CreateTrainingJob(training_pb2.CreateTrainingJobRequest(training=named))
        assert error.value.code() == grpc.StatusCode.DATA_LOSS  # type: ignore[attr-defined]
        again = client.train_async(Y, X, rng=RRandom(1), **options).wait()
    assert all(np.array_equal(a, b) for a, b in zip(first.time_synapse, again.time_synapse, strict=True))


def training(X: np.ndarray, Y: np.ndarray, hashes: list[str]) -> Any:
    """A training on the data sets of these arrays, by name."""
    from trainr.v1 import tensor_pb2, training_pb2

    def tensor(array: np.ndarray) -> Any:
        sha256 = hashlib.sha256(array.tobytes()).hexdigest()
        order = tensor_pb2.ELEMENT_ORDER_ROW_MAJOR
        if sha256 not in hashes:
            return tensor_pb2.Tensor(dim=array.shape, element_order=order, data=array.tobytes())
        return tensor_pb2.Tensor(dim=array.shape, element_order=order, dataset=f"datasets/{sha256}")

    options = training_pb2.TrainingOptions(learningrate=0.01)
    return training_pb2.Training(x=tensor(X), y=tensor(Y), options=options, seed=1)


@pytest.mark.parametrize("change", [flip, Path.unlink])
def test_a_waiting_job_whose_data_are_gone_says_so(tmp_path: Path, large: Any, change: Callable[[Path], None]) -> None:
    """Inline data of a job that waits in the queue likewise: it fails by name, others go on."""
    X, Y = large
    endless = {"learningrate": 0.01, "hidden_dim": 16, "numepochs": 900_000, "network_type": "lstm"}
    with (
        start_local_server(tmp_path, flags=["--training-threads", "1"]) as server,
        pytrainr_client.connect(server.address) as client,
    ):
        before = client.train_async(*adder(10)[::-1], rng=RRandom(1), **endless)
        waiting = client.train_async(Y, X, rng=RRandom(1), learningrate=0.01, hidden_dim=2)
        assert waiting.info().state == "QUEUED"
    for path in (tmp_path / "datasets").iterdir():
        change(path)
    with (
        start_local_server(tmp_path, flags=["--training-threads", "1"]) as server,
        pytrainr_client.connect(server.address) as client,
    ):
        client.job(before.name).cancel()
        with pytest.raises(ServerError, match=r"damaged|not here"):
            client.job(waiting.name).wait()
