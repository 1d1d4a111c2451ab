"""From a request to a stored job: everything is checked before it is acknowledged."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

from google.protobuf.message import Message
from sqlalchemy import Row
from trainr import wire
from trainr.v1 import training_pb2

import pytrainr
from pytrainr.argument_errors import ArgumentError
from pytrainr.halving import Halving, Rung, halving_of
from pytrainr.memory import limited_memory
from pytrainr.training import Training
from pytrainr_server.config import Config
from pytrainr_server.errors import ServiceError, exhausted, invalid, invalid_argument
from pytrainr_server.failpoints import failpoint
from pytrainr_server.jobs import changes, specification
from pytrainr_server.jobs.runner import Runner
from pytrainr_server.jobs.worker import Prepared, begin, build
from pytrainr_server.store.batches import Batch, NewBatch
from pytrainr_server.store.files import KEPT_INLINE_BYTES
from pytrainr_server.store.names import (
    MAX_ID,
    checked_id,
    checked_request_id,
    dataset_sha256,
    model_parts,
    new_id,
)
from pytrainr_server.store.new_jobs import Limits, NewJob
from pytrainr_server.store.store import Store

BEGUN_BYTES = 32 << 20
"""What takes more memory is begun only when its turn has come."""
MAX_TTL_SECONDS = 10 * 365 * 86_400
MAX_PRIORITY = 100


class Checked(NamedTuple):
    """A training that can be done, and the stream that it draws from; it has begun only where that takes little."""

    training: Training
    stream: pytrainr.RRandom
    memory_bytes: int

    @property
    def begun(self) -> bool:
        """Whether the worker can go on with this very training."""
        return self.memory_bytes <= BEGUN_BYTES


class Admission:
    """Accepts jobs."""

    def __init__(self, store: Store, config: Config, server: str, runner: Runner) -> None:
        self._store = store
        self._runner = runner
        self._config = config
        self._server = server
        self._limits = Limits(config.max_jobs, config.max_queue, config.max_stored_bytes, runner.quota)

    def accept(
        self,
        owner: str,
        training: training_pb2.Training,
        *,
        job_id: str = "",
        request_id: str = "",
        attached: bool = False,
    ) -> Row[Any]:
        """Store a job for what is to be trained. Once this returns, the job will be done."""
        known_request = checked_request_id(request_id)
        request_hash = _hash(training)
        id = checked_id(job_id, "training_job_id") if job_id else new_id("job")
        attached_to = self._server if attached else ""
        try:
            new, checked = self._new_job(owner, id, training)
        except ServiceError:
            # What was accepted once stays so, whatever has been deleted since. Asked for only now: nearly every
            # request is a new one, and storing it finds out.
            known = self._store.jobs.by_request(owner, known_request) if known_request else None
            if known is not None and known.request_hash == request_hash:
                return known
            raise
        new = replace(new, request_id=known_request, request_hash=request_hash, attached_to=attached_to)
        return self._create(new, checked)

    def _new_job(self, owner: str, id: str, training: training_pb2.Training) -> tuple[NewJob, Checked]:
        """The job of a training that can be done, and what was made of that."""
        model_id = checked_id(training.model_id, "model_id") if training.model_id else ""
        ttl_seconds, priority = self._ttl(training), _priority(training)
        initial_model_key, sha256s, checked = self._checked(owner, training)
        new = NewJob(
            owner=owner,
            id=id,
            request_id=None,
            request_hash=b"",
            training=training.SerializeToString(),
            pauses=training.pause_each_epoch,
            numepochs=int(checked.training.numepochs),
            model_id=model_id or id,
            keep_model=bool(model_id),
            ttl_seconds=ttl_seconds,
            sha256s=frozenset(sha256s),
            initial_model_key=initial_model_key,
            memory_bytes=checked.memory_bytes,
            arithmetic=self._runner.arithmetic,
            priority=priority,
        )
        return new, checked

    # batches ----------------------------------------------------------------------------------------------------------

    def new_batch(self, owner: str, request: training_pb2.CreateTrainingJobsRequest) -> NewBatch:
        """The batch of a request, whose trainings have not been looked at yet."""
        if not request.training:
            raise invalid("training", "is empty; a batch should have at least one training")
        if len(request.training) > self._config.max_jobs:
            message = f"This batch has {len(request.training)} jobs; {self._config.max_jobs} are allowed at a time."
            raise exhausted("TOO_MANY_JOBS", message)
        id = checked_id(request.training_batch_id, "training_batch_id") if request.training_batch_id else ""
        room = MAX_ID - len(f"-{len(request.training) - 1}")
        if len(id) > room:
            raise invalid(
                "training_batch_id", f"has {len(id)} characters; {room} are left beside the places of its jobs"
            )
        request_id = checked_request_id(request.request_id)
        new = NewBatch(owner, id or new_id("batch"), request_id, _hash(request))
        return replace(new, numepochs=_epochs(request.training[0]), rungs=_rungs(request))

    def known_batch(self, new: NewBatch) -> Batch | None:
        """The batch that was accepted with this ``request_id`` before, if it was."""
        return self._store.batches.by_request(new.owner, new.request_id, new.request_hash) if new.request_id else None

    def of_batch(self, batch: NewBatch, place: int, training: training_pb2.Training) -> NewJob:
        """One of its jobs."""
        if training.pause_each_epoch:
            raise invalid("pause_each_epoch", "is possible in Train only, where the caller waits")
        new, checked = self._new_job(batch.owner, f"{batch.id}-{place}", training)
        new = replace(new, batch_id=batch.id, batch_place=place)
        if not batch.rungs:
            return new
        if training.stored_model or training.HasField("model"):
            raise invalid("model", "has epochs of its own; halving compares new models only")
        if (epochs := checked.training.numepochs) != batch.numepochs:
            message = f"is {epochs}, in the first training {batch.numepochs}; with halving it is the same in all"
            raise invalid("numepochs", message)
        return replace(new, halt_epoch=batch.rungs[0].epochs)

    def accept_batch(self, batch: NewBatch, jobs: Sequence[NewJob]) -> Batch:
        """Store it. Once this returns, all of its jobs will be done."""
        stored, created = self._store.batches.create(batch, jobs, self._limits)
        if created:
            failpoint("after-accept")
            changes.notify("queue")
        return stored

    def _checked(self, owner: str, training: training_pb2.Training) -> tuple[str | None, set[str], Checked]:
        """The key of the model to retrain, the datasets needed, and what is made of a training that can be done."""
        initial_model_key = self._resolve_model(owner, training)
        sha256s = self._check_arrays(owner, training)
        checked = self._check(training)
        sha256s |= {self._store.datasets.put(owner, data) for data in self._take_out(training)}
        return initial_model_key, sha256s, checked

    def _create(self, new: NewJob, checked: Checked) -> Row[Any]:
        lease = self._runner.reserve(new.owner, new.memory_bytes)
        begun = False
        try:
            job, created = self._store.jobs.create(replace(new, lease=lease), self._limits)
            if created:
                failpoint("after-accept")
                begun = lease is not None and job.lease == lease.lease
        finally:
            if lease and not begun:
                self._runner.withdraw(lease)
        if begun and lease:
            # Where the caller's epoch functions pause the training, they are to be those of the worker.
            goes_on = checked.begun and not new.pauses
            self._runner.begin(job.key, lease, Prepared(job, checked.training, checked.stream) if goes_on else None)
        elif created:
            changes.notify("queue")
        return job

    def _ttl(self, training: training_pb2.Training) -> float:
        if not 0 <= training.ttl_seconds <= MAX_TTL_SECONDS:
            raise invalid("ttl_seconds", f"is {training.ttl_seconds}; it should be 0 to {MAX_TTL_SECONDS}")
        return float(training.ttl_seconds or self._config.job_ttl_seconds)

    def _resolve_model(self, owner: str, training: training_pb2.Training) -> str | None:
        if not training.stored_model:
            return None
        if training.HasField("model"):
            raise invalid("model", "is sent along and a stored_model is named; there should be one of them")
        row = self._store.models.get(owner, *model_parts(training.stored_model, "stored_model"))
        key: str = row.key
        if (needed := 3 * row.size_bytes) > self._config.job_memory_bytes:
            raise exhausted(
                "OUT_OF_MEMORY",
                f"training this model takes more than {needed} bytes of memory, one job may have "
                f"{self._config.job_memory_bytes}",
            )
        training.stored_model = key  # what the alias means now is what will be trained
        return key

    def _check_arrays(self, owner: str, training: training_pb2.Training) -> set[str]:
        for name in ("X", "Y"):
            if not training.HasField(name.lower()):
                raise invalid(name, "is missing; it should be an array of (samples, time, variables)")
        sha256s = set()
        for tensor in wire.tensors(training):
            size = wire.byte_size(tensor, "array")
            if tensor.dataset:
                sha256 = dataset_sha256(tensor.dataset, "dataset")
                dataset = self._store.datasets.get(owner, sha256)
                if dataset.size_bytes != size:
                    raise invalid(
                        "dataset",
                        f"{tensor.dataset} has {dataset.size_bytes} bytes; the dimensions {list(tensor.dim)} "
                        f"need {size}",
                    )
                sha256s.add(sha256)
        return sha256s

    def _check(self, training: training_pb2.Training) -> Checked:
        """Let the library check every argument, by making its Training. Fixes the seed if none was given."""
        if not training.random_state.value and not training.HasField("seed"):
            training.random_state.CopyFrom(wire.encode_random_state(pytrainr.RRandom().random_seed))
        epochs = _epochs(training)
        samples = training.x.dim[0] if training.x.dim else 0
        if epochs > 0 and samples > 0:  # before the library takes memory for the errors
            self._check_size(epochs, samples)
        stream = specification.random_stream(training)
        with limited_memory(self._config.job_memory_bytes):
            made, _ = build(self._store, training, stream)
            self._check_size(int(made.numepochs), int(made.samples))
            self._check_direct(made.direct_operations())
            checked = Checked(made, stream, int(made.memory_bytes(checkpoints=True)))
            if checked.begun:
                begin(made)
        return checked

    def _check_size(self, epochs: int, samples: int) -> None:
        if epochs * samples > self._config.max_epoch_samples:
            raise exhausted(
                "JOB_TOO_LARGE",
                f"{epochs} epochs of {samples} samples are more than the {self._config.max_epoch_samples:g} "
                "that one job may have.",
            )

    def _check_direct(self, operations: float) -> None:
        """Refuse what would hold a thread for long, and could neither be cancelled nor make way for others."""
        if operations > self._config.max_direct_operations:
            raise exhausted(
                "JOB_TOO_LARGE",
                "making this network's orthogonal or reservoir weights, and a reservoir's readout, needs "
                f"{operations:.2g} operations in one go, one job may have {self._config.max_direct_operations:.2g}: "
                "use fewer hidden units, samples or time steps",
            )

    def _take_out(self, training: training_pb2.Training) -> Iterator[bytes]:
        for tensor in wire.tensors(training):
            if len(tensor.data) > KEPT_INLINE_BYTES:
                data = tensor.data
                tensor.ClearField("data")
                tensor.dataset = f"datasets/{hashlib.sha256(data).hexdigest()}"
                yield data


def _epochs(training: training_pb2.Training) -> int:
    return int(training.options.numepochs) if training.options.HasField("numepochs") else 1


def _rungs(request: training_pb2.CreateTrainingJobsRequest) -> tuple[Rung, ...]:
    if not request.HasField("halving"):
        return ()
    given = request.halving
    try:
        halving = halving_of(Halving(given.eta or Halving().eta, given.epochs or Halving().epochs))
        return tuple(halving.rungs(len(request.training), _epochs(request.training[0])))
    except ArgumentError as error:
        raise invalid_argument(error) from error


def _hash(message: Message) -> bytes:
    return hashlib.sha256(message.SerializeToString(deterministic=True)).digest()


def _priority(training: training_pb2.Training) -> int:
    if not -MAX_PRIORITY <= training.priority <= MAX_PRIORITY:
        raise invalid("priority", f"is {training.priority}; it should be -{MAX_PRIORITY} to {MAX_PRIORITY}")
    return int(training.priority)
