"""Where jobs train, by the settings: threads of the server, processes beside it, workers of a Dask cluster."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pytrainr_server import telemetry
from pytrainr_server.config import ConfigError
from pytrainr_server.jobs import changes
from pytrainr_server.jobs.alone import process_of_its_own
from pytrainr_server.jobs.bits import Bits, bits, difference
from pytrainr_server.jobs.worker import MEMORY, prepare_worker, run_claimed_job

__all__ = ["DaskExecutor", "Processes", "opened_executor"]

CONNECT_SECONDS, LOOK_SECONDS = 10.0, 0.5
JOBS_SHARE = 0.6
"""Of a worker's memory, what jobs may take by their estimates; the rest is what it needs for itself."""
log = logging.getLogger("pytrainr_server.jobs")


@contextmanager
def opened_executor(setting: str, threads: int) -> Iterator[Executor | None]:
    """The executor of ``--executor``, for as long as this lasts; None for the server's own threads.

    ``threads`` jobs train at the same time, but on ``dask://`` as many as its workers have threads. Raises
    :class:`ConfigError`.
    """
    kind, _, where = setting.partition(":")
    if kind == "threads":
        yield None
    elif kind == "processes":
        with Processes(threads) as processes:
            yield processes
    else:
        with _dask(kind, where) as executor:
            yield executor


class Processes(Executor):
    """So many processes with one job each; where one dies the others do not notice, and another takes its place."""

    def __init__(self, count: int) -> None:
        self._free: list[ProcessPoolExecutor] = [process_of_its_own() for _ in range(count)]
        self._all = set(self._free)
        self._waiting: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []
        self._lock = threading.Lock()

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it in a process that has nothing to do, or as soon as there is one."""
        future: Future[Any] = Future()
        with self._lock:
            self._waiting.append((future, fn, args))
            self._start()
        return future

    def _start(self) -> None:
        while self._free and self._waiting:
            process, (future, function, arguments) = self._free.pop(), self._waiting.pop(0)
            if not future.set_running_or_notify_cancel():
                self._free.append(process)
                continue
            process.submit(function, *arguments).add_done_callback(partial(self._done, process, future))

    def _done(self, process: ProcessPoolExecutor, future: Future[Any], done: Future[Any]) -> None:
        error = done.exception()
        with self._lock:
            if process in self._all:
                if isinstance(error, Exception) and getattr(process, "_broken", False):
                    self._all.discard(process)
                    process = process_of_its_own()
                    self._all.add(process)
                self._free.append(process)
            self._start()
        if error is None:
            future.set_result(done.result())
        else:
            future.set_exception(error)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes."""
        with self._lock:
            gone, self._all, self._free, self._waiting = self._all, set(), [], []
        for process in gone:
            process.shutdown(wait=wait, cancel_futures=cancel_futures)


@contextmanager
def _dask(kind: str, where: str) -> Iterator[DaskExecutor]:
    try:
        from distributed import LocalCluster
    except ImportError as error:
        raise ConfigError(f"--executor {kind}: needs {error.name}: pip install 'pytrainr[dask]'") from error
    for library in ("distributed", "tornado"):  # which set up logs of their own as they are imported
        telemetry.speak_for(library)
    with contextlib.ExitStack() as stack:
        address = f"tcp:{where}"
        if kind == "dask-local":
            cluster = LocalCluster(n_workers=int(where), threads_per_worker=1, processes=True, dashboard_address=None)
            address = stack.enter_context(cluster).scheduler_address
        try:
            yield stack.enter_context(DaskExecutor(address))
        except NoSchedulerError as error:
            raise ConfigError(str(error)) from error


class NoSchedulerError(OSError):
    """No Dask scheduler answers."""


@dataclass(eq=False)
class _Task:
    """What was handed out, and to whom."""

    future: Future[Any]
    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    memory_bytes: int = 0
    workers: set[str] = field(default_factory=set)
    inner: Future[Any] | None = None


