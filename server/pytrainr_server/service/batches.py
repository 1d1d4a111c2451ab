"""TrainingService's calls for many jobs at once."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

from trainr.v1 import training_pb2

from pytrainr_server.errors import ServiceError, exhausted, going_down, invalid
from pytrainr_server.jobs import changes
from pytrainr_server.jobs.pause import control
from pytrainr_server.service.admission import Admission
from pytrainr_server.service.follow import PROGRESS_SECONDS, Run
from pytrainr_server.service.guard import Context, current_owner
from pytrainr_server.service.messages import batch_message, job_message
from pytrainr_server.service.missing import deleted_or_missing
from pytrainr_server.store.batches import Batch
from pytrainr_server.store.names import batch_id, model_parts
from pytrainr_server.store.store import Store

READ_JOBS = 100
CREATE_MANY = "/trainr.v1.TrainingService/CreateTrainingJobs"
WATCH_MANY = "/trainr.v1.TrainingService/WatchTrainingBatch"
MORE_FIELDS = 16
"""So many fields a request may have beside its trainings, also those of later versions."""


class BatchCalls:
    """The part of TrainingService that has batches: see proto/trainr/v1/training.proto for what each call does."""

    _store: Store
    _admission: Admission
    _run: Run
    _remove: Run
    _closing: asyncio.Event

    async def CreateTrainingJobs(  # noqa: N802
        self, request: training_pb2.CreateTrainingJobsRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingBatch:
        """Accept many jobs, or none."""
        owner = current_owner()
        new = await self._run(self._admission.new_batch, owner, request)
        batch: Batch | None = await self._run(self._admission.known_batch, new)
        if batch is None:
            jobs = []
            for place, training in enumerate(request.training):  # one at a time: between two others have their turn
                try:
                    jobs.append(await self._run(self._admission.of_batch, new, place, training))
                except ServiceError as error:
                    error.metadata["training"] = str(place)
                    raise
            batch = await self._run(self._admission.accept_batch, new, jobs)
        return batch_message(batch)

    async def GetTrainingBatch(  # noqa: N802
        self, request: training_pb2.GetTrainingBatchRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingBatch:
        """How far a batch is."""
        return batch_message(await self._run(self._store.batches.get, current_owner(), batch_id(request.name)))

    async def WatchTrainingBatch(  # noqa: N802
        self, request: training_pb2.WatchTrainingBatchRequest, context: Context[Any, Any]
    ) -> AsyncIterator[training_pb2.TrainingBatchEvent]:
        """Follow a batch to its end, whichever servers do its jobs."""
        owner, id = current_owner(), batch_id(request.name)
        if wrong := [place for place in request.seen_place if place < 0]:
            raise invalid("seen_place", f"has {wrong[0]}; places are counted from 0")
        seen, shown, next_progress = set(request.seen_place), None, 0.0
        listener = changes.AsyncListener()
        with changes.listening(changes.of_batch(owner, id), listener.wake):
            while True:
                batch, ended = await self._run(self._store.batches.look, owner, id, seen, READ_JOBS)
                for job in ended:
                    seen.add(job.batch_place)
                    yield training_pb2.TrainingBatchEvent(ended=job_message(job, with_random_state=False))
                if len(ended) == READ_JOBS:
                    continue
                message = batch_message(batch)
                if batch.finished or (message != shown and time.monotonic() >= next_progress):
                    shown, next_progress = message, time.monotonic() + PROGRESS_SECONDS
                    yield training_pb2.TrainingBatchEvent(progress=message)
                if batch.finished:
                    return
                if self._closing.is_set():
                    raise going_down("the jobs go on when it is back")
                await listener.wait()

    async def CancelTrainingBatch(  # noqa: N802
        self, request: training_pb2.CancelTrainingBatchRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingBatch:
        """Stop all jobs of a batch for good."""
        owner, id = current_owner(), batch_id(request.name)
        batch, keys = await self._run(self._store.batches.cancel, owner, id)
        changes.notify("queue")
        changes.notify(changes.of_batch(owner, id))
        for key in keys:
            changes.notify(control(key))
            changes.notify(key)
        return batch_message(batch)

    async def DeleteTrainingBatch(  # noqa: N802
        self, request: training_pb2.DeleteTrainingBatchRequest, context: Context[Any, Any]
    ) -> training_pb2.DeleteTrainingBatchResponse:
        """Forget a batch that has ended."""
        deleted = await self._remove(self._delete_batch, current_owner(), request)
        return training_pb2.DeleteTrainingBatchResponse(deleted=deleted)

    def _delete_batch(self, owner: str, request: training_pb2.DeleteTrainingBatchRequest) -> int:
        id = batch_id(request.name)
        return deleted_or_missing(lambda: self._delete_jobs(owner, id, request.models), request.allow_missing)

    def _delete_jobs(self, owner: str, id: str, models: bool) -> int:
        jobs = self._store.batches.delete(owner, id)
        with self._store.keeping_files():
            for job in jobs:
                self._store.remove_job_files(job.key)
                if models and job.model_name and not job.keep_model:
                    with suppress(ServiceError):  # it is gone already, or a training began with it
                        for key in self._store.models.delete(owner, *model_parts(job.model_name)):
                            self._store.remove_model(key)
        return len(jobs)


def check_size(raw: bytes, most: int) -> None:
    """Refuse a CreateTrainingJobsRequest of more trainings than ``most`` before it is taken apart: even those of no
    byte would take memory by the million then. What is no message is left for the parser to say."""
    count = place = 0
    while place < len(raw):
        count += 1
        if count > most + MORE_FIELDS:
            raise exhausted("TOO_MANY_JOBS", f"This batch has more than {most} jobs; so many are allowed at a time.")
        tag, place = _varint(raw, place)
        kind = tag & 7
        if kind == 0:
            _, place = _varint(raw, place)
        elif kind == 2:
            size, place = _varint(raw, place)
            place += size
        elif kind in (1, 5):
            place += 8 if kind == 1 else 4
        elif kind in (6, 7):
            return


def check_seen(raw: bytes, most: int) -> None:
    """Likewise a WatchTrainingBatchRequest with more places than there can be jobs."""
    if len(raw) > 1000 + 11 * most:  # a place has ten bytes at the most, and its tag
        raise exhausted("TOO_MANY_PLACES", f"seen_place has more places than the {most} jobs that a batch may have.")


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(raw):
        byte = raw[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128 or shift > 63:
            break
    return value, place
