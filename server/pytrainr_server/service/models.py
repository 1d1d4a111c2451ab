"""ModelService."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Row
from trainr import wire
from trainr.v1 import model_pb2, model_pb2_grpc

from pytrainr_server.config import Config
from pytrainr_server.errors import exhausted, invalid
from pytrainr_server.jobs import specification
from pytrainr_server.jobs.stored_models import parts_of_stored, save_model
from pytrainr_server.service.computed_models import ComputedModels, check_model
from pytrainr_server.service.follow import Run, sent
from pytrainr_server.service.guard import Context, current_owner
from pytrainr_server.service.messages import model_message
from pytrainr_server.service.missing import deleted_or_missing
from pytrainr_server.service.model_files import file_format, file_parts, model_parts, spooled, written
from pytrainr_server.store import names
from pytrainr_server.store.models import NEWEST
from pytrainr_server.store.pages import decode_token, encode_token, page_size
from pytrainr_server.store.store import Store

RETRY_SECONDS = 1.0


class ModelService(model_pb2_grpc.ModelServiceServicer):
    """Keeps models: see proto/trainr/v1/model.proto for what each call does."""

    def __init__(self, store: Store, config: Config, run: Run, remove: Run, computed: ComputedModels) -> None:
        self._store = store
        self._config = config
        self._run = run
        self._remove = remove
        self._computed = computed
        self._importing = 0

    def _message(self, model: Row[Any]) -> model_pb2.StoredModel:
        return model_message(model, self._store.models.aliases(model.owner, model.id).get(model.version, []))

    async def GetModel(  # noqa: N802
        self, request: model_pb2.GetModelRequest, context: Context[Any, Any]
    ) -> model_pb2.StoredModel:
        """What is known of a model."""
        return await self._run(self._get, current_owner(), request.name)

    def _get(self, owner: str, name: str) -> model_pb2.StoredModel:
        return self._message(self._store.models.get(owner, *names.model_parts(name)))

    async def ListModels(  # noqa: N802
        self, request: model_pb2.ListModelsRequest, context: Context[Any, Any]
    ) -> model_pb2.ListModelsResponse:
        """A page of models."""
        return await self._run(self._list, current_owner(), request)

    def _list(self, owner: str, request: model_pb2.ListModelsRequest) -> model_pb2.ListModelsResponse:
        id = None
        if request.parent:
            id, version = names.model_parts(request.parent, "parent")
            if version is not None:
                raise invalid("parent", f"is {request.parent!r}; it should name a model without a version")
        size = page_size(request.page_size)
        position = decode_token(request.page_token, (str, int))
        found = self._store.models.page(owner, id, size + 1, (position[0], position[1]) if position else None)
        token = encode_token([found[size - 1].id, found[size - 1].version]) if len(found) > size else ""
        return model_pb2.ListModelsResponse(
            models=[self._message(model) for model in found[:size]], next_page_token=token
        )

    async def DeleteModel(  # noqa: N802
        self, request: model_pb2.DeleteModelRequest, context: Context[Any, Any]
    ) -> model_pb2.DeleteModelResponse:
        """Delete a version, or all."""
        deleted = await self._remove(self._delete, current_owner(), request.name, request.allow_missing)
        return model_pb2.DeleteModelResponse(deleted=deleted)

    def _delete(self, owner: str, name: str, allow_missing: bool) -> int:
        return deleted_or_missing(lambda: self._delete_model(owner, *names.model_parts(name)), allow_missing)

    def _delete_model(self, owner: str, id: str, version: int | str | None) -> int:
        with self._store.keeping_files():
            keys = self._store.models.delete(owner, id, version)
            for key in keys:
                self._store.remove_model(key)
        return len(keys)

    async def SetModelAlias(  # noqa: N802
        self, request: model_pb2.SetModelAliasRequest, context: Context[Any, Any]
    ) -> model_pb2.StoredModel:
        """Point an alias at a version."""
        return await self._run(self._set_alias, current_owner(), request)

    def _set_alias(self, owner: str, request: model_pb2.SetModelAliasRequest) -> model_pb2.StoredModel:
        alias = names.checked_id(request.alias, "alias")
        if alias == NEWEST:
            raise invalid("alias", f"is {NEWEST!r}, which always means the newest version")
        return self._message(
            self._store.models.set_alias(owner, *names.model_parts(request.name), alias, request.remove)
        )

    async def ImportModel(  # noqa: N802
        self, request: AsyncIterator[model_pb2.ImportModelRequest], context: Context[Any, Any]
    ) -> model_pb2.StoredModel:
        """Store a model made elsewhere."""
        owner = current_owner()
        joiner = wire.ModelJoiner(limit=self._config.max_stored_bytes)
        model_id = request_id = None
        claimed = 0
        try:
            async for message in request:
                if model_id is None:
                    model_id, request_id = message.model_id, message.request_id
                joiner.add(message.part)
                if not claimed and joiner.size:
                    claimed = self._claim(joiner.size)
            if not joiner.complete:
                raise invalid("model", "ends before its last part")
            return await self._run(self._import, owner, model_id or "", request_id or "", joiner)
        finally:
            self._importing -= claimed

    def _claim(self, size: int) -> int:
        """Refuse a model for which there is no room beside those that others are sending, however slowly."""
        if self._importing + size > self._config.max_importing_bytes:
            raise exhausted(
                "IMPORTS_FULL",
                f"This model has {size} bytes; with those that are being imported just now that is more than "
                f"{self._config.max_importing_bytes} bytes. Try again later.",
                RETRY_SECONDS,
            )
        self._importing += size
        return size

    def _import(self, owner: str, model_id: str, request_id: str, joiner: wire.ModelJoiner) -> model_pb2.StoredModel:
        known_request = names.checked_request_id(request_id)
        id = names.checked_id(model_id, "model_id") if model_id else names.new_id("model")
        if known_request and (known := self._store.models.by_request(owner, known_request)):
            return self._message(known)
        model = specification.model_of(joiner.model(), joiner.array)
        check_model(model)
        new = save_model(self._store, model, owner=owner, id=id, request_id=known_request)
        return self._message(self._store.add_imported(new))

    async def ExportModel(  # noqa: N802
        self, request: model_pb2.ExportModelRequest, context: Context[Any, Any]
    ) -> AsyncIterator[model_pb2.ModelPart]:
        """A model's content."""
        parts: Iterator[model_pb2.ModelPart] = await self._run(self._parts, current_owner(), request.name)
        async for part in sent(parts):
            yield part

    def _parts(self, owner: str, name: str) -> Iterator[model_pb2.ModelPart]:
        key = self._store.models.get(owner, *names.model_parts(name)).key
        return parts_of_stored(self._store, key, self._config.chunk_bytes)

    async def WriteModelFile(  # noqa: N802
        self, request: model_pb2.WriteModelFileRequest, context: Context[Any, Any]
    ) -> AsyncIterator[model_pb2.ModelFilePart]:
        """A model as a file."""
        with spooled(self._store.directories) as path:
            await self._computed.run(self._write_file, current_owner(), request, path)
            with open(path, "rb") as file:
                for part in file_parts(file, path.stat().st_size, self._config.chunk_bytes):
                    yield part
                    await asyncio.sleep(0)  # between large parts others have their turn

    def _write_file(self, owner: str, request: model_pb2.WriteModelFileRequest, path: Path) -> None:
        format = file_format(request.format)
        written(self._computed.get(owner, request, whole=True), format, request.name, path)

    async def ReadModelFile(  # noqa: N802
        self, request: AsyncIterator[model_pb2.ReadModelFileRequest], context: Context[Any, Any]
    ) -> AsyncIterator[model_pb2.ModelPart]:
        """What a model file holds."""
        claimed = announced = received = 0
        try:
            with spooled(self._store.directories) as path:
                with open(path, "wb") as file:
                    async for part in request:
                        if not claimed:
                            announced = part.size_bytes
                            if not 0 < announced <= self._config.max_stored_bytes:
                                raise invalid("size_bytes", f"is {announced}; it should be the bytes of the file")
                            claimed = self._claim(announced)
                        received += len(part.data)
                        if received > announced:
                            raise invalid("data", f"goes on after the {announced} bytes that were announced")
                        await self._run(file.write, part.data)
                if not announced or received < announced:
                    raise invalid("data", f"ends after {received} of {announced} bytes")
                parts = await self._computed.run(model_parts, path, self._config.chunk_bytes)
                async for model_part in sent(parts):
                    yield model_part
        finally:
            self._importing -= claimed
