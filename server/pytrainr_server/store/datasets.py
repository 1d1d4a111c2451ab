"""Datasets: bytes named by their SHA-256. Two owners with the same bytes share the file, and do not learn of it."""

from __future__ import annotations

import contextlib
import hashlib
import os
import threading
from io import FileIO
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Row, and_, func, or_, select

from pytrainr_server import clock
from pytrainr_server.errors import ServiceError, exhausted, invalid, not_found, precondition
from pytrainr_server.failpoints import failpoint
from pytrainr_server.store.database import Database
from pytrainr_server.store.dataset_files import DatasetFiles, OwnDatasets, SharedDatasets
from pytrainr_server.store.files import Directories, copy_part
from pytrainr_server.store.names import dataset_name, new_key
from pytrainr_server.store.new_jobs import check_storage
from pytrainr_server.store.places import unreachable
from pytrainr_server.store.schema import datasets, job_datasets, jobs, uploads
from pytrainr_server.store.shared import UPLOAD, NewFile, SharedFiles, add_file, of

READ_BYTES = 1 << 20
COMMIT_BYTES = 8 << 20
MAX_OPEN_UPLOADS = 100
TRIES = 8


class DatasetStore:
    """The table of datasets and of uploads under way, and their files."""

    def __init__(
        self,
        database: Database,
        directories: Directories,
        shared: SharedFiles | None,
        ttl_seconds: float,
        max_stored_bytes: int,
    ) -> None:
        self._database = database
        self._directories = directories
        self._shared = shared
        self._files: DatasetFiles = OwnDatasets(directories) if shared is None else SharedDatasets(shared, directories)
        self._ttl_seconds = ttl_seconds
        self._max_stored_bytes = max_stored_bytes
        self._lock = threading.Lock()
        self._writing: dict[tuple[str, str], Upload] = {}

    def get(self, owner: str, sha256: str) -> Row[Any]:
        """One dataset. Raises NOT_FOUND unless this owner has uploaded it."""
        with self._database.read() as connection:
            found = connection.execute(
                select(datasets).where(datasets.c.owner == owner, datasets.c.sha256 == sha256)
            ).first()
        if found is None:
            raise not_found(dataset_name(sha256))
        return found

    def whole(self, owner: str, sha256: str) -> Row[Any]:
        """One dataset, whose bytes are there and sound. Raises NOT_FOUND: then they are to be sent again."""
        found = self.get(owner, sha256)
        if not self._files.is_here(sha256):
            raise not_found(dataset_name(sha256))
        return found

    def page(self, owner: str, size: int, after: tuple[float, str] | None) -> list[Row[Any]]:
        """The owner's datasets, newest first, from one position on."""
        query = select(datasets).where(datasets.c.owner == owner)
        if after:
            older = and_(datasets.c.create_time == after[0], datasets.c.sha256 > after[1])
            query = query.where(or_(datasets.c.create_time < after[0], older))
        with self._database.read() as connection:
            return list(
                connection.execute(query.order_by(datasets.c.create_time.desc(), datasets.c.sha256).limit(size))
            )

    def delete(self, owner: str, sha256: str) -> None:
        """Delete a dataset; the file goes with the next collection of garbage. Raises NOT_FOUND."""
        self.get(owner, sha256)
        with self._database.write() as connection:
            used = connection.execute(
                select(jobs.c.id)
                .join(job_datasets, job_datasets.c.job_key == jobs.c.key)
                .where(job_datasets.c.sha256 == sha256, jobs.c.owner == owner)
                .limit(1)
            ).scalar()
            if used:
                raise precondition("DATASET_IN_USE", f"{dataset_name(sha256)} is needed by trainingJobs/{used}.")
            connection.execute(datasets.delete().where(datasets.c.owner == owner, datasets.c.sha256 == sha256))

    def checked_path(self, sha256: str) -> Path:
        """A file with the bytes of a dataset, once they have been seen to have this hash; once per file and process.

        Raises DATA_LOSS where they have another, ``FileNotFoundError`` where there is none.
        """
        return self._files.checked_path(sha256)

    def put(self, owner: str, data: bytes) -> str:
        """Store bytes that came inside a request; return their SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._check_space(owner, len(data))
        self._keep(owner, sha256, len(data), data)
        return sha256

    def _keep(self, owner: str, sha256: str, size_bytes: int, source: Path | bytes) -> None:
        for _ in range(TRIES):
            if self._record(owner, sha256, size_bytes, self._files.keep(sha256, source)):
                return
        raise unreachable()  # they went again and again just before they were recorded

    def _record(self, owner: str, sha256: str, size_bytes: int, new: NewFile | None) -> bool:
        """Record what has been kept; false where another server has removed it since."""
        now = clock.now()
        mine = and_(datasets.c.owner == owner, datasets.c.sha256 == sha256)
        with self._database.write() as connection:
            if not self._files.count(connection, sha256, new):
                return False
            touched = connection.execute(datasets.update().where(mine).values(expire_time=now + self._ttl_seconds))
            if touched.rowcount == 0:
                connection.execute(
                    datasets.insert().values(
                        owner=owner,
                        sha256=sha256,
                        size_bytes=size_bytes,
                        create_time=now,
                        expire_time=now + self._ttl_seconds,
                    )
                )
        self._files.settled(new)
        return True

    def touch(self, owner: str, sha256: str) -> Row[Any] | None:
        """Begin a known dataset's life anew; None if the owner has no such dataset, or its bytes are damaged."""
        with self._database.read() as connection:
            known = connection.execute(
                select(datasets).where(datasets.c.owner == owner, datasets.c.sha256 == sha256)
            ).first()
        if known is None or not self._files.is_here(sha256):
            return None
        return self.get(owner, sha256) if self._record(owner, sha256, known.size_bytes, None) else None

    def _check_space(self, owner: str, more: int) -> None:
        with self._database.read() as connection:
            check_storage(connection, owner, more, self._max_stored_bytes)

    # uploads --------------------------------------------------------------------------------------------------------

    def committed_bytes(self, owner: str, upload_id: str) -> int:
        """How much of an upload is stored safely; 0 for an unknown one."""
        with self._database.read() as connection:
            query = select(uploads.c.committed_bytes).where(uploads.c.owner == owner, uploads.c.upload_id == upload_id)
            return connection.execute(query).scalar() or 0

    def begin_upload(self, owner: str, upload_id: str, size_bytes: int, offset: int, sha256: str) -> Upload:
        """Begin an upload, or go on with one where it broke off. Whoever was writing it until now no longer can."""
        self._check_space(owner, size_bytes)
        named = upload_id or new_key()
        upload = Upload(self, owner, named, size_bytes, offset, sha256, bool(upload_id))
        with upload.lock:
            with self._lock:
                before, self._writing[owner, named] = self._writing.get((owner, named)), upload
            if before is not None:
                before.supersede()
            try:
                upload.open(self._file_of(upload))
            except BaseException:
                self.ended(upload)
                raise
        return upload

    def _file_of(self, upload: Upload) -> str:
        """The name of the file that the upload goes on with, or of a new one."""
        owner, named, size_bytes, offset = upload.owner, upload.upload_id, upload.size_bytes, upload.offset
        mine = and_(uploads.c.owner == owner, uploads.c.upload_id == named)
        with self._database.write() as connection:
            row = connection.execute(select(uploads).where(mine)).first()
            if row is not None and row.size_bytes == size_bytes and offset == row.committed_bytes and offset:
                connection.execute(uploads.update().where(mine).values(touch_time=clock.now(), writer=upload.writer))
                return str(row.file)
            if offset:
                raise invalid("offset", f"is {offset}; this upload goes on at {row.committed_bytes if row else 0}")
            mine_open = connection.execute(select(func.count()).where(uploads.c.owner == owner)).scalar_one()
            if mine_open >= MAX_OPEN_UPLOADS:
                raise exhausted(
                    "TOO_MANY_UPLOADS", f"You have {mine_open} unfinished uploads; finish some first.", 60.0
                )
            connection.execute(uploads.delete().where(mine))
            file = new_key()
            connection.execute(
                uploads.insert().values(
                    owner=owner,
                    upload_id=named,
                    file=file,
                    size_bytes=size_bytes,
                    committed_bytes=0,
                    touch_time=clock.now(),
                    writer=upload.writer,
                )
            )
            parts = [] if row is None or self._shared is None else self._shared.forget(connection, of(UPLOAD, row.file))
        if row is not None and self._shared is None:
            self.upload_path(row.file).unlink(missing_ok=True)
        elif self._shared is not None:
            self._shared.discard(parts)
        return file

    def ended(self, upload: Upload) -> None:
        """The call that wrote this upload has ended."""
        with self._lock:
            if self._writing.get((upload.owner, upload.upload_id)) is upload:
                del self._writing[upload.owner, upload.upload_id]

    def upload_path(self, file: str) -> Path:
        """The file of an upload."""
        return self._directories.upload(file)

    def spool(self, upload: Upload) -> Path:
        """The file that this call writes. Where servers share files it is the call's own, with the parts so far that
        other calls, perhaps at other servers, have committed."""
        if self._shared is None:
            return self.upload_path(upload.file)
        path = self.upload_path(f"{upload.file}.{upload.writer}")
        with self._database.read() as connection:
            parts = self._shared.rows(connection, UPLOAD, upload.file)
        try:
            self._shared.copy(parts, path, "What was uploaded so far is damaged on the server. Begin the upload anew.")
        except FileNotFoundError:
            raise upload_lost() from None
        return path

    def commit_upload(self, upload: Upload) -> None:
        """Remember how far an upload has come. Raises FAILED_PRECONDITION where another call goes on with it."""
        part = self._part_of(upload) if self._shared else None
        with self._database.write(durable=False) as connection:
            values = {"committed_bytes": upload.offset, "touch_time": clock.now()}
            changed = connection.execute(uploads.update().where(_written_by(upload)).values(values))
            if changed.rowcount and part is not None and self._shared:
                add_file(connection, part)
        if not changed.rowcount:
            if part is not None and self._shared:
                self._shared.discard([part.name])
            raise taken_over()

    def _part_of(self, upload: Upload) -> NewFile | None:
        """What has come since the last commit, in a file that other servers can read."""
        assert self._shared is not None
        if upload.offset == upload.committed:
            return None
        with self._directories.scratch() as scratch:
            copy_part(upload.path, upload.committed, upload.offset, scratch)
            return self._shared.put(UPLOAD, upload.file, scratch, upload.committed)

    def left(self, upload: Upload) -> None:
        """The call has ended before the upload: where servers share files another call has no use for this one's."""
        if self._shared is not None:
            upload.path.unlink(missing_ok=True)

    def forget_upload(self, upload: Upload) -> None:
        """Remove what is left of an upload."""
        upload.path.unlink(missing_ok=True)  # first: on a full disk this makes room for the rest
        parts: list[str] = []
        with self._database.write(durable=False) as connection:
            if connection.execute(uploads.delete().where(_written_by(upload))).rowcount and self._shared:
                parts = self._shared.forget(connection, of(UPLOAD, upload.file))
        if self._shared:
            self._shared.discard(parts)

    def adopt(self, upload: Upload, sha256: str) -> Row[Any]:
        """Make a complete, synced upload a dataset. Its writer has closed it, and there is no other."""
        try:
            if upload.path.stat().st_size != upload.size_bytes:
                raise precondition("UPLOAD_LOST", "The upload's file is not as it was written; begin it anew.")
            self._keep(upload.owner, sha256, upload.size_bytes, upload.path)
        except FileNotFoundError:
            raise upload_lost() from None
        self.forget_upload(upload)
        return self.get(upload.owner, sha256)


