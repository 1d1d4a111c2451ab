"""The client: ``trainr`` and ``predictr`` as they are here, jobs, stored models."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

import grpc
import numpy as np
from numpy.typing import ArrayLike
from trainr import wire
from trainr.v1 import (
    dataset_pb2_grpc,
    model_pb2,
    model_pb2_grpc,
    prediction_pb2,
    prediction_pb2_grpc,
    server_info_pb2,
    server_info_pb2_grpc,
    tensor_pb2,
    training_pb2,
    training_pb2_grpc,
)

import pytrainr
from pytrainr import arguments
from pytrainr.argument_errors import ArgumentTypeError, wrong_type, wrong_value
from pytrainr.halving import halving_of
from pytrainr.many import check_options, combinations, common_epochs
from pytrainr.preparation import _note_gradient, check_functions
from pytrainr.r_list import TRAINING_SIZED
from pytrainr.r_random import default_stream
from pytrainr.r_text import message as show
from pytrainr_client import models, options
from pytrainr_client.batches import Batch, Chosen, create_batch
from pytrainr_client.channel import Pem, open_channel
from pytrainr_client.conversation import Conversation
from pytrainr_client.forks import check_not_forked, closed, opened
from pytrainr_client.functions import EpochFunctions, sorted_out
from pytrainr_client.jobs import Job, JobInfo, info_of
from pytrainr_client.retry import retried
from pytrainr_client.transfer import Uploader

Result = TypeVar("Result")
EpochFunction = Callable[[pytrainr.Model], pytrainr.Model]
RETRAINING = "retraining, all options except X, Y and the model itself are ignored, error are reseted"
BATCH_INLINE_BYTES = 4096  # what is larger in a batch goes ahead, once for all of its jobs
ADAGRAD = "adagrad update, loss function not used and momentum set to 0"


def connect(
    address: str | None = None,
    token: str | None = None,
    *,
    ca: Pem = None,
    cert: Pem = None,
    key: Pem = None,
    insecure: bool = False,
    retry_seconds: float = 60.0,
) -> Client:
    """A client of the server at ``address``.

    Parameters
    ----------
    address
        "HOST:PORT", "HOST" (port 7272), "https://HOST:PORT", "http://HOST:PORT" or "unix:/PATH"; default
        $TRAINR_ADDRESS, else 127.0.0.1:7272. Beyond this machine TLS is used, to this machine never a proxy
        (``docs/addresses.md``).
    token
        What ``pytrainr-server token create`` printed; default $TRAINR_TOKEN.
    ca, cert, key
        PEM files (or their bytes): the authority that signed the server's certificate (default $TRAINR_CACERT, else the
        system's), and for mutual TLS one's own certificate and key.
    insecure
        Do without TLS even beyond this machine.
    retry_seconds
        For how long a server that cannot be reached is tried again.

    Raises ``ValueError`` for an address that is none and for settings that contradict each other. Nothing is sent
    before the first call. Raises ``ForkedError`` in a child of a process that forked with a client open.
    """
    check_not_forked()
    channel, address = open_channel(address, token, ca, cert, key, insecure)
    return Client(channel, address, retry_seconds)


class Client:
    """A connection to a server; a context manager that closes it. May be used by several threads at once."""

    def __init__(self, channel: grpc.Channel, address: str, retry_seconds: float = 60.0) -> None:
        self.address = address
        self.retry_seconds = retry_seconds
        self._limits: server_info_pb2.ServerInfo | None = None
        self.use(channel)
        opened(self)

    def use(self, channel: grpc.Channel) -> None:
        """Call the server through this channel from now on."""
        self._channel = channel
        self.training = training_pb2_grpc.TrainingServiceStub(channel)
        self._models = model_pb2_grpc.ModelServiceStub(channel)
        self._predictions = prediction_pb2_grpc.PredictionServiceStub(channel)
        self._datasets = dataset_pb2_grpc.DatasetServiceStub(channel)
        self._info = server_info_pb2_grpc.ServerInfoServiceStub(channel)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"<Client of {self.address}>"

    def close(self) -> None:
        """Close the connection. A training under way goes on at the server for its time of grace."""
        self._channel.close()
        closed(self)

    def retried(self, call: Callable[[], Result]) -> Result:
        """The result of a call that may be repeated, tried again while the server cannot be reached."""
        return retried(call, self.retry_seconds)

    def server_info(self) -> server_info_pb2.ServerInfo:
        """The server's version and limits."""
        return self.retried(lambda: self._info.GetServerInfo(server_info_pb2.GetServerInfoRequest()))

    @property
    def limits(self) -> server_info_pb2.ServerInfo:
        """``server_info`` as it was when first asked for."""
        if self._limits is None:
            self._limits = self.server_info()
        return self._limits

    def _uploader(self, inline_bytes: int | None = None) -> Uploader:
        return Uploader(self._datasets, self.limits, self.retry_seconds, inline_bytes)

    # training -------------------------------------------------------------------------------------------------------

    def trainr(
        self,
        Y: ArrayLike,
        X: ArrayLike,
        model: pytrainr.Model | str | None = None,
        learningrate: float | None = None,
        learningrate_decay: float = 1,
        momentum: float = 0,
        hidden_dim: int | Sequence[int] = 10,
        network_type: str = "rnn",
        numepochs: int = 1,
        sigmoid: str = "logistic",
        use_bias: bool = False,
        batch_size: float = 1,
        seq_to_seq_unsync: bool = False,
        update_rule: str = "sgd",
        epoch_function: EpochFunction | Sequence[EpochFunction] = (pytrainr.epoch_print, pytrainr.epoch_annealing),
        loss_function: Callable[[pytrainr.Model], pytrainr.Model] | str = pytrainr.loss_L1,
        *,
        rng: pytrainr.RRandom | None = None,
        keep_store: bool = False,
        exact: bool = False,
        **extra: Any,
    ) -> pytrainr.Model:
        """``pytrainr.trainr`` at the server: the same arguments, the same model, the random stream moved on alike.

        ``model`` may also be the name of a stored model ("models/adder@prod"). ``epoch_function``: epoch_annealing and
        schedules (``StepSchedule``, ``EarlyStopping``, …) run at the server; functions marked as observers
        (``epoch_print``, ``epoch_progress``) are called here while the training goes on, with the options, the learning
        rate and the error, but without weights; any other makes the training wait after each epoch, while all of them
        run here, in order, on the real model, which they may change.

        A lost connection is taken up again without a gap; Ctrl-C stops the training and hands back the model of the
        last whole epoch. Raises what ``pytrainr.trainr`` raises (``InvalidArgumentError`` is a ``ValueError``),
        ``ValueError`` for a loss function of one's own, ``ServerError`` for what only a server can refuse.
        """
        given = {
            "learningrate": learningrate,
            "learningrate_decay": learningrate_decay,
            "momentum": momentum,
            "hidden_dim": hidden_dim,
            "network_type": network_type,
            "numepochs": numepochs,
            "sigmoid": sigmoid,
            "use_bias": use_bias,
            "batch_size": batch_size,
            "seq_to_seq_unsync": seq_to_seq_unsync,
            "update_rule": update_rule,
            "keep_store": keep_store,
            "exact": exact,
            **extra,
        }
        return self.conversation(Y, X, model, given, epoch_function, loss_function, rng).run()

    def conversation(
        self,
        Y: ArrayLike,
        X: ArrayLike,
        model: pytrainr.Model | str | None,
        given: dict[str, Any],
        epoch_function: Any,
        loss_function: Any,
        rng: pytrainr.RRandom | None,
    ) -> Conversation:
        """A remote training that is ready to run."""
        if isinstance(model, pytrainr.Model):  # as in R, a retrained model has its own functions
            check_functions(model)
            epoch_function, loss_function = model.epoch_function, model.loss_function
        functions = sorted_out(epoch_function)
        stream = _stream(rng)
        training = self._request(Y, X, model, given, functions, loss_function, stream)
        fields = {**given, **(dict(model.items()) if isinstance(model, pytrainr.Model) else {})}
        if model is not None:
            show(RETRAINING)
        elif not given.get("exact"):
            if given.get("network_type") in ("gru", "lstm"):
                _note_gradient(given["network_type"])
            if given.get("update_rule") == "adagrad":
                show(ADAGRAD)
        return Conversation(
            self.training, self._models, training, functions, stream, fields, loss_function, self.retry_seconds
        )

    def _request(
        self,
        Y: ArrayLike | tensor_pb2.Tensor,
        X: ArrayLike | tensor_pb2.Tensor,
        model: pytrainr.Model | str | None,
        given: dict[str, Any],
        functions: EpochFunctions,
        loss_function: Any,
        stream: pytrainr.RRandom | int,
        uploader: Uploader | None = None,
    ) -> training_pb2.Training:
        training = training_pb2.Training(
            options=options.message_of(given, functions.names, _sent_loss(loss_function, given, model)),
            pause_each_epoch=functions.pause,
        )
        if isinstance(stream, int):
            training.seed = stream
        else:
            training.random_state.CopyFrom(wire.encode_random_state(stream.random_seed))
        if isinstance(model, str):
            training.stored_model = model
        elif isinstance(model, pytrainr.Model):
            training.model.CopyFrom(_to_retrain(model, bool(given.get("keep_store"))))
        elif model is not None:
            raise _no_model(model)
        uploader = uploader or self._uploader()
        if training.options.layer and not self.limits.layers:
            raise ValueError(f"layers: the server at {self.address} is too old to know lists of layers; update it")
        for tensor in wire.tensors(training):
            uploader.lighten(tensor)
        training.x.CopyFrom(X if isinstance(X, tensor_pb2.Tensor) else uploader.samples(X, "X"))
        training.y.CopyFrom(Y if isinstance(Y, tensor_pb2.Tensor) else uploader.samples(Y, "Y"))
        return training

    def train_async(
        self,
        Y: ArrayLike,
        X: ArrayLike,
        model: pytrainr.Model | str | None = None,
        *,
        rng: pytrainr.RRandom | None = None,
        epoch_function: EpochFunction | Sequence[EpochFunction] = (pytrainr.epoch_annealing,),
        loss_function: Callable[[pytrainr.Model], pytrainr.Model] | str = pytrainr.loss_L1,
        job_id: str = "",
        model_id: str = "",
        ttl_seconds: int = 0,
        priority: int = 0,
        **given: Any,
    ) -> Job:
        """Begin a training that needs nobody to wait for it; the options are those of ``trainr``.

        The result is stored as the next version of ``models/{model_id}``. The job draws from a copy of the stream.
        ``priority``, -100 to 100: of one's own jobs that wait the one with the highest begins first, whatever others
        have waiting. Raises ``ValueError`` for epoch functions of one's own: nobody would be there to run them.
        """
        if isinstance(model, pytrainr.Model):
            epoch_function, loss_function = model.epoch_function, model.loss_function
        functions = _of_background(epoch_function)
        training = self._request(Y, X, model, given, functions, loss_function, _stream(rng))
        training.model_id = model_id
        training.ttl_seconds = ttl_seconds
        training.priority = _priority(priority)
        request = training_pb2.CreateTrainingJobRequest(
            training=training, training_job_id=job_id, request_id=str(uuid.uuid4())
        )
        return Job(self, self.retried(lambda: self.training.CreateTrainingJob(request)).name)

    def trainr_many(
        self,
        Y: ArrayLike,
        X: ArrayLike,
        grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] = ({},),
        *,
        seeds: Iterable[int] = (1,),
        progress: bool = True,
        halving: int | pytrainr.Halving | None = None,
        **given: Any,
    ) -> list[pytrainr.Trained]:
        """``pytrainr.trainr_many`` at the server: the same arguments, the same models, to the bit.

        All are handed in at once or, if one of them cannot be trained, none; the server trains as many at a time as it
        has places. A lost connection is taken up again. Ctrl-C stops what is not done, and hands back what there is.
        Epoch functions of one's own cannot be: nobody waits for each of them.
        """
        progress = arguments.flag(progress, "progress")
        return self.train_many_async(Y, X, grid, seeds=seeds, halving=halving, **given).train(progress)

    def train_many_async(
        self,
        Y: ArrayLike,
        X: ArrayLike,
        grid: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]] = ({},),
        *,
        seeds: Iterable[int] = (1,),
        halving: int | pytrainr.Halving | None = None,
        batch_id: str = "",
        priority: int = 0,
        ttl_seconds: int = 0,
        **given: Any,
    ) -> Batch:
        """Begin the trainings of ``trainr_many`` and come back at once: the batch's ``results`` has each as it ends."""
        if not self.limits.max_batch:
            raise ValueError(f"the server at {self.address} is too old to take many jobs at once; update it")
        check_options(given)
        numbers = list(seeds)
        for seed in numbers:
            pytrainr.RRandom(seed)  # says what is no seed
        found = combinations(grid, given)
        chosen = [Chosen(seed, options) for options in found for seed in numbers]
        rule = None if halving is None else halving_of(halving)
        if rule:
            rule.rungs(len(chosen), common_epochs(found, given))
        uploader = self._uploader(BATCH_INLINE_BYTES)
        x, y = uploader.samples(X, "X"), uploader.samples(Y, "Y")
        trainings = []
        for seed, options_of_it in chosen:
            training = self._one_of_many(y, x, {**given, **options_of_it}, int(seed), uploader)
            training.priority, training.ttl_seconds = _priority(priority), ttl_seconds
            trainings.append(training)
        return create_batch(self, trainings, chosen, batch_id, rule)

    def _one_of_many(
        self, y: tensor_pb2.Tensor, x: tensor_pb2.Tensor, given: dict[str, Any], seed: int, uploader: Uploader
    ) -> training_pb2.Training:
        model = given.pop("model", None)
        epoch_function = given.pop("epoch_function", pytrainr.epoch_annealing)
        loss_function = given.pop("loss_function", pytrainr.loss_L1)
        if isinstance(model, pytrainr.Model):
            epoch_function, loss_function = model.epoch_function, model.loss_function
        return self._request(y, x, model, given, _of_background(epoch_function), loss_function, seed, uploader)

    def batch(self, name: str) -> Batch:
        """The batch of this name; its models come without what they were chosen for, which only who began it knows."""
        return Batch(self, name)

    def job(self, name: str) -> Job:
        """The job of this name."""
        return Job(self, name)

    def jobs(self, batch: str = "") -> Iterator[JobInfo]:
        """Every job of one's own, or of one of one's batches ("trainingBatches/..."), newest first."""
        token = ""
        while True:
            request = training_pb2.ListTrainingJobsRequest(page_size=100, page_token=token, training_batch=batch)
            page = self.retried(lambda request=request: self.training.ListTrainingJobs(request))  # type: ignore[misc]
            yield from map(info_of, page.training_jobs)
            token = page.next_page_token
            if not token:
                return

    # prediction -----------------------------------------------------------------------------------------------------

    def predictr(
        self,
        model: pytrainr.Model | str,
        X: ArrayLike,
        hidden: bool = False,
        real_output: bool = True,
        **extra: Any,
    ) -> Any:
        """``pytrainr.predictr`` at the server; ``model`` is one, or the name of a stored one ("models/adder@prod")."""
        samples = np.asarray(arguments.as_samples(X, "X"))
        request = prediction_pb2.PredictRequest(
            hidden=arguments.flag(hidden, "hidden"),
            keep_output_dim=not arguments.flag(real_output, "real_output"),
            extra=_extra(extra),
        )
        if isinstance(model, str):
            request.stored_model = model
        elif isinstance(model, pytrainr.Model):
            request.model.CopyFrom(_to_predict(model))
        else:
            raise _no_model(model)
        if samples.nbytes > self.limits.inline_bytes:
            uploader = self._uploader()
            request.x.CopyFrom(uploader.tensor(samples))
        else:
            request.x.CopyFrom(wire.encode_array(samples))
        return _predicted(self.retried(lambda: self._predictions.Predict(request)))

    # stored models --------------------------------------------------------------------------------------------------

    def models(self, name: str = "") -> Iterator[model_pb2.StoredModel]:
        """The newest version of each of one's models, or every version of one ("models/adder")."""
        token = ""
        while True:
            request = model_pb2.ListModelsRequest(parent=name, page_size=100, page_token=token)
            page = self.retried(lambda request=request: self._models.ListModels(request))  # type: ignore[misc]
            yield from page.models
            token = page.next_page_token
            if not token:
                return

    def model(self, name: str) -> pytrainr.Model:
        """A stored model: "models/adder" (the newest version), "models/adder@3", "models/adder@prod"."""
        request = model_pb2.ExportModelRequest(name=name)
        return self.retried(lambda: models.model_of(self._models.ExportModel(request)))

    def store_model(self, model: pytrainr.Model, model_id: str = "") -> str:
        """Store a model as the next version of ``models/{model_id}``; its name."""
        message = models.message_of(model)
        request_id = str(uuid.uuid4())
        chunk_bytes = self.limits.chunk_bytes

        def requests() -> Iterator[model_pb2.ImportModelRequest]:
            copy = model_pb2.Model.FromString(message.SerializeToString())
            for part in wire.split_model(copy, chunk_bytes):
                yield model_pb2.ImportModelRequest(model_id=model_id, request_id=request_id, part=part)

        return self.retried(lambda: self._models.ImportModel(requests())).name

    def export_model(
        self,
        model: pytrainr.Model | str,
        path: str | os.PathLike[str],
        format: str | None = None,
        *,
        name: str | None = None,
    ) -> None:
        """Write a model, or a stored one by its name ("models/adder@prod"), to a file; the server makes it.

        Parameters
        ----------
        path
            The file. What was there stays where anything goes wrong.
        format
            "trainr" (the library's own, for ``Model.load``), "rds" (for R), "c" or "onnx"; default: what the path ends
            in.
        name
            For C: what the functions' names begin with; default: the file's name.

        Raises ``ValueError`` for another format, and ``ServerError`` with the reason NOT_EXPORTABLE that names what the
        format cannot say.
        """
        request = model_pb2.WriteModelFileRequest(
            format=models.file_format(path, format), name=Path(path).stem if name is None else name
        )
        if isinstance(model, str):
            request.stored_model = model
        elif isinstance(model, pytrainr.Model):
            request.model.CopyFrom(models.message_of(model, without=TRAINING_SIZED))
            uploader = self._uploader()
            for tensor in wire.tensors(request):
                uploader.lighten(tensor)
        else:
            raise _no_model(model)
        self.retried(lambda: models.write_file(path, self._models.WriteModelFile(request)))

    def set_alias(self, name: str, alias: str, *, remove: bool = False) -> None:
        """Let ``alias`` ("prod") mean this version from now on, or take it away."""
        request = model_pb2.SetModelAliasRequest(name=name, alias=alias, remove=remove)
        self.retried(lambda: self._models.SetModelAlias(request))

    def delete_model(self, name: str) -> None:
        """Delete a version, or with "models/adder" all of them."""
        request = model_pb2.DeleteModelRequest(name=name, allow_missing=True)
        self.retried(lambda: self._models.DeleteModel(request))


