"""The parts of scaling_out.py that run in other processes: the server, what its Dask workers do, what both count."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from pytrainr_server.cli import _leave_with_parent
from pytrainr_server.config import Config
from pytrainr_server.jobs import worker
from pytrainr_server.jobs.executors import DaskExecutor
from pytrainr_server.jobs.worker import Worker, WorkerSettings
from pytrainr_server.server import Server
from pytrainr_server.store.database import WRITERS_LOCK
from pytrainr_server.store.job_files import JobFiles
from pytrainr_server.store.places import Found, Place
from pytrainr_server.store.schema import State
from pytrainr_server.store.store import Store, opened
from sqlalchemy import event
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.engine import Engine

from pytrainr.training import Training

MOST_WORKERS, THREADS = 64, 8
WRITE_SECONDS = 0.2


# counting -------------------------------------------------------------------------------------------------------------

counts: Counter[str] = Counter()
_lock = threading.Lock()


def count(**more: float) -> None:
    """Add to what this process has counted."""
    with _lock:
        counts.update(more)


def counted(directory: Path) -> Counter[str]:
    """What all processes have counted so far."""
    total: Counter[str] = Counter()
    for file in (directory / "counts").glob("*.json"):
        total.update(json.loads(file.read_text()))
    return total


def _keep_counts(directory: Path) -> None:
    """Write down what was counted, again and again."""
    file = directory / "counts" / f"{os.getpid()}.json"

    def keep() -> None:
        with _lock:
            text = json.dumps(counts)
        partial = file.with_suffix(".part")
        partial.write_text(text)
        partial.replace(file)

    def repeat() -> None:
        while file.parent.exists():
            keep()
            time.sleep(WRITE_SECONDS)

    threading.Thread(target=repeat, daemon=True).start()


class CountingPlace:
    """A place whose requests are counted."""

    def __init__(self, place: Place) -> None:
        self._place = place

    def check(self) -> None:
        self._place.check()

    def put(self, name: str, source: Path) -> None:
        began = time.monotonic()
        self._place.put(name, source)
        count(puts=1, put_bytes=source.stat().st_size, seconds_putting=time.monotonic() - began)

    def fetch(self, name: str, target: Path) -> None:
        self._place.fetch(name, target)
        count(gets=1, got_bytes=target.stat().st_size)

    def here(self, name: str) -> Path | None:
        return self._place.here(name)

    def has(self, name: str, size_bytes: int) -> bool:
        count(others=1)
        return self._place.has(name, size_bytes)

    def delete(self, name: str) -> bool:
        count(others=1)
        return self._place.delete(name)

    def found(self) -> Iterator[Found]:
        count(others=1)
        return self._place.found()

    def end_broken(self, before: float) -> int:
        count(others=1)
        return self._place.end_broken(before)


def count_statements() -> None:
    """Statements of SQLAlchemy's, transactions that write, and how long each holds the lock of writers."""
    since: dict[int, float] = {}

    @event.listens_for(Engine, "before_cursor_execute")
    def before(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        count(statements=1)

    @event.listens_for(Engine, "after_cursor_execute")
    def after(connection: Any, cursor: Any, statement: str, *_: Any) -> None:
        if str(WRITERS_LOCK) in statement:
            count(alone=1)
            since[id(cursor.connection)] = time.monotonic()

    @event.listens_for(Engine, "begin")
    def begin(connection: Any) -> None:
        count(writes=bool(connection.get_execution_options().get("pytrainr_write")))

    def timed(end: Any) -> Any:
        def ended(self: Any, dbapi: Any) -> None:
            end(self, dbapi)
            began = since.pop(id(getattr(dbapi, "driver_connection", dbapi)), None)
            if began is not None:
                count(locked_seconds=time.monotonic() - began)

        return ended

    for name in ("do_commit", "do_rollback"):
        setattr(PGDialect_psycopg, name, timed(getattr(PGDialect_psycopg, name)))


_counting = threading.Lock()
_begun = False


def begin_counting() -> Path:
    """Once in a process."""
    global _begun
    directory = Path(os.environ["SCALING_OUT"])
    with _counting:
        if not _begun:
            _begun = True
            count_statements()
            _keep_counts(directory)
    return directory


def counting_store(store: Store) -> None:
    """Count what this store asks of its place."""
    with _counting:
        if store.shared is not None and not isinstance(store.shared.place, CountingPlace):
            store.shared.place = CountingPlace(store.shared.place)


# what workers do ------------------------------------------------------------------------------------------------------


def allow(directory: Path, workers: int, seconds: float) -> None:
    """So many jobs at a time from now on, each of so many seconds."""
    partial = directory / "allowed.part"
    partial.write_text(json.dumps([workers, seconds]))
    partial.replace(directory / "allowed")


def allowed(directory: Path) -> tuple[int, float]:
    """What was allowed last."""
    try:
        workers, seconds = json.loads((directory / "allowed").read_text())
    except FileNotFoundError:
        return 0, 0.0
    return workers, seconds


class WaitingWorker(Worker):
    """A worker that trains the one epoch of its job, and then waits, with checkpoints and signs of life."""

    def _train(self, training: Training, files: JobFiles) -> None:
        directory = Path(os.environ["SCALING_OUT"])
        _moment.trains = time.monotonic()
        until = _moment.trains + allowed(directory)[1] * _part(self._key)
        learningrate = float(training.model.learningrate)
        while not training.finished:
            if training.advance(1.0):
                self._log_epoch(training, files, learningrate)
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(left, worker.SLICE_SECONDS))
            now = time.monotonic()
            if now >= self._next_notice:
                self._show_epochs(files)
            if now >= self._renewed + worker.REPORT_SECONDS:
                self._show_life(State.RUNNING)
            if now >= self._next_checkpoint:
                self._checkpoint(training, files)
        _moment.trained = time.monotonic()
        with _lock, open(directory / f"trained-{os.getpid()}", "a") as file:
            file.write(f"{_moment.trains} {_moment.trained}\n")


