"""Threads that owners share: whoever has much to do waits in a line of its own, and the lines take turns."""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from concurrent.futures import Executor
from functools import partial
from typing import Any


class FairThreads:
    """Runs functions in ``count`` threads of an executor; used from one event loop."""

    def __init__(self, executor: Executor, count: int) -> None:
        self._executor = executor
        self._free = count
        self._lines: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    async def run(self, owner: str, function: Callable[..., Any], *arguments: Any) -> Any:
        """The result of the function, called when it is the owner's turn."""
        if self._free:
            self._free -= 1
        else:
            await self._turn(owner)
        work = asyncio.get_running_loop().run_in_executor(self._executor, partial(function, *arguments))
        work.add_done_callback(self._done)  # which is later than the call's own end where that was cancelled
        return await asyncio.shield(work)

    async def _turn(self, owner: str) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._lines.setdefault(owner, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._pass_on()
            raise

    def _done(self, work: asyncio.Future[Any]) -> None:
        if not work.cancelled():
            work.exception()  # seen, also where nobody waits for it any more
        self._pass_on()

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
