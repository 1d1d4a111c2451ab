"""Follows a job: from the store to a stream of events, whoever does the job and wherever."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

from sqlalchemy import Row
from trainr import wire
from trainr.v1 import model_pb2, training_pb2

from pytrainr import kernels
from pytrainr_server.errors import Code, ServiceError, going_down
from pytrainr_server.jobs import changes
from pytrainr_server.jobs.pause import read_state
from pytrainr_server.jobs.stored_models import parts_of, parts_of_stored
from pytrainr_server.service.messages import epochs_event, job_message
from pytrainr_server.store.job_files import Epoch
from pytrainr_server.store.names import job_name
from pytrainr_server.store.schema import UNFINISHED, State
from pytrainr_server.store.store import Store

PROGRESS_SECONDS = 0.5
FIRST_LOOK_SECONDS = 0.01  # many a job has ended by then, and one look is enough
READ_RECORDS = 1024
Run = Callable[..., Awaitable[Any]]


class _Seen(NamedTuple):
    """One look at a job."""

    job: Row[Any]
    epochs: list[Epoch]
    queue_position: int
    result: Iterator[model_pb2.ModelPart] | None = None


class Follower:
    """One caller's view of one job."""

    def __init__(
        self, store: Store, run: Run, key: str, after_epoch: int, chunk_bytes: int, closing: asyncio.Event
    ) -> None:
        self._store = store
        self._run = run
        self._key = key
        self._sent = after_epoch
        self._paused_sent = 0
        self._chunk_bytes = chunk_bytes
        self._closing = closing
        self._log = store.epoch_log(key)
        self._next_progress = time.monotonic() + PROGRESS_SECONDS

    async def events(self, *, to_train: bool) -> AsyncIterator[training_pb2.TrainingEvent]:
        """All events until the job's end; ``to_train`` adds pauses and the result, and ends with an error as a call
        of Train does."""
        listener = changes.AsyncListener()
        with changes.listening(self._key, listener.wake):
            await listener.wait(FIRST_LOOK_SECONDS)
            while True:
                seen: _Seen = await self._run(self._look, to_train)
                if seen.epochs:
                    self._sent = seen.epochs[-1].epoch
                    yield epochs_event(seen.epochs)
                    if len(seen.epochs) >= READ_RECORDS:
                        continue  # there is another batch
                if seen.job.state not in UNFINISHED:
                    break
                if to_train and seen.job.state == State.PAUSED and seen.job.epoch >= self._paused_sent:
                    async for event in self._pause(seen.job.epoch + 1):
                        yield event
                elif time.monotonic() >= self._next_progress:
                    self._next_progress = time.monotonic() + PROGRESS_SECONDS
                    yield _progress(seen)
                if self._closing.is_set():
                    raise going_down("the job goes on when it is back")
                await listener.wait()
        async for event in self._end(seen, to_train):
            yield event

    def _look(self, to_train: bool) -> _Seen:
        job, position, records = self._store.jobs.look(self._key)
        # The log is read after the row: when the row says that all is done the log is complete.
        log = self._log.read(self._sent, READ_RECORDS, records)
        epochs = [epoch for epoch in log if epoch.epoch > self._sent]
        if not to_train or job.state != State.SUCCEEDED or len(epochs) >= READ_RECORDS:
            return _Seen(job, epochs, position)
        return _Seen(job, epochs, position, parts_of_stored(self._store, job.model_key, self._chunk_bytes))

    async def _pause(self, epoch: int) -> AsyncIterator[training_pb2.TrainingEvent]:
        self._paused_sent = epoch
        model, random_seed = await self._run(read_state, self._store, self._key)
        if int(model.current_epoch) != epoch:  # between our look and now the caller answered and the next epoch ended
            epoch = self._paused_sent = int(model.current_epoch)
        state = wire.encode_random_state(random_seed)
        yield training_pb2.TrainingEvent(pause=training_pb2.PauseEvent(epoch=epoch, random_state=state))
        async for part in sent(parts_of(model, self._chunk_bytes)):
            yield training_pb2.TrainingEvent(model=part)

    async def _end(self, seen: _Seen, to_train: bool) -> AsyncIterator[training_pb2.TrainingEvent]:
        if to_train:
            if seen.result is None:
                raise ending(seen.job)
            async for part in sent(seen.result):
                yield training_pb2.TrainingEvent(model=part)
        yield training_pb2.TrainingEvent(finished=job_message(seen.job))


async def sent(parts: Iterator[model_pb2.ModelPart]) -> AsyncIterator[model_pb2.ModelPart]:
    """The parts of a model; between large ones others have their turn."""
    for part in parts:
        yield part
        if part.HasField("chunk"):
            await asyncio.sleep(0)


def ending(job: Row[Any]) -> ServiceError:
    """How a job ended that did not succeed, as the error of a call of Train."""
    metadata = {"job": job_name(job.id), "epoch": str(job.epoch)}
    if job.model_name:
        metadata["model"] = job.model_name
    if job.state == State.CANCELLED:
        return ServiceError(
            Code.CANCELLED, "CANCELLED", job.error_message or "The job was cancelled.", metadata=metadata
        )
    return ServiceError(
        Code(job.error_code), job.error_reason, job.error_message, field=job.error_field, metadata=metadata
    )


def _progress(seen: _Seen) -> training_pb2.TrainingEvent:
    event = training_pb2.ProgressEvent(
        epoch=seen.job.epoch, progress=seen.job.progress, queue_position=seen.queue_position
    )
    compiling = kernels.now_compiling()
    if compiling is not None and not seen.queue_position:
        event.compiling = f"{compiling.kernel} ({compiling.number} of {compiling.known})"
    return training_pb2.TrainingEvent(progress=event)
