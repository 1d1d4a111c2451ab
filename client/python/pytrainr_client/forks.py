"""Forks: gRPC's threads stay with the parent, and a call in the child would wait for them for ever. So it is refused.

gRPC's own support for forks (GRPC_ENABLE_FORK_SUPPORT) is no way out: with a call under way in another thread, the
child of 1.85 never returns from ``fork``.
"""

from __future__ import annotations

import os
import time
import weakref
from contextlib import suppress
from typing import Any, NoReturn, Protocol

from pytrainr.forks import before_fork, in_child

__all__ = ["ForkedError", "check_not_forked", "closed", "opened"]


_THREADS = "/proc/self/task"  # of this process, on Linux
_GRPC_THREADS = ("event_engine", "lifeguard", "grpc_")  # how gRPC's threads call themselves
_SECONDS_TO_END = 5.0


class ForkedError(RuntimeError):
    """A client was open, or another user of gRPC, when this process was forked from its parent."""

    def __init__(self) -> None:
        super().__init__(
            "a client was connected when this process was forked (os.fork, multiprocessing, gunicorn's preload): gRPC "
            "does not survive that. Close it before the fork (with pytrainr_client.connect(...) as server: ...) and "
            "connect in each child, or start the children by multiprocessing's 'spawn' or joblib's 'loky'"
        )


class Connected(Protocol):
    """What uses a channel."""

    def use(self, channel: Any) -> None:
        """Use this channel from now on."""


_open: weakref.WeakSet[Connected] = weakref.WeakSet()
_any_opened = False
_running_at_fork = False
_inherited = False


def opened(client: Connected) -> None:
    """From now on a fork makes the child's copy of ``client`` raise :class:`ForkedError`."""
    global _any_opened
    _any_opened = True
    _open.add(client)


def closed(client: Connected) -> None:
    """The client is closed: a fork does it no harm."""
    _open.discard(client)


def check_not_forked() -> None:
    """Raise :class:`ForkedError` in a child of a process that forked with a client open."""
    if _inherited:
        raise ForkedError


class _Refusing:
    """In place of a channel: every method that it makes raises."""

    def __getattr__(self, name: str) -> Any:
        return lambda *arguments, **given: _refuse


def _refuse(*arguments: Any, **given: Any) -> NoReturn:
    raise ForkedError


def _grpc_runs() -> bool:
    """Whether this process has threads of gRPC. A channel is closed before they have ended, in their own time."""
    names = []
    with suppress(OSError):  # no such folder beyond Linux
        for thread in os.listdir(_THREADS):
            with suppress(OSError), open(f"{_THREADS}/{thread}/comm", encoding="utf-8") as file:  # it may have ended
                names.append(file.read())
    return any(name.startswith(_GRPC_THREADS) for name in names)


def _before_fork() -> None:
    """Let gRPC come to its end where every client is closed: a child in the midst of that could never connect."""
    global _running_at_fork
    _running_at_fork = bool(_open)
    if _any_opened and not _open:
        end, quiet = time.monotonic() + _SECONDS_TO_END, 0
        while quiet < 2 and time.monotonic() < end:  # twice: its last thread ends a moment before all is put away
            quiet = 0 if _grpc_runs() else quiet + 1
            time.sleep(0.01)
        _running_at_fork = quiet < 2


def _in_child() -> None:
    global _inherited
    _inherited |= _running_at_fork
    for client in list(_open):
        client.use(_Refusing())


before_fork(_before_fork)
in_child(_in_child)
