"""Everything that is kept, in one place: the database and the files beside it."""

from __future__ import annotations

import contextlib
import functools
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Row, and_, or_, select
from sqlalchemy.exc import IntegrityError

from pytrainr_server import clock
from pytrainr_server.errors import ServiceError
from pytrainr_server.failpoints import failpoint
from pytrainr_server.store import files, job_files
from pytrainr_server.store.batches import BatchStore
from pytrainr_server.store.cache import Cache
from pytrainr_server.store.database import Database
from pytrainr_server.store.datasets import DatasetStore
from pytrainr_server.store.files import TEMPORARY, Directories
from pytrainr_server.store.job_files import EpochLog, JobFiles
from pytrainr_server.store.jobs import JobStore, forget, remove_empty_batches
from pytrainr_server.store.models import MODEL_DAMAGED, ModelStore, NewModel, remove
from pytrainr_server.store.names import model_name, new_key
from pytrainr_server.store.new_jobs import check_storage, stored_bytes
from pytrainr_server.store.places import open_place
from pytrainr_server.store.schema import (
    UNFINISHED,
    State,
    continuations,
    datasets,
    job_datasets,
    jobs,
    model_versions,
    models,
    shared_files,
    uploads,
)
from pytrainr_server.store.shared import DATASET, EPOCHS, MODEL, OF_JOBS, UPLOAD, NewFile, SharedFiles, of
from pytrainr_server.store.shared_job_files import SharedEpochLog, SharedJobFiles, forget_work

ORPHAN_SECONDS = 3600.0  # a file this old that the database does not know belongs to nothing


class StoreSettings(NamedTuple):
    """What a process must know to open the store: small enough to be sent to a worker."""

    url: str
    data_dir: str
    dataset_ttl_seconds: float
    upload_ttl_seconds: float
    max_stored_bytes: int
    files: str = ""  # where servers share files; else they lie in the data directory
    cache_bytes: int = 10 << 30


