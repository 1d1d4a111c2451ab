"""How much memory there is, and the refusal of what needs more: before anything is allocated, with the estimate.

What counts is the least of the machine's memory, the control group's limit (a container's, a service's) and the
process's own; a server lets each request have a share of it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["NotEnoughMemoryError", "check_memory", "limited_memory", "memory_limit"]

_ALWAYS = 1e6  # bytes that are not worth the question
_UNLIMITED = 1 << 60  # version 1 of control groups writes a number beyond this for "no limit"


class NotEnoughMemoryError(ValueError, MemoryError):
    """The arrays a call needs do not fit in this machine's memory."""


class _Share(threading.local):
    bytes: float | None = None  # of the current thread


_share = _Share()


@contextmanager
def limited_memory(share: float) -> Iterator[None]:
    """Inside, calls of the current thread are refused where they need more than ``share`` bytes."""
    before, _share.bytes = _share.bytes, share
    try:
        yield
    finally:
        _share.bytes = before


def check_memory(needed: float, what: str) -> None:
    """Raise :class:`NotEnoughMemoryError` where ``needed`` bytes are more than there are, or than the share."""
    if needed < _ALWAYS:
        return
    share, limit = _share.bytes, memory_limit()
    whose = "this machine has"
    if share is not None and (limit is None or share < limit):
        limit, whose = share, "one request may have"
    if limit is not None and needed > limit:
        raise NotEnoughMemoryError(
            f"{what} needs {_bytes(needed)} of memory, {whose} {_bytes(limit)}: "
            "use fewer samples, epochs or hidden units, or a smaller batch_size"
        )


def memory_limit() -> float | None:
    """Bytes of memory that this process may have; None where nobody knows."""
    limits = [limit for limit in (_machine(), _control_group(), _process()) if limit is not None]
    return min(limits) if limits else None


def _machine() -> float | None:
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return None  # not known on this platform: an allocation says so then


def _process() -> float | None:
    try:
        import resource
    except ImportError:  # Windows
        return None
    soft = resource.getrlimit(resource.RLIMIT_AS)[0]
    return None if soft == resource.RLIM_INFINITY else float(soft)


def _control_group(groups: Path = Path("/proc/self/cgroup"), root: Path = Path("/sys/fs/cgroup")) -> float | None:
    """The least limit of the control groups that this process is in, of version 1 or 2."""
    try:
        lines = groups.read_text(encoding="utf-8").splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controllers == "":
            limits += _limits_of(root, path, "memory.max")
        elif "memory" in controllers.split(","):
            limits += _limits_of(root / "memory", path, "memory.limit_in_bytes")
    return min(limits, default=None)


def _limits_of(root: Path, path: str, name: str) -> list[float]:
    """The limits from a group up to the root; inside a container the path may be the host's, and is not there."""
    found = []
    inner = root / path.lstrip("/")
    for directory in (inner, *inner.parents):
        if not directory.is_relative_to(root):
            break
        try:
            text = (directory / name).read_text(encoding="ascii").strip()
        except (OSError, ValueError):
            continue
        if text.isdecimal() and int(text) < _UNLIMITED:
            found.append(float(text))
    return found


def _bytes(n: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.3g} {unit}"
        n /= 1000
    return ""
