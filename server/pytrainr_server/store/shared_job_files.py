"""A running job's files where servers share them: whoever takes the job up next finds its last checkpoint.

The worker writes as it does anywhere, into a directory of its own. Each checkpoint then goes to the shared place, with
what log and errors have grown by since the one before; one transaction under the worker's lease makes all of it count.
Log and errors lie there in pieces. A new piece takes those before it along that are no larger, so that there are few
and each byte is written but a logarithm of times. What the last checkpoint does not have yet of the log is in the
database, for those who watch.
"""

from __future__ import annotations

import io
import shutil
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, select

from pytrainr_server.errors import Code, ServiceError
from pytrainr_server.store.database import Database
from pytrainr_server.store.files import KEPT_INLINE_BYTES, TEMPORARY, copy_part
from pytrainr_server.store.job_files import DamagedCheckpointError, Epoch, EpochLog, JobFiles, Restored
from pytrainr_server.store.jobs import LeaseLostError, check_lease
from pytrainr_server.store.places import unreachable
from pytrainr_server.store.schema import epoch_records, shared_files
from pytrainr_server.store.shared import CHECKPOINT, EPOCHS, ERRORS, OF_JOBS, NewFile, SharedFiles, add_file, of

SHOW_SECONDS = 0.5
TRIES = 3
LOG_DAMAGED = "The log of the job's epochs is damaged on the server."
CHECKPOINT_DAMAGED = "The job's checkpoint is damaged on the server."


class SharedEpochLog(EpochLog):
    """The epochs of a job as any server may read them."""

    def __init__(self, shared: SharedFiles, database: Database, key: str) -> None:
        super().__init__(Path("jobs") / key)
        self._shared = shared
        self._database = database
        self._key = key

    def _opened(self, stored: bytes | None) -> BinaryIO:
        if stored is not None:
            return super()._opened(stored)
        for _ in range(TRIES):
            try:
                return io.BufferedReader(_Pieces(self._pieces()))  # type: ignore[return-value]
            except FileNotFoundError:  # pieces have just become one
                continue
        raise unreachable()

    def _pieces(self) -> list[BinaryIO]:
        with self._database.read() as connection:
            rows = self._shared.rows(connection, EPOCHS, self._key)
            newer = select(epoch_records.c.records).where(epoch_records.c.job_key == self._key)
            shown = list(connection.execute(newer.order_by(epoch_records.c.first)).scalars())
        return [*(self._piece(row) for row in rows), *map(io.BytesIO, shown)]

    def _piece(self, row: Row[Any]) -> BinaryIO:
        if row.content is not None:
            return io.BytesIO(self._shared.read(row, LOG_DAMAGED))
        return open(self._shared.path(row, LOG_DAMAGED), "rb")


class _Pieces(io.RawIOBase):
    """Files, read as if they were one."""

    def __init__(self, pieces: list[BinaryIO]) -> None:
        self._pieces = [(piece, piece.seek(0, io.SEEK_END)) for piece in pieces]
        self._position = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: sum(size for _, size in self._pieces)}
        self._position = base[whence] + offset
        return self._position

    def readinto(self, buffer: Any) -> int:
        begin = 0
        for piece, size in self._pieces:
            if self._position < begin + size:
                piece.seek(self._position - begin)
                data = piece.read(len(buffer))
                buffer[: len(data)] = data
                self._position += len(data)
                return len(data)
            begin += size
        return 0

    def close(self) -> None:
        for piece, _ in self._pieces:
            piece.close()
        super().close()


