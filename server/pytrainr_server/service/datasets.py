"""DatasetService."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from trainr.v1 import dataset_pb2, dataset_pb2_grpc

from pytrainr_server import telemetry
from pytrainr_server.config import Config
from pytrainr_server.errors import invalid
from pytrainr_server.service.follow import Run
from pytrainr_server.service.guard import Context, current_owner
from pytrainr_server.service.messages import dataset_message
from pytrainr_server.service.missing import deleted_or_missing
from pytrainr_server.store import names
from pytrainr_server.store.datasets import Upload
from pytrainr_server.store.pages import decode_token, encode_token, page_size
from pytrainr_server.store.store import Store

MAX_UPLOAD_ID = 100


class DatasetService(dataset_pb2_grpc.DatasetServiceServicer):
    """Keeps datasets: see proto/trainr/v1/dataset.proto for what each call does."""

    def __init__(self, store: Store, config: Config, run: Run) -> None:
        self._store = store
        self._config = config
        self._run = run

    async def UploadDataset(  # noqa: N802
        self, request: AsyncIterator[dataset_pb2.UploadDatasetRequest], context: Context[Any, Any]
    ) -> dataset_pb2.Dataset:
        """Take the bytes as they come."""
        owner = current_owner()
        upload: Upload | None = None
        try:
            async for message in request:
                if upload is None:
                    known = await self._run(self._known, owner, message)
                    if known is not None:
                        return known
                    upload = await self._run(self._begin, owner, message)
                await self._run(upload.write, message.data)
                telemetry.received_bytes.inc(len(message.data))
            if upload is None:
                raise invalid("size_bytes", "is missing: the call ended without a message")
            return dataset_message(await self._run(upload.finish))
        finally:
            if upload is not None:
                await self._run(upload.abandon)

    def _known(self, owner: str, first: dataset_pb2.UploadDatasetRequest) -> dataset_pb2.Dataset | None:
        if first.sha256:
            names.checked_sha256(first.sha256, "sha256")
            known = self._store.datasets.touch(owner, first.sha256)
            if known is not None:
                if known.size_bytes != first.size_bytes:
                    raise invalid(
                        "size_bytes", f"is {first.size_bytes}, but the bytes of that hash are {known.size_bytes}"
                    )
                return dataset_message(known)
        return None

    def _begin(self, owner: str, first: dataset_pb2.UploadDatasetRequest) -> Upload:
        if first.size_bytes < 0 or first.offset < 0 or first.offset > first.size_bytes:
            raise invalid(
                "size_bytes", f"is {first.size_bytes} and offset {first.offset}; 0 <= offset <= size_bytes should hold"
            )
        _check_upload_id(first.upload_id)
        return self._store.datasets.begin_upload(owner, first.upload_id, first.size_bytes, first.offset, first.sha256)

    async def GetUpload(  # noqa: N802
        self, request: dataset_pb2.GetUploadRequest, context: Context[Any, Any]
    ) -> dataset_pb2.Upload:
        """Where to go on with an upload."""
        _check_upload_id(request.upload_id)
        committed = await self._run(self._store.datasets.committed_bytes, current_owner(), request.upload_id)
        return dataset_pb2.Upload(upload_id=request.upload_id, committed_bytes=committed)

    async def GetDataset(  # noqa: N802
        self, request: dataset_pb2.GetDatasetRequest, context: Context[Any, Any]
    ) -> dataset_pb2.Dataset:
        """One dataset."""
        sha256 = names.dataset_sha256(request.name)
        return dataset_message(await self._run(self._store.datasets.whole, current_owner(), sha256))

    async def ListDatasets(  # noqa: N802
        self, request: dataset_pb2.ListDatasetsRequest, context: Context[Any, Any]
    ) -> dataset_pb2.ListDatasetsResponse:
        """A page of datasets."""
        size = page_size(request.page_size)
        after = decode_token(request.page_token, (float, str))
        found = await self._run(self._store.datasets.page, current_owner(), size + 1, after)
        token = encode_token([found[size - 1].create_time, found[size - 1].sha256]) if len(found) > size else ""
        return dataset_pb2.ListDatasetsResponse(
            datasets=[dataset_message(dataset) for dataset in found[:size]], next_page_token=token
        )

    async def DeleteDataset(  # noqa: N802
        self, request: dataset_pb2.DeleteDatasetRequest, context: Context[Any, Any]
    ) -> dataset_pb2.DeleteDatasetResponse:
        """Delete a dataset."""
        deleted = await self._run(
            self._delete, current_owner(), names.dataset_sha256(request.name), request.allow_missing
        )
        return dataset_pb2.DeleteDatasetResponse(deleted=deleted)

    def _delete(self, owner: str, sha256: str, allow_missing: bool) -> int:
        return deleted_or_missing(lambda: self._delete_dataset(owner, sha256), allow_missing)

    def _delete_dataset(self, owner: str, sha256: str) -> int:
        self._store.datasets.delete(owner, sha256)
        return 1


def _check_upload_id(text: str) -> None:
    if len(text) > MAX_UPLOAD_ID:
        raise invalid("upload_id", f"has {len(text)} characters; at most {MAX_UPLOAD_ID} are possible")
