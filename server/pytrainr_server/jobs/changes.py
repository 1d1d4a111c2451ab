"""Wakes, within this process, whoever waits for something to change in the store.

Only a hint: everything is read from the store, and who is woken by nobody (the change came from another process) looks
there by itself every ``POLL_SECONDS``.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

POLL_SECONDS = 0.25

_lock = threading.Lock()
_listeners: dict[str, set[Callable[[], None]]] = {}


def notify(key: str) -> None:
    """Something about ``key`` (a job's key, or "queue") has changed."""
    with _lock:
        listeners = tuple(_listeners.get(key, ()))
    for wake in listeners:
        wake()


def of_batch(owner: str, id: str) -> str:
    """The key under which a batch changes."""
    return f"batch {owner} {id}"


@contextmanager
def listening(key: str, wake: Callable[[], None]) -> Iterator[None]:
    """``wake`` is called, from any thread, at every change of ``key``."""
    with _lock:
        _listeners.setdefault(key, set()).add(wake)
    try:
        yield
    finally:
        with _lock:
            _listeners[key].discard(wake)
            if not _listeners[key]:
                del _listeners[key]


class AsyncListener:
    """For a coroutine: ``await wait(seconds)`` returns at the next change, or after some time."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._event = asyncio.Event()

    def wake(self) -> None:
        """Let :meth:`wait` return; from any thread."""
        try:
            self._loop.call_soon_threadsafe(self._event.set)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return

    async def wait(self, seconds: float = POLL_SECONDS) -> None:
        """Wait for a change since the last call."""
        # Not `wait_for`, which before Python 3.12 loses a cancel that comes in the moment of the change.
        timer = self._loop.call_later(seconds, self._event.set)
        try:
            await self._event.wait()
        finally:
            timer.cancel()
            self._event.clear()