_moment = threading.local()


def _part(key: str) -> float:
    """Jobs take from three to five quarters of the given time, one on average: they do not march in step."""
    return 0.75 + 0.5 * int(key[:8], 16) / 0xFFFF_FFFF


def trained(directory: Path) -> list[tuple[float, float]]:
    """When the jobs that have waited so far began and ended to."""
    lines = (line for file in directory.glob("trained-*") for line in file.read_text().splitlines())
    return [(float(begin), float(end)) for begin, end in map(str.split, lines)]


def do(settings: WorkerSettings, key: str, lease: str, waits: bool, handed: float) -> float:
    """In a Dask worker: a job, counted, that was handed out at some moment; when it ended."""
    began = time.monotonic()
    begin_counting()
    own = settings._replace(store=settings.store._replace(data_dir=worker._own_directory(settings.store.data_dir)))
    counting_store(opened(own.store))
    if waits:
        worker.Worker = WaitingWorker  # type: ignore[misc]
    _moment.trained = 0.0
    worker.run_claimed_job(settings, key, lease)
    if _moment.trained:
        count(seconds_before=_moment.trains - began, seconds_after=time.monotonic() - _moment.trained)
    count(begun=1, seconds_going=began - handed)
    return time.monotonic()


class LimitedDask(DaskExecutor):
    """As many places as are allowed."""

    def __init__(self, address: str, directory: Path, waits: bool) -> None:
        self._directory, self._waits = directory, waits
        super().__init__(address)

    def places(self) -> int:
        return min(super().places(), allowed(self._directory)[0])

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future = super().submit(do, *args, self._waits, time.monotonic())
        future.add_done_callback(lambda done: count(seconds_coming=time.monotonic() - done.result()))
        return future


def main() -> None:
    """Serve, until standard input ends, with these arguments: scheduler, database, files, wait or real."""
    scheduler, url, files, what = sys.argv[1:]
    directory = begin_counting()
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    config = Config(
        listen=("127.0.0.1:0",), data_dir=str(directory / "data"), store_url=url, files=files, executor=scheduler
    )

    def ready(addresses: list[str]) -> None:
        counting_store(server._store)
        (directory / "addresses.part").write_text("\n".join(addresses))
        (directory / "addresses.part").replace(directory / "addresses")

    with LimitedDask(scheduler.replace("dask:", "tcp:"), directory, what == "wait") as executor:
        server = Server(config, executor)
        asyncio.run(server.run(ready))
