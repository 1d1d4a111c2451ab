"""Everything that is kept, in one place: the database and the files beside it."""

from __future__ import annotations

import functools
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import and_, select

from pytrainr_server import clock
from pytrainr_server.failpoints import failpoint
from pytrainr_server.store import files, job_files
from pytrainr_server.store.database import Database
from pytrainr_server.store.datasets import DatasetStore
from pytrainr_server.store.files import TEMPORARY, Directories
from pytrainr_server.store.jobs import JobStore, forget, stored_bytes
from pytrainr_server.store.models import ModelStore, NewModel, remove
from pytrainr_server.store.names import model_name
from pytrainr_server.store.schema import (
    UNFINISHED,
    State,
    continuations,
    datasets,
    job_datasets,
    jobs,
    models,
    uploads,
)

ORPHAN_SECONDS = 3600.0  # a file this old that the database does not know belongs to nothing


class StoreSettings(NamedTuple):
    """What a process must know to open the store: small enough to be sent to a worker."""

    url: str
    data_dir: str
    dataset_ttl_seconds: float
    upload_ttl_seconds: float
    max_stored_bytes: int


class Store:
    """The database and the files of a server."""

    def __init__(self, settings: StoreSettings) -> None:
        self.settings = settings
        self.directories = Directories(settings.data_dir)
        self.database = Database(settings.url)
        self.jobs = JobStore(self.database)
        self.models = ModelStore(self.database)
        self.datasets = DatasetStore(
            self.database, self.directories, settings.dataset_ttl_seconds, settings.max_stored_bytes
        )

    def open(self) -> None:
        """Make the directories and bring the database up to date."""
        self.directories.create()
        self.database.open()

    def stored_bytes(self, owner: str) -> int:
        """Bytes that an owner has stored."""
        with self.database.read() as connection:
            return stored_bytes(connection, owner)

    def publish(
        self, key: str, lease: str, state: State, model: NewModel | None, records: bytes, **values: Any
    ) -> None:
        """End a job with its model and its log, in one transaction: all is there, or nothing."""
        with self.database.write() as connection:
            if model is not None:
                version = self.models.add(connection, model)
                values |= {"model_key": model.key, "model_name": model_name(model.id, version)}
            self.jobs.finish(connection, key, lease, state, records, **values)
            failpoint("mid-publish")

    # garbage ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def keeping_files(self) -> Iterator[None]:
        """While this lasts no file is removed, by whichever process; a backup copies them meanwhile."""
        with open(self.directories.root / "files.lock", "ab") as file:
            _lock(file.fileno(), exclusive=True)
            yield

    def collect_garbage(self) -> int:
        """Remove what has expired and the files that belong to nothing; return how many things were removed."""
        with self.keeping_files():
            return self._expire(clock.now()) + self._remove_orphans(
                min(clock.now(), time.time())
            )  # whichever way the clock jumped

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
            expired = connection.execute(select(models).where(old_model)).all()
            for model in expired:
                remove(connection, model)
            dropped = connection.execute(datasets.delete().where(datasets.c.expire_time < now, ~needed.exists()))
            broken = connection.execute(
                uploads.delete().where(uploads.c.touch_time < now - self.settings.upload_ttl_seconds)
            )
            connection.execute(continuations.delete().where(continuations.c.job_key.not_in(select(jobs.c.key))))
        return len(gone) + len(expired) + dropped.rowcount + broken.rowcount

    def _remove_orphans(self, now: float) -> int:
        with self.database.read() as connection:
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
                if path.name not in known and _age(path, now) > ORPHAN_SECONDS:
                    removed += job_files.remove(path) if path.is_dir() else files.remove(path)
        return removed

    def remove_temporary_files(self) -> None:
        """Remove what a killed server left half written; only while no server runs on this directory."""
        for path in self.directories.root.rglob("*" + TEMPORARY):
            path.unlink(missing_ok=True)


def _age(path: Path, now: float) -> float:
    try:
        return now - path.stat().st_mtime
    except FileNotFoundError:
        return 0.0


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
