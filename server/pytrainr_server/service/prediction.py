"""PredictionService."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import numpy as np
from trainr import wire
from trainr.v1 import prediction_pb2, prediction_pb2_grpc

import pytrainr
from pytrainr import arguments
from pytrainr_server import telemetry
from pytrainr_server.config import Config
from pytrainr_server.errors import Code, ServiceError, exhausted, invalid
from pytrainr_server.jobs import specification
from pytrainr_server.service.computed_models import ComputedModels
from pytrainr_server.service.follow import Run
from pytrainr_server.service.guard import Context, current_owner


class PredictionService(prediction_pb2_grpc.PredictionServiceServicer):
    """Predicts: see proto/trainr/v1/prediction.proto for what each call does."""

    def __init__(self, config: Config, run: Run, models: ComputedModels) -> None:
        self._config = config
        self._run = run
        self._models = models

    async def Predict(  # noqa: N802
        self, request: prediction_pb2.PredictRequest, context: Context[Any, Any]
    ) -> prediction_pb2.PredictResponse:
        """Predict in one call."""
        return await self._models.run(self._predict, current_owner(), request)

    def _predict(self, owner: str, request: prediction_pb2.PredictRequest) -> prediction_pb2.PredictResponse:
        if not request.HasField("x"):
            raise invalid("X", "is missing; it should be an array of (samples, time, variables)")
        model = self._models.get(owner, request)
        array = self._models.arrays(owner)
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

    def _rows(self, owner: str, message: prediction_pb2.PredictStreamRequest) -> np.ndarray:
        x = self._models.arrays(owner)(message.x, "X")
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
                model, samples = await self._models.run(self._models.get, owner, message), message.samples
                if samples < 1:
                    raise invalid("samples", f"is {samples}; it should be the number of samples in all, at least 1")
            if not message.HasField("x"):
                continue
            x = await self._run(self._rows, owner, message)
            if offset + len(x) > samples:
                raise invalid("X", f"has more rows than the {samples} samples that the first message announced")
            predicted = await self._models.run(predict_rows, model, x, offset, samples)
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