class Store:
    """The database and the files of a server."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.directories = Directories(settings.data_dir)
        self.database = Database(settings.url)
        self.shared: SharedFiles | None = None
        if settings.files:
            cache = Cache(self.directories.cache, settings.cache_bytes)
            self.shared = SharedFiles(open_place(settings.files), self.database, cache)
        self.jobs = JobStore(self.database)
        self.batches = BatchStore(self.database)
        self.models = ModelStore(self.database)
        self.datasets = DatasetStore(
            self.database, self.directories, self.shared, settings.dataset_ttl_seconds, settings.max_stored_bytes
        )

    def open(self) -> None:
        """Make the directories, bring the database up to date, see that shared files can be written.

        Raises :class:`~pytrainr_server.store.places.FilesError`.
        """
        self.directories.create()
        self.database.open()
        if self.shared is not None:
            self.shared.place.check()

    # files ------------------------------------------------------------------------------------------------------------

    def job_files(self, key: str, lease: str, samples: int, *, validated: bool) -> JobFiles:
        """What the worker of a job writes, under its lease."""
        if self.shared is None:
            return JobFiles(self.directories.job(key), samples, validated=validated)
        directory = self.directories.work / f"{key}.{new_key()}"
        return SharedJobFiles(self.shared, self.database, key, lease, directory, samples, validated=validated)

    def epoch_log(self, key: str) -> EpochLog:
        """The epochs of a job."""
        if self.shared is None:
            return EpochLog(self.directories.job(key))
        return SharedEpochLog(self.shared, self.database, key)

    def remove_job_files(self, key: str) -> None:
        """Remove what is left of a job that has been forgotten."""
        if self.shared is not None:
            self.shared.drop(of(OF_JOBS, key))
        else:
            job_files.remove(self.directories.job(key))

    def write_model(self, key: str, write: Callable[[Path], None]) -> tuple[int, NewFile | None]:
        """Let the file of a model be written; its size, and what is to be stored with the model's row."""
        if self.shared is None:
            path = self.directories.model(key)
            write(path)
            return path.stat().st_size, None
        with self.directories.scratch() as scratch:
            write(scratch)
            file = self.shared.put(MODEL, key, scratch)
        return file.size_bytes, file

    def model_path(self, key: str) -> Path:
        """The file of a model. Raises ``FileNotFoundError``."""
        if self.shared is None:
            return self.directories.model(key)
        return self.shared.path(self.shared.row(MODEL, key), MODEL_DAMAGED)

    def remove_model(self, key: str, file: NewFile | None = None) -> None:
        """Remove the file of a model that the database does not know (any more); ``file``: it never has."""
        if self.shared is None:
            files.remove(self.directories.model(key))
        elif file is not None:
            self.shared.discard([file.name])
        else:
            self.shared.drop(of(MODEL, key))

    def stored_bytes(self, owner: str) -> int:
        """Bytes that an owner has stored."""
        with self.database.read() as connection:
            return stored_bytes(connection, owner)

    def publish(self, key: str, lease: str, state: State, model: NewModel | None, records: bytes, **more: Any) -> None:
        """End a job with its model and its log, in one transaction: all is there, or nothing. What ``more`` there is
        goes to :meth:`JobStore.finish`."""
        names: list[str] = []
        with self.keeping_known(model), self.database.write() as connection:
            if model is not None:
                version = self.models.add(connection, model)
                more |= {"model_key": model.key, "model_name": model_name(model.id, version)}
            self.jobs.finish(connection, key, lease, state, records, **more)
            if self.shared is not None:
                names = forget_work(connection, self.shared, key, log_elsewhere=bool(records))
            failpoint("mid-publish")
        if self.shared is not None:
            self.shared.discard(names)

    def add_imported(self, model: NewModel) -> Row[Any]:
        """Keep an imported model; where its ``request_id`` has been used, be it this very moment, the model of then."""
        try:
            with self.keeping_known(model), self.database.write() as connection:
                check_storage(connection, model.owner, model.size_bytes, self.settings.max_stored_bytes)
                version = self.models.add(connection, model)
        except IntegrityError:
            known = self.models.by_request(model.owner, model.request_id) if model.request_id else None
            if known is None:
                raise
            return known
        return self.models.get(model.owner, model.id, version)

    @contextmanager
    def keeping_known(self, model: NewModel | None) -> Iterator[None]:
        """Where what is done inside fails, the model's file goes, unless the database has come to know it: a lost
        connection may hide that a transaction went through."""
        try:
            yield
        except Exception:
            if model is not None and model.content is None:
                with contextlib.suppress(ServiceError):
                    with self.database.write(durable=False) as connection:  # after one that may still be under way
                        known = self.models.knows(connection, model.key)
                    if not known:
                        self.remove_model(model.key, model.file)
            raise

    # garbage ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def keeping_files(self, *, wait: bool = True) -> Iterator[None]:
        """While this lasts no file is removed, by whichever process; a backup copies them meanwhile.

        Raises :class:`FilesInUseError` where another does and this one is not to ``wait``.
        """
        with open(self.directories.root / "files.lock", "ab") as file:
            try:
                _lock(file.fileno(), exclusive=True, wait=wait)
            except OSError as error:
                raise FilesInUseError from error
            yield

    def collect_garbage(self, *, wait: bool = True) -> int:
        """Remove what has expired and the files that belong to nothing; return how many things were removed."""
        with self.keeping_files(wait=wait):
            now = min(clock.now(), time.time())  # whichever way the clock jumped
            removed = self._expire(clock.now()) + self._remove_orphans(now - ORPHAN_SECONDS)
        return removed + (self.shared.remove_orphans() if self.shared else 0)

    def remove_leftovers(self) -> None:
        """Remove what a killed server left half written, or whole and unknown to the database.

        Only while no server runs on this directory, and once its jobs have been taken from those who worked for it:
        what such a worker may still write is never published. Files that a backup copies just now wait.
        """
        with contextlib.suppress(FilesInUseError), self.keeping_files(wait=False):
            for path in (*self.directories.root.rglob("*" + TEMPORARY), *self.directories.work.iterdir()):
                _remove(path)
            self._remove_orphans(math.inf)

    def _expire(self, now: float) -> int:
        old_job = and_(jobs.c.state.not_in(UNFINISHED), jobs.c.expire_time > 0, jobs.c.expire_time < now)
        old_model = and_(
            models.c.expire_time > 0,
            models.c.expire_time < now,
            models.c.key.not_in(
                select(jobs.c.initial_model_key).where(
                    jobs.c.initial_model_key.is_not(None), jobs.c.state.in_(UNFINISHED)
                )
            ),
        )
        needed = select(jobs.c.owner).where(
            jobs.c.key == job_datasets.c.job_key,
            job_datasets.c.sha256 == datasets.c.sha256,
            jobs.c.owner == datasets.c.owner,
        )
        with self.database.write() as connection:
            gone = [row.key for row in connection.execute(select(jobs.c.key).where(old_job))]
            for key in gone:
                forget(connection, key)
            remove_empty_batches(connection)
            expired = connection.execute(select(models).where(old_model)).all()
            for model in expired:
                remove(connection, model)
            dropped = connection.execute(datasets.delete().where(datasets.c.expire_time < now, ~needed.exists()))
            broken = connection.execute(
                uploads.delete().where(uploads.c.touch_time < now - self.settings.upload_ttl_seconds)
            )
            connection.execute(continuations.delete().where(continuations.c.job_key.not_in(select(jobs.c.key))))
            names = self.shared.forget(connection, _belongs_to_nothing()) if self.shared else []
        if self.shared:
            self.shared.discard(names)
        return len(gone) + len(expired) + dropped.rowcount + broken.rowcount

    def _remove_orphans(self, before: float) -> int:
        """Remove the files that belong to nothing, where they were written before that.

        Beside a database that has never known a job or a model they stay: they may be those of one that was lost.
        """
        with self.database.read() as connection:
            if not any(connection.execute(select(table).limit(1)).first() for table in (jobs, model_versions)):
                return 0
            known = {self.directories.model(row.key).name for row in connection.execute(select(models.c.key))}
            known |= {row.sha256 for row in connection.execute(select(datasets.c.sha256))}
            known |= {row.sha256 for row in connection.execute(select(job_datasets.c.sha256))}
            known |= {row.file for row in connection.execute(select(uploads.c.file))}
            known |= {row.key for row in connection.execute(select(jobs.c.key))}
        removed = 0
        for directory in (
            self.directories.models,
            self.directories.datasets,
            self.directories.uploads,
            self.directories.jobs,
        ):
            for path in directory.iterdir():
                if path.name not in known and _written(path) < before:
                    removed += _remove(path)
        return removed


