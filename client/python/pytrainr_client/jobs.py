"""Jobs in the background: created, watched, fetched later."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple, Protocol, TypeVar

import grpc
from trainr.v1 import training_pb2, training_pb2_grpc

import pytrainr
from pytrainr_client.errors import ServerError
from pytrainr_client.retry import Patience, retried

_PREFIX = "JOB_STATE_"
Result = TypeVar("Result")


class Connection(Protocol):
    """What a job asks of the client that it was made by; see ``client.py``."""

    training: training_pb2_grpc.TrainingServiceStub
    retry_seconds: float

    def retried(self, call: Callable[[], Result]) -> Result: ...

    def model(self, name: str) -> pytrainr.Model: ...

    def jobs(self, batch: str = "") -> Iterator[JobInfo]: ...


class JobInfo(NamedTuple):
    """What is known of a job. Times are seconds since 1970, 0 for what has not happened."""

    name: str
    state: str  # "QUEUED", "RUNNING", "PAUSED", "SUCCEEDED", "FAILED" or "CANCELLED"
    epoch: int
    numepochs: int
    mean_error: float
    model: str
    create_time: float
    end_time: float
    error_reason: str
    error_message: str
    priority: int = 0

    @property
    def ended(self) -> bool:
        """Whether it succeeded, failed or was cancelled."""
        return self.state in ("SUCCEEDED", "FAILED", "CANCELLED")


class EpochInfo(NamedTuple):
    """One whole epoch of a job; ``validation_loss`` is None in a training without ``validation``."""

    epoch: int
    mean_error: float
    learningrate: float
    validation_loss: float | None = None


def epoch_of(message: training_pb2.EpochEvent) -> EpochInfo:
    """The message as a tuple."""
    held_out = message.validation_loss if message.HasField("validation_loss") else None
    return EpochInfo(message.epoch, message.mean_error, message.learningrate, held_out)


def info_of(message: training_pb2.TrainingJob) -> JobInfo:
    """The message as a tuple."""
    return JobInfo(
        message.name,
        training_pb2.JobState.Name(message.state).removeprefix(_PREFIX),
        message.epoch,
        message.numepochs,
        message.mean_error,
        message.model,
        message.create_time,
        message.end_time,
        message.error_reason,
        message.error_message,
        message.priority,
    )


def ended_model(client: Connection, info: JobInfo) -> pytrainr.Model:
    """The model of a job that has ended. Raises as :meth:`Job.wait`."""
    if info.state == "SUCCEEDED":
        return client.model(info.model)
    diverged = info.error_reason == "DIVERGED" and info.model
    raise failure_of(info, client.model(info.model) if diverged else None)


def failure_of(info: JobInfo, model: pytrainr.Model | None) -> pytrainr.DivergedError | ServerError:
    """Why a job was not trained to the end; the ``model`` is what it left."""
    if info.error_reason == "DIVERGED" and model is not None:
        return pytrainr.DivergedError(info.error_message, info.epoch, model)
    code = grpc.StatusCode.CANCELLED if info.state == "CANCELLED" else grpc.StatusCode.FAILED_PRECONDITION
    kept = {"model": info.model} if info.model else {}
    return ServerError(info.error_message or f"{info.name} was cancelled", code, info.error_reason, metadata=kept)


class Job:
    """A job at a server; ``name`` finds it again from anywhere: ``client.job(name)``."""

    def __init__(self, client: Connection, name: str) -> None:
        self._client = client
        self.name = name

    def __repr__(self) -> str:
        return f"<Job {self.name}>"

    def info(self) -> JobInfo:
        """How it is now."""
        request = training_pb2.GetTrainingJobRequest(name=self.name)
        return info_of(self._client.retried(lambda: self._client.training.GetTrainingJob(request)))

    def watch(self, after_epoch: int = 0) -> Iterator[EpochInfo]:
        """Every epoch after one as it is completed, until the job's end; a lost line is taken up without a gap."""
        patience = Patience(self._client.retry_seconds)
        while True:
            request = training_pb2.WatchTrainingJobRequest(name=self.name, after_epoch=after_epoch)
            try:
                for event in self._client.training.WatchTrainingJob(request):
                    patience.succeeded()
                    for epoch in event.epochs.epoch:
                        after_epoch = epoch.epoch
                        yield epoch_of(epoch)
                return
            except grpc.RpcError as error:
                patience.wait(error)

    def wait(self) -> pytrainr.Model:
        """Wait for the end and fetch the model. Raises what ``trainr`` would, ``ServerError`` for a cancelled job.

        Of a job that ended early the model of its last whole epoch is kept; its name is the error's
        ``metadata["model"]``.
        """
        for _ in self.watch(after_epoch=1 << 62):
            pass
        return ended_model(self._client, self.info())

    def cancel(self) -> JobInfo:
        """Stop it for good."""
        request = training_pb2.CancelTrainingJobRequest(name=self.name)
        return info_of(self._client.retried(lambda: self._client.training.CancelTrainingJob(request)))

    def delete(self) -> None:
        """Forget it, once it has ended; its model stays."""
        request = training_pb2.DeleteTrainingJobRequest(name=self.name, allow_missing=True)
        retried(lambda: self._client.training.DeleteTrainingJob(request), self._client.retry_seconds)