def _stream(rng: pytrainr.RRandom | None) -> pytrainr.RRandom:
    if rng is None:
        return default_stream()
    if not isinstance(rng, pytrainr.RRandom):
        raise wrong_type(
            "rng", "{place} should be a pytrainr.RRandom, for example RRandom(1); it is {value}", value=rng
        )
    return rng


def _of_background(epoch_function: Any) -> EpochFunctions:
    """Epoch functions of a training for which nobody waits."""
    functions = sorted_out(epoch_function)
    if functions.pause:
        names = ", ".join(wire.function_name(function) for function in functions.functions)
        raise ValueError(
            f"epoch_function has functions of your own ({names}); in the background only epoch_annealing and "
            "schedules such as StepSchedule can be, without a function between them that watches"
        )
    return functions


def _priority(priority: int) -> int:
    if not isinstance(priority, int) or isinstance(priority, bool):
        raise wrong_type("priority", "{place} should be a whole number, -100 to 100; it is {value}", value=priority)
    if abs(priority) >= 1 << 31:  # else the server says which it takes
        raise wrong_value("priority", "{place} should be -100 to 100; it is {value}", value=priority)
    return priority


def _no_model(value: Any) -> ArgumentTypeError:
    should = "what trainr returned (a pytrainr.Model), or a stored model's name"
    return wrong_type("model", f"{{place}} should be {should}; it is {{value}}", value=value)


