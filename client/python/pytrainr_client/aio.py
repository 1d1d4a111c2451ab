"""The client for asyncio: the same calls, to be awaited; they run in threads and leave the loop free."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytrainr
from pytrainr_client.client import Client, connect
from pytrainr_client.jobs import Job

__all__ = ["AsyncClient", "connect_async"]


def connect_async(address: str | None = None, token: str | None = None, **settings: Any) -> AsyncClient:
    """As :func:`pytrainr_client.connect`, for ``async with`` and ``await``."""
    return AsyncClient(connect(address, token, **settings))


class AsyncClient:
    """A client whose calls are awaited. Epoch functions are called in a thread, one at a time.

    Cancelling the task that awaits ``trainr`` stops the training at the server.
    """

    def __init__(self, client: Client) -> None:
        self.client = client

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(self, *error: object) -> None:
        await asyncio.to_thread(self.client.close)

    async def trainr(
        self,
        Y: Any,
        X: Any,
        model: pytrainr.Model | str | None = None,
        *,
        epoch_function: Any = (pytrainr.epoch_print, pytrainr.epoch_annealing),
        loss_function: Any = pytrainr.loss_L1,
        rng: pytrainr.RRandom | None = None,
        **given: Any,
    ) -> pytrainr.Model:
        """As :meth:`Client.trainr`."""
        conversation = await asyncio.to_thread(
            self.client.conversation, Y, X, model, given, epoch_function, loss_function, rng
        )
        try:
            return await asyncio.to_thread(conversation.run)
        except asyncio.CancelledError:
            conversation.cancel()
            raise

    async def train_async(self, Y: Any, X: Any, model: pytrainr.Model | str | None = None, **given: Any) -> Job:
        """As :meth:`Client.train_async`; the job's own methods are to be called by ``call``."""
        return await asyncio.to_thread(self.client.train_async, Y, X, model, **given)

    async def predictr(self, model: pytrainr.Model | str, X: Any, *arguments: Any, **given: Any) -> Any:
        """As :meth:`Client.predictr`."""
        return await asyncio.to_thread(self.client.predictr, model, X, *arguments, **given)

    async def model(self, name: str) -> pytrainr.Model:
        """As :meth:`Client.model`."""
        return await asyncio.to_thread(self.client.model, name)

    async def store_model(self, model: pytrainr.Model, model_id: str = "") -> str:
        """As :meth:`Client.store_model`."""
        return await asyncio.to_thread(self.client.store_model, model, model_id)

    async def call(self, function: Callable[..., Any], *arguments: Any, **given: Any) -> Any:
        """Any other call of the client or of a job: ``await server.call(job.info)``."""
        return await asyncio.to_thread(function, *arguments, **given)
