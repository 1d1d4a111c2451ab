"""The live list: one look at an owner's jobs a second, however many browsers watch."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

LOOK_SECONDS = 1.0
log = logging.getLogger("pytrainr_server.web")
Look = Callable[[], Awaitable[dict[str, Any]]]


class Feed:
    """What all watchers of one owner are told; looks only while there are watchers."""

    def __init__(self, look: Look) -> None:
        self._look = look
        self._watchers = 0
        self._news = asyncio.Condition()
        self._number = 0
        self._text = ""
        self._task: asyncio.Task[None] | None = None

    async def messages(self) -> AsyncGenerator[str, None]:
        """The newest state as JSON, whenever it has changed. Who is slow misses states, and holds none of them."""
        self._watchers += 1
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._keep_looking())
        seen = -1
        try:
            while True:
                async with self._news:
                    while self._number == seen or not self._text:
                        await self._news.wait()
                    seen, text = self._number, self._text
                yield text
        finally:
            self._watchers -= 1
            if not self._watchers and self._task is not None:
                self._task.cancel()
                self._task = None
                self._text = ""

    async def _keep_looking(self) -> None:
        while True:
            try:
                text = json.dumps(await self._look(), separators=(",", ":"))
            except Exception:  # a full disk, a database that is gone for a while: whoever watches goes on watching
                log.warning("the live list could not be read; it is tried again", exc_info=True)
            else:
                await self._tell(text)
            await asyncio.sleep(LOOK_SECONDS)

    async def _tell(self, text: str) -> None:
        if text != self._text:
            async with self._news:
                self._text = text
                self._number += 1
                self._news.notify_all()
