"""Threads: how many a call may use, and the pool that shares its work. Compiled code releases the GIL, so they help."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import lru_cache
from typing import TypeVar

from pytrainr import arguments
from pytrainr.forks import in_child

__all__ = ["in_threads", "limited_threads", "set_threads", "thread_count", "together"]

Part = TypeVar("Part")
Result = TypeVar("Result")


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class _Limits(threading.local):
    here: int | None = None  # of the current thread


_limits = _Limits()
_of_process: int | None = None


def thread_count() -> int:
    """How many threads a call may use: as :func:`set_threads` says, else ``PYTRAINR_THREADS``, else one per processor.

    The number changes no bit of any result.
    """
    if _limits.here is not None:
        return _limits.here
    if _of_process is not None:
        return _of_process
    given = os.environ.get("PYTRAINR_THREADS")
    if not given:
        return _processors()
    return arguments.positive_integer(int(given) if given.isdecimal() else given, "PYTRAINR_THREADS")


def set_threads(count: int | None) -> None:
    """Let each call of this process use ``count`` threads; None: as ``PYTRAINR_THREADS`` says, or one per processor."""
    global _of_process
    _of_process = None if count is None else arguments.positive_integer(count, "count")


@contextmanager
def limited_threads(count: int) -> Iterator[None]:
    """Inside, calls from the current thread use ``count`` threads: for code that is one of many threads itself."""
    before, _limits.here = _limits.here, count
    try:
        yield
    finally:
        _limits.here = before


@lru_cache(maxsize=4)
def _pool(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="pytrainr")


in_child(_pool.cache_clear)  # the pools' threads stayed in the parent


def in_threads(function: Callable[[Part], Result], parts: Iterable[Part]) -> list[Result]:
    """``[function(part) for part in parts]``, the parts shared among :func:`thread_count` threads."""
    parts, count = list(parts), thread_count()
    if count == 1 or len(parts) < 2:
        return [function(part) for part in parts]
    contexts = [copy_context() for _ in parts]  # so that it is known for whom they work
    return list(_pool(count).map(lambda context, part: context.run(function, part), contexts, parts))


def together(function: Callable[[int], Result], count: int, give_up: Callable[[], None]) -> Result:
    """``function(number)`` for numbers 0 … ``count`` − 1 at the same time, each in a thread of its own; the first's
    result.

    For functions that wait for each other, which threads of a pool that others use too must not. Where one of them
    fails, or cannot even begin, ``give_up`` tells the others not to wait for it, and the error is raised.
    """
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            function(number)
        except BaseException as error:  # handed to the caller
            errors.append(error)
            give_up()

    threads: list[threading.Thread] = []
    try:
        for number in range(1, count):
            context = copy_context()
            thread = threading.Thread(target=context.run, args=(work, number), name=f"pytrainr-{number}", daemon=True)
            thread.start()
            threads.append(thread)
        result = function(0)
    except BaseException:
        give_up()
        raise
    finally:
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
    return result
