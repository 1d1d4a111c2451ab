"""Rows of the database as messages."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Row
from trainr.v1 import dataset_pb2, model_pb2, tensor_pb2, training_pb2

from pytrainr_server.store.batches import Batch
from pytrainr_server.store.job_files import Epoch
from pytrainr_server.store.jobs import or_nan, random_state_of
from pytrainr_server.store.names import batch_name, dataset_name, job_name, model_name
from pytrainr_server.store.schema import State


def job_message(job: Row[Any], *, with_random_state: bool = True) -> training_pb2.TrainingJob:
    """A job."""
    random_state = None
    if with_random_state and job.random_state:
        random_state = tensor_pb2.RandomState.FromString(random_state_of(job))
    return training_pb2.TrainingJob(
        name=job_name(job.id),
        state=job.state,
        epoch=job.epoch,
        numepochs=job.numepochs,
        progress=job.progress,
        mean_error=or_nan(job.mean_error),
        create_time=job.create_time,
        start_time=job.start_time,
        end_time=job.end_time,
        model=job.model_name,
        random_state=random_state,
        error_code=job.error_code if job.state == State.FAILED else 0,
        error_reason=job.error_reason if job.state == State.FAILED or job.dropped else "",
        error_message=job.error_message,
        error_field=job.error_field,
        request_id=job.request_id or "",
        detached=job.detached,
        resumed=job.resumed,
        expire_time=job.expire_time,
        priority=job.priority,
        training_batch=batch_name(job.batch_id) if job.batch_id else "",
        batch_place=job.batch_place,
    )


def batch_message(batch: Batch) -> training_pb2.TrainingBatch:
    """A batch."""
    counts = {state.name.lower(): batch.counts.get(state, 0) for state in State}
    return training_pb2.TrainingBatch(
        name=batch_name(batch.row.id),
        size=sum(batch.counts.values()),
        epoch=batch.epoch,
        numepochs=batch.numepochs,
        create_time=batch.row.create_time,
        request_id=batch.row.request_id or "",
        **counts,
    )


def epochs_event(epochs: Sequence[Epoch]) -> training_pb2.TrainingEvent:
    """Epochs that were completed."""
    events = [
        training_pb2.EpochEvent(
            epoch=epoch.epoch,
            mean_error=epoch.mean_error,
            learningrate=epoch.learningrate,
            next_learningrate=epoch.next_learningrate,
            validation_loss=epoch.validation_loss,
        )
        for epoch in epochs
    ]
    return training_pb2.TrainingEvent(epochs=training_pb2.EpochsEvent(epoch=events))


def model_message(model: Row[Any], aliases: Sequence[str]) -> model_pb2.StoredModel:
    """A stored model."""
    return model_pb2.StoredModel(
        name=model_name(model.id, model.version),
        version=model.version,
        alias=aliases,
        create_time=model.create_time,
        expire_time=model.expire_time,
        size_bytes=model.size_bytes,
        training_job=job_name(model.job_id) if model.job_id else "",
        network_type=model.network_type,
        exact=model.exact,
        synapse_dim=[int(n) for n in model.synapse_dim.split(",") if n],
        numepochs=model.numepochs,
        final_error=or_nan(model.final_error),
    )


def dataset_message(dataset: Row[Any]) -> dataset_pb2.Dataset:
    """A dataset."""
    return dataset_pb2.Dataset(
        name=dataset_name(dataset.sha256),
        size_bytes=dataset.size_bytes,
        create_time=dataset.create_time,
        expire_time=dataset.expire_time,
    )
