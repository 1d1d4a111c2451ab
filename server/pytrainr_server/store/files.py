"""Files that appear whole or not at all: written beside their place, synced, renamed."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from pytrainr_server.failpoints import failpoint

TEMPORARY = ".tmp"
COPY_BYTES = 1 << 20
KEPT_INLINE_BYTES = 65_536
"""What is larger gets a file of its own: the database stays small and quick."""


def sync_directory(path: Path) -> None:
    """Make the names in a directory durable, where the system can."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:  # Windows opens no directories
        return
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> bool:
    """Remove a file, if it is there; false where it has to wait.

    Windows removes no file that is mapped or open: the next collection of garbage will.
    """
    try:
        path.unlink(missing_ok=True)
    except PermissionError:
        if os.name != "nt":
            raise
        return False
    return True


@contextmanager
def replacing(path: Path, point: str = "") -> Iterator[BinaryIO]:
    """A file to write that takes the place of ``path`` when all went well, and vanishes otherwise.

    ``point`` is the failpoint between the sync and the rename.
    """
    temporary = path.with_name(f"{path.name}.{secrets.token_hex(4)}{TEMPORARY}")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if point:
            failpoint(point)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_directory(path.parent)


def copy_part(source: Path, begin: int, end: int, target: Path) -> None:
    """Copy the bytes from ``begin`` to ``end`` of one file into another."""
    with open(source, "rb") as content, open(target, "wb") as file:
        content.seek(begin)
        left = end - begin
        while left and (data := content.read(min(left, COPY_BYTES))):
            file.write(data)
            left -= len(data)
    if left:
        raise OSError(errno.EIO, f"{source} ends {left} bytes too early")


class Directories:
    """Where everything lies under the data directory."""

    def __init__(self, data_dir: str | Path) -> None:
        self.root = Path(data_dir)
        self.datasets = self.root / "datasets"
        self.uploads = self.root / "uploads"
        self.models = self.root / "models"
        self.jobs = self.root / "jobs"
        self.work = self.root / "work"
        self.cache = self.root / "cache"

    def create(self) -> None:
        """Make the directories, readable by the server's user only."""
        for path in (self.root, self.datasets, self.uploads, self.models, self.jobs, self.work):
            path.mkdir(mode=0o700, parents=True, exist_ok=True)

    def dataset(self, sha256: str) -> Path:
        """The bytes of a dataset."""
        return self.datasets / sha256

    def upload(self, file: str) -> Path:
        """The bytes of an upload so far."""
        return self.uploads / file

    def model(self, key: str) -> Path:
        """A stored model, in the library's own format."""
        return self.models / f"{key}.model"

    def job(self, key: str) -> Path:
        """The directory of a job's checkpoint and epoch log."""
        return self.jobs / key

    @contextmanager
    def scratch(self) -> Iterator[Path]:
        """The path of a file that goes to its place from here, and is gone afterwards."""
        path = self.work / f"{secrets.token_hex(8)}{TEMPORARY}"
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)
