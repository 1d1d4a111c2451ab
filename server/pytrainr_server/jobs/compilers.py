"""Kernels that a server needs for the first time are compiled beside it, by processes that owners share.

Numba lets one thread of a process compile at a time. Done here, the kernels of an owner who asks for ever new kinds of
networks would keep everybody else's first job waiting, behind one lock. So whoever needs a new kernel waits in the line
of the owner for whom it works, the lines take turns, and no owner has all of the processes.

Who waits so says it, and gives up its place among those that compute: see :func:`on_behalf_of`.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

from pytrainr.kernels import Helper, Task

IDLE_SECONDS = 30.0  # a process without work ends


_caller: ContextVar[tuple[str, Callable[[bool], None]]] = ContextVar("caller", default=("", lambda waits: None))


@contextmanager
def on_behalf_of(owner: str, waits: Callable[[bool], None]) -> Iterator[None]:
    """What the current thread does inside is done for this owner; ``waits`` is called with True where it begins to wait
    for a kernel, then with False, from this thread or one that works for it."""
    token = _caller.set((owner, waits))
    try:
        yield
    finally:
        _caller.reset(token)


class Compilers:
    """At most ``count`` processes that compile, one less for any one owner."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._helpers = 0
        self._changed = threading.Condition()
        self._lines: dict[str, dict[Task, None]] = {}  # by owner: what threads wait for
        self._waiting: Counter[str] = Counter()  # how many threads of an owner wait
        self._announced: dict[Task, str] = {}  # what an owner will need next
        self._under_way: dict[Task, str] = {}
        self._served: dict[str, float] = {}

    def obtain(self, task: Task) -> None:
        """Returns when the kernel is compiled, or a process has failed to do it."""
        owner, waits = _caller.get()
        waits(True)
        try:
            with self._changed:
                self._wait(owner, task)
        finally:
            waits(False)

    def _wait(self, owner: str, task: Task) -> None:
        if task not in self._under_way:
            self._lines.setdefault(owner, {})[task] = None
            self._start_one()
        self._waiting[owner] += 1
        while task in self._under_way or task in self._lines.get(owner, ()):
            self._changed.wait()
        self._waiting[owner] -= 1
        if not self._waiting[owner]:
            del self._waiting[owner]

    def _announce(self, owner: str, task: Task) -> None:
        with self._changed:
            if task not in self._under_way and not any(task in line for line in self._lines.values()):
                self._announced[task] = owner
                self._start_one()

    def _start_one(self) -> None:
        """There is more to do: let a process that has nothing to do see it, or start one."""
        if self._helpers < self._count:
            self._helpers += 1
            threading.Thread(target=self._work, name="compile", daemon=True).start()
        self._changed.notify_all()

    # the processes ----------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        """One process's life; what it dies of is compiled by who needs it."""
        helper: Helper | None = None
        while (taken := self._take()) is not None:
            owner, task = taken
            try:
                helper = helper or Helper()
                if not helper.compile(task, partial(self._announce, owner)):
                    helper.close()
                    helper = None
            except OSError:  # none can be started
                helper = None
            finally:
                self._done(task)
        if helper is not None:
            helper.close()

    def _take(self) -> tuple[str, Task] | None:
        """What to compile next and for whom; None after a while without any."""
        end = time.monotonic() + IDLE_SECONDS
        with self._changed:
            while (found := self._next()) is None:
                left = end - time.monotonic()
                if left <= 0:
                    self._helpers -= 1
                    return None
                self._changed.wait(left)
            owner, task = found
            for line in self._lines.values():
                line.pop(task, None)
            self._lines = {name: line for name, line in self._lines.items() if line}
            self._announced.pop(task, None)
            self._under_way[task] = owner
            self._served[owner] = time.monotonic()
        return found

    def _next(self) -> tuple[str, Task] | None:
        """The next kernel of the owner who has the fewest under way, then of who was served longest ago."""
        busy = Counter(self._under_way.values())
        most = max(1, self._count - 1)
        owners = [owner for owner in self._lines if busy[owner] < most]
        if owners:
            owner = min(owners, key=lambda owner: (busy[owner], self._served.get(owner, 0.0)))
            return owner, next(iter(self._lines[owner]))
        for task, owner in self._announced.items():
            if busy[owner] < most and self._waiting[owner]:
                return owner, task
        return None

    def _done(self, task: Task) -> None:
        with self._changed:
            del self._under_way[task]
            self._changed.notify_all()
