"""PredictionService."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import AsyncIterator, Callable
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Row
from trainr import wire
from trainr.v1 import prediction_pb2, prediction_pb2_grpc, tensor_pb2

import pytrainr
from pytrainr import arguments
from pytrainr.memory import limited_memory
from pytrainr_server import telemetry
from pytrainr_server.config import Config
from pytrainr_server.errors import Code, ServiceError, exhausted, invalid
from pytrainr_server.jobs import specification
from pytrainr_server.jobs.stored_models import load_model
from pytrainr_server.service.fair_threads import FairThreads
from pytrainr_server.service.follow import Run
from pytrainr_server.service.guard import Context, current_owner
from pytrainr_server.service.models import check_model
from pytrainr_server.store import names
from pytrainr_server.store.store import Store

RETRY_SECONDS = 0.5
_OBJECT_BYTES = 256
Result = TypeVar("Result")


class ModelCache:
    """Stored models in memory, the least recently used dropped first. Models are immutable, so no copy gets stale."""

    def __init__(self, store: Store, max_bytes: int, largest_bytes: int) -> None:
        self._store = store
        self._largest_bytes = largest_bytes
        self._max_bytes = max_bytes
        self._bytes = 0
        self._lock = threading.Lock()
        self._models: OrderedDict[str, tuple[pytrainr.Model, int]] = OrderedDict()

    def get(self, owner: str, name: str) -> pytrainr.Model:
        """The model that the name means now."""
        row = self._row(owner, name)
        with self._lock:
            if row.key in self._models:
                self._models.move_to_end(row.key)
                return self._models[row.key][0]
        model = self._load(row, name)
        for field in ("error", "store", "store_best", "last_layer_error", "last_layer_delta"):
            if field in model:
                delattr(model, field)  # as large as the training data, and prediction does not need them
        size = _bytes_of(model)
        with self._lock:
            if size <= self._max_bytes and row.key not in self._models:
                self._models[row.key] = (model, size)
                self._bytes += size
                while self._bytes > self._max_bytes:
                    _, (_, dropped) = self._models.popitem(last=False)
                    self._bytes -= dropped
        return model

    def whole(self, owner: str, name: str) -> pytrainr.Model:
        """The same with all that it holds, read anew."""
        return self._load(self._row(owner, name), name)

    def _row(self, owner: str, name: str) -> Row[Any]:
        return self._store.models.get(owner, *names.model_parts(name, "stored_model"))

    def _load(self, row: Row[Any], name: str) -> pytrainr.Model:
        if 2 * row.size_bytes > self._largest_bytes:
            raise exhausted(
                "OUT_OF_MEMORY",
                f"predicting with {name} takes more than {2 * row.size_bytes} bytes of memory, one prediction may "
                f"have {self._largest_bytes}",
            )
        return load_model(self._store, row.key)


def _bytes_of(model: pytrainr.Model) -> int:
    """About what a model takes in memory: of a small one, Python's objects are nearly all."""
    values = [model[name] for name in model]
    items = [item for value in values for item in (value if isinstance(value, (list, tuple)) else [value])]
    return sum(_OBJECT_BYTES + (item.nbytes if isinstance(item, np.ndarray) else 0) for item in [*values, *items])


