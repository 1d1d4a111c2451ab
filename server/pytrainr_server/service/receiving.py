"""The one message of a call that has but one: who calls is known before it is taken, and nobody waits for it for ever.

gRPC by itself would keep the beginnings of all messages that are under way, also of callers whom nobody has asked yet
who they are, for as long as they like. Here a message is taken only where there is room for it, however large it
becomes; until then the caller's connection holds it back.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress

from pytrainr_server.errors import Code, ServiceError, exhausted, invalid

__all__ = ["Receiving"]

RETRY_SECONDS = 1.0
DROP_SECONDS = 1.0
NOBODY = ""
"""In whose name a message is taken whose sender is refused."""


class Receiving:
    """Room for ``places`` messages under way, half of them for one owner; each may take so many ``seconds``, those in
    which it waits for its place included."""

    def __init__(self, places: int, seconds: float) -> None:
        self._places = places
        self._seconds = seconds
        self._taken: Counter[str] = Counter()
        self._waiting: deque[tuple[str, asyncio.Future[None]]] = deque()

    async def one(self, raw: AsyncIterator[bytes], owner: str) -> bytes:
        """The message. Raises RESOURCE_EXHAUSTED where there is no room for it, DEADLINE_EXCEEDED where it does not
        come."""
        placed = False
        try:
            with _limited(self._seconds):
                await self._place(owner)
                placed = True
                return await anext(aiter(raw))
        except StopAsyncIteration:
            raise invalid("request", "is missing: the call ended without a message") from None
        except TimeoutError:
            if not placed:
                message = "Too many messages are on their way; try again later."
                raise exhausted("TOO_MANY_MESSAGES", message, RETRY_SECONDS) from None
            message = f"The message did not come within {self._seconds:g} seconds. Send large data by UploadDataset."
            raise ServiceError(Code.DEADLINE_EXCEEDED, "MESSAGE_TOO_SLOW", message) from None
        finally:
            if placed:
                self._leave(owner)

    async def drop(self, raw: AsyncIterator[bytes]) -> None:
        """Let a caller who is refused finish its message, for a moment and where there is room.

        Clients such as curl take an answer that comes before for a broken connection.
        """
        if not self._has_room(NOBODY):
            return
        self._taken[NOBODY] += 1
        try:
            with suppress(TimeoutError), _limited(DROP_SECONDS):
                async for _ in raw:
                    pass
        finally:
            self._leave(NOBODY)

    def _has_room(self, owner: str) -> bool:
        return self._taken.total() < self._places and self._taken[owner] < max(1, self._places // 2)

    async def _place(self, owner: str) -> None:
        if self._has_room(owner):
            self._taken[owner] += 1
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((owner, turn))
        try:
            await turn  # whoever ends it has taken the place for us
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._leave(owner)
            raise

    def _leave(self, owner: str) -> None:
        self._taken[owner] -= 1
        if not self._taken[owner]:
            del self._taken[owner]
        waiting, self._waiting = self._waiting, deque()
        for who, turn in waiting:
            if turn.done():
                continue
            if self._has_room(who):
                self._taken[who] += 1
                turn.set_result(None)
            else:
                self._waiting.append((who, turn))


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """What is awaited inside may take so long, else there is a ``TimeoutError``: as ``asyncio.timeout`` of Python 3.11,
    without the task that ``wait_for`` makes for every message."""
    task, expired = asyncio.current_task(), False

    def expire() -> None:
        nonlocal expired
        expired = True
        if task is not None:
            task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, expire)
    try:
        yield
    except asyncio.CancelledError:
        if expired:
            raise TimeoutError from None
        raise
    finally:
        timer.cancel()
