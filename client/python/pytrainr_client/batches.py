"""Many jobs as one: handed in together, watched in one stream, their models fetched as they end."""

from __future__ import annotations

import contextlib
import time
import uuid
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import grpc
from trainr.v1 import training_pb2

import pytrainr
from pytrainr.halving import Halving
from pytrainr.many import described, outcome
from pytrainr.r_text import message as show
from pytrainr_client.errors import NotFoundError, ServerError
from pytrainr_client.jobs import Connection, JobInfo, failure_of, info_of
from pytrainr_client.retry import Patience

__all__ = ["Batch", "BatchInfo"]

INTERRUPT_SECONDS = 5.0


class BatchInfo(NamedTuple):
    """How far the jobs of a batch are: how many there are in each state, and whole epochs, of all of them together."""

    name: str
    size: int
    queued: int
    running: int
    paused: int
    succeeded: int
    failed: int
    cancelled: int
    epoch: int
    numepochs: int

    @property
    def ended(self) -> int:
        """How many succeeded, failed or were cancelled."""
        return self.succeeded + self.failed + self.cancelled


class Chosen(NamedTuple):
    """What one of many models is trained with."""

    seed: int
    options: dict[str, Any]


class Batch:
    """Jobs at a server that were handed in together; ``name`` finds them again: ``client.batch(name)``."""

    def __init__(self, client: Connection, name: str, chosen: Sequence[Chosen] = ()) -> None:
        self._client = client
        self.name = name
        self._chosen = chosen

    def __repr__(self) -> str:
        return f"<Batch {self.name}>"

    def info(self) -> BatchInfo:
        """How it is now."""
        request = training_pb2.GetTrainingBatchRequest(name=self.name)
        return batch_info(self._client.retried(lambda: self._client.training.GetTrainingBatch(request)))

    def jobs(self) -> Iterator[JobInfo]:
        """Its jobs as they are now, the last place first."""
        return self._client.jobs(batch=self.name)

    def watch(self, seen: Iterable[int] = ()) -> Iterator[BatchInfo | tuple[int, JobInfo]]:
        """How far it is, while something changes, and every job that ends, once, with its place; until all have ended.

        The ends of jobs whose places are ``seen`` are left out. A lost line is taken up without a gap, at whichever
        server.
        """
        patience, known = Patience(self._client.retry_seconds), set(seen)
        while True:
            request = training_pb2.WatchTrainingBatchRequest(name=self.name, seen_place=sorted(known))
            try:
                for event in self._client.training.WatchTrainingBatch(request):
                    patience.succeeded()
                    if event.WhichOneof("event") == "progress":
                        yield batch_info(event.progress)
                    else:
                        known.add(event.ended.batch_place)
                        yield event.ended.batch_place, info_of(event.ended)
                return
            except grpc.RpcError as error:
                patience.wait(error)

    def results(self, seen: Iterable[int] = ()) -> Iterator[tuple[int, pytrainr.Trained]]:
        """Each model as its job ends, with its place in the order of the combinations, but those of places ``seen``."""
        for event in self.watch(seen):
            if not isinstance(event, BatchInfo):
                place, info = event
                yield place, self._trained(place, info)

    def wait(self, progress: bool = False) -> list[pytrainr.Trained]:
        """Wait for all, and fetch them; ``progress`` says on the standard error stream which model is done."""
        found: dict[int, pytrainr.Trained] = {}
        size = self.info().size
        for place, trained in self.results():
            found[place] = trained
            if progress:
                _say(trained, len(found), size)
        return [found[place] for place in sorted(found)]

    def cancel(self) -> BatchInfo:
        """Stop all that have not ended, for good."""
        request = training_pb2.CancelTrainingBatchRequest(name=self.name)
        return batch_info(self._client.retried(lambda: self._client.training.CancelTrainingBatch(request)))

    def delete(self, models: bool = False) -> None:
        """Forget the jobs, once all have ended; with ``models`` also the models that were given no id."""
        request = training_pb2.DeleteTrainingBatchRequest(name=self.name, allow_missing=True, models=models)
        self._client.retried(lambda: self._client.training.DeleteTrainingBatch(request))

    def train(self, progress: bool) -> list[pytrainr.Trained]:
        """As :meth:`wait`, for a caller who owns the jobs: they are gone afterwards, and Ctrl-C stops them.

        What cannot be fetched stays at the server.
        """
        found: dict[int, pytrainr.Trained] = {}
        fetched = True
        try:
            for place, trained in self.results():
                found[place] = trained
                if progress:
                    _say(trained, len(found), len(self._chosen))
        except KeyboardInterrupt:
            fetched = self._interrupted(found)
        except BaseException:
            self._stop()
            raise
        if fetched:
            with contextlib.suppress(ServerError):  # they expire by themselves
                self.delete(models=True)
        return [found[place] for place in range(len(self._chosen))]

    def _interrupted(self, found: dict[int, pytrainr.Trained]) -> bool:
        """Stop the rest, and add what came of them; whether all could be fetched."""
        whole = sum(one.error is None for one in found.values())
        self._stop()
        with contextlib.suppress(ServerError):
            for place, trained in self.results(found.copy()):
                found[place] = trained
        fetched = len(found) == len(self._chosen)
        for place, (seed, options) in enumerate(self._chosen):
            one = found.get(place) or pytrainr.Trained(seed, options, None, _interruption(None))
            if isinstance(one.error, ServerError) and one.error.code == grpc.StatusCode.CANCELLED:
                one = one._replace(error=_interruption(one.model))
            found[place] = one
        warnings.warn(
            f"interrupted: {whole} of {len(found)} models are trained to the end, the others are as they were after "
            "their last whole epoch",
            pytrainr.TrainingInterrupted,
            stacklevel=4,
        )
        return fetched

    def _stop(self) -> None:
        """Cancel it if the server can be reached, which may be about to store it."""
        request = training_pb2.CancelTrainingBatchRequest(name=self.name)
        for _ in range(2):
            try:
                self._client.training.CancelTrainingBatch(request, timeout=INTERRUPT_SECONDS)
                return
            except grpc.RpcError as error:
                if error.code() != grpc.StatusCode.NOT_FOUND:
                    return
            time.sleep(0.5)

    def _trained(self, place: int, info: JobInfo) -> pytrainr.Trained:
        """What came of a job. Raises where its model cannot be fetched now; it stays at the server."""
        seed, options = self._chosen[place] if place < len(self._chosen) else Chosen(0, {})
        gone = model = None
        try:
            model = self._client.model(info.model) if info.model else None
        except NotFoundError as error:  # it was deleted, or has expired
            gone = error
        if info.state == "SUCCEEDED":
            return pytrainr.Trained(seed, options, model, gone)
        if info.error_reason == "DROPPED":
            return pytrainr.Trained(seed, options, model, pytrainr.TrainingDropped(info.error_message))
        return pytrainr.Trained(seed, options, model, failure_of(info, model))


