"""Does one job: from the store, through checkpoints, to the published model.

``run_job`` needs nothing but what can be sent to another process; everything else it finds in the store. It may be
killed at any point: whoever takes the job next goes on from its checkpoint, to the same bits.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from sqlalchemy import Row
from trainr import wire
from trainr.v1 import training_pb2

import pytrainr
from pytrainr import kernels
from pytrainr.halving import error_so_far
from pytrainr.memory import limited_memory, memory_limit
from pytrainr.r_arguments import NETWORK_TYPES
from pytrainr.threads import limited_threads, thread_count
from pytrainr.training import CheckpointError, Stopped, Training
from pytrainr.warmup import warm_up
from pytrainr_server import clock, telemetry
from pytrainr_server.config import UNLIMITED
from pytrainr_server.errors import Code, ServiceError, exhausted
from pytrainr_server.failpoints import failpoint
from pytrainr_server.jobs import changes, specification
from pytrainr_server.jobs.bits import Bits, bits
from pytrainr_server.jobs.pause import Held, Pause, control
from pytrainr_server.jobs.stored_models import load_model, mean_of, save_model
from pytrainr_server.store.checksums import checksum
from pytrainr_server.store.job_files import DamagedCheckpointError, Epoch, JobFiles, Restored
from pytrainr_server.store.job_lines import Line, host_of, line
from pytrainr_server.store.jobs import LeaseLostError, Wishes, error_values, or_null, training_of
from pytrainr_server.store.models import NewModel
from pytrainr_server.store.schema import State
from pytrainr_server.store.store import Store, StoreSettings, opened

SLICE_SECONDS = 0.25
REPORT_SECONDS = 0.5
NOTIFY_SECONDS = 0.05
RETRY_SECONDS = 10.0
MEMORY = "pytrainr-memory"
"""The resource of Dask's workers of which jobs take bytes."""

log = logging.getLogger("pytrainr_server.jobs")


class WorkerSettings(NamedTuple):
    """What a worker must know."""

    store: StoreSettings
    checkpoint_seconds: float
    lease_seconds: float
    pause_seconds: float
    memory_bytes: float


class _Slices:
    """Slices of training under way in this process: they divide the processors among themselves."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._count = 0

    @contextmanager
    def share(self) -> Iterator[None]:
        """Inside, the current thread trains with its share of the processors, as things are when it begins."""
        with self._lock:
            self._count += 1
            share = max(1, thread_count() // self._count)
        try:
            with limited_threads(share):
                yield
        finally:
            with self._lock:
                self._count -= 1


_slices = _Slices()


class _CancelledError(Exception):
    """Someone cancelled the job."""


class _GiveBackError(Exception):
    """The server is going down."""


class _HaltedError(Exception):
    """The job waits for the others of its batch."""


class Prepared(NamedTuple):
    """A job that was accepted a moment ago in this process, and what was made of it to see that it can be done."""

    job: Row[Any]
    training: Training
    stream: pytrainr.RRandom


def run_job(settings: WorkerSettings, key: str, lease: str, prepared: Prepared | None = None) -> None:
    """Train the job ``key`` under a lease; its outcome is in the store afterwards.

    ``prepared`` only saves the time to read the job and to make the same of it once more.
    """
    store = opened(settings.store)
    try:
        with telemetry.job_span(key):
            Worker(store, settings, key, lease, prepared).run()
    except LeaseLostError:
        log.warning("job taken over by another worker", extra={"job_key": key})
    finally:
        changes.notify(key)


def run_claimed_job(settings: WorkerSettings, key: str, lease: str) -> None:
    """As :func:`run_job`, on a worker that may not be the first to have been given the job under this lease.

    It keeps what it writes on the way in a directory of its own; the store's and the files' addresses are all it needs.
    """
    own = settings._replace(store=settings.store._replace(data_dir=_own_directory(settings.store.data_dir)))
    try:
        claimed = opened(own.store).jobs.claim(key, lease, own.lease_seconds)
    except LeaseLostError:
        log.warning("job taken over by another worker", extra={"job_key": key})
        return
    with _showing_life(opened(own.store), key, claimed, own.lease_seconds):
        run_job(own, key, claimed)


@contextmanager
def _showing_life(store: Store, key: str, lease: str, seconds: float) -> Iterator[None]:
    """Renew the lease while this lasts, however long what the worker is busy with takes. Nobody else may: a worker that
    cannot reach the database is to lose its job."""
    over = threading.Event()

    def renew() -> None:
        while not over.wait(seconds / 3):
            with contextlib.suppress(ServiceError):
                store.jobs.renew_all({key: lease}, seconds)

    threading.Thread(target=renew, name="life", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _own_directory(given: str) -> str:
    """Where a Dask worker may write; on the server's own machine that is the data directory (``given``)."""
    if given:
        return given
    from distributed import get_worker

    return os.path.join(get_worker().local_directory, "pytrainr")