class PredictionService(prediction_pb2_grpc.PredictionServiceServicer):
    """Predicts: see proto/trainr/v1/prediction.proto for what each call does."""

    def __init__(self, store: Store, config: Config, run: Run, threads: FairThreads) -> None:
        self._store = store
        self._config = config
        self._run = run
        self._threads = threads
        self._cache = ModelCache(store, config.model_cache_bytes, config.prediction_memory_bytes)
        self._waiting: Counter[str] = Counter()

    async def _compute(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run in a thread for predictions; refuse when too many wait for one already, or half as many of this owner."""
        owner, most = current_owner(), self._config.max_waiting_predictions
        if self._waiting.total() >= most or self._waiting[owner] >= max(1, most // 2):
            raise exhausted("PREDICTIONS_FULL", "Too many predictions wait; try again later.", RETRY_SECONDS)
        self._waiting[owner] += 1
        try:
            return await self._threads.run(current_owner(), self._limited, function, *arguments)
        finally:
            self._waiting[owner] -= 1
            if not self._waiting[owner]:
                del self._waiting[owner]

    def _limited(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with limited_memory(self._config.prediction_memory_bytes):
            return function(*arguments)

    async def Predict(  # noqa: N802
        self, request: prediction_pb2.PredictRequest, context: Context[Any, Any]
    ) -> prediction_pb2.PredictResponse:
        """Predict in one call."""
        return await self._compute(self._predict, current_owner(), request)

    def _predict(self, owner: str, request: prediction_pb2.PredictRequest) -> prediction_pb2.PredictResponse:
        if not request.HasField("x"):
            raise invalid("X", "is missing; it should be an array of (samples, time, variables)")
        model = self._model(owner, request)
        array = _owned_arrays(self._store, owner)
        extra = wire.decode_options(request.extra, "extra", array)
        for name in ("model", "X", "hidden", "real_output"):
            if name in extra:
                raise invalid(name, "is given as an extra option; it has a field of its own")
        x = array(request.x, "X")
        predicted = _checked(
            extra,
            lambda: pytrainr.predictr(
                model, x, hidden=request.hidden, real_output=not request.keep_output_dim, **extra
            ),
        )
        telemetry.samples_predicted.inc(x.shape[0])
        return _response(predicted)

    async def look_at(self, name: str, look: Callable[[pytrainr.Model], Result], whole: bool = False) -> Result:
        """What ``look`` finds in a stored model, ``whole`` or without its errors; computed where predictions are."""
        owner, read = current_owner(), self._cache.whole if whole else self._cache.get
        result: Result = await self._compute(lambda: look(read(owner, name)))
        return result

    def _model(self, owner: str, request: Any) -> pytrainr.Model:
        if request.stored_model and request.HasField("model"):
            raise invalid("model", "is sent along and a stored_model is named; there should be one of them")
        if request.stored_model:
            return self._cache.get(owner, request.stored_model)
        if not request.HasField("model"):
            raise invalid("model", "is missing; send a model along, or name a stored_model")
        model = specification.model_of(request.model, _owned_arrays(self._store, owner))
        check_model(model)
        return model

    def _rows(self, owner: str, message: prediction_pb2.PredictStreamRequest) -> np.ndarray:
        x = _owned_arrays(self._store, owner)(message.x, "X")
        return np.asarray(_checked({}, lambda: arguments.as_samples(x, "X")))

    async def PredictStream(  # noqa: N802
        self, request: AsyncIterator[prediction_pb2.PredictStreamRequest], context: Context[Any, Any]
    ) -> AsyncIterator[prediction_pb2.PredictStreamResponse]:
        """Predict piece by piece."""
        owner = current_owner()
        model: pytrainr.Model | None = None
        samples = offset = 0
        async for message in request:
            if model is None:
                model, samples = await self._compute(self._model, owner, message), message.samples
                if samples < 1:
                    raise invalid("samples", f"is {samples}; it should be the number of samples in all, at least 1")
            if not message.HasField("x"):
                continue
            x = await self._run(self._rows, owner, message)
            if offset + len(x) > samples:
                raise invalid("X", f"has more rows than the {samples} samples that the first message announced")
            predicted = await self._compute(predict_rows, model, x, offset, samples)
            for piece in _pieces(predicted, offset, self._config.chunk_bytes):
                yield piece
            offset += len(x)
        if model is None:
            raise invalid("model", "is missing; the first message should say which")
        if offset != samples:
            raise invalid("X", f"has {offset} rows in all; the first message announced {samples} samples")


def predict_rows(model: pytrainr.Model, x: np.ndarray, offset: int, samples: int) -> np.ndarray:
    """The prediction for the rows from ``offset`` on of ``samples`` in all: (rows, time, variables)."""
    return _checked({}, lambda: pytrainr.predict_rows(model, x, offset, samples))


def _owned_arrays(store: Store, owner: str) -> Callable[[tensor_pb2.Tensor, str], np.ndarray]:
    make = specification.arrays(store)

    def array(tensor: tensor_pb2.Tensor, field: str) -> np.ndarray:
        if tensor.dataset:
            store.datasets.get(owner, names.dataset_sha256(tensor.dataset, field))
        return make(tensor, field)

    return array


def _checked(extra: dict[str, Any], predict: Callable[[], Any]) -> Any:
    try:
        return predict()
    except MemoryError as error:
        raise exhausted("OUT_OF_MEMORY", str(error)) from error
    except (ValueError, TypeError) as error:
        raise specification.named_argument(error, extra) from error


def _response(predicted: Any) -> prediction_pb2.PredictResponse:
    extra: dict[str, Any] = {}
    if isinstance(predicted, tuple):  # the prediction, and the state to continue from
        predicted, extra = predicted[0], {"state": predicted[1]}
    response = prediction_pb2.PredictResponse(extra=wire.encode_options(extra))
    if isinstance(predicted, list):
        response.store.extend(wire.encode_array(array) for array in predicted)
    else:
        response.prediction.CopyFrom(wire.encode_array(predicted))
    if response.ByteSize() > (1 << 31) - (1 << 20):
        raise ServiceError(
            Code.OUT_OF_RANGE, "RESPONSE_TOO_LARGE", "The prediction is too large for one message; use PredictStream."
        )
    return response


def _pieces(predicted: np.ndarray, offset: int, chunk_bytes: int) -> list[prediction_pb2.PredictStreamResponse]:
    rows = max(1, chunk_bytes // max(predicted[0].nbytes, 1)) if len(predicted) else 1
    return [
        prediction_pb2.PredictStreamResponse(
            offset=offset + first, prediction=wire.encode_array(predicted[first : first + rows])
        )
        for first in range(0, len(predicted), rows)
    ]
