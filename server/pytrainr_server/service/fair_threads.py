"""Threads that owners share: whoever has much to do waits in a line of its own, and the lines take turns.

What has to wait for a kernel to be compiled lends its place to others meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter, OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from pytrainr_server.jobs.compilers import on_behalf_of

MOST_LENT = 16
"""So many threads there are beyond those that compute; half of them at most wait for one owner's kernels."""


class FairThreads:
    """Runs functions in ``count`` threads; used from one event loop."""

    def __init__(self, name: str, count: int) -> None:
        self._executor = ThreadPoolExecutor(count + MOST_LENT, name)
        self._free = count
        self._lent: Counter[str] = Counter()
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, owner: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of the function, called when it is the owner's turn."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(owner)
        loop = asyncio.get_running_loop()
        place = _Place(self, owner, loop)
        work = loop.run_in_executor(self._executor, place.call, partial(function, *arguments))
        work.add_done_callback(place.done)  # which is later than the call's own end where that was cancelled
        return await asyncio.shield(work)

    def shutdown(self, wait: bool) -> None:
        """End the threads; what has not begun is given up."""
        self._executor.shutdown(wait=wait, cancel_futures=True)

    async def _turn(self, owner: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def lend(self, owner: str) -> bool:
        """Let the next have the place of one that waits for a kernel, unless too many wait so."""
        if self._lent.total() >= MOST_LENT or self._lent[owner] >= MOST_LENT // 2:
            return False
        self._lent[owner] += 1
        self._pass_on()
        return True

    def give_back(self, owner: str, lent: bool) -> None:
        """A place is free again; one that was lent has gone on before."""
        if not lent:
            self._pass_on()
            return
        self._lent[owner] -= 1
        if not self._lent[owner]:
            del self._lent[owner]

    def _pass_on(self) -> None:
        """The thread goes to the next line's first that still waits."""
        while self._lines:
            owner, line = self._lines.popitem(last=False)
            turn = line.popleft()
            if line:
                self._lines[owner] = line  # at the end: the others come first
            if not turn.done():
                turn.set_result(None)
                return
        self._free += 1


class _Place:
    """A function's place among those that compute."""

    def __init__(self, threads: FairThreads, owner: str, loop: asyncio.AbstractEventLoop) -> None:
        self._threads, self._owner, self._loop = threads, owner, loop
        self._lent = self._over = False

    def call(self, function: Callable[[], Any]) -> Any:
        with on_behalf_of(self._owner, self._waits):
            return function()

    def _waits(self, waits: bool) -> None:
        if waits:
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
                self._loop.call_soon_threadsafe(self._lend)

    def _lend(self) -> None:
        if not self._lent and not self._over:
            self._lent = self._threads.lend(self._owner)

    def done(self, work: asyncio.Future[Any]) -> None:
        if not work.cancelled():
            work.exception()  # seen, also where nobody waits for it any more
        self._over = True
        self._threads.give_back(self._owner, self._lent)
