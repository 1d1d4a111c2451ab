"""Forks: a child has the memory of its parent and one of its threads. What needs the others is made anew in the child.

``multiprocessing`` (on Linux before Python 3.14), joblib and gunicorn fork. A lock that another thread holds at that
moment would stay locked in the child for ever, and a pool of threads would have none.
"""

from __future__ import annotations

import os
from collections.abc import Callable

__all__ = ["around_fork", "before_fork", "in_child"]

_CAN_FORK = hasattr(os, "register_at_fork")


def in_child(function: Callable[[], object]) -> None:
    """Have ``function`` called at the beginning of each child."""
    if _CAN_FORK:
        os.register_at_fork(after_in_child=function)


def before_fork(function: Callable[[], object]) -> None:
    """Have ``function`` called before each fork."""
    if _CAN_FORK:
        os.register_at_fork(before=function)


def around_fork(before: Callable[[], object], after: Callable[[], object]) -> None:
    """Have ``before`` called before each fork, ``after`` then in the parent and in the child."""
    if _CAN_FORK:
        os.register_at_fork(before=before, after_in_parent=after, after_in_child=after)
