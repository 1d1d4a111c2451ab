"""Hands waiting jobs to an executor, and keeps the house: abandoned jobs, expired things."""

from __future__ import annotations

import logging
import threading
import time
from concurrent.futures import Executor, Future, ThreadPoolExecutor, wait

from pytrainr_server import telemetry
from pytrainr_server.errors import ServiceError
from pytrainr_server.jobs import changes
from pytrainr_server.jobs.pause import control
from pytrainr_server.jobs.worker import Prepared, WorkerSettings, run_job
from pytrainr_server.store.jobs import Lease
from pytrainr_server.store.names import new_key
from pytrainr_server.store.store import Store

SWEEP_SECONDS = 1.0
GARBAGE_SECONDS = 600.0
MAX_WAITING_FOR_CALLERS = 64
"""Jobs that may hold a thread while they wait for their caller's epoch functions."""

log = logging.getLogger("pytrainr_server.jobs")


class Runner:
    """Leases jobs while there are threads for them and submits ``run_job`` to any ``concurrent.futures.Executor``."""

    def __init__(self, store: Store, executor: Executor, settings: WorkerSettings, name: str, at_once: int) -> None:
        self._store = store
        self._executor = executor
        self._settings = settings
        self._name = name
        self._at_once = at_once
        self._futures: dict[Future[None], str] = {}
        self._reserved: set[str] = set()
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._waiting = True  # whether jobs may wait for a thread; else nobody need look when one becomes free
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runner", daemon=True)
        self._next_sweep = self._next_garbage = 0.0

    def start(self) -> None:
        """Take up what an earlier server of this name left unfinished, then begin."""
        taken_up = self._store.jobs.release_all(self._name)
        if taken_up:
            log.info("%d unfinished jobs are taken up again", taken_up)
        self._thread.start()

    def stop(self, seconds: float) -> bool:
        """Checkpoint and give back what runs; whether that was done in time."""
        self._stopping.set()
        self._changed.set()
        self._thread.join(seconds)
        until = time.monotonic() + seconds
        for key in self._store.jobs.ask_back(self._name):
            changes.notify(control(key))
        unfinished = wait(tuple(self._futures), max(until - time.monotonic(), 0.0)).not_done
        return not unfinished

    def reserve(self) -> Lease | None:
        """A place for a job that is only about to be accepted, if there is one; then :meth:`begin` or
        :meth:`withdraw`."""
        with self._lock:
            if self._stopping.is_set() or len(self._futures) + len(self._reserved) >= self._at_once:
                return None
            lease = Lease(self._name, new_key(), time.time() + self._settings.lease_seconds)
            self._reserved.add(lease.lease)
            return lease

    def begin(self, key: str, lease: Lease, prepared: Prepared | None = None) -> None:
        """Begin the job that was stored under a reserved lease; ``prepared`` goes along within this process only."""
        here = isinstance(self._executor, ThreadPoolExecutor)
        with self._lock:
            self._reserved.discard(lease.lease)
            self._submit(key, lease.lease, prepared if here else None)

    def withdraw(self, lease: Lease) -> None:
        """The reserved place is not needed."""
        with self._lock:
            self._reserved.discard(lease.lease)
        if self._waiting:
            self._changed.set()

    def _submit(self, key: str, lease: str, prepared: Prepared | None = None) -> None:
        future = self._executor.submit(run_job, self._settings, key, lease, prepared)
        self._futures[future] = key
        future.add_done_callback(self._done)

    def _run(self) -> None:
        with changes.listening("queue", self._wake):
            while not self._stopping.is_set():
                try:
                    self._pass()
                except ServiceError as error:
                    log.error("the queue waits: %s", error)
                except Exception:
                    log.exception("the queue waits")
                self._changed.wait(changes.POLL_SECONDS)
                self._changed.clear()

    def _wake(self) -> None:
        self._waiting = True
        self._changed.set()

    def _pass(self) -> None:
        while self._has_room() and not self._stopping.is_set():
            self._waiting = False
            taken = self._store.jobs.lease_next(self._name, self._settings.lease_seconds)
            if taken is None:
                break
            with self._lock:
                self._submit(taken.key, taken.lease)
            if not taken.more:
                break
            self._waiting = True
        now = time.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            self._sweep()
        if now >= self._next_garbage:
            self._next_garbage = now + GARBAGE_SECONDS
            removed = self._store.collect_garbage()
            log.debug("%d expired things removed", removed)

    def _has_room(self) -> bool:
        with self._lock:
            if len(self._futures) + len(self._reserved) < self._at_once:
                return True
        # All threads are taken, but some jobs may only wait for their caller.
        if len(self._futures) >= self._at_once + MAX_WAITING_FOR_CALLERS:
            return False
        return self._store.jobs.running(self._name) < self._at_once

    def _sweep(self) -> None:
        if under_way := tuple(self._futures.values()):
            self._store.jobs.renew_all(self._name, under_way, self._settings.lease_seconds)
        for key in self._store.jobs.cancel_abandoned():
            changes.notify(control(key))
            changes.notify(key)
        telemetry.set_queue(self._store.jobs.counts())

    def _done(self, future: Future[None]) -> None:
        self._futures.pop(future, None)
        if (error := future.exception()) is not None:
            log.error("a worker failed: %s", error, exc_info=error)
        if self._waiting:
            self._changed.set()
