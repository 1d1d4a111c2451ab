"""Copies of shared files on this machine's disk, named by their hash, within a bound: what is mapped must lie here."""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from pytrainr_server.store.files import TEMPORARY, remove

READ_BYTES = 1 << 20
FRESH_SECONDS = 60.0
"""What was asked for so recently stays: its reader may be about to open it."""
MAX_KNOWN_SOUND = 100_000


class MismatchError(Exception):
    """The bytes are not those that were asked for."""


class Soundness:
    """Which files have been seen to have the bytes of their hash: each is read once in a process."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, int]] = {}  # by hash: inode and size

    def holds(self, path: Path, sha256: str) -> bool:
        """Whether the file has these bytes. Raises ``FileNotFoundError``."""
        with open(path, "rb", buffering=0) as file:
            stat = os.fstat(file.fileno())
            found = (stat.st_ino, stat.st_size)
            if self._known.get(sha256) == found:
                return True
            digest, buffer = hashlib.sha256(), bytearray(READ_BYTES)
            while size := file.readinto(buffer):
                digest.update(memoryview(buffer)[:size])
        if digest.hexdigest() != sha256:
            return False
        if len(self._known) >= MAX_KNOWN_SOUND:
            self._known.clear()
        self._known[sha256] = found
        return True


class Cache:
    """Files in ``directory``, ``limit`` bytes of them; those that were not used for longest make way.

    One that is still mapped or open stays readable to who has it, so nothing here is ever locked.
    """

    def __init__(self, directory: Path, limit: int) -> None:
        self._directory = directory
        self._limit = limit
        self._sound = Soundness()
        self._locks: dict[str, threading.Lock] = defaultdict(threading.Lock)
        self._lock = threading.Lock()

    def path(self, sha256: str, fetch: Callable[[Path], None]) -> Path:
        """The copy of what has this hash; ``fetch`` writes it where there is none. Raises :class:`MismatchError`."""
        with self._lock:
            mine = self._locks[sha256]
        with mine:  # several that want the same wait for one copy
            path = self._directory / sha256
            if not self._is_here(path, sha256):
                self._bring(path, sha256, fetch)
            return path

    def _is_here(self, path: Path, sha256: str) -> bool:
        try:
            if self._sound.holds(path, sha256):
                os.utime(path)
                return True
        except FileNotFoundError:
            return False
        remove(path)  # damaged here: another copy is to be had
        return False

    def _bring(self, path: Path, sha256: str, fetch: Callable[[Path], None]) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = path.with_name(f"{sha256[:16]}.{secrets.token_hex(4)}{TEMPORARY}")
        try:
            fetch(temporary)
            if not self._sound.holds(temporary, sha256):
                raise MismatchError(sha256)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._make_room()

    def _make_room(self) -> None:
        with self._lock:
            found = []
            for entry in os.scandir(self._directory):
                with contextlib.suppress(FileNotFoundError):
                    found.append((entry.stat().st_mtime, entry.stat().st_size, Path(entry.path)))
            used, old = sum(size for _, size, _ in found), time.time() - FRESH_SECONDS
            for used_last, size, path in sorted(found):
                if used <= self._limit or used_last > old:
                    break
                remove(path)
                used -= size
