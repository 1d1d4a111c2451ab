"""TrainingService."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import Row
from trainr.v1 import training_pb2, training_pb2_grpc

import pytrainr
from pytrainr_server import clock
from pytrainr_server.config import Config
from pytrainr_server.errors import ServiceError, invalid, not_found
from pytrainr_server.failpoints import failpoint
from pytrainr_server.jobs import changes
from pytrainr_server.jobs.pause import changed_fields, control, not_paused
from pytrainr_server.jobs.specification import set_random_stream
from pytrainr_server.service import connections
from pytrainr_server.service.admission import Admission
from pytrainr_server.service.batches import BatchCalls
from pytrainr_server.service.follow import Follower, Run
from pytrainr_server.service.guard import Context, current_owner
from pytrainr_server.service.messages import job_message
from pytrainr_server.service.missing import deleted_or_missing
from pytrainr_server.store.names import batch_id, checked_request_id, job_id
from pytrainr_server.store.pages import decode_token, encode_token, page_size
from pytrainr_server.store.schema import UNFINISHED
from pytrainr_server.store.store import Store

LEAVE_SECONDS = 0.05
"""How long after a call's end its connection is looked at: one that is merely lost is closed by then."""


class TrainingService(BatchCalls, training_pb2_grpc.TrainingServiceServicer):
    """Trains: see proto/trainr/v1/training.proto for what each call does."""

    def __init__(self, store: Store, config: Config, admission: Admission, run: Run, remove: Run, server: str) -> None:
        self._store = store
        self._config = config
        self._admission = admission
        self._run = run
        self._remove = remove
        self._server = server
        self._attached: Counter[str] = Counter()
        self._leaving: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def close(self) -> None:
        """The server is going down: calls that follow a job end with UNAVAILABLE, and their jobs go on later."""
        self._closing.set()

    async def left(self) -> None:
        """All calls have ended: return when their jobs are noted as left; the next start makes up for what cannot."""
        await asyncio.gather(*self._leaving, return_exceptions=True)

    # Train ------------------------------------------------------------------------------------------------------------

    async def Train(  # noqa: N802
        self, request: training_pb2.TrainRequest, context: Context[Any, Any]
    ) -> AsyncIterator[training_pb2.TrainingEvent]:
        """Train while the caller waits, or attach to what was begun with the same request_id."""
        owner, peer = current_owner(), context.peer()  # to be asked now: gRPC crashes when asked after the call's end
        if request.after_epoch < 0:
            raise invalid("after_epoch", f"is {request.after_epoch}; it should be zero or more")
        job: Row[Any] = await self._run(self._job_to_train, owner, request)
        follower = Follower(
            self._store, self._run, job.key, request.after_epoch, self._config.chunk_bytes, self._closing
        )
        self._attached[job.key] += 1
        ended = False
        try:
            if request.detach or job.attached_to != self._server or job.abandon_time:
                await self._run(self._attach, job.key, request.detach)
            yield training_pb2.TrainingEvent(accepted=job_message(job))
            async for event in follower.events(to_train=True):
                yield event
            ended = True
        finally:
            self._attached[job.key] -= 1
            if not self._attached[job.key]:
                del self._attached[job.key]
                if not ended:
                    self._leave_later(owner, job.key, peer)

    def _job_to_train(self, owner: str, request: training_pb2.TrainRequest) -> Row[Any]:
        if request.HasField("training"):
            return self._admission.accept(
                owner, request.training, request_id=request.request_id, attached=not request.detach
            )
        request_id = checked_request_id(request.request_id)
        job = self._store.jobs.by_request(owner, request_id) if request_id else None
        if job is None:
            raise not_found("A training with this request_id")
        return job

    def _attach(self, key: str, detach: bool) -> None:
        job = self._store.jobs.by_key(key)
        if job.state not in UNFINISHED:
            return
        if detach:
            self._store.jobs.detach(job.owner, job.id)
        elif not job.detached and (job.attached_to != self._server or job.abandon_time):
            self._store.jobs.attach(key, self._server)

    def _leave_later(self, owner: str, key: str, peer: str) -> None:
        task = asyncio.get_running_loop().create_task(self._leave(owner, key, peer))
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    async def _leave(self, owner: str, key: str, peer: str) -> None:
        """The call has ended before the job: cancel it if that was the caller's wish, else give the caller time."""
        await asyncio.sleep(LEAVE_SECONDS)
        cancelled = not self._closing.is_set() and await self._run(connections.is_open, peer)
        if not self._attached[key]:
            await self._run(self._leave_job, owner, key, cancelled)

    def _leave_job(self, owner: str, key: str, cancelled: bool) -> None:
        try:
            job = self._store.jobs.by_key(key)
        except ServiceError:
            return  # it has ended and was deleted meanwhile
        if job.detached or job.state not in UNFINISHED:
            return
        if cancelled:
            self._store.jobs.cancel(owner, job.id)
            self._wake(key)
        else:
            self._store.jobs.leave(key, clock.now() + self._config.grace_seconds)

    def _wake(self, key: str) -> None:
        changes.notify("queue")
        changes.notify(control(key))
        changes.notify(key)

    # the other calls --------------------------------------------------------------------------------------------------

    async def ContinueTraining(  # noqa: N802
        self, request: training_pb2.ContinueTrainingRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingJob:
        """Keep the answer of the caller's epoch functions, and let the job go on."""
        return await self._run(self._continue, current_owner(), request)

    def _continue(self, owner: str, request: training_pb2.ContinueTrainingRequest) -> training_pb2.TrainingJob:
        job = self._store.jobs.get(owner, job_id(request.name))
        changed_fields(request)
        if request.random_state.value:
            set_random_stream(pytrainr.RRandom(0), request)
        if request.epoch <= job.epoch or job.state not in UNFINISHED:
            return job_message(job)  # answered before
        # The state itself may lag behind: a job that was taken up again after a crash has yet to come to its pause.
        if not job.pauses or request.epoch != job.epoch + 1:
            raise not_paused(job.id, request.epoch)
        self._store.jobs.put_continuation(job.key, request.epoch, request.SerializeToString())
        failpoint("after-continue")
        changes.notify(control(job.key))
        if not job.worker:
            changes.notify("queue")  # parked: somebody is to take it up
        return job_message(job)

    async def DetachTrainingJob(  # noqa: N802
        self, request: training_pb2.DetachTrainingJobRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingJob:
        """Let the job go on for good."""
        return job_message(await self._run(self._store.jobs.detach, current_owner(), job_id(request.name)))

    async def CreateTrainingJob(  # noqa: N802
        self, request: training_pb2.CreateTrainingJobRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingJob:
        """Accept a job."""
        if not request.HasField("training"):
            raise invalid("training", "is missing")
        if request.training.pause_each_epoch:
            raise invalid("pause_each_epoch", "is possible in Train only, where the caller waits")
        return job_message(await self._run(self._create, current_owner(), request))

    def _create(self, owner: str, request: training_pb2.CreateTrainingJobRequest) -> Row[Any]:
        return self._admission.accept(
            owner, request.training, job_id=request.training_job_id, request_id=request.request_id
        )

    async def GetTrainingJob(  # noqa: N802
        self, request: training_pb2.GetTrainingJobRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingJob:
        """One job."""
        return job_message(await self._run(self._store.jobs.get, current_owner(), job_id(request.name)))

    async def ListTrainingJobs(  # noqa: N802
        self, request: training_pb2.ListTrainingJobsRequest, context: Context[Any, Any]
    ) -> training_pb2.ListTrainingJobsResponse:
        """A page of jobs."""
        size = page_size(request.page_size)
        after = decode_token(request.page_token, (float, str))
        batch = batch_id(request.training_batch, "training_batch") if request.training_batch else ""
        states = list(request.state)
        jobs = await self._run(self._store.jobs.page, current_owner(), states, size + 1, after, "", batch)
        token = encode_token([jobs[size - 1].create_time, jobs[size - 1].id]) if len(jobs) > size else ""
        return training_pb2.ListTrainingJobsResponse(
            training_jobs=[job_message(job, with_random_state=False) for job in jobs[:size]], next_page_token=token
        )

    async def CancelTrainingJob(  # noqa: N802
        self, request: training_pb2.CancelTrainingJobRequest, context: Context[Any, Any]
    ) -> training_pb2.TrainingJob:
        """Stop a job for good."""
        job = await self._run(self._store.jobs.cancel, current_owner(), job_id(request.name))
        self._wake(job.key)
        return job_message(job)

    async def DeleteTrainingJob(  # noqa: N802
        self, request: training_pb2.DeleteTrainingJobRequest, context: Context[Any, Any]
    ) -> training_pb2.DeleteTrainingJobResponse:
        """Forget a job that has ended."""
        deleted = await self._remove(self._delete, current_owner(), job_id(request.name), request.allow_missing)
        return training_pb2.DeleteTrainingJobResponse(deleted=deleted)

    def _delete(self, owner: str, id: str, allow_missing: bool) -> int:
        return deleted_or_missing(lambda: self._delete_job(owner, id), allow_missing)

    def _delete_job(self, owner: str, id: str) -> int:
        key = self._store.jobs.delete(owner, id)
        with self._store.keeping_files():
            self._store.remove_job_files(key)
        return 1

    async def WatchTrainingJob(  # noqa: N802
        self, request: training_pb2.WatchTrainingJobRequest, context: Context[Any, Any]
    ) -> AsyncIterator[training_pb2.TrainingEvent]:
        """Follow a job to its end."""
        if request.after_epoch < 0:
            raise invalid("after_epoch", f"is {request.after_epoch}; it should be zero or more")
        job: Row[Any] = await self._run(self._store.jobs.get, current_owner(), job_id(request.name))
        follower = Follower(
            self._store, self._run, job.key, request.after_epoch, self._config.chunk_bytes, self._closing
        )
        yield training_pb2.TrainingEvent(accepted=job_message(job))
        async for event in follower.events(to_train=False):
            yield event