class DaskExecutor(Executor):
    """The workers of a Dask cluster that train to the same bits as this server would.

    A worker is asked what it has when it is first seen, and loads or compiles its kernels then; one that differs is
    named in the log and takes no job. Where a worker dies, Dask runs the job on another: it claims it before it begins
    (:meth:`~pytrainr_server.store.jobs.JobStore.claim`), so the first one, should it live on, can store nothing more.
    While no scheduler answers there are no places, and jobs wait.

    Several servers may have one cluster in common. What the others have handed out is not counted among the places; and
    each worker's memory for jobs is one of Dask's *resources*, of which a job takes what it is estimated to need, so
    that no worker is given more at the same time than it has room for, whichever servers ask.
    """

    runs_again = True
    """A task may be begun twice."""

    def __init__(self, address: str, mine: Bits | None = None) -> None:
        self._address = address
        self._mine = mine or bits()
        self._fit: dict[str, bool] = {}  # by address; a worker that is still being asked is not in it
        self._memory: dict[str, int] = {}
        self._taken_by_others = 0
        self._threads: dict[str, int] = {}
        self._asked: set[str] = set()
        self._under_way: set[_Task] = set()
        self._lock = threading.RLock()
        self._lost = False
        self._stopping = threading.Event()
        self._connect()
        self._look()
        self._thread = threading.Thread(target=self._watch, name="dask-workers", daemon=True)
        self._thread.start()

    def _connect(self) -> None:
        from distributed import Client

        try:
            self._client: Any = Client(self._address, timeout=CONNECT_SECONDS, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise NoSchedulerError(f"no Dask scheduler answers at {self._address}: {error}") from error
        self._tasks = self._client.get_executor(pure=False, allow_other_workers=False)

    @property
    def degraded(self) -> str:
        """Why jobs wait, if they do."""
        if self._lost:
            return f"no Dask scheduler answers at {self._address}"
        return "" if any(self._fit.values()) else "no Dask worker is there that may train"

    def places(self) -> int:
        """How many jobs of this server can train at the same time: the threads of the workers that are fit, but those
        that other servers have given work."""
        with self._lock:
            threads = sum(self._threads[address] for address in self._fit_now())
            return max(threads - self._taken_by_others, 0)

    def memory_bytes(self) -> int:
        """What jobs may take on all workers that are fit."""
        with self._lock:
            return sum(self._memory.get(address, 0) for address in self._fit_now())

    def largest_bytes(self) -> int:
        """What one job may take."""
        with self._lock:
            return max((self._memory.get(address, 0) for address in self._fit_now()), default=0)

    def _fit_now(self) -> set[str]:
        return {address for address in self._threads if self._fit.get(address)}

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it on one of the workers that are fit, as soon as it has ``memory_bytes`` left for it."""
        task = _Task(Future(), fn, args, kwargs.get("memory_bytes", 0))
        if not self._hand_out(task):
            task.future.set_exception(NoSchedulerError(self.degraded or "the last Dask worker has just gone"))
        return task.future

    def _hand_out(self, task: _Task) -> bool:
        """Give it to the workers that are fit now; a worker that joins later has no part in it."""
        with self._lock:
            fit = {address for address in self._fit_now() if self._memory.get(address, 0) >= task.memory_bytes}
        if not fit or self._lost:
            return False
        needs = {MEMORY: task.memory_bytes} if task.memory_bytes else None
        inner = self._tasks.submit(task.function, *task.arguments, workers=list(fit), resources=needs)
        with self._lock:
            before, task.inner, task.workers = task.inner, inner, fit
            self._under_way.add(task)
        inner.add_done_callback(partial(self._ended, task))
        if before is not None:
            before.cancel()
        return True

    def _ended(self, task: _Task, inner: Future[Any]) -> None:
        with self._lock:
            if task.inner is not inner:  # it has been given to others since
                return
            self._under_way.discard(task)
        if inner.cancelled():
            task.future.set_exception(NoSchedulerError("the Dask scheduler is gone, or has given the job up"))
        elif (error := inner.exception()) is not None:
            task.future.set_exception(error)
        else:
            task.future.set_result(inner.result())

    def _watch(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            self._look()

    def _look(self) -> None:
        """See which workers there are; those not seen before are asked what they have.

        Dask is asked without the lock, which Dask's own thread takes where a task ends.
        """
        try:
            if self._client.status not in ("running", "connecting"):
                self._connect()
            threads = dict(self._client.nthreads())
            handed_out = {key for keys in self._client.processing().values() for key in keys}
            self._lost = False
        except Exception as error:  # Dask's own kinds are many
            if not self._lost:
                log.error("no Dask scheduler answers, jobs wait: %s", error)
            self._lost, threads, handed_out = True, {}, set()
        with self._lock:
            self._threads = threads
            for address in self._fit.keys() - threads.keys():
                del self._fit[address], self._memory[address]
            new = threads.keys() - self._fit.keys() - self._asked
            self._asked = (self._asked | new) & threads.keys()
            stranded = [task for task in self._under_way if not task.workers & threads.keys()]
            answers = list(self._fit.values())
            jobs = {key for key in handed_out if str(key).startswith(run_claimed_job.__name__)}
            self._taken_by_others = len(jobs - self._client.futures.keys())
        for task in stranded:  # Dask would wait for ever for one of them to come back
            self._hand_out(task)
        for address in new:
            asked = self._tasks.submit(prepare_worker, JOBS_SHARE, workers=[address])
            asked.add_done_callback(partial(self._answered, address))
        telemetry.dask_workers.labels("fit").set(sum(answers))
        telemetry.dask_workers.labels("unfit").set(len(answers) - sum(answers))

    def _answered(self, address: str, done: Future[tuple[Bits, int]]) -> None:
        failed = None if done.cancelled() else done.exception()
        differs = "" if done.cancelled() or failed else difference(self._mine, done.result()[0])
        with self._lock:
            self._asked.discard(address)
            if done.cancelled():
                return  # it has gone, or the scheduler has: it is asked again
            self._fit[address] = not failed and not differs
            self._memory[address] = 0 if failed else done.result()[1]
        if failed is not None:
            log.error("the Dask worker %s takes no job: it lacks what jobs need: %s", address, failed)
        elif differs:
            log.error("the Dask worker %s takes no job, its results would have other bits: %s", address, differs)
        else:
            log.info("the Dask worker %s trains from now on", address)
        changes.notify("queue")

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """No job is handed out any more."""
        self._stopping.set()
        self._thread.join(2 * CONNECT_SECONDS)
        with contextlib.suppress(Exception):
            self._client.close(timeout=5)
