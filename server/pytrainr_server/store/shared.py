"""Files that servers share: written once into their place, then pointed to by a row of the database.

Nobody sees half a file, since the row comes last, in the transaction that makes the file count: a worker's under its
lease, so one that has lost its job can leave files behind, but none that are read. A file's name is never used again,
so deleting what no row points to cannot hurt who writes the same bytes at that moment.
"""

from __future__ import annotations

import hashlib
import logging
import math
import shutil
import tempfile
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Row, select

from pytrainr_server.errors import ServiceError
from pytrainr_server.store.cache import Cache, MismatchError, Soundness
from pytrainr_server.store.checksums import damaged
from pytrainr_server.store.database import Database
from pytrainr_server.store.files import KEPT_INLINE_BYTES
from pytrainr_server.store.names import new_key
from pytrainr_server.store.places import Place, unreachable
from pytrainr_server.store.schema import shared_files

DATASET, MODEL, UPLOAD = "dataset", "model", "upload"
CHECKPOINT, ERRORS, EPOCHS, PAUSED = "checkpoint", "errors", "epochs", "paused"
OF_JOBS = (CHECKPOINT, ERRORS, EPOCHS, PAUSED)
ORPHAN_SECONDS = 3600.0
"""A file this old that no row points to belongs to nothing; who has written one points to it long before."""
BROKEN_SECONDS = 86_400.0
"""What was begun to be written in parts so long ago never will be whole."""
log = logging.getLogger("pytrainr_server.store")


class NewFile(NamedTuple):
    """A file in its place to which no row points yet, or ``content`` that is small enough for the row itself."""

    name: str
    kind: str
    belongs_to: str
    part: int
    sha256: bytes
    size_bytes: int
    content: bytes | None
    written: float  # by the monotonic clock