def _belongs_to_nothing() -> ColumnElement[bool]:
    """The shared files of what has gone, and of jobs that have ended all but their logs."""
    unfinished = select(jobs.c.key).where(jobs.c.state.in_(UNFINISHED))
    kind, belongs_to = shared_files.c.kind, shared_files.c.belongs_to
    in_use = select(datasets.c.sha256).union(select(job_datasets.c.sha256))
    return or_(
        and_(kind == DATASET, belongs_to.not_in(in_use)),
        and_(kind == MODEL, belongs_to.not_in(select(models.c.key))),
        and_(kind == UPLOAD, belongs_to.not_in(select(uploads.c.file))),
        and_(kind == EPOCHS, belongs_to.not_in(select(jobs.c.key))),
        and_(kind.in_([name for name in OF_JOBS if name != EPOCHS]), belongs_to.not_in(unfinished)),
    )


def _remove(path: Path) -> bool:
    return job_files.remove(path) if path.is_dir() else files.remove(path)


def _written(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return math.inf


class FilesInUseError(Exception):
    """A backup copies the files just now."""


class DirectoryInUseError(RuntimeError):
    """Another server runs on this data directory."""


def lock_directory(data_dir: str | Path) -> Any:
    """Make sure that this is the only server on the directory; keep what is returned for as long.

    Raises :class:`DirectoryInUseError`.
    """
    file = open(Path(data_dir) / "server.lock", "ab")  # noqa: SIM115 (held open: the lock lives as long)
    try:
        _lock(file.fileno(), exclusive=True, wait=False)
    except OSError as error:
        file.close()
        raise DirectoryInUseError(
            f"another pytrainr-server runs on {data_dir}; give this one its own --data-dir"
        ) from error
    return file


def _lock(handle: int, *, exclusive: bool, wait: bool = True) -> None:
    if sys.platform == "win32":
        import msvcrt

        msvcrt.locking(handle, msvcrt.LK_LOCK if wait else msvcrt.LK_NBLCK, 1)
    else:
        import fcntl

        fcntl.flock(handle, (fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH) | (0 if wait else fcntl.LOCK_NB))


@functools.lru_cache(maxsize=8)
def opened(settings: StoreSettings) -> Store:
    """The store of these settings, one per process."""
    store = Store(settings)
    store.open()
    return store
