"""Forks: gRPC's threads stay with the parent, and a call in the child would wait for them for ever. So it is refused.

gRPC's own support for forks (GRPC_ENABLE_FORK_SUPPORT) is no way out: with a call under way in another thread, the
child of 1.85 never returns from ``fork``.
"""

from __future__ import annotations

import weakref
from typing import Any, NoReturn, Protocol

from pytrainr.forks import in_child

__all__ = ["ForkedError", "check_not_forked", "closed", "opened"]


class ForkedError(RuntimeError):
    """A client was open when this process was forked from its parent."""

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
_inherited = False


def opened(client: Connected) -> None:
    """From now on a fork makes the child's copy of ``client`` raise :class:`ForkedError`."""
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


def _in_child() -> None:
    global _inherited
    for client in list(_open):
        client.use(_Refusing())
        _inherited = True


in_child(_in_child)
