"""From a request to a stored job: everything is checked before it is acknowledged."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

from sqlalchemy import Row
from trainr import wire
from trainr.v1 import training_pb2

import pytrainr
from pytrainr_server.config import Config
from pytrainr_server.errors import exhausted, invalid
from pytrainr_server.failpoints import failpoint
from pytrainr_server.jobs import changes, specification
from pytrainr_server.jobs.worker import build
from pytrainr_server.store.jobs import Limits, NewJob
from pytrainr_server.store.names import (
    checked_id,
    checked_request_id,
    dataset_sha256,
    model_parts,
    new_id,
)
from pytrainr_server.store.store import Store

_of_thread = threading.local()
MAX_TTL_SECONDS = 10 * 365 * 86_400
KEPT_INLINE_BYTES = 65_536
"""Arrays beyond this leave the request for a file: the database stays small and quick."""


class Admission:
    """Accepts jobs."""

    def __init__(self, store: Store, config: Config, server: str) -> None:
        self._store = store
        self._config = config
        self._server = server
        self._limits = Limits(config.max_jobs, config.max_queue, config.max_stored_bytes)

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
        request_hash = hashlib.sha256(training.SerializeToString(deterministic=True)).digest()
        id = checked_id(job_id, "training_job_id") if job_id else new_id("job")
        model_id = checked_id(training.model_id, "model_id") if training.model_id else ""
        ttl_seconds = self._ttl(training)
        known = self._store.jobs.by_request(owner, known_request) if known_request else None
        if known is not None and known.request_hash == request_hash:
            return known
        initial_model_key = self._resolve_model(owner, training)
        sha256s = self._check_arrays(owner, training)
        numepochs, samples = self._check(training)
        if numepochs * samples > self._config.max_epoch_samples:
            raise exhausted(
                "JOB_TOO_LARGE",
                f"{numepochs} epochs of {samples} samples are more than the {self._config.max_epoch_samples:g} "
                "that one job may have.",
            )
        sha256s |= {self._store.datasets.put(owner, data) for data in self._take_out(training)}
        job, created = self._store.jobs.create(
            NewJob(
                owner=owner,
                id=id,
                request_id=known_request,
                request_hash=request_hash,
                training=training.SerializeToString(),
                pauses=training.pause_each_epoch,
                numepochs=numepochs,
                model_id=model_id or id,
                keep_model=bool(model_id),
                ttl_seconds=ttl_seconds,
                sha256s=frozenset(sha256s),
                initial_model_key=initial_model_key,
                attached_to=self._server if attached else "",
            ),
            self._limits,
        )
        if created:
            failpoint("after-accept")
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
        key: str = self._store.models.get(owner, *model_parts(training.stored_model, "stored_model")).key
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

    def _check(self, training: training_pb2.Training) -> tuple[int, int]:
        """Let the library check every argument; the epochs and the samples. Fixes the seed if none was given."""
        if not training.random_state.value and not training.HasField("seed"):
            training.random_state.CopyFrom(wire.encode_random_state(pytrainr.RRandom().random_seed))
        epochs = training.options.numepochs if training.options.HasField("numepochs") else 1
        samples = training.x.dim[0] if training.x.dim else 0
        if epochs > 0 and samples > 0 and epochs * samples > self._config.max_epoch_samples:
            return epochs, samples  # refused by the caller of this, before the library takes memory for the errors
        return check_training(self._store, training)

    def _take_out(self, training: training_pb2.Training) -> Iterator[bytes]:
        for tensor in wire.tensors(training):
            if len(tensor.data) > KEPT_INLINE_BYTES:
                data = tensor.data
                tensor.ClearField("data")
                tensor.dataset = f"datasets/{hashlib.sha256(data).hexdigest()}"
                yield data


def check_training(store: Store, training: training_pb2.Training) -> tuple[int, int]:
    """Make the library's Training and throw it away: the epochs and the samples it has."""
    if not hasattr(_of_thread, "stream"):  # making a stream takes longer than the rest of this
        _of_thread.stream = pytrainr.RRandom(0)
    checked, _ = build(store, training, specification.set_random_stream(_of_thread.stream, training))
    return int(checked.numepochs), int(checked.samples)
