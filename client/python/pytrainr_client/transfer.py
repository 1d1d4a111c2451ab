"""Large arrays on their way to the server: uploaded once, in chunks, named by their SHA-256."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Iterator

import grpc
import numpy as np
from numpy.typing import ArrayLike
from trainr import wire
from trainr.v1 import dataset_pb2, dataset_pb2_grpc, server_info_pb2, tensor_pb2

from pytrainr import arguments
from pytrainr_client.errors import server_error
from pytrainr_client.retry import Patience, retried


class Uploader:
    """Makes tensors of arrays; the bytes of large ones go ahead as datasets, and only once."""

    def __init__(
        self,
        stub: dataset_pb2_grpc.DatasetServiceStub,
        limits: server_info_pb2.ServerInfo,
        retry_seconds: float,
        inline_bytes: int | None = None,
    ) -> None:
        """``inline_bytes``: what is larger goes ahead; as the server wishes unless given."""
        self._stub = stub
        self._limits = limits
        self._retry_seconds = retry_seconds
        self._inline_bytes = limits.inline_bytes if inline_bytes is None else inline_bytes
        self._there: set[str] = set()

    def tensor(self, array: np.ndarray) -> tensor_pb2.Tensor:
        """The array as a message that fits into a request."""
        tensor = wire.encode_array(array)
        self.lighten(tensor)
        return tensor

    def samples(self, array: ArrayLike, name: str) -> tensor_pb2.Tensor:
        """The same of the argument X or Y, as trainr takes them."""
        return self.tensor(arguments.as_samples(array, name))

    def lighten(self, tensor: tensor_pb2.Tensor) -> None:
        """Send a large tensor's bytes ahead and let it name them."""
        if len(tensor.data) > self._inline_bytes:
            tensor.dataset = self.upload(tensor.data)
            tensor.ClearField("data")

    def upload(self, data: bytes) -> str:
        """Make sure the server has these bytes; the dataset's name."""
        name = f"datasets/{hashlib.sha256(data).hexdigest()}"
        if name not in self._there and not self._is_there(name):
            self._send(name, data)
        self._there.add(name)
        return name

    def _send(self, name: str, data: bytes) -> None:
        sha256 = name.removeprefix("datasets/")
        patience, upload_id = Patience(self._retry_seconds), sha256
        while True:
            try:
                offset = self._stub.GetUpload(dataset_pb2.GetUploadRequest(upload_id=upload_id)).committed_bytes
                self._stub.UploadDataset(self._messages(data, sha256, upload_id, offset))
                return
            except grpc.RpcError as error:
                if server_error(error).reason == "UPLOAD_TAKEN_OVER":  # by another program with the same data
                    upload_id = f"{sha256}-{uuid.uuid4().hex}"
                else:
                    patience.wait(error)

    def _is_there(self, name: str) -> bool:
        try:
            retried(lambda: self._stub.GetDataset(dataset_pb2.GetDatasetRequest(name=name)), self._retry_seconds)
        except LookupError:
            return False
        return True

    def _messages(
        self, data: bytes, sha256: str, upload_id: str, offset: int
    ) -> Iterator[dataset_pb2.UploadDatasetRequest]:
        first = dataset_pb2.UploadDatasetRequest(
            upload_id=upload_id, sha256=sha256, size_bytes=len(data), offset=min(offset, len(data))
        )
        yield first
        step = self._limits.chunk_bytes
        for start in range(first.offset, len(data), step):
            yield dataset_pb2.UploadDatasetRequest(data=data[start : start + step])