class SharedJobFiles(JobFiles):
    """What the worker of a job writes, under its lease."""

    def __init__(
        self,
        shared: SharedFiles,
        database: Database,
        key: str,
        lease: str,
        directory: Path,
        samples: int,
        *,
        validated: bool = False,
    ) -> None:
        super().__init__(directory, samples, validated=validated)
        self._shared = shared
        self._database = database
        self._key = key
        self._lease = lease
        self._pieces: dict[str, list[tuple[str, int, int]]] = {EPOCHS: [], ERRORS: []}  # names, first bytes, sizes
        self._shown = 0  # epochs that watchers can see
        self._to_show: list[bytes] = []
        self._next_show = 0.0

    # taking up --------------------------------------------------------------------------------------------------------

    def open(self) -> Restored | None:
        with self._database.read() as connection:
            rows = self._shared.rows_by_kind(connection, OF_JOBS, self._key)
            shown = connection.execute(select(epoch_records.c.first).where(_shown_of(self._key)).limit(1)).first()
        if not rows[CHECKPOINT]:
            if shown or any(rows.values()):
                self._forget_everything()
            return None
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            self._shared.copy(rows[CHECKPOINT][-1:], self._checkpoint_path, CHECKPOINT_DAMAGED)
            self._shared.copy(rows[ERRORS], self._errors_path, CHECKPOINT_DAMAGED)
            self._shared.copy(rows[EPOCHS], self.log.path, CHECKPOINT_DAMAGED)
        except FileNotFoundError as error:
            raise DamagedCheckpointError(f"of the job's checkpoint {error} is missing") from error
        except ServiceError as error:
            if error.code == Code.DATA_LOSS:
                raise DamagedCheckpointError(error.message) from error
            raise
        restored = super().open()
        assert restored is not None
        for kind in self._pieces:
            self._pieces[kind] = [_piece(row) for row in rows[kind]]
        self._shown = restored.error_columns.shape[1]
        with self._database.write(durable=False, alone=False) as connection:
            check_lease(connection, self._key, self._lease)
            connection.execute(epoch_records.delete().where(_shown_of(self._key)))
        return restored

    def begin_anew(self) -> None:
        super().begin_anew()
        self._forget_everything()

    def _forget_everything(self) -> None:
        with self._database.write(durable=False, alone=False) as connection:
            check_lease(connection, self._key, self._lease)
            names = self._shared.forget(connection, of(OF_JOBS, self._key))
            connection.execute(epoch_records.delete().where(_shown_of(self._key)))
        self._shared.discard(names)
        self._pieces = {EPOCHS: [], ERRORS: []}
        self._shown, self._to_show = 0, []

    # going on ---------------------------------------------------------------------------------------------------------

    def append(self, epoch: Epoch, error_column: np.ndarray) -> None:
        super().append(epoch, error_column)
        self._to_show.append(self._held_epochs[-1])

    def flush(self) -> None:
        super().flush()
        if self._to_show and time.monotonic() >= self._next_show:
            self._next_show = time.monotonic() + SHOW_SECONDS
            values = {"job_key": self._key, "first": self._shown, "records": b"".join(self._to_show)}
            with self._database.write(durable=False, alone=False) as connection:
                check_lease(connection, self._key, self._lease)
                connection.execute(epoch_records.insert(), values)
            self._count_shown()

    def _count_shown(self) -> None:
        self._shown += len(self._to_show)
        self._to_show = []

    def save(self, epochs: int, checkpoint: Mapping[str, Any]) -> None:
        super().save(epochs, checkpoint)
        saved = self._shared.put_small(CHECKPOINT, self._key, self._checkpoint_path, epochs)
        self._carry([saved, *self._grown(ERRORS, self._errors_path), *self._grown(EPOCHS, self.log.path)])

    def _grown(self, kind: str, path: Path) -> list[NewFile]:
        """The newest piece, if there is any; it replaces those that begin where it does, or later."""
        pieces = self._pieces[kind]
        begin, end = sum(size for *_, size in pieces), path.stat().st_size
        if begin == end:
            return []
        for _, first, size in reversed(pieces):
            if size > end - begin:
                break
            begin = first
        part = self.directory / f"piece{TEMPORARY}"
        copy_part(path, begin, end, part)
        return [self._shared.put_small(kind, self._key, part, begin)]

    def _carry(self, new: list[NewFile]) -> None:
        """Let these files count, in the place of those that they replace; or be gone, where the job has been lost."""
        names: list[str] = []
        try:
            with self._database.write(alone=False) as connection:
                check_lease(connection, self._key, self._lease)
                for file in new:
                    replaced = of(file.kind, self._key)
                    if file.kind != CHECKPOINT:
                        replaced &= shared_files.c.part >= file.part
                    names += self._shared.forget(connection, replaced)
                    add_file(connection, file)
                connection.execute(epoch_records.delete().where(_shown_of(self._key)))
        except LeaseLostError:
            self._shared.discard(file.name for file in new if file.content is None)
            raise
        self._shared.discard(names)
        for file in new:
            if file.kind in self._pieces:
                kept = [piece for piece in self._pieces[file.kind] if piece[1] < file.part]
                self._pieces[file.kind] = [*kept, (file.name, file.part, file.size_bytes)]
        self._count_shown()

    # ending -----------------------------------------------------------------------------------------------------------

    def complete(self) -> bytes:
        records = super().complete()
        if self._epochs is None:
            return records
        if self.log.path.stat().st_size <= KEPT_INLINE_BYTES:
            return self.log.path.read_bytes()
        self._carry(self._grown(EPOCHS, self.log.path))
        return b""

    def finished(self) -> None:
        """Nothing is left to be done: what the job needs no more went with the transaction that ended it."""

    def leave(self) -> None:
        super().leave()
        shutil.rmtree(self.directory, ignore_errors=True)


def forget_work(connection: Connection, shared: SharedFiles, key: str, log_elsewhere: bool) -> list[str]:
    """Point to nothing any more that a job needs only while it runs, within the transaction that ends it; the names of
    the files, to be discarded after it. Its log stays, unless it is kept elsewhere."""
    connection.execute(epoch_records.delete().where(_shown_of(key)))
    return shared.forget(connection, of([kind for kind in OF_JOBS if kind != EPOCHS or log_elsewhere], key))


def _shown_of(key: str) -> ColumnElement[bool]:
    return epoch_records.c.job_key == key


def _piece(row: Row[Any]) -> tuple[str, int, int]:
    return row.name, row.part, row.size_bytes
