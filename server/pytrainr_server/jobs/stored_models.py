"""A model's way into the store and out again.

What comes of a job is small more often than not: it is stored as the message that callers get, in the transaction that
ends the job, so that there is one wait for the disk. All else has a file, in the library's own format.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from trainr import wire
from trainr.v1 import model_pb2

import pytrainr
from pytrainr.model_fields import checked_model
from pytrainr_server.errors import Code, ServiceError, precondition
from pytrainr_server.jobs import specification
from pytrainr_server.store.checksums import damaged
from pytrainr_server.store.files import KEPT_INLINE_BYTES
from pytrainr_server.store.jobs import or_null
from pytrainr_server.store.models import MODEL_DAMAGED, NewModel
from pytrainr_server.store.names import new_key
from pytrainr_server.store.store import Store


def save_model(
    store: Store,
    model: pytrainr.Model,
    *,
    owner: str,
    id: str,
    job_id: str = "",
    expire_time: float = 0.0,
    request_id: str | None = None,
) -> NewModel:
    """Write a model's file, unless it is a job's and small; the row for it is to be added to the database next."""
    key, content, file = new_key(), None, None
    if job_id and array_bytes(model) <= KEPT_INLINE_BYTES:
        content = message_of(model).SerializeToString()
        size_bytes = len(content)
    else:
        size_bytes, file = store.write_model(key, lambda path: model.save(path, keep_store=True))
    errors = model.get("error")
    final_error = None
    if isinstance(errors, np.ndarray) and errors.size:
        final_error = or_null(mean_of(errors[:, -1]))
    return NewModel(
        key=key,
        owner=owner,
        id=id,
        size_bytes=size_bytes,
        network_type=str(model.get("network_type", "")),
        exact=bool(model.exact),
        synapse_dim=",".join(str(int(n)) for n in model.get("synapse_dim", ())),
        numepochs=int(model.get("numepochs", 0)),
        final_error=final_error,
        job_id=job_id,
        request_id=request_id,
        expire_time=expire_time,
        content=content,
        file=file,
    )


def load_model(store: Store, key: str) -> pytrainr.Model:
    """A stored model by its key, fit to compute with."""
    content = store.models.content(key)
    if content is not None:
        return specification.model_of(model_pb2.Model.FromString(content), wire.decode_array)
    model = _read_model(store, key)
    try:
        checked_model(dict(model.items()))
    except (ValueError, TypeError) as error:
        raise precondition("MODEL_INCOMPLETE", f"The stored model cannot be computed with: {error}") from error
    return model


def _read_model(store: Store, key: str, *, mmap: bool = False) -> pytrainr.Model:
    try:
        return pytrainr.Model.load(store.model_path(key), mmap=mmap)
    except FileNotFoundError:
        raise ServiceError(Code.NOT_FOUND, "NOT_FOUND", "The stored model is no longer there.") from None
    except pytrainr.ModelFileError as error:
        raise damaged("model", str(error), MODEL_DAMAGED) from error


def parts_of_stored(store: Store, key: str, chunk_bytes: int) -> Iterator[model_pb2.ModelPart]:
    """A stored model in the parts in which it is sent. However slowly they are taken, no more memory is held than a
    small model's, or one part: a large one's file is checked here, and then only mapped."""
    content = store.models.content(key)
    if content is not None:
        return wire.split_model(model_pb2.Model.FromString(content), chunk_bytes)
    _read_model(store, key)
    return parts_of(_read_model(store, key, mmap=True), chunk_bytes)


def parts_of(model: pytrainr.Model, chunk_bytes: int) -> Iterator[model_pb2.ModelPart]:
    """A model in the parts in which it is sent."""
    errors = model.get("error")
    means = () if errors is None or not errors.size else model.mean_error
    return wire.stream_model(dict(model.items()), chunk_bytes, mean_error=means)


def message_of(model: pytrainr.Model) -> model_pb2.Model:
    """A model as one message."""
    errors = model.get("error")
    means = () if errors is None or not errors.size else model.mean_error
    return wire.encode_model(dict(model.items()), mean_error=means)


def mean_of(errors: np.ndarray) -> float:
    """The mean of an epoch's errors (samples,), summed one by one in long double as R's ``colMeans`` does."""
    return float(np.cumsum(errors, dtype=np.longdouble)[-1] / errors.size)


def array_bytes(value: Any) -> int:
    """Bytes of all arrays in a model, or in one of its fields."""
    if isinstance(value, np.ndarray):
        return value.nbytes
    if isinstance(value, (Mapping, pytrainr.Model)):
        return sum(array_bytes(item) for _, item in value.items())
    return sum(array_bytes(item) for item in value) if isinstance(value, (list, tuple)) else 0
