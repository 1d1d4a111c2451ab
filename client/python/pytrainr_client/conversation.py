"""One remote training: the request, the events, the caller's epoch functions, and all of it again after a lost line."""

from __future__ import annotations

import contextlib
import threading
import uuid
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import numpy as np
from trainr import wire
from trainr.v1 import model_pb2, model_pb2_grpc, training_pb2, training_pb2_grpc

import pytrainr
from pytrainr import kernels
from pytrainr.model_checks import check_error
from pytrainr_client import models
from pytrainr_client.errors import ServerError, server_error
from pytrainr_client.functions import EpochFunctions, ObservedEpoch
from pytrainr_client.retry import Patience, retried

INTERRUPT_SECONDS = 5.0


class Conversation:
    """Trains at the server as ``pytrainr.trainr`` would here; ``run`` may be called in any thread, ``cancel`` in
    another."""

    def __init__(
        self,
        stub: training_pb2_grpc.TrainingServiceStub,
        models_stub: model_pb2_grpc.ModelServiceStub,
        training: training_pb2.Training,
        functions: EpochFunctions,
        stream: pytrainr.RRandom,
        fields: dict[str, Any],
        loss: Callable | str | None,
        retry_seconds: float,
    ) -> None:
        self._stub = stub
        self._models = models_stub
        self._training = training
        self._functions = functions
        self._stream = stream
        self._fields = fields
        self._loss = loss
        self._retry_seconds = retry_seconds
        self._request_id = str(uuid.uuid4())
        self._cancelled = threading.Event()
        self._call: Any = None
        self._job = ""
        self._epoch = 0
        self._answers: dict[int, training_pb2.ContinueTrainingRequest] = {}
        self._errors: np.ndarray | None = None
        self._kept_here: dict[str, Any] = {}
        self._line = kernels.Line()

    def cancel(self) -> None:
        """Stop the training at the server; a running ``run`` ends with an error."""
        self._cancelled.set()
        if self._call is not None:
            self._call.cancel()

    def run(self) -> pytrainr.Model:
        """Train to the end."""
        patience = Patience(self._retry_seconds, self._cancelled)
        try:
            while True:
                try:
                    return self._attempt(patience)
                except grpc.RpcError as error:
                    failure = server_error(error)
                    if failure.reason == "DIVERGED":
                        raise self._diverged(failure) from None
                    patience.wait(error)
        except KeyboardInterrupt:
            interrupted = True
        except BaseException:
            self._stop_job()
            raise
        assert interrupted
        return self._interrupted()

    def _attempt(self, patience: Patience) -> pytrainr.Model:
        request = training_pb2.TrainRequest(
            training=self._training, request_id=self._request_id, after_epoch=self._epoch
        )
        self._call = events = self._stub.Train(request)
        joiner = wire.ModelJoiner()
        finished: training_pb2.TrainingJob | None = None
        try:
            for event in events:
                patience.succeeded()
                kind = event.WhichOneof("event")
                if kind == "accepted":
                    self._job = event.accepted.name
                elif kind == "epochs":
                    for epoch in event.epochs.epoch:
                        self._take_epoch(epoch)
                elif kind == "progress":
                    now = event.progress.compiling
                    self._line(f"the server is compiling {now}" if now else None)
                elif kind == "pause":
                    self._pause(event.pause, events)
                elif kind == "model":
                    joiner.add(event.model)
                elif kind == "finished":
                    finished = event.finished
        finally:
            self._line(None)
            events.cancel()
        if finished is not None:
            return self._finish(finished, joiner)
        raise ServerError("the server ended the call without a result", grpc.StatusCode.INTERNAL)

    def _take_epoch(self, epoch: training_pb2.EpochEvent) -> None:
        if epoch.epoch <= self._epoch:
            return
        self._epoch = epoch.epoch
        if not self._functions.pause:
            rates = (epoch.learningrate, epoch.next_learningrate)
            self._functions.observe(ObservedEpoch(self._fields, epoch.epoch, epoch.mean_error, *rates))

    # the caller's epoch functions -----------------------------------------------------------------------------------

    def _pause(self, pause: training_pb2.PauseEvent, events: Iterator[training_pb2.TrainingEvent]) -> None:
        parts = _parts(events)
        if pause.epoch not in self._answers:
            joiner = wire.ModelJoiner()
            for part in parts:
                joiner.add(part)
            # Called once, however often the line is lost: what it printed or drew cannot be taken back.
            self._answers = {pause.epoch: self._answer(pause, joiner)}
        else:
            for _ in parts:
                pass
        answer = self._answers[pause.epoch]
        retried(lambda: self._stub.ContinueTraining(answer), self._retry_seconds)

    def _answer(self, pause: training_pb2.PauseEvent, joiner: wire.ModelJoiner) -> training_pb2.ContinueTrainingRequest:
        model = self._complete(models.joined(joiner))
        column = model.error[:, 0]
        if self._errors is None:
            self._errors = np.zeros((column.size, int(model.numepochs)), order="F")
        self._errors[:, pause.epoch - 1] = column
        model.error = self._errors
        for name, value in self._kept_here.items():
            model[name] = value
        before = model.copy()
        random_state = wire.decode_random_state(pause.random_state)
        if random_state is not None:
            self._stream.random_seed = random_state
        for function in self._functions.functions:
            returned = function(model)
            if not isinstance(returned, pytrainr.Model):
                raise TypeError(
                    f"epoch_function {wire.function_name(function)!r} should return the model that it was given "
                    f"(changed or not); it returned {returned!r}: is a 'return model' missing at its end?"
                )
            model = returned
        self._errors = np.asfortranarray(check_error(model.get("error"), *before.error.shape))
        answer = training_pb2.ContinueTrainingRequest(name=self._job, epoch=pause.epoch)
        if not np.array_equal(self._stream.random_seed, np.asarray(pause.random_state.value)):
            answer.random_state.CopyFrom(wire.encode_random_state(self._stream.random_seed))
        self._add_changes(answer, before, model, pause.epoch)
        return answer

    def _add_changes(
        self, answer: training_pb2.ContinueTrainingRequest, before: pytrainr.Model, model: pytrainr.Model, epoch: int
    ) -> None:
        for name, value in model.items():
            if name in ("epoch_function", "loss_function") or (name in before and _same(before[name], value)):
                continue
            if name == "error":
                value = np.asarray(value)[:, epoch - 1 : epoch]
                if _same(before.error[:, epoch - 1 : epoch], value):
                    continue
            if callable(value):
                self._kept_here[name] = value
                continue
            try:
                answer.field.add(name=name, value=wire.encode_value(value, name))
            except wire.WireError:
                self._kept_here[name] = value  # an object of the caller's, which stays with the caller

    # the end --------------------------------------------------------------------------------------------------------

    def _finish(self, job: training_pb2.TrainingJob, joiner: wire.ModelJoiner) -> pytrainr.Model:
        model = self._complete(models.joined(joiner))
        state = wire.decode_random_state(job.random_state)
        if state is not None:
            self._stream.random_seed = state
        return model

    def _complete(self, model: pytrainr.Model) -> pytrainr.Model:
        """Give the model what only the caller has: the functions themselves."""
        if "epoch_function" in model:
            model.epoch_function = self._functions.after(model.epoch_function)
        if callable(self._loss):
            model.loss_function = self._loss
        for name, value in self._kept_here.items():
            model[name] = value
        return model

    def _diverged(self, failure: ServerError) -> Exception:
        name = failure.metadata.get("model")
        if not name:
            return failure
        model = self._complete(self._stored(name))
        return pytrainr.DivergedError(RuntimeError.__str__(failure), int(failure.metadata["epoch"]), model)

    def _stored(self, name: str) -> pytrainr.Model:
        request = model_pb2.ExportModelRequest(name=name)
        return retried(lambda: models.model_of(self._models.ExportModel(request)), self._retry_seconds)

    def _stop_job(self) -> None:
        """Cancel the job, for nobody waits for it any more."""
        if self._job:
            request = training_pb2.CancelTrainingJobRequest(name=self._job)
            with contextlib.suppress(grpc.RpcError):
                self._stub.CancelTrainingJob(request, timeout=INTERRUPT_SECONDS)

    def _interrupted(self) -> pytrainr.Model:
        """Ctrl-C: as from the local call, the model of the last whole epoch, with a warning."""
        self.cancel()
        self._stop_job()
        name = self._ended_model() if self._job else ""
        if not name:
            raise KeyboardInterrupt
        model = self._complete(self._stored(name))
        warnings.warn(
            f"interrupted: this is the model after epoch {int(model.current_epoch)}",
            pytrainr.TrainingInterrupted,
            stacklevel=4,
        )
        return model

    def _ended_model(self) -> str:
        watch = self._stub.WatchTrainingJob(
            training_pb2.WatchTrainingJobRequest(name=self._job, after_epoch=self._epoch), timeout=INTERRUPT_SECONDS
        )
        try:
            for event in watch:
                if event.WhichOneof("event") == "finished":
                    return event.finished.model
        except grpc.RpcError:
            return ""
        return ""


def _parts(events: Iterator[training_pb2.TrainingEvent]) -> Iterator[model_pb2.ModelPart]:
    for event in events:
        yield event.model
        if event.model.last:
            return


def _same(before: Any, now: Any) -> bool:
    try:
        return pytrainr.Model(value=before) == pytrainr.Model(value=now)
    except (ValueError, TypeError):
        return False