def _written_by(upload: Upload) -> ColumnElement[bool]:
    mine = and_(uploads.c.owner == upload.owner, uploads.c.upload_id == upload.upload_id)
    return and_(mine, uploads.c.file == upload.file, uploads.c.writer == upload.writer)


def upload_lost() -> ServiceError:
    """What had come of the upload has gone."""
    return precondition("UPLOAD_LOST", "The upload is no longer there; begin it anew.")


def taken_over() -> ServiceError:
    """Another call writes the upload from now on."""
    return precondition("UPLOAD_TAKEN_OVER", "Another call goes on with this upload; this one is at its end.")


class Upload:
    """One call's part of an upload. Bytes are hashed as they come; what came before the call is read once.

    An upload has one writer: a call that takes it up supersedes the one before, whose bytes are refused from then on.
    """

    def __init__(
        self,
        store: DatasetStore,
        owner: str,
        upload_id: str,
        size_bytes: int,
        offset: int,
        sha256: str,
        resumable: bool,
    ) -> None:
        self._store = store
        self.owner = owner
        self.upload_id = upload_id
        self.file = ""
        self.path = Path()
        self.writer = new_key()
        self.size_bytes = size_bytes
        self.offset = offset
        self.sha256 = sha256
        self.resumable = resumable
        self.committed = offset
        self._hash = hashlib.sha256()
        self.lock = threading.RLock()
        self._superseded = False
        self._handle: FileIO | None = None

    def open(self, file: str) -> None:
        """Begin to write the file of this name."""
        self.file = file
        self.path = self._store.spool(self)
        self._handle = self._opened()

    def _opened(self) -> FileIO:
        # Unbuffered: what write has taken is in the file.
        handle = FileIO(self.path, "r+" if self.offset else "w+")
        left = self.offset
        while left:
            data = handle.read(min(READ_BYTES, left))
            if not data:
                handle.close()
                raise invalid(
                    "offset", f"is {self.offset}, but only {self.offset - left} bytes are still there; begin anew"
                )
            self._hash.update(data)
            left -= len(data)
        handle.truncate(self.offset)
        return handle

    def supersede(self) -> None:
        """Another call writes this upload from now on; what is not committed is forgotten."""
        with self.lock:
            self._superseded = True
            if self._handle is not None:
                self._handle.close()

    def _file(self) -> FileIO:
        assert self._handle is not None
        return self._handle

    def _check_mine(self) -> None:
        if self._superseded:
            raise taken_over()

    def write(self, data: bytes) -> None:
        """Take the next bytes. Raises FAILED_PRECONDITION once another call writes this upload."""
        with self.lock:
            self._check_mine()
            self._write(data)

    def _write(self, data: bytes) -> None:
        if self.offset + len(data) > self.size_bytes:
            raise invalid("data", f"goes beyond the {self.size_bytes} bytes that size_bytes announced")
        try:
            view = memoryview(data)
            while view:
                view = view[self._file().write(view) :]
        except OSError:  # the disk is full: what came so far must not keep it so
            self.abandon(keep=False)
            raise
        self._hash.update(data)
        self.offset += len(data)
        if self.resumable and self.offset - self.committed >= COMMIT_BYTES:
            self._commit()

    def _commit(self) -> None:
        self._sync()
        self._store.commit_upload(self)
        self.committed = self.offset
        failpoint("mid-upload")

    def _sync(self) -> None:
        os.fsync(self._file().fileno())

    def finish(self) -> Row[Any]:
        """All bytes have come: check them, and make them a dataset."""
        with self.lock:
            self._check_mine()
            return self._finish()

    def _finish(self) -> Row[Any]:
        found = self._hash.hexdigest()
        if self.offset != self.size_bytes or (self.sha256 and self.sha256 != found):
            complete = self.offset == self.size_bytes
            self.abandon(keep=not complete)
            if complete:
                raise invalid("sha256", f"is {self.sha256}, but the bytes that came have {found}")
            raise invalid("data", f"ends after {self.offset} of {self.size_bytes} bytes")
        try:
            self._sync()
        except OSError:
            self.abandon(keep=False)
            raise
        self._file().close()
        return self._store.adopt(self, found)

    def abandon(self, keep: bool = True) -> None:
        """The call has ended, perhaps too early: keep what came if the upload can be resumed."""
        with self.lock:
            self._abandon(keep)
        self._store.ended(self)

    def _abandon(self, keep: bool) -> None:
        if self._handle is None or self._handle.closed:
            return
        if keep and self.resumable:
            with contextlib.suppress(ServiceError):  # what cannot be kept will be sent again
                self._commit()
            self._handle.close()
            self._store.left(self)
        else:
            self._handle.close()
            self._store.forget_upload(self)
