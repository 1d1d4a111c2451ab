"""The caller's epoch functions, seen from the worker: an epoch function that asks the caller and waits."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from trainr import wire
from trainr.v1 import training_pb2

import pytrainr
from pytrainr.model_fields import typed_field
from pytrainr.storage import save_fields
from pytrainr_server.errors import ServiceError, invalid, precondition
from pytrainr_server.jobs import changes
from pytrainr_server.jobs.specification import named_argument, stored_function
from pytrainr_server.store.checksums import damaged
from pytrainr_server.store.jobs import check_lease
from pytrainr_server.store.names import job_name
from pytrainr_server.store.schema import State
from pytrainr_server.store.shared import PAUSED, add_file, of
from pytrainr_server.store.store import Store

PAUSE_DAMAGED = "The model that your epoch functions are to see is damaged on the server. Start the training again."


class Held(NamedTuple):
    """A job, and the lease under which this worker has it."""

    store: Store
    key: str
    lease: str


def state_path(directory: Path) -> Path:
    """Where a paused job's model lies, with the ``error`` column of its epoch only."""
    return directory / "paused.model"


def write_state(job: Held, model: pytrainr.Model, epoch: int, random_seed: np.ndarray) -> None:
    """Let readers see the paused model; whole, but not for ever."""
    shown = pytrainr.Model.from_fields({**dict(model.items()), "error": model.error[:, epoch - 1 : epoch]})
    shown["server_random_seed"] = random_seed
    shared = job.store.shared
    if shared is None:
        directory = job.store.directories.job(job.key)
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A job that is taken up again after a power cut comes to this pause once more, so nobody waits for the disk.
        save_fields(shown, state_path(directory), keep_store=True, durable=False)
        return
    with job.store.directories.scratch() as scratch:
        save_fields(shown, scratch, keep_store=True, durable=False)
        new = shared.put_small(PAUSED, job.key, scratch, epoch)
    with job.store.database.write(durable=False) as connection:
        check_lease(connection, job.key, job.lease)
        names = shared.forget(connection, of(PAUSED, job.key))
        add_file(connection, new)
    shared.discard(names)


def read_state(store: Store, key: str) -> tuple[pytrainr.Model, np.ndarray]:
    """The paused model, and the random stream as it is there. Raises DATA_LOSS where they are damaged."""
    try:
        model = pytrainr.Model.load(_state_file(store, key))
    except pytrainr.ModelFileError as error:
        raise damaged("pause", str(error), PAUSE_DAMAGED) from error
    random_seed = np.asarray(model["server_random_seed"])
    delattr(model, "server_random_seed")
    return model, random_seed


def _state_file(store: Store, key: str) -> Path:
    if store.shared is None:
        return state_path(store.directories.job(key))
    try:
        return store.shared.path(store.shared.row(PAUSED, key), PAUSE_DAMAGED)
    except FileNotFoundError:  # the caller has answered meanwhile, and the next epoch has ended
        return store.shared.path(store.shared.row(PAUSED, key), PAUSE_DAMAGED)


class Pause:
    """An epoch function: shows the model to the caller, waits for the answer, changes the model accordingly.

    An answer that came before the server was killed is taken from the store again, so that a job taken up anew goes
    the way it went before.
    """

    __name__ = "callers_epoch_function"

    def __init__(
        self,
        job: Held,
        stream: pytrainr.RRandom,
        seconds: float,
        show_life: Callable[[State], None],
        functions: Sequence[Callable],
    ) -> None:
        self._job = job
        self._store, self._key, _ = job
        self._stream = stream
        self._seconds = seconds
        self._show_life = show_life
        self.functions = functions  # the caller's, by name only
        self.finish = False
        self.waits = False
        """Whether the caller has yet to answer."""

    def __call__(self, model: pytrainr.Model) -> pytrainr.Model:
        """One epoch's pause."""
        epoch = int(model.current_epoch)
        answer = self._store.jobs.continuation(self._key, epoch)
        if answer is None:
            write_state(self._job, model, epoch, self._stream.random_seed)
            self.waits = True
            answer = self._wait(epoch)
            self.waits = False
            self._show_life(State.RUNNING)
        self._apply(training_pb2.ContinueTrainingRequest.FromString(answer), model, epoch)
        return model

    def _wait(self, epoch: int) -> bytes:
        changed = threading.Event()
        until = time.monotonic() + self._seconds
        with changes.listening(control(self._key), changed.set):
            while True:
                self._show_life(State.PAUSED)  # raises when the job was cancelled or is to be given back
                changes.notify(self._key)
                while not changed.wait(changes.POLL_SECONDS) and self._answer(epoch) is None:
                    self._show_life(State.PAUSED)
                    if time.monotonic() > until:
                        raise precondition(
                            "PAUSE_TIMEOUT",
                            f"The caller's epoch functions did not answer for {self._seconds:g} seconds.",
                        )
                changed.clear()
                if (answer := self._answer(epoch)) is not None:
                    return answer

    def _answer(self, epoch: int) -> bytes | None:
        return self._store.jobs.continuation(self._key, epoch)

    def _apply(self, request: training_pb2.ContinueTrainingRequest, model: pytrainr.Model, epoch: int) -> None:
        changed = changed_fields(request)
        if "error" in changed:
            model.error[:, epoch - 1] = _error_column(changed.pop("error"), model.error.shape[0])
        try:
            for name, value in changed.items():
                model[name] = typed_field(name, value)
        except (ValueError, TypeError) as error:
            raise named_argument(error, changed) from error
        state = wire.decode_random_state(request.random_state)
        if state is not None:
            self._stream.random_seed = state
        self.finish = self.finish or request.finish


def _error_column(value: object, samples: int) -> np.ndarray:
    if not isinstance(value, np.ndarray) or value.dtype.kind not in "fiub" or value.size != samples:
        shown = value.shape if isinstance(value, np.ndarray) else repr(value)[:200]
        raise invalid("error", f"should be this epoch's column of {samples} numbers, it is {shown}")
    return value.reshape(-1)


def changed_fields(request: training_pb2.ContinueTrainingRequest) -> dict[str, object]:
    """The fields that the caller changed. Raises an error that names the field."""
    try:
        return wire.decode_options(request.field, "field", wire.decode_array, stored_function)
    except wire.WireError as error:
        raise invalid(error.field, error.description) from error


def control(key: str) -> str:
    """What is notified when someone wants something of the running job."""
    return key + "/control"


def not_paused(id: str, epoch: int) -> ServiceError:
    """The job does not wait after this epoch."""
    return precondition("NOT_PAUSED", f"{job_name(id)} does not wait for an answer after epoch {epoch}.")
