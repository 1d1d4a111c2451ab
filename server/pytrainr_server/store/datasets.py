"""Datasets: bytes named by their SHA-256. Two owners with the same bytes share the file, and do not learn of it."""

from __future__ import annotations

import hashlib
import os
import threading
from io import FileIO
from pathlib import Path
from typing import Any

from sqlalchemy import Row, and_, func, or_, select

from pytrainr_server import clock
from pytrainr_server.errors import exhausted, invalid, not_found, precondition
from pytrainr_server.failpoints import failpoint
from pytrainr_server.store.checksums import damaged
from pytrainr_server.store.database import Database
from pytrainr_server.store.files import Directories, replacing, sync_directory
from pytrainr_server.store.jobs import check_storage
from pytrainr_server.store.names import dataset_name, new_key
from pytrainr_server.store.schema import datasets, job_datasets, jobs, uploads

READ_BYTES = 1 << 20
COMMIT_BYTES = 8 << 20
MAX_OPEN_UPLOADS = 100
MAX_KNOWN_SOUND = 100_000


class DatasetStore:
    """The table of datasets and of uploads under way, and their files."""

    def __init__(self, database: Database, directories: Directories, ttl_seconds: float, max_stored_bytes: int) -> None:
        self._database = database
        self._directories = directories
        self._ttl_seconds = ttl_seconds
        self._max_stored_bytes = max_stored_bytes
        self._lock = threading.Lock()
        self._writing: dict[tuple[str, str], Upload] = {}
        self._sound: dict[str, tuple[int, int]] = {}  # by hash: inode and size of a file whose bytes have that hash

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
        if not self._is_here(sha256):
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

    def path(self, sha256: str) -> Path:
        """The file of a dataset."""
        return self._directories.dataset(sha256)

    def checked_path(self, sha256: str) -> Path:
        """The file of a dataset, once its bytes have been seen to have this hash; once per file and process.

        Raises DATA_LOSS where they have another, ``FileNotFoundError`` where there is none.
        """
        if not self.is_sound(sha256):
            message = f"The bytes of {dataset_name(sha256)} are damaged on the server. Upload them again."
            raise damaged("dataset", str(self.path(sha256)), message)
        return self.path(sha256)

    def is_sound(self, sha256: str) -> bool:
        """Whether the file has the bytes of its name. Raises ``FileNotFoundError``."""
        with open(self.path(sha256), "rb", buffering=0) as file:
            stat = os.fstat(file.fileno())
            found = (stat.st_ino, stat.st_size)
            if self._sound.get(sha256) == found:
                return True
            digest, buffer = hashlib.sha256(), bytearray(READ_BYTES)
            while size := file.readinto(buffer):
                digest.update(memoryview(buffer)[:size])
        if digest.hexdigest() != sha256:
            return False
        if len(self._sound) >= MAX_KNOWN_SOUND:
            self._sound.clear()
        self._sound[sha256] = found
        return True

    def _is_here(self, sha256: str) -> bool:
        try:
            return self.is_sound(sha256)
        except FileNotFoundError:
            return False

    def put(self, owner: str, data: bytes) -> str:
        """Store bytes that came inside a request; return their SHA-256."""
        sha256 = hashlib.sha256(data).hexdigest()
        self._check_space(owner, len(data))
        if self._is_here(sha256):
            os.utime(self.path(sha256))  # young again: the collection of garbage leaves it alone until it is recorded
        else:
            with replacing(self.path(sha256), "dataset-before-rename") as file:
                file.write(data)
            _protect(self.path(sha256))
        self._record(owner, sha256, len(data))
        return sha256

    def _record(self, owner: str, sha256: str, size_bytes: int) -> None:
        now = clock.now()
        mine = and_(datasets.c.owner == owner, datasets.c.sha256 == sha256)
        with self._database.write() as connection:
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

    def touch(self, owner: str, sha256: str) -> Row[Any] | None:
        """Begin a known dataset's life anew; None if the owner has no such dataset, or its bytes are damaged."""
        with self._database.read() as connection:
            known = connection.execute(
                select(datasets).where(datasets.c.owner == owner, datasets.c.sha256 == sha256)
            ).first()
        if known is None or not self._is_here(sha256):
            return None
        self._record(owner, sha256, known.size_bytes)
        return self.get(owner, sha256)

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
                connection.execute(uploads.update().where(mine).values(touch_time=clock.now()))
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
                )
            )
        if row is not None:
            self.upload_path(row.file).unlink(missing_ok=True)
        return file

    def ended(self, upload: Upload) -> None:
        """The call that wrote this upload has ended."""
        with self._lock:
            if self._writing.get((upload.owner, upload.upload_id)) is upload:
                del self._writing[upload.owner, upload.upload_id]

    def upload_path(self, file: str) -> Path:
        """The file of an upload."""
        return self._directories.upload(file)

    def commit_upload(self, upload: Upload) -> None:
        """Remember how far an upload has come."""
        mine = and_(uploads.c.owner == upload.owner, uploads.c.upload_id == upload.upload_id)
        with self._database.write(durable=False) as connection:
            connection.execute(
                uploads.update().where(mine).values(committed_bytes=upload.offset, touch_time=clock.now())
            )

    def forget_upload(self, upload: Upload) -> None:
        """Remove what is left of an upload."""
        mine = and_(uploads.c.owner == upload.owner, uploads.c.upload_id == upload.upload_id)
        self.upload_path(upload.file).unlink(missing_ok=True)  # first: on a full disk this makes room for the rest
        with self._database.write(durable=False) as connection:
            connection.execute(uploads.delete().where(mine, uploads.c.file == upload.file))

    def adopt(self, upload: Upload, sha256: str) -> Row[Any]:
        """Make a complete, synced upload a dataset. Its writer has closed it, and there is no other."""
        path = self.upload_path(upload.file)
        try:
            _protect(path)
            if path.stat().st_size != upload.size_bytes:
                raise precondition("UPLOAD_LOST", "The upload's file is not as it was written; begin it anew.")
            failpoint("dataset-before-rename")
            try:
                os.replace(path, self.path(sha256))
            except PermissionError:  # Windows replaces no file that a training has mapped; it has these very bytes
                os.utime(self.path(sha256))
        except FileNotFoundError:
            raise precondition("UPLOAD_LOST", "The upload is no longer there; begin it anew.") from None
        sync_directory(self.path(sha256).parent)
        self._record(upload.owner, sha256, upload.size_bytes)
        self.forget_upload(upload)
        return self.get(upload.owner, sha256)


def _protect(path: Path) -> None:
    """A dataset is never written again."""
    if os.name == "posix":
        path.chmod(0o400)


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
        self.size_bytes = size_bytes
        self.offset = offset
        self.sha256 = sha256
        self.resumable = resumable
        self._committed = offset
        self._hash = hashlib.sha256()
        self.lock = threading.RLock()
        self._superseded = False
        self._handle: FileIO | None = None

    def open(self, file: str) -> None:
        """Begin to write the file of this name."""
        self.file = file
        self._handle = self._opened()

    def _opened(self) -> FileIO:
        path = self._store.upload_path(self.file)
        # Unbuffered: what write has taken is in the file.
        handle = FileIO(path, "r+" if self.offset else "w+")
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
            raise precondition("UPLOAD_TAKEN_OVER", "Another call goes on with this upload; this one is at its end.")

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
        if self.resumable and self.offset - self._committed >= COMMIT_BYTES:
            self._commit()

    def _commit(self) -> None:
        self._sync()
        self._store.commit_upload(self)
        self._committed = self.offset
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
            self._commit()
            self._handle.close()
        else:
            self._handle.close()
            self._store.forget_upload(self)