def _sent_loss(loss: Any, given: dict[str, Any], model: pytrainr.Model | str | None) -> Any:
    """The loss function as the server has to know it: one of the caller's own that adagrad, as in R, never calls need
    not run there."""
    options = model if isinstance(model, pytrainr.Model) else given
    unused = options.get("update_rule") == "adagrad" and not options.get("exact")
    return None if unused and callable(loss) else loss


def _to_retrain(model: pytrainr.Model, keep_store: bool) -> model_pb2.Model:
    """The model without what a retraining makes anew; ``error`` keeps its place among the fields."""
    without = () if keep_store else TRAINING_SIZED
    sent = pytrainr.Model.from_fields({name: value for name, value in model.items() if name not in without})
    if "error" in sent:
        sent.error = np.zeros((0, 0))
    return models.message_of(sent)


def _to_predict(model: pytrainr.Model) -> model_pb2.Model:
    return models.message_of(model, without=("error", "epoch_function", "loss_function", *TRAINING_SIZED))


def _extra(extra: dict[str, Any]) -> list[model_pb2.Option]:
    try:
        return wire.encode_options(extra)
    except wire.WireError as error:
        raise TypeError(str(error)) from None


def _predicted(response: prediction_pb2.PredictResponse) -> Any:
    if response.store:
        result: Any = [wire.decode_array(tensor, "store") for tensor in response.store]
    else:
        result = wire.decode_array(response.prediction, "prediction")
    extra = wire.decode_options(response.extra, "extra")
    return (result, extra["state"]) if "state" in extra else result
