"""Hands waiting jobs to an executor, and keeps the house: abandoned jobs, expired things."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor, wait
from functools import partial
from typing import Any, NamedTuple

from sqlalchemy import Row

from pytrainr_server import clock, telemetry
from pytrainr_server.config import UNLIMITED
from pytrainr_server.errors import ServiceError
from pytrainr_server.jobs import changes
from pytrainr_server.jobs.alone import process_of_its_own
from pytrainr_server.jobs.bits import arithmetic
from pytrainr_server.jobs.compilers import on_behalf_of
from pytrainr_server.jobs.pause import control
from pytrainr_server.jobs.worker import Prepared, WorkerSettings, run_claimed_job, run_job
from pytrainr_server.store.database import DamagedDatabaseError
from pytrainr_server.store.jobs import LeaseLostError, Taken, Waiting
from pytrainr_server.store.names import new_key
from pytrainr_server.store.new_jobs import Lease
from pytrainr_server.store.places import FilesError
from pytrainr_server.store.quotas import NO_QUOTA, Quota
from pytrainr_server.store.store import FilesInUseError, Store

SWEEP_SECONDS = 1.0
GARBAGE_SECONDS = 600.0
MAX_WAITING_FOR_CALLERS = 64
"""Jobs that may hold a thread while they wait for their caller's epoch functions; more than those are parked."""
PARKED_AT_ONCE = 8
TURN_SECONDS, FIRST_TURN_SECONDS, HUNGRY_SECONDS = 2.0, 0.25, 5.0
"""Where owners are more than threads, how long a job trains before it makes way; and for one not served for long."""

PATIENCE_SECONDS = 30.0
"""How long smaller jobs may pass one that waits for memory; then it is their turn to wait."""

_AWAY = (ServiceError, OSError, DamagedDatabaseError, FilesError)
"""What a worker raises that cannot reach what it needs."""

log = logging.getLogger("pytrainr_server.jobs")


class Places:
    """How many jobs train at the same time, and the bytes of memory that they may take together; on an executor that
    has ``places`` and ``memory_bytes`` of its own what it says."""

    def __init__(self, threads: int, memory_bytes: float, executor: Executor, quota: Quota = NO_QUOTA) -> None:
        """``quota``: what one owner may have of them, on all servers of the store together."""
        self._threads = threads
        self._executor = executor
        self._memory_bytes = memory_bytes
        self.quota = quota

    @property
    def memory_bytes(self) -> float:
        """Likewise."""
        return float(self._executor.memory_bytes()) if hasattr(self._executor, "memory_bytes") else self._memory_bytes

    @property
    def largest_bytes(self) -> int:
        """What one job may take."""
        return int(self._executor.largest_bytes()) if hasattr(self._executor, "largest_bytes") else UNLIMITED

    @property
    def threads(self) -> int:
        """As things are now."""
        return int(self._executor.places()) if hasattr(self._executor, "places") else self._threads


class _Held(NamedTuple):
    """A job under way here, or about to be."""

    key: str
    lease: str
    owner: str
    memory_bytes: float
    since: float


