"""Models to compute with: stored ones by name, others sent along; in the threads and memory that there are."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from sqlalchemy import Row
from trainr.v1 import tensor_pb2

import pytrainr
from pytrainr.memory import limited_memory
from pytrainr.network import network_of
from pytrainr_server.config import Config
from pytrainr_server.errors import exhausted, invalid
from pytrainr_server.jobs import specification
from pytrainr_server.jobs.stored_models import load_model
from pytrainr_server.service.fair_threads import FairThreads
from pytrainr_server.service.guard import current_owner
from pytrainr_server.store import names
from pytrainr_server.store.store import Store

RETRY_SECONDS = 0.5
_OBJECT_BYTES = 256
Result = TypeVar("Result")


class ComputedModels:
    """What predicts, looks into models and writes them down: a few threads, in which owners take turns."""

    def __init__(self, store: Store, config: Config, threads: FairThreads) -> None:
        self._store = store
        self._threads = threads
        self._most = config.max_waiting_predictions
        self._share = config.prediction_memory_bytes
        self._cache = ModelCache(store, config.model_cache_bytes, config.prediction_memory_bytes)
        self._waiting: Counter[str] = Counter()

    async def run(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """Run in one of the threads; refuse when too many wait for one already, or half as many of this owner."""
        owner = current_owner()
        if self._waiting.total() >= self._most or self._waiting[owner] >= max(1, self._most // 2):
            raise exhausted("PREDICTIONS_FULL", "Too many predictions wait; try again later.", RETRY_SECONDS)
        self._waiting[owner] += 1
        try:
            return await self._threads.run(owner, self._limited, function, *arguments)
        finally:
            self._waiting[owner] -= 1
            if not self._waiting[owner]:
                del self._waiting[owner]

    def _limited(self, function: Callable[..., Any], *arguments: Any) -> Any:
        with limited_memory(self._share):
            return function(*arguments)

    async def look_at(self, name: str, look: Callable[[pytrainr.Model], Result]) -> Result:
        """What ``look`` finds in a stored model, which comes without its errors."""
        owner = current_owner()
        result: Result = await self.run(lambda: look(self._cache.get(owner, name)))
        return result

    def get(self, owner: str, request: Any, *, whole: bool = False) -> pytrainr.Model:
        """The model that a request names or carries; a stored one is ``whole``, or comes without its errors."""
        if request.stored_model and request.HasField("model"):
            raise invalid("model", "is sent along and a stored_model is named; there should be one of them")
        if request.stored_model:
            return (self._cache.whole if whole else self._cache.get)(owner, request.stored_model)
        if not request.HasField("model"):
            raise invalid("model", "is missing; send a model along, or name a stored_model")
        model = specification.model_of(request.model, self.arrays(owner))
        check_model(model)
        return model

    def arrays(self, owner: str) -> Callable[[tensor_pb2.Tensor, str], np.ndarray]:
        """Makes arrays of tensors, where they name datasets of this owner's."""
        make = specification.arrays(self._store)

        def array(tensor: tensor_pb2.Tensor, field: str) -> np.ndarray:
            if tensor.dataset:
                self._store.datasets.get(owner, names.dataset_sha256(tensor.dataset, field))
            return make(tensor, field)

        return array


def check_model(model: pytrainr.Model) -> None:
    """Refuse what cannot predict: a model must describe a network, and have its weights in the right shapes.

    Raises INVALID_ARGUMENT that names the field.
    """
    try:
        network_of(model).layout.check(model)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError) as error:
        raise specification.named_argument(error, dict(model.items())) from error
    except (MemoryError, OverflowError) as error:
        raise exhausted("OUT_OF_MEMORY", f"The model's dimensions are too large: {error}") from error


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
    """About what a model takes in memory: of a small one, Python's objects are nearly all; of a large one its weights,
    once as they are stored and once as kernels take them."""
    values = [model[name] for name in model]
    items = [item for value in values for item in (value if isinstance(value, (list, tuple)) else [value])]
    return sum(_OBJECT_BYTES + (2 * item.nbytes if isinstance(item, np.ndarray) else 0) for item in [*values, *items])
