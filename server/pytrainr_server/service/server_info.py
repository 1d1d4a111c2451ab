"""ServerInfoService."""

from __future__ import annotations

from typing import Any

from trainr.v1 import server_info_pb2, server_info_pb2_grpc

import pytrainr
from pytrainr.layers import LAYERS
from pytrainr_server.config import Config
from pytrainr_server.jobs.specification import EPOCH_FUNCTIONS
from pytrainr_server.service.follow import Run
from pytrainr_server.service.guard import Context, current_owner
from pytrainr_server.store.store import Store


class ServerInfoService(server_info_pb2_grpc.ServerInfoServiceServicer):
    """Tells about the server."""

    def __init__(self, store: Store, config: Config, run: Run) -> None:
        self._store = store
        self._config = config
        self._run = run

    async def GetServerInfo(  # noqa: N802
        self, request: server_info_pb2.GetServerInfoRequest, context: Context[Any, Any]
    ) -> server_info_pb2.ServerInfo:
        """The version and the limits."""
        return server_info_pb2.ServerInfo(
            version=pytrainr.__version__,
            max_message_bytes=self._config.max_message_bytes,
            chunk_bytes=self._config.chunk_bytes,
            inline_bytes=self._config.inline_bytes,
            max_jobs=self._config.max_jobs,
            max_stored_bytes=self._config.max_stored_bytes,
            stored_bytes=await self._run(self._store.stored_bytes, current_owner()),
            max_epoch_samples=int(self._config.max_epoch_samples),
            grace_seconds=self._config.grace_seconds,
            epoch_functions=list(EPOCH_FUNCTIONS),
            layers=list(LAYERS),
            max_batch=self._config.max_jobs,
        )
