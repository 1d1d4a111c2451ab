"""A cancel is heard, also in the very moment in which what was waited for comes (a server that stops depends on it)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from grpc_health.v1 import health
from pytrainr_server.jobs.changes import AsyncListener
from pytrainr_server.service.parts import Parts

MOMENTS = range(8)  # turns of the event loop between what comes and the cancel


async def turns(number: int) -> None:
    for _ in range(number):
        await asyncio.sleep(0)


async def is_heard(task: asyncio.Task[None]) -> None:
    task.cancel()
    _, still = await asyncio.wait({task}, timeout=20)
    if still:
        task.cancel()  # heard by now, so that the test ends
        pytest.fail("the cancel was lost")


@pytest.mark.parametrize("moment", MOMENTS)
def test_who_waits_for_changes_hears_a_cancel(moment: int) -> None:
    async def trial() -> None:
        listener = AsyncListener()

        async def watch() -> None:
            while True:
                await listener.wait(60)

        task = asyncio.create_task(watch())
        await turns(3)
        listener.wake()
        await turns(moment)
        await is_heard(task)

    asyncio.run(trial())


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_server_stops_also_while_it_looks_at_its_parts(moment: int) -> None:
    async def trial() -> None:
        asked = []

        async def run(*_: Callable[..., Any]) -> str:
            answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            asked.append(answer)
            return await answer

        parts = Parts(SimpleNamespace(shared=None), None, health.aio.HealthServicer(), run)
        await parts.start()
        await turns(5)
        for answer in asked:
            answer.set_result("")
        await turns(moment)
        stop = asyncio.create_task(parts.stop())
        _, still = await asyncio.wait({stop}, timeout=20)
        assert not still, "it goes on looking"

    asyncio.run(trial())


def test_who_waits_for_changes_looks_by_itself_after_a_while() -> None:
    async def trial() -> None:
        listener = AsyncListener()
        await asyncio.wait_for(listener.wait(0.01), 60)
        listener.wake()
        await asyncio.wait_for(listener.wait(600), 60)

    asyncio.run(trial())
