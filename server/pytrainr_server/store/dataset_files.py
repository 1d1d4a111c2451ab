"""The bytes of datasets, named by their SHA-256: in this server's own directory, or where servers share them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Protocol

from sqlalchemy import Connection

from pytrainr_server.errors import Code, ServiceError
from pytrainr_server.failpoints import failpoint
from pytrainr_server.store.cache import Soundness
from pytrainr_server.store.checksums import damaged
from pytrainr_server.store.files import Directories, replacing, sync_directory
from pytrainr_server.store.names import dataset_name
from pytrainr_server.store.shared import DATASET, NewFile, SharedFiles, add_file, of


class DatasetFiles(Protocol):
    """Where they are."""

    def is_here(self, sha256: str) -> bool:
        """Whether the bytes are there, and not known to be damaged."""

    def checked_path(self, sha256: str) -> Path:
        """A file with these bytes, as has been seen. Raises DATA_LOSS, ``FileNotFoundError``."""

    def keep(self, sha256: str, source: Path | bytes) -> NewFile | None:
        """Put the bytes in their place, unless they are there; the file ``source`` is not needed any more."""

    def count(self, connection: Connection, sha256: str, new: NewFile | None) -> bool:
        """What is kept counts from now on, within the transaction that records it; false where it has gone since."""

    def settled(self, new: NewFile | None) -> None:
        """After that transaction: remove what turned out not to be needed."""


def _message(sha256: str) -> str:
    return f"The bytes of {dataset_name(sha256)} are damaged on the server. Upload them again."


class OwnDatasets:
    """In the data directory, under their hashes."""

    def __init__(self, directories: Directories) -> None:
        self._directories = directories
        self._sound = Soundness()

    def is_here(self, sha256: str) -> bool:
        try:
            return self._sound.holds(self._directories.dataset(sha256), sha256)
        except FileNotFoundError:
            return False

    def checked_path(self, sha256: str) -> Path:
        path = self._directories.dataset(sha256)
        if not self._sound.holds(path, sha256):
            raise damaged("dataset", str(path), _message(sha256))
        return path

    def keep(self, sha256: str, source: Path | bytes) -> NewFile | None:
        path = self._directories.dataset(sha256)
        if isinstance(source, Path):
            self._adopt(source, path)
        elif self.is_here(sha256):
            os.utime(path)  # young again: the collection of garbage leaves it alone until it is recorded
        else:
            with replacing(path, "dataset-before-rename") as file:
                file.write(source)
            _protect(path)
        return None

    def _adopt(self, source: Path, path: Path) -> None:
        _protect(source)
        failpoint("dataset-before-rename")
        try:
            os.replace(source, path)
        except PermissionError:  # Windows replaces no file that a training has mapped; it has these very bytes
            os.utime(path)
        sync_directory(path.parent)

    def count(self, connection: Connection, sha256: str, new: NewFile | None) -> bool:
        return True

    def settled(self, new: NewFile | None) -> None:
        return


class SharedDatasets:
    """Where servers share them; a file's name is not its hash alone, so that one may be deleted while another server
    stores the same bytes anew."""

    def __init__(self, shared: SharedFiles, directories: Directories) -> None:
        self._shared = shared
        self._directories = directories
        self._broken: dict[str, str] = {}  # by hash: the name of a file that has gone, or has other bytes
        self._unneeded: dict[str, list[str]] = {}

    def is_here(self, sha256: str) -> bool:
        try:
            row = self._shared.row(DATASET, sha256)
        except FileNotFoundError:
            return False
        if not self._shared.place.has(row.name, row.size_bytes):
            self._broken[sha256] = row.name
        return self._broken.get(sha256) != row.name

    def checked_path(self, sha256: str) -> Path:
        row = self._shared.row(DATASET, sha256)
        try:
            return self._shared.path(row, _message(sha256))
        except FileNotFoundError:
            again = self._shared.row(DATASET, sha256)
            if again.name == row.name:
                raise
            return self._shared.path(again, _message(sha256))
        except ServiceError as error:
            if error.code == Code.DATA_LOSS:
                self._broken[sha256] = row.name  # so that it can be uploaded again
            raise

    def keep(self, sha256: str, source: Path | bytes) -> NewFile | None:
        if self.is_here(sha256):
            return None
        failpoint("dataset-before-rename")
        if isinstance(source, Path):
            return self._shared.put(DATASET, sha256, source)
        with self._directories.scratch() as scratch:
            scratch.write_bytes(source)
            return self._shared.put(DATASET, sha256, scratch)

    def count(self, connection: Connection, sha256: str, new: NewFile | None) -> bool:
        known = [row for row in self._shared.rows(connection, DATASET, sha256) if row.name != self._broken.get(sha256)]
        if new is None:
            return bool(known)
        if known:  # another was quicker
            self._unneeded[new.name] = [new.name]
        else:
            self._unneeded[new.name] = self._shared.forget(connection, of(DATASET, sha256))
            add_file(connection, new)
        return True

    def settled(self, new: NewFile | None) -> None:
        if new is not None:
            self._shared.discard(self._unneeded.pop(new.name, ()))


def _protect(path: Path) -> None:
    """A dataset is never written again."""
    if os.name == "posix":
        path.chmod(0o400)
