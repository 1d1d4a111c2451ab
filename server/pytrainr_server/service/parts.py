"""What a server works with, and whether it does: database, shared files, executor; told by health checks and metrics.

The server itself stays SERVING while one of them is away: it goes on by itself when that is back, and what does not
need it is answered. Who wants to know asks ``grpc.health.v1`` for ``pytrainr.database``, ``pytrainr.files`` or
``pytrainr.executor``, or HTTP for ``/health/database`` and so on where the metrics are.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from concurrent.futures import Executor

from grpc_health.v1 import health, health_pb2
from sqlalchemy import text

from pytrainr_server import telemetry
from pytrainr_server.errors import ServiceError
from pytrainr_server.service.follow import Run
from pytrainr_server.store.store import Store

__all__ = ["Parts"]

LOOK_SECONDS = 5.0
PATIENCE_SECONDS = 10.0
_STATUS = {False: health_pb2.HealthCheckResponse.NOT_SERVING, True: health_pb2.HealthCheckResponse.SERVING}
log = logging.getLogger("pytrainr_server")


class Parts:
    """Looks at every part, every few seconds."""

    def __init__(self, store: Store, executor: Executor, servicer: health.aio.HealthServicer, run: Run) -> None:
        self._store = store
        self._executor = executor
        self._servicer = servicer
        self._run = run
        self._known: dict[str, str] = {}
        self._looks = {"database": self._database, "executor": self._executors}
        if store.shared is not None:
            self._looks["files"] = self._files
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """All of them worked a moment ago, for the server has started; look at them from now on."""
        for part in self._looks:
            telemetry.tell_health(part, "")
            await self._servicer.set(f"pytrainr.{part}", _STATUS[True])
        self._task = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _watch(self) -> None:
        await asyncio.gather(*(self._watch_part(part, look) for part, look in self._looks.items()))

    async def _watch_part(self, part: str, look: Callable[[], str]) -> None:
        """Each by itself: one of which nothing is heard keeps no other waiting, and is asked once at a time."""
        while True:
            asked = asyncio.ensure_future(self._run(_why, look))
            # Not `wait_for`, which before Python 3.12 loses a cancel that comes in the moment of the answer.
            await asyncio.wait({asked}, timeout=PATIENCE_SECONDS)
            if not asked.done():
                await self._tell(part, f"no answer within {PATIENCE_SECONDS:g} seconds")
            await self._tell(part, await asked)
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell(self, part: str, why: str) -> None:
        if self._known.get(part, "") != why:
            log.log(logging.WARNING if why else logging.INFO, "%s: %s", part, why or "works again")
        self._known[part] = why
        telemetry.tell_health(part, why)
        await self._servicer.set(f"pytrainr.{part}", _STATUS[not why])

    def _database(self) -> str:
        with self._store.database.read() as connection:
            connection.execute(text("SELECT 1"))
        return ""

    def _executors(self) -> str:
        return str(getattr(self._executor, "degraded", ""))

    def _files(self) -> str:
        assert self._store.shared is not None
        self._store.shared.place.has("check", 0)
        return ""


def _why(look: Callable[[], str]) -> str:
    try:
        return look()
    except (ServiceError, OSError) as error:
        return str(error)