class Runner:
    """Leases jobs while there are threads for them and submits ``run_job`` to any ``concurrent.futures.Executor``."""

    def __init__(self, store: Store, executor: Executor, settings: WorkerSettings, name: str, places: Places) -> None:
        self._store = store
        self._executor = executor
        self._settings = settings
        # Elsewhere there is no data directory: a worker writes where it may, and shares files with this server.
        elsewhere = settings.store._replace(data_dir="" if settings.store.files else settings.store.data_dir)
        self._remote_settings = settings._replace(store=elsewhere)
        # Where other servers may take a job up, only those do that end it with the bits with which it was begun.
        self.arithmetic = "" if store.database.embedded else arithmetic()
        # Likewise one that this server has not the memory for; alone, it says so to the job's owner.
        self._most_for_one = UNLIMITED if store.database.embedded else int(settings.memory_bytes)
        self._left_to_others: dict[str, int] = {}
        self._name = name
        self._places = places
        self.quota = places.quota
        self._passed: dict[str, tuple[str, float]] = {}  # by owner: the job that waits for memory, and since when
        self._held_for: Row[Any] | None = None  # before it, no other job begins
        self._futures: dict[Future[None], _Held] = {}
        self._endings = ThreadPoolExecutor(1, "ending")  # of cancelled jobs that nobody trains
        self._ending: Future[None] | None = None
        self._reserved: dict[str, _Held] = {}
        self._served: dict[str, float] = {}  # when an owner's job was last begun
        self._asked: set[str] = set()  # to be given back
        self._compiling: Counter[_Held] = Counter()  # whose threads wait for a kernel, so many of them
        self._lock = threading.Lock()
        self._changed = threading.Event()
        self._waiting = True  # whether jobs may wait for a thread; else nobody need look when one becomes free
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="runner", daemon=True)
        self._next_sweep = self._next_garbage = 0.0
        self._garbage: threading.Thread | None = None

    @property
    def _largest(self) -> int:
        return min(self._most_for_one, self._places.largest_bytes)

    def take_up(self, *, crashed: bool = False) -> None:
        """Back into the queue with what an earlier server of this name left (``crashed``: it died by a fault)."""
        taken_up = self._store.jobs.release_all(self._name, crashed=crashed)
        if taken_up:
            log.info("%d unfinished jobs are taken up again", taken_up)

    def start(self) -> None:
        """Begin."""
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
        if self._garbage is not None:
            self._garbage.join(max(until - time.monotonic(), 0.0))
        self._endings.shutdown(wait=False)
        return not unfinished

    def reserve(self, owner: str, memory_bytes: float) -> Lease | None:
        """A place for a job that is only about to be accepted, if there is one; then :meth:`begin` or
        :meth:`withdraw`."""
        with self._lock:
            if self._stopping.is_set() or self._busy() >= self._places.threads or memory_bytes > self._free_bytes():
                return None
            if self._held_for is not None:
                return None
            if len(self._futures) >= self._most or owner in self._too_new():
                return None
            lease = Lease(self._name, new_key(), clock.now() + self._settings.lease_seconds)
            self._reserved[lease.lease] = _Held("", lease.lease, owner, memory_bytes, time.monotonic())
            return lease

    def _free_bytes(self) -> float:
        """What a job may take beside those that run; one that runs alone has been found to fit."""
        held = [*self._futures.values(), *self._reserved.values()]
        return self._places.memory_bytes - sum(job.memory_bytes for job in held) if held else math.inf

    def begin(self, key: str, lease: Lease, prepared: Prepared | None = None) -> None:
        """Begin the job that was stored under a reserved lease; ``prepared`` goes along within this process only."""
        here = isinstance(self._executor, ThreadPoolExecutor)
        with self._lock:
            held = self._reserved.pop(lease.lease)._replace(key=key)
            self._submit(self._executor, held, prepared if here else None)

    def withdraw(self, lease: Lease) -> None:
        """The reserved place is not needed."""
        with self._lock:
            self._reserved.pop(lease.lease, None)
        if self._waiting:
            self._changed.set()

    def _submit(self, executor: Executor, held: _Held, prepared: Prepared | None = None) -> Future[None]:
        if getattr(executor, "runs_again", False):
            needs: Any = {"memory_bytes": int(held.memory_bytes)}
            future = executor.submit(run_claimed_job, self._remote_settings, held.key, held.lease, **needs)
        else:
            run = partial(self._run_here, held) if isinstance(executor, ThreadPoolExecutor) else run_job
            future = executor.submit(run, self._settings, held.key, held.lease, prepared)
        self._futures[future] = held
        self._served[held.owner] = held.since
        future.add_done_callback(self._done)
        return future

    def _run_here(self, held: _Held, *arguments: Any) -> None:
        with on_behalf_of(held.owner, partial(self._compiles, held)):
            run_job(*arguments)

    def _compiles(self, held: _Held, waits: bool) -> None:
        """A job's thread begins to wait for a kernel, or goes on: meanwhile others may have its place."""
        with self._lock:
            self._compiling[held] += 1 if waits else -1
            if not self._compiling[held]:
                del self._compiling[held]
        self._wake()

    def _busy(self) -> int:
        """How many places are taken, those of jobs that wait for a kernel not counted."""
        return len(self._futures) + len(self._reserved) - len(self._compiling)

    def _too_new(self) -> set[str]:
        """Owners of whom so many jobs wait for kernels that no more of theirs may begin."""
        waiting = Counter(held.owner for held in self._compiling)
        return {owner for owner, count in waiting.items() if count >= self._places.threads}

    @property
    def _most(self) -> int:
        return self._places.threads + MAX_WAITING_FOR_CALLERS

    def _submit_alone(self, held: _Held) -> Future[None]:
        executor = process_of_its_own()
        future = self._submit(executor, held)
        future.add_done_callback(lambda done: self._done_alone(executor, done, held.key, held.lease))
        return future

    def _done_alone(self, executor: Executor, future: Future[None], key: str, lease: str) -> None:
        executor.shutdown(wait=False)
        if future.cancelled() or not isinstance(future.exception(), BrokenExecutor):
            return
        telemetry.worker_deaths.inc()
        try:
            if self._store.jobs.worker_died(key, lease):
                log.error("the job's process died again; the job is given up", extra={"job_key": key})
                telemetry.jobs_ended.labels("failed").inc()
        except (ServiceError, LeaseLostError) as error:
            log.error("the job's process died: %s", error, extra={"job_key": key})  # its lease runs out
        changes.notify(key)
        changes.notify("queue")

    def _run(self) -> None:
        with changes.listening("queue", self._wake):
            why = ""
            while not self._stopping.is_set():
                before, why = why, self._try_pass()
                if why and why != before:  # said once, however long it lasts
                    log.error("the queue waits: %s", why)
                self._changed.wait(changes.POLL_SECONDS)
                self._changed.clear()

    def _try_pass(self) -> str:
        """One look at the queue; why it has to wait, if it has."""
        try:
            self._pass()
        except (ServiceError, OSError) as error:
            return str(error)
        except Exception:
            log.exception("the queue waits")
        return ""

    def _wake(self) -> None:
        self._waiting = True
        self._changed.set()

    def _pass(self) -> None:
        while self._has_room() and not self._stopping.is_set():
            self._waiting = False
            waiting = self._who_waits()
            taken = self._take(waiting)
            if taken is None:
                self._waiting = bool(waiting)
                break
            self._waiting = True
            self._begin_taken(taken, self._executor)
        if not self._stopping.is_set():
            self._make_room()
            if self._ending is not None:
                self._end_next_cancelled()
        now = time.monotonic()
        if now >= self._next_sweep:
            self._next_sweep = now + SWEEP_SECONDS
            self._sweep()
        if now >= self._next_garbage:
            self._collect_garbage()

    def _begin_taken(self, taken: Taken, executor: Executor) -> Future[None]:
        held = _Held(taken.key, taken.lease, taken.owner, taken.memory_bytes, time.monotonic())
        with self._lock:
            return self._submit_alone(held) if taken.alone else self._submit(executor, held)

    def _who_waits(self) -> dict[str, Waiting]:
        return self._store.jobs.waiting_owners(self.arithmetic, self._largest, self.quota)

    def _take(self, waiting: dict[str, Waiting]) -> Taken | None:
        """The next job of the owner whose turn it is and who has one for which there is memory.

        Where the next in an owner's line waits for memory, smaller ones pass it, but not for ever: after a while its
        line stands still, and where its owner has nothing under way here, so do all others.
        """
        held_for, self._held_for = self._held_for, None
        self._passed = {owner: passed for owner, passed in self._passed.items() if owner in waiting}
        with self._lock:
            free_bytes = self._free_bytes()
            begin_no_more = self._too_new()
        owners = sorted(waiting.keys() - begin_no_more, key=lambda owner: (self._rank(owner), waiting[owner].oldest))
        if held_for is not None:  # what was given back for it is its own
            owners.sort(key=lambda owner: owner != held_for.owner)
        for owner in owners:
            most_bytes = min(free_bytes, waiting[owner].most_bytes, self._largest)
            if most_bytes < self._largest and self._is_overdue(owner, most_bytes, free_bytes):
                if self._held_for is not None:
                    return None
                continue
            line = self._name, self._settings.lease_seconds, [owner], most_bytes, self.arithmetic, self.quota
            if (taken := self._store.jobs.lease_next(*line)) is not None:
                return taken
        return None

    def _is_overdue(self, owner: str, most_bytes: float, free_bytes: float) -> bool:
        """Whether an owner's next job has been passed for long enough by smaller ones; perhaps all are held for it."""
        job = self._store.jobs.next_in_line(owner, self.arithmetic, self._largest)
        if job is None or job.memory_bytes <= most_bytes:
            self._passed.pop(owner, None)
            return False
        key, since = self._passed.get(owner, ("", 0.0))
        if key != job.key:
            since = time.monotonic()
            self._passed[owner] = job.key, since
        if time.monotonic() - since < PATIENCE_SECONDS:
            return False
        if job.memory_bytes > free_bytes and not self._rank(owner)[0]:
            self._held_for = job
        return True

    def _rank(self, owner: str) -> tuple[int, float]:
        """Whose turn it is: who has the fewest jobs under way, then who was served longest ago."""
        mine = sum(job.owner == owner for job in tuple(self._futures.values()))
        return mine, self._served.get(owner, -math.inf)

    def _has_room(self) -> bool:
        with self._lock:
            if len(self._futures) >= self._most:
                return False
            if self._busy() < self._places.threads:
                return True
            compiling = len(self._compiling)
        # All threads are taken, but some jobs may only wait for their caller.
        return self._store.jobs.running(self._name) - compiling < self._places.threads

    def _make_room(self) -> None:
        """Where an owner waits while another has more than a fair share, ask for one of that one's jobs back."""
        under_way = tuple(self._futures.values())
        if self._held_for is not None:
            self._make_memory(self._held_for.owner, under_way)
            return
        if len(under_way) < self._places.threads:
            return
        waiting = self._who_waits()
        if not waiting:
            return
        paused = set(self._store.jobs.paused(self._name))
        if len(under_way) >= self._most:
            self._ask_back([job for job in under_way if job.key in paused], PARKED_AT_ONCE)
        with self._lock:
            compiling = set(self._compiling)
        training = [job for job in under_way if job.key not in paused and job not in compiling]
        shares = Counter(job.owner for job in training)
        poorest = min(waiting, key=self._rank)
        richest = max(shares, key=lambda owner: shares[owner], default="")
        if not richest or shares[richest] <= shares[poorest] or richest == poorest:
            return
        now = time.monotonic()
        hungry = now - self._served.get(poorest, -math.inf) > HUNGRY_SECONDS
        if shares[richest] > shares[poorest] + 1 or not shares[poorest]:
            seconds = FIRST_TURN_SECONDS if hungry else TURN_SECONDS
            victims = [job for job in training if job.owner == richest and now - job.since >= seconds]
            self._ask_back(victims, 1)

    def _make_memory(self, owner: str, under_way: Sequence[_Held]) -> None:
        """Ask for a job of the one back who has most of the memory."""
        taken: Counter[str] = Counter()
        for job in under_way:
            taken[job.owner] += int(job.memory_bytes)
        del taken[owner]
        if taken:
            richest, now = max(taken, key=lambda name: taken[name]), time.monotonic()
            victims = [job for job in under_way if job.owner == richest and now - job.since >= TURN_SECONDS]
            self._ask_back(victims, 1)

    def _ask_back(self, jobs: Sequence[_Held], count: int) -> None:
        """Ask for the jobs back that have been under way for longest."""
        count -= len(self._asked)
        unasked = [job for job in jobs if job.key not in self._asked]
        for job in sorted(unasked, key=lambda job: job.since)[: max(count, 0)]:
            self._asked.add(job.key)
            self._store.jobs.ask_one_back(job.key)
            changes.notify(control(job.key))

    def _sweep(self) -> None:
        if under_way := {job.key: job.lease for job in tuple(self._futures.values())}:
            self._store.jobs.renew_all(under_way, self._settings.lease_seconds)
        for key in (*self._store.jobs.cancel_abandoned(), *self._store.jobs.end_overdue_pauses()):
            changes.notify(control(key))
            changes.notify(key)
        self._end_next_cancelled()
        self._tell_what_is_left_to_others()
        telemetry.set_state(self._store.jobs.counts(), self._store.settings.data_dir)

    def _end_next_cancelled(self) -> None:
        """Let a job end that was begun and cancelled while nobody trained it, one at a time: beside those that train,
        for whoever has cancelled it waits for its model."""
        if self._stopping.is_set() or (self._ending is not None and not self._ending.done()):
            return
        with self._lock:
            most_bytes = min(self._free_bytes(), self._most_for_one)
        taken = self._store.jobs.lease_cancelled(self._name, self._settings.lease_seconds, most_bytes)
        self._ending = None if taken is None else self._begin_taken(taken, self._endings)
        if self._ending is not None:
            self._ending.add_done_callback(lambda _: self._wake())

    def _tell_what_is_left_to_others(self) -> None:
        largest = self._largest or UNLIMITED  # without a worker nobody knows
        left = self._store.jobs.for_others(self.arithmetic, largest) if self.arithmetic else {}
        for kind in left.keys() - self._left_to_others.keys():
            here = self.arithmetic if kind else f"{largest} bytes for one job"
            log.warning("jobs wait for a server with %s; here are %s", kind or "more memory", here)
        self._left_to_others = left
        telemetry.left_to_others.set(sum(left.values()))

    def _collect_garbage(self) -> None:
        """In a thread of its own: files elsewhere may take long to be listed, and the queue does not wait for that."""
        self._next_garbage = time.monotonic() + GARBAGE_SECONDS
        if self._garbage is None or not self._garbage.is_alive():
            self._garbage = threading.Thread(target=self._remove_garbage, name="garbage", daemon=True)
            self._garbage.start()

    def _remove_garbage(self) -> None:
        try:
            removed = self._store.collect_garbage(wait=False)
            log.debug("%d expired things removed", removed)
        except FilesInUseError:  # a backup copies them: it has time until the next look
            self._next_garbage = time.monotonic() + SWEEP_SECONDS
        except (ServiceError, OSError) as error:
            log.warning("expired things wait for the next look: %s", error)

    def _done(self, future: Future[None]) -> None:
        if (held := self._futures.pop(future, None)) is not None:
            self._asked.discard(held.key)
        if future.cancelled():
            log.error("a worker was lost; its job is taken up again once its lease has run out")
        elif (error := future.exception()) is not None:
            known = isinstance(error, _AWAY)  # then the job is taken up again once its lease has run out
            log.error("a worker failed: %s", error, exc_info=None if known else error)
        if self._waiting:
            self._changed.set()