def prepare_process() -> Bits:
    """Load or compile the kernels, so that no job waits for them; what this process's results depend on."""
    for network_type in NETWORK_TYPES:
        warm_up(network_type)
    return bits()


def prepare_worker(share: float) -> tuple[Bits, int]:
    """The same on a Dask worker, which from then on has ``share`` of its memory for jobs; how many bytes."""
    from distributed import get_worker
    from distributed.utils import sync

    worker = get_worker()
    memory = int(share * (worker.memory_manager.memory_limit or memory_limit() or UNLIMITED))
    sync(worker.loop, worker.set_resources, **{MEMORY: memory})
    return prepare_process(), memory


class Worker:
    """One job under one lease."""

    def __init__(
        self, store: Store, settings: WorkerSettings, key: str, lease: str, prepared: Prepared | None = None
    ) -> None:
        self._store = store
        self._settings = settings
        self._key = key
        self._lease = lease
        self._prepared = prepared
        self._job = prepared.job if prepared else store.jobs.to_do(key)
        self._wishes = Wishes(self._job.cancel_requested, self._job.yield_requested)
        self._stream: pytrainr.RRandom | None = None
        self._pause: Pause | None = None
        self._training: Training | None = None
        self._files: JobFiles | None = None
        self._logged = 0
        self._lines: dict[str, Line] = {}  # said, and not yet stored
        self._first_lines = self._job.resumed == 0
        self._last_line = self._checkpoint_line = ""
        self._checkpoints = 0
        self._suspected = self._job.server_deaths > 0
        self._next_checkpoint = self._next_notice = 0.0
        self._renewed = time.monotonic()  # the lease is fresh

    def run(self) -> None:
        """Do it, and store how it ended."""
        try:
            self._run()
        except LeaseLostError:
            raise
        except _CancelledError:
            self._cancelled()
        except _GiveBackError:
            self._give_back()
        except _HaltedError:
            self._halt()
        except pytrainr.DivergedError as error:
            self._diverged(error)
        except ServiceError as error:
            if error.code in (Code.RESOURCE_EXHAUSTED, Code.UNAVAILABLE) and error.reason != "OUT_OF_MEMORY":
                self._try_later(error)
            else:
                self._fail(error)
        except MemoryError as error:
            self._fail(exhausted("OUT_OF_MEMORY", f"The server's memory is too small for this job. {error}"))
        except (ValueError, TypeError) as error:
            self._fail(specification.named_argument(error, {}))
        except OSError as error:
            self._try_later(error)
        except Exception as error:
            log.exception("job failed", extra={"job": self._job.id})
            self._say(f"The server failed ({type(error).__name__}).", logging.ERROR)
            self._fail(ServiceError(Code.INTERNAL, "INTERNAL", "The server failed; its log says why."))
        finally:
            if self._files is not None:
                self._files.leave()

    def _say(self, text: str, level: int = logging.INFO, key: str = "") -> str:
        """Say it to the job's owner; with a ``key``, in the place of the line that has it."""
        said = line(text, level, key)
        self._lines[said.key] = said
        self._last_line = said.key
        return said.key

    def _me(self) -> str:
        return f"{host_of(self._job.worker)}, process {os.getpid()}"

    def _said(self) -> list[Line]:
        """What is to be stored."""
        return list(self._lines.values())

    def _run(self) -> None:
        failpoint("after-lease")
        if not self._job.resumed:
            self._say(f"Started by {self._me()}.")
        training = self._prepare()
        self._next_notice = time.monotonic() + NOTIFY_SECONDS
        with changes.listening(control(self._key), self._interrupt):
            training, files = self._open_files(training)
            self._attend()
            try:
                self._train(training, files)
            except _GiveBackError:
                self._checkpoint(training, files)
                raise
        self._publish(training)

    # preparing ------------------------------------------------------------------------------------------------------

    def _prepare(self) -> Training:
        if self._prepared:
            self._training, self._stream = self._prepared.training, self._prepared.stream
            return self._training
        message = training_pb2.Training.FromString(training_of(self._job))
        self._stream = specification.random_stream(message)
        with limited_memory(self._settings.memory_bytes):
            self._training, self._pause = build(self._store, message, self._stream, self._make_pause)
            begin(self._training)
        return self._training

    def _make_pause(self, functions: Sequence[Callable]) -> Pause:
        settings = self._settings
        assert self._stream is not None
        job = Held(self._store, self._key, self._lease)
        return Pause(job, self._stream, settings.pause_seconds, self._show_life, functions)

    def _open_files(self, training: Training) -> tuple[Training, JobFiles]:
        """The training as its checkpoint left it, or from the beginning, and the files to go on with."""
        samples, validated = training.model.error.shape[0], training.validation is not None
        files = self._files = self._store.job_files(self._key, self._lease, samples, validated=validated)
        try:
            restored = None if self._prepared else files.open()  # a job just accepted has no files yet
            if restored is not None:
                self._restore(training, restored)
            elif self._job.resumed:
                self._say(f"Taken up again by {self._me()}; without a checkpoint it begins anew.")
        except (DamagedCheckpointError, CheckpointError) as error:
            log.error("damaged checkpoint, the job begins anew: %s", error, extra={"job": self._job.id})
            self._say("The checkpoint is damaged on the server: the training begins anew.", logging.ERROR)
            telemetry.damaged_checkpoints.inc()
            if self._job.pauses:
                raise ServiceError(
                    Code.DATA_LOSS,
                    "CHECKPOINT_DAMAGED",
                    "The job's checkpoint on the server is damaged, and without it the answers of your epoch functions "
                    "are lost. Start the training again.",
                ) from error
            files.begin_anew()
            training = self._prepare()
        self._logged = training.epoch
        self._next_checkpoint = time.monotonic() + self._settings.checkpoint_seconds
        return training, files

    def _restore(self, training: Training, restored: Restored) -> None:
        training.restore(restored.checkpoint, restored.error_columns)
        log.info("job goes on from its checkpoint", extra={"job": self._job.id, "epoch": training.epoch})
        self._say(f"Taken up again by {self._me()}, from the checkpoint after epoch {training.epoch}.")

    # training -------------------------------------------------------------------------------------------------------

    def _train(self, training: Training, files: JobFiles) -> None:
        began, compiled = time.monotonic(), kernels.compiled_so_far()
        while not training.finished and not (self._pause and self._pause.finish):
            if 0 < self._job.halt_epoch <= training.epoch:
                self._checkpoint(training, files, needed=True)
                raise _HaltedError
            learningrate = float(training.model.learningrate)
            try:
                with _slices.share():
                    completed = training.advance(SLICE_SECONDS)
            except Stopped:
                self._show_life(State.RUNNING)
                continue
            if completed:
                self._log_epoch(training, files, learningrate)
            now = time.monotonic()
            if kernels.compiled_so_far() > compiled:
                compiled = kernels.compiled_so_far()
                self._say(f"Kernels were compiled, once for this machine ({now - began:.1f} s).")
            if now >= self._next_notice:
                self._show_epochs(files)
            if now >= self._next_checkpoint:
                self._checkpoint(training, files)
            self._keep_lease()
            self._attend()

    def _log_epoch(self, training: Training, files: JobFiles, learningrate: float) -> None:
        model, epoch = training.model, training.epoch
        column = model.error[:, epoch - 1]
        mean_error = mean_of(column)
        held_out = None if training.validation is None else float(model.validation_loss[epoch - 1])
        files.append(Epoch(epoch, mean_error, learningrate, float(model.learningrate), held_out), column)
        self._logged = epoch
        telemetry.epochs_trained.inc()
        telemetry.samples_trained.inc(column.shape[0])

    def _show_epochs(self, files: JobFiles) -> None:
        self._keep_lease()
        files.flush()
        self._next_notice = time.monotonic() + NOTIFY_SECONDS
        changes.notify(self._key)

    def _keep_lease(self) -> None:
        """Show life where that is due: a worker that has lost the job must not overwrite its successor's files."""
        if self._renewed < time.monotonic() - REPORT_SECONDS:
            self._renew(State.RUNNING)

    def _checkpoint(self, training: Training, files: JobFiles, *, needed: bool = False) -> None:
        self._keep_lease()
        started, patience = time.monotonic(), 0.0
        try:
            files.save(self._logged, training.checkpoint())
        except (OSError, ServiceError) as error:
            if needed:
                raise
            # The last checkpoint still stands; what counts is that the next one comes through.
            log.error("no checkpoint: %s", error, extra={"job": self._job.id})
            why = getattr(error, "strerror", None) or "what it is kept in fails"
            self._say(f"No checkpoint after epoch {self._logged} ({why}); the one before still stands.", logging.ERROR)
            telemetry.failed_checkpoints.inc()
            patience = time.monotonic() - started  # where it takes long to fail, at least half of the time is training
        else:
            self._say_checkpoint()
            if self._pause:
                self._store.jobs.drop_continuations(self._key, self._logged)
            if self._suspected:
                self._store.jobs.survived(self._key, self._lease)
                self._suspected = False
        telemetry.checkpoint_seconds.observe(time.monotonic() - started)
        self._next_checkpoint = time.monotonic() + max(self._settings.checkpoint_seconds, patience)

    def _say_checkpoint(self) -> None:
        """One line for all checkpoints between which nothing else is said."""
        again = self._checkpoint_line != "" and self._last_line == self._checkpoint_line
        self._checkpoints = self._checkpoints + 1 if again else 1
        count = f"{self._checkpoints} checkpoints, the last" if again else "Checkpoint"
        key = self._checkpoint_line if again else ""
        self._checkpoint_line = self._say(f"{count} after epoch {self._logged}.", logging.DEBUG, key)

    def _show_life(self, state: State) -> None:
        """Renew the lease, report, and see whether the job may go on."""
        self._renew(state)
        self._attend()

    def _renew(self, state: State) -> None:
        training = self._training
        values: dict[str, Any] = {"state": state}
        if training is not None:
            values |= {"epoch": training.epoch, "progress": min(float(training.progress), 1.0)}
            if training.epoch and state == State.RUNNING:
                values["mean_error"] = or_null(mean_of(training.model.error[:, training.epoch - 1]))
        lines = self._said()
        seconds = self._settings.lease_seconds
        self._wishes = self._store.jobs.update(self._key, self._lease, seconds, lines, **values)
        self._first_lines = self._first_lines and not lines
        self._lines.clear()
        self._renewed = time.monotonic()

    def _attend(self) -> None:
        """Do what others wished when the lease was last renewed, for whatever reason that was."""
        if self._wishes.cancel:
            raise _CancelledError
        if self._wishes.give_back:
            raise _GiveBackError

    def _interrupt(self) -> None:
        """Called by other threads: end the slice under way if someone wants that."""
        if self._training is not None and any(self._store.jobs.wishes(self._key)):
            self._training.stop()

    # ending ---------------------------------------------------------------------------------------------------------

    def _publish(self, training: Training) -> None:
        compared = {"compared": or_null(error_so_far(training))} if self._job.halt_epoch else {}
        row = self._save(training.result())
        failpoint("before-publish")
        self._end(
            State.SUCCEEDED,
            row,
            epoch=training.epoch,
            progress=0.0,
            mean_error=row.final_error,
            **compared,
            **self._random_state(),
        )
        failpoint("after-publish")
        if self._files is not None:
            self._files.finished()
        telemetry.jobs_ended.labels("succeeded").inc()
        log.info("job succeeded", extra={"job": self._job.id, "epochs": training.epoch})

    def _cancelled(self) -> None:
        """Keep the model of the last whole epoch: it is what an interrupted training leaves."""
        error = ServiceError(Code.CANCELLED, "CANCELLED", "The job was cancelled.")
        if self._job.dropped:
            error = ServiceError(Code.CANCELLED, "DROPPED", self._job.dropped)
        if self._training is None or not self._training.has_whole_epoch:
            self._fail(error, State.CANCELLED)
            return
        row = self._save(self._training.last_whole_epoch())
        self._end(
            State.CANCELLED,
            row,
            epoch=self._training.epoch,
            progress=0.0,
            **error_values(error),
        )
        telemetry.jobs_ended.labels("cancelled").inc()

    def _diverged(self, error: pytrainr.DivergedError) -> None:
        failure = ServiceError(Code.FAILED_PRECONDITION, "DIVERGED", str(error))
        if error.model is None:
            self._fail(failure)
        else:
            row = self._save(error.model)
            self._end(
                State.FAILED,
                row,
                epoch=int(error.epoch),
                **self._random_state(),
                **error_values(failure),
            )
            telemetry.jobs_ended.labels("diverged").inc()

    def _end(self, state: State, model: NewModel | None, **values: Any) -> None:
        """End the job with all that is to be kept of it, in one transaction: all of it is there, or nothing.

        What is kept in files (a large model, a long log) is on the disk before.
        """
        records = b"" if self._files is None else self._files.complete()
        said = {"lines": self._said(), "first_lines": self._first_lines}
        self._store.publish(self._key, self._lease, state, model, records, **said, **values)
        changes.notify(self._key)
        if self._job.batch_id:
            changes.notify(changes.of_batch(self._job.owner, self._job.batch_id))

    def _random_state(self) -> dict[str, bytes]:
        assert self._stream is not None
        state = wire.encode_random_state(self._stream.random_seed).SerializeToString()
        return {"random_state": state, "random_state_sha256": checksum(state)}

    def _save(self, model: pytrainr.Model) -> NewModel:
        functions = self._pause.functions if self._pause else model.epoch_function
        model.epoch_function = specification.recorded(functions)
        return save_model(
            self._store,
            model,
            owner=self._job.owner,
            id=self._job.model_id,
            job_id=self._job.id,
            expire_time=0.0 if self._job.keep_model else clock.now() + self._job.ttl_seconds,
        )

    def _fail(self, error: ServiceError, state: State = State.FAILED) -> None:
        epoch = self._training.epoch if self._training is not None else 0
        kept = None
        caused = error.code in (Code.FAILED_PRECONDITION, Code.INVALID_ARGUMENT)
        if caused and self._training is not None and self._training.has_whole_epoch:
            kept = self._save(self._training.last_whole_epoch())
        self._end(state, kept, epoch=epoch, **error_values(error))
        telemetry.jobs_ended.labels(state.name.lower()).inc()
        log.info("job ended: %s", error.reason, extra={"job": self._job.id})

    def _give_back(self) -> None:
        if self._pause is not None and self._pause.waits:
            self._say("Waits for its caller's epoch functions, without a thread.")
            self._store.jobs.park(self._key, self._lease, self._settings.pause_seconds, self._said())
        else:
            self._say("Given back to the queue: the server goes down, or another owner has a turn.")
            self._store.jobs.release(self._key, self._lease, lines=self._said())
        log.info("job given back, it goes on later", extra={"job": self._job.id})

    def _halt(self) -> None:
        assert self._training is not None
        self._say(f"Waits after epoch {self._training.epoch} for the other jobs of its batch.")
        self._renew(State.RUNNING)  # how far it is
        self._store.jobs.halt(self._key, self._lease, error_so_far(self._training), self._said())
        changes.notify("queue")
        log.info("job waits for its batch", extra={"job": self._job.id, "epoch": self._training.epoch})

    def _try_later(self, error: Exception) -> None:
        log.error("job waits: %s", error, extra={"job": self._job.id})
        why = error.message if isinstance(error, ServiceError) else getattr(error, "strerror", None) or "it says why"
        message = f"The server could not store the job's results ({why}). The job goes on by itself once it can."
        self._say(message, logging.ERROR)
        with contextlib.suppress(ServiceError):  # not even this can be stored: the lease runs out, and all begins again
            lines = self._said()
            self._store.jobs.release(self._key, self._lease, seconds=RETRY_SECONDS, message=message, lines=lines)