class SharedFiles:
    """A place, the rows that point there, and this machine's copies."""

    def __init__(self, place: Place, database: Database, cache: Cache) -> None:
        self.place = place
        self._database = database
        self._cache = cache
        self._sound = Soundness()
        self._probe = f"clock-{new_key()}"

    # writing ----------------------------------------------------------------------------------------------------------

    def put(self, kind: str, belongs_to: str, source: Path, part: int = 0) -> NewFile:
        """Write a file; :func:`add_file` is to follow."""
        digest, size = _digest(source)
        name = _name(kind, belongs_to)
        self.place.put(name, source)
        return NewFile(name, kind, belongs_to, part, digest, size, None, time.monotonic())

    def put_small(self, kind: str, belongs_to: str, source: Path, part: int = 0) -> NewFile:
        """Likewise, or read it into the row where it is small."""
        if source.stat().st_size > KEPT_INLINE_BYTES:
            return self.put(kind, belongs_to, source, part)
        data, name = source.read_bytes(), _name(kind, belongs_to)
        return NewFile(name, kind, belongs_to, part, hashlib.sha256(data).digest(), len(data), data, time.monotonic())

    # reading ----------------------------------------------------------------------------------------------------------

    def rows(self, connection: Connection, kind: str, belongs_to: str) -> Sequence[Row[Any]]:
        """The files of something, in the order of their parts."""
        mine = (shared_files.c.kind == kind) & (shared_files.c.belongs_to == belongs_to)
        return connection.execute(select(shared_files).where(mine).order_by(shared_files.c.part)).all()

    def rows_by_kind(
        self, connection: Connection, kinds: Sequence[str], belongs_to: str
    ) -> dict[str, Sequence[Row[Any]]]:
        """The files of something, of each kind in the order of their parts."""
        found = connection.execute(
            select(shared_files).where(of(kinds, belongs_to)).order_by(shared_files.c.part)
        ).all()
        return {kind: [row for row in found if row.kind == kind] for kind in kinds}

    def row(self, kind: str, belongs_to: str) -> Row[Any]:
        """The newest file of something. Raises ``FileNotFoundError``."""
        with self._database.read() as connection:
            found = self.rows(connection, kind, belongs_to)
        if not found:
            raise FileNotFoundError(f"{kind} {belongs_to}")
        return found[-1]

    def path(self, row: Row[Any], message: str) -> Path:
        """A file with the bytes of the row's, to be read or mapped; they have been compared with the hash.

        Raises DATA_LOSS with the ``message`` where they differ, UNAVAILABLE, ``FileNotFoundError``.
        """
        sha256 = row.sha256.hex()
        here = None if row.content is not None else self.place.here(row.name)
        try:
            if here is not None:
                if self._sound.holds(here, sha256):
                    return here
            else:
                return self._copy(row, sha256)
        except MismatchError:
            pass
        raise damaged(row.kind, row.name, message)

    def _copy(self, row: Row[Any], sha256: str) -> Path:
        def fetch(target: Path) -> None:
            if row.content is not None:
                target.write_bytes(row.content)
            else:
                self.place.fetch(row.name, target)

        try:
            return self._cache.path(sha256, fetch)
        except MismatchError:  # on the way, perhaps
            return self._cache.path(sha256, fetch)

    def read(self, row: Row[Any], message: str) -> bytes:
        """The bytes of a file. Raises as :meth:`path`."""
        if row.content is not None:
            if hashlib.sha256(row.content).digest() != row.sha256:
                raise damaged(row.kind, f"{row.name} in the database", message)
            return bytes(row.content)
        return self.path(row, message).read_bytes()

    def copy(self, rows: Iterable[Row[Any]], target: Path, message: str) -> None:
        """Write files one after the other into one. Raises as :meth:`path`."""
        with open(target, "wb") as file:
            for row in rows:
                if row.content is not None:
                    file.write(self.read(row, message))
                else:
                    with open(self.path(row, message), "rb") as part:
                        shutil.copyfileobj(part, file, 1 << 20)

    # removing ---------------------------------------------------------------------------------------------------------

    def forget(self, connection: Connection, which: ColumnElement[bool]) -> list[str]:
        """Point to these files no more, within a transaction; their names, to be discarded after it."""
        in_their_place = select(shared_files.c.name).where(which, shared_files.c.content.is_(None))
        names = list(connection.execute(in_their_place).scalars())
        connection.execute(shared_files.delete().where(which))
        return names

    def drop(self, which: ColumnElement[bool]) -> None:
        """Forget and discard."""
        with self._database.write(durable=False) as connection:
            names = self.forget(connection, which)
        self.discard(names)

    def discard(self, names: Iterable[str]) -> None:
        """Delete files to which no row points; what cannot be deleted now is found by :meth:`remove_orphans`."""
        for name in names:
            try:
                self.place.delete(name)
            except (OSError, ServiceError) as error:
                log.warning("%s is left for later: %s", name, error)
                return

    def remove_orphans(self) -> int:
        """Delete the files to which no row points and that are old enough; how many."""
        found = self._found()  # first: what is new since then is known, or not among these
        now = found.get(self._probe, -math.inf)
        before = now - ORPHAN_SECONDS
        broken = self.place.end_broken(now - BROKEN_SECONDS)
        old = [name for name, written in found.items() if written < before]
        with self._database.read() as connection:
            known = set(connection.execute(select(shared_files.c.name)).scalars())
        gone = [name for name in old if name not in known]
        self.discard(gone)
        return len(gone) + broken

    def _found(self) -> dict[str, float]:
        """All files and their times; among them one just written, for the place has a clock of its own."""
        with tempfile.NamedTemporaryFile() as empty:
            self.place.put(self._probe, Path(empty.name))
        try:
            return {file.name: file.time for file in self.place.found()}
        finally:
            self.place.delete(self._probe)


def add_file(connection: Connection, new: NewFile) -> None:
    """Point to the file, within a transaction."""
    if time.monotonic() - new.written > ORPHAN_SECONDS / 2:
        raise unreachable()  # so late that it may be taken for one that belongs to nothing
    values = new._asdict()
    del values["written"]
    connection.execute(shared_files.insert(), values)


def of(kinds: str | Sequence[str], belongs_to: str) -> ColumnElement[bool]:
    """The rows of one thing's files."""
    names = (kinds,) if isinstance(kinds, str) else kinds
    return shared_files.c.kind.in_(names) & (shared_files.c.belongs_to == belongs_to)


def _name(kind: str, belongs_to: str) -> str:
    """One that nobody has used before."""
    return f"{kind if kind in OF_JOBS else kind + 's'}/{belongs_to}-{new_key()}"


def _digest(path: Path) -> tuple[bytes, int]:
    digest, size = hashlib.sha256(), 0
    with open(path, "rb") as file:
        while data := file.read(1 << 20):
            digest.update(data)
            size += len(data)
    return digest.digest(), size