def _interruption(model: pytrainr.Model | None) -> pytrainr.TrainingInterrupted:
    return pytrainr.TrainingInterrupted(f"interrupted after {model.current_epoch if model else 0} whole epochs")


def _say(trained: pytrainr.Trained, count: int, size: int) -> None:
    what = f"{described(trained.seed, trained.options)}: {outcome(trained.model, trained.error)}"
    show(f"{count} of {size} models: {what}")


def batch_info(message: training_pb2.TrainingBatch) -> BatchInfo:
    """The message as a tuple."""
    return BatchInfo(*(getattr(message, field) for field in BatchInfo._fields))


def create_batch(
    client: Connection,
    trainings: Sequence[training_pb2.Training],
    chosen: Sequence[Chosen],
    batch_id: str,
    halving: Halving | None,
) -> Batch:
    """Hand in the trainings, all or none. What is wrong with one of them is said with what it was chosen for."""
    request_id = str(uuid.uuid4())
    request = training_pb2.CreateTrainingJobsRequest(
        training=trainings, training_batch_id=batch_id or f"batch-{request_id}", request_id=request_id
    )
    if halving is not None:
        request.halving.eta, request.halving.epochs = halving
    handed_in = Batch(client, f"trainingBatches/{request.training_batch_id}", chosen)
    try:
        client.retried(lambda: client.training.CreateTrainingJobs(request))
    except KeyboardInterrupt:
        handed_in._stop()
        raise
    except ServerError as error:
        place = error.metadata.get("training", "")
        if place.isdigit() and len(chosen) > 1:
            seed, options = chosen[int(place)]
            error.args = (f"{error.args[0]} (model {int(place) + 1} of {len(chosen)}: {described(seed, options)})",)
        raise
    return handed_in