def build(
    store: Store,
    message: training_pb2.Training,
    stream: pytrainr.RRandom,
    make_pause: Any = None,
) -> tuple[Training, Pause | None]:
    """The library's Training of a message, not yet begun: it has taken no memory.

    Raises an INVALID_ARGUMENT that names the argument's field, RESOURCE_EXHAUSTED with the memory that it would need.
    """
    given: dict[str, Any] = {}
    try:
        array = specification.arrays(store)
        given = specification.options(message.options, array, message.pause_each_epoch)
        pause = make_pause(given.get("epoch_function", ())) if make_pause and message.pause_each_epoch else None
        if message.pause_each_epoch:  # the caller's functions run at the caller's
            given["epoch_function"] = (pause or pytrainr.epoch_annealing,)
        x, y = array(message.x, "X"), array(message.y, "Y")
        model = _initial_model(store, message, array)
        if (
            model is not None and "epoch_function" in given
        ):  # the library would take the model's own, known here by name
            model.epoch_function = list(given.pop("epoch_function"))
        elif model is not None and isinstance(model.get("epoch_function"), (list, tuple)):
            model.epoch_function = specification.running(model.epoch_function)
        training = Training(y, x, model, rng=stream, begin=False, **given)
        training.check_memory(checkpoints=True)
        return training, pause
    except MemoryError as error:
        raise exhausted("OUT_OF_MEMORY", str(error)) from error
    except (ValueError, TypeError) as error:
        raise specification.named_argument(error, given) from error


def begin(training: Training) -> None:
    """Let it take its memory. Raises as :func:`build`."""
    try:
        training.begin()
    except MemoryError as error:
        raise exhausted("OUT_OF_MEMORY", str(error)) from error
    except (ValueError, TypeError) as error:
        raise specification.named_argument(error, {}) from error


def _initial_model(store: Store, message: training_pb2.Training, array: Any) -> pytrainr.Model | None:
    if message.stored_model:
        return load_model(store, message.stored_model)
    if message.HasField("model"):
        return specification.model_of(message.model, array)
    return None
