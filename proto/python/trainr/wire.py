"""Between the messages of trainr.v1 and Python: arrays, option values, models and their pieces.

Everything that comes from the wire is checked before memory is taken for it; what is wrong raises :class:`WireError`,
which names the field.
"""

from __future__ import annotations

import math
import numbers
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
from google.protobuf.message import Message

from trainr.v1 import model_pb2, tensor_pb2

MAX_DIMENSIONS = 8
MAX_BYTES = 1 << 40
MAX_DEPTH = 16
MAX_RANDOM_STATE = 626

_DTYPES: dict[int, np.dtype] = {
    tensor_pb2.ELEMENT_TYPE_UNSPECIFIED: np.dtype("<f8"),
    tensor_pb2.ELEMENT_TYPE_FLOAT64: np.dtype("<f8"),
    tensor_pb2.ELEMENT_TYPE_FLOAT32: np.dtype("<f4"),
    tensor_pb2.ELEMENT_TYPE_INT32: np.dtype("<i4"),
    tensor_pb2.ELEMENT_TYPE_INT64: np.dtype("<i8"),
    tensor_pb2.ELEMENT_TYPE_UINT8: np.dtype("u1"),
    tensor_pb2.ELEMENT_TYPE_BOOL: np.dtype("?"),
}
_ELEMENT_TYPES = {dtype: number for number, dtype in _DTYPES.items() if number}


class WireError(ValueError):
    """A message that does not say what it must; ``field`` is the argument's name, in R's spelling."""

    def __init__(self, field: str, description: str) -> None:
        super().__init__(f"{field} {description}")
        self.field = field
        self.description = description

    def __reduce__(self) -> Any:
        return type(self), (self.field, self.description)


# arrays -----------------------------------------------------------------------------------------------------------


def encode_array(array: Any) -> tensor_pb2.Tensor:
    """An array of numbers or booleans as a Tensor; column-major stays column-major, all else becomes row-major.

    Raises ``WireError`` (field "array") for what is not numeric: texts, objects, complex numbers.
    """
    tensor, array, order = _laid_out(array)
    tensor.data = array.tobytes(order)
    return tensor


def _laid_out(array: Any) -> tuple[tensor_pb2.Tensor, np.ndarray, Literal["C", "F"]]:
    """A Tensor that has no data yet, the array in the wire's type, and in which order its bytes go."""
    array = np.asarray(array)
    if array.dtype.newbyteorder("<") not in _ELEMENT_TYPES:
        array = _widened(array)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    column_major = array.ndim > 1 and array.flags.f_contiguous and not array.flags.c_contiguous
    tensor = tensor_pb2.Tensor(
        dim=array.shape,
        element_type=_ELEMENT_TYPES[array.dtype],  # type: ignore[arg-type]
        element_order=(tensor_pb2.ELEMENT_ORDER_COLUMN_MAJOR if column_major else tensor_pb2.ELEMENT_ORDER_ROW_MAJOR),
    )
    return tensor, array, "F" if column_major else "C"


def _widened(array: np.ndarray) -> np.ndarray:
    if array.dtype.kind in "iu" and array.dtype.itemsize < 8:
        return array.astype("<i8")
    if array.dtype == np.float16:
        return array.astype("<f4")
    if array.dtype.kind in "iuf":
        return array.astype("<f8")
    raise WireError("array", f"must hold real numbers or booleans; it has the type {array.dtype}")


def byte_size(tensor: tensor_pb2.Tensor, field: str) -> int:
    """The number of bytes that the tensor's dimensions and type claim, checked for sense."""
    if tensor.element_type not in _DTYPES:
        raise WireError(field, f"has the element type {tensor.element_type}, which is not one of trainr.v1.ElementType")
    if len(tensor.dim) > MAX_DIMENSIONS:
        raise WireError(field, f"has {len(tensor.dim)} dimensions; at most {MAX_DIMENSIONS} are possible")
    if any(n < 0 for n in tensor.dim):
        raise WireError(field, f"has the dimensions {list(tensor.dim)}; none may be negative")
    if len(tensor.dim) > 1 and tensor.element_order not in (
        tensor_pb2.ELEMENT_ORDER_COLUMN_MAJOR,
        tensor_pb2.ELEMENT_ORDER_ROW_MAJOR,
    ):
        raise WireError(field, "must say its element_order: column-major (as R) or row-major (as NumPy)")
    size = math.prod(tensor.dim) * _DTYPES[tensor.element_type].itemsize
    if size > MAX_BYTES:
        raise WireError(field, f"with the dimensions {list(tensor.dim)} would take {size} bytes; that is too large")
    return size


def decode_array(tensor: tensor_pb2.Tensor, field: str, data: Any = None) -> np.ndarray:
    """The array of a tensor. ``data`` (any buffer) replaces the tensor's own bytes and is not copied.

    The tensor's own bytes are copied, so that the array can be written to. Raises ``WireError`` where the number of
    bytes is not what the dimensions and the element type need, or for values of bool other than 0 and 1.
    """
    size = byte_size(tensor, field)
    if data is None:
        if tensor.dataset:
            raise WireError(field, f"names the dataset {tensor.dataset!r}, which is not possible here")
        data = bytearray(tensor.data) if len(tensor.data) == size else tensor.data
    if len(data) != size:
        raise WireError(
            field, f"has {len(data)} bytes of data; its dimensions {list(tensor.dim)} and type need {size} bytes"
        )
    dtype = _DTYPES[tensor.element_type]
    flat = np.frombuffer(data, dtype=np.uint8 if dtype.kind == "b" else dtype)
    if dtype.kind == "b":
        if flat.size and flat.max() > 1:
            raise WireError(field, "holds a byte other than 0 and 1, but its type is bool")
        flat = flat.view(np.bool_)
    order = "F" if tensor.element_order == tensor_pb2.ELEMENT_ORDER_COLUMN_MAJOR else "C"
    return flat.reshape(tuple(tensor.dim), order=order)  # type: ignore[call-overload]


def encode_random_state(state: Any) -> tensor_pb2.RandomState:
    """The integers of R's ``.Random.seed`` as a message."""
    return tensor_pb2.RandomState(value=np.asarray(state, dtype=np.int32).tolist())


def decode_random_state(message: tensor_pb2.RandomState, field: str = "random_state") -> np.ndarray | None:
    """The integers of R's ``.Random.seed`` as int32, or None when none were sent."""
    if not message.value:
        return None
    if len(message.value) > MAX_RANDOM_STATE:
        raise WireError(field, f"has {len(message.value)} integers; R's .Random.seed has at most {MAX_RANDOM_STATE}")
    return np.array(message.value, dtype=np.int32)


# values -----------------------------------------------------------------------------------------------------------


def encode_value(
    value: Any, field: str = "value", array: Callable[[Any], tensor_pb2.Tensor] = encode_array
) -> model_pb2.Value:
    """Any value of an option or a model's field as a message; functions go by their name, arrays through ``array``.

    Raises ``WireError`` that names ``field`` for a value that has no form on the wire.
    """
    if value is None:
        return model_pb2.Value(null_value=model_pb2.Null())
    if isinstance(value, (bool, np.bool_)):
        return model_pb2.Value(bool_value=bool(value))
    if isinstance(value, str):
        return model_pb2.Value(string_value=value)
    if isinstance(value, numbers.Integral):
        if not -(2**63) <= int(value) < 2**63:
            raise WireError(field, f"is {value}, too large for a 64-bit integer")
        return model_pb2.Value(int64_value=int(value))
    if isinstance(value, numbers.Real):
        return model_pb2.Value(double_value=float(value))
    if isinstance(value, np.ndarray):
        try:
            return model_pb2.Value(tensor_value=array(value))
        except WireError as error:
            raise WireError(field, error.description) from None
    if isinstance(value, Mapping):
        return model_pb2.Value(option_list_value=model_pb2.OptionList(option=encode_options(value, array)))
    if isinstance(value, (list, tuple)):
        items = [encode_value(item, f"{field}[{i}]", array) for i, item in enumerate(value)]
        return model_pb2.Value(list_value=model_pb2.ValueList(value=items))
    if callable(value):
        return model_pb2.Value(function_value=function_name(value))
    raise WireError(field, f"is of type {type(value).__name__}, which cannot be sent to a server")


def function_name(function: Callable) -> str:
    """The name by which a function goes on the wire."""
    return getattr(function, "__name__", type(function).__name__)


def encode_options(
    options: Mapping[str, Any], array: Callable[[Any], tensor_pb2.Tensor] = encode_array
) -> list[model_pb2.Option]:
    """Named values, in their order."""
    return [
        model_pb2.Option(name=str(name), value=encode_value(value, str(name), array)) for name, value in options.items()
    ]


def decode_value(
    message: model_pb2.Value,
    field: str,
    array: Callable[[tensor_pb2.Tensor, str], np.ndarray] = decode_array,
    function: Callable[[str, str], Any] | None = None,
    depth: int = 0,
) -> Any:
    """The value of a message.

    ``array(tensor, field)`` makes the arrays, ``function(name, field)`` the functions (none are known by default).
    Lists of scalars come back as tuples, lists of arrays as lists, as they are in a model.
    """
    if depth > MAX_DEPTH:
        raise WireError(field, f"is nested more than {MAX_DEPTH} levels deep")
    kind = message.WhichOneof("kind")
    if kind is None:
        raise WireError(field, "has no value")
    if kind == "null_value":
        return None
    if kind == "tensor_value":
        return array(message.tensor_value, field)
    if kind == "function_value":
        if function is None:
            raise WireError(field, f"is the function {message.function_value!r}; functions are not possible here")
        return function(message.function_value, field)
    if kind == "list_value":
        items = [
            decode_value(item, f"{field}[{i}]", array, function, depth + 1)
            for i, item in enumerate(message.list_value.value)
        ]
        return tuple(items) if items and all(isinstance(item, (int, float)) for item in items) else items
    if kind == "layer_value":
        return decode_layer(message.layer_value, depth + 1)
    if kind == "option_list_value":
        return decode_options(message.option_list_value.option, field, array, function, depth + 1)
    return getattr(message, kind)


def decode_options(
    options: Iterable[model_pb2.Option],
    field: str,
    array: Callable[[tensor_pb2.Tensor, str], np.ndarray] = decode_array,
    function: Callable[[str, str], Any] | None = None,
    depth: int = 0,
) -> dict[str, Any]:
    """Named values as a dict, in their order. Raises ``WireError`` for an empty name or one that comes twice."""
    values: dict[str, Any] = {}
    for option in options:
        if not option.name:
            raise WireError(field, "has an entry without a name")
        if option.name in values:
            raise WireError(option.name, "is given twice")
        values[option.name] = decode_value(option.value, option.name, array, function, depth)
    return values


# layers --------------------------------------------------------------------------------------------------------------


def encode_layer(described: Mapping[str, Any]) -> model_pb2.Layer:
    """A layer from its class's name, ``kind``, and its options; layers within are described likewise."""
    kind = str(described["kind"])
    options = [
        model_pb2.Option(name=name, value=_encode_layer_option(value, f"{kind}: {name}"))
        for name, value in described.items()
        if name != "kind"
    ]
    return model_pb2.Layer(kind=kind, option=options)


def _encode_layer_option(value: Any, field: str) -> model_pb2.Value:
    if isinstance(value, Mapping) and "kind" in value:
        return model_pb2.Value(layer_value=encode_layer(value))
    if isinstance(value, (list, tuple)):
        items = [_encode_layer_option(item, field) for item in value]
        return model_pb2.Value(list_value=model_pb2.ValueList(value=items))
    return encode_value(value, field)


def decode_layer(message: model_pb2.Layer, depth: int = 0) -> dict[str, Any]:
    """What :func:`encode_layer` took. Its layers within are bounded as all values are; what else it may be, the library
    knows. Raises ``WireError`` (field "layers") that names the layer."""
    try:
        options = decode_options(message.option, "option", _no_array, depth=depth)
    except WireError as error:
        raise WireError("layers", f"hold {message.kind[:40] or 'a layer'}: {error}") from None
    if "kind" in options:
        raise WireError("layers", f"hold {message.kind[:40]} with an option kind, which is the name of the field")
    return {"kind": message.kind, **options}


def _no_array(tensor: tensor_pb2.Tensor, field: str) -> np.ndarray:
    raise WireError(field, "is an array; options of layers are single values, layers and lists of these")


# models and their pieces ---------------------------------------------------------------------------------------------


def encode_model(fields: Mapping[str, Any], *, mean_error: Iterable[float] = ()) -> model_pb2.Model:
    """A model's fields, in R's order, as a message."""
    return model_pb2.Model(field=encode_options(fields), exact=bool(fields.get("exact")), mean_error=mean_error)


def decode_model(
    message: model_pb2.Model,
    array: Callable[[tensor_pb2.Tensor, str], np.ndarray] = decode_array,
    function: Callable[[str, str], Any] | None = None,
) -> dict[str, Any]:
    """A model's fields. Raises ``WireError`` where the message contradicts itself about the arithmetic."""
    fields = decode_options(message.field, "model", array, function)
    if message.exact != bool(fields.setdefault("exact", message.exact)):
        raise WireError("exact", f"is {fields['exact']} in the model's fields, but the model says {message.exact}")
    if not message.exact:
        del fields["exact"]
    return fields


def tensors(message: Message) -> Iterator[tensor_pb2.Tensor]:
    """Every tensor inside a message, in order of appearance."""
    if isinstance(message, tensor_pb2.Tensor):
        yield message
        return
    for descriptor, value in message.ListFields():
        if descriptor.message_type is None:
            continue
        for item in [value] if isinstance(value, Message) else value:  # one, or a repeated field's
            yield from tensors(item)


def split_model(model: model_pb2.Model, chunk_bytes: int, inline_bytes: int = 4096) -> Iterator[model_pb2.ModelPart]:
    """The parts in which a model is streamed; takes the data of its large tensors out of ``model``."""
    deferred = []
    for tensor in tensors(model):
        if len(tensor.data) > inline_bytes:
            deferred.append(tensor.data)
            tensor.ClearField("data")
            tensor.deferred = True
    yield from _parts(model, deferred, chunk_bytes)


def stream_model(
    fields: Mapping[str, Any],
    chunk_bytes: int,
    *,
    mean_error: Iterable[float] = (),
    inline_bytes: int = 4096,
) -> Iterator[model_pb2.ModelPart]:
    """The parts of a model's fields. Large arrays are copied piece by piece, as they are sent: where they are mapped
    files, a reader who is slow holds no memory."""
    deferred: list[memoryview] = []

    def array(value: Any) -> tensor_pb2.Tensor:
        if value.nbytes <= inline_bytes:
            return encode_array(value)
        tensor, laid_out, order = _laid_out(value)
        tensor.deferred = True
        flat = np.asarray(laid_out, order=order).reshape(-1, order=order)
        deferred.append(flat.view(np.uint8).data)
        return tensor

    exact = bool(fields.get("exact"))
    model = model_pb2.Model(field=encode_options(fields, array), exact=exact, mean_error=mean_error)
    yield from _parts(model, deferred, chunk_bytes)


def _parts(
    model: model_pb2.Model, deferred: Sequence[bytes | memoryview], chunk_bytes: int
) -> Iterator[model_pb2.ModelPart]:
    yield model_pb2.ModelPart(model=model, last=not deferred)
    for index, data in enumerate(deferred):
        for offset in range(0, len(data), chunk_bytes):
            last = index == len(deferred) - 1 and offset + chunk_bytes >= len(data)
            piece = tensor_pb2.TensorChunk(tensor=index, offset=offset, data=bytes(data[offset : offset + chunk_bytes]))
            yield model_pb2.ModelPart(chunk=piece, last=last)


class ModelJoiner:
    """Puts the parts of a streamed model together again.

    ``limit`` bounds the bytes that the deferred tensors may claim; beyond it :class:`WireError` is raised before any
    memory is taken. Memory grows only with the bytes that really arrive.
    """

    def __init__(self, limit: int = MAX_BYTES) -> None:
        self.complete = False
        self._limit = limit
        self._model: model_pb2.Model | None = None
        self._deferred: list[tensor_pb2.Tensor] = []
        self._sizes: list[int] = []
        self._buffers: list[bytearray] = []

    def add(self, part: model_pb2.ModelPart) -> None:
        """Take the next part."""
        if self.complete:
            raise WireError("model", "goes on after its last part")
        if part.HasField("model"):
            if self._model is not None:
                raise WireError("model", "begins twice")
            self._begin(part.model)
        elif self._model is None:
            raise WireError("model", "does not begin with a part that holds the model")
        if part.HasField("chunk"):
            self._append(part.chunk)
        if part.last:
            if any(len(buffer) != size for buffer, size in zip(self._buffers, self._sizes, strict=True)):
                raise WireError("model", "ends before all of its arrays' bytes have come")
            self.complete = True

    def _begin(self, model: model_pb2.Model) -> None:
        self._model = model
        self._deferred = [tensor for tensor in tensors(model) if tensor.deferred]
        self._sizes = [byte_size(tensor, "model") for tensor in self._deferred]
        if sum(self._sizes) > self._limit:
            raise WireError("model", f"would take {sum(self._sizes)} bytes; the limit is {self._limit}")
        self._buffers = [bytearray() for _ in self._deferred]

    @property
    def size(self) -> int:
        """The bytes that the deferred tensors claim; known once the first part has come."""
        return sum(self._sizes)

    def _append(self, chunk: tensor_pb2.TensorChunk) -> None:
        if not 0 <= chunk.tensor < len(self._buffers):
            raise WireError("model", f"has a chunk for the tensor {chunk.tensor}, but defers {len(self._buffers)} only")
        buffer, size = self._buffers[chunk.tensor], self._sizes[chunk.tensor]
        if chunk.offset != len(buffer) or len(buffer) + len(chunk.data) > size:
            raise WireError(
                "model", f"has a chunk at {chunk.offset} where {len(buffer)} of {size} bytes were before it"
            )
        buffer += chunk.data

    def model(self) -> model_pb2.Model:
        """The message; its deferred tensors are without data, :meth:`array` has it."""
        if self._model is None or not self.complete:
            raise WireError("model", "is not complete")
        return self._model

    def array(self, tensor: tensor_pb2.Tensor, field: str) -> np.ndarray:
        """The array of a tensor of this model, deferred or not; to be given to :func:`decode_options`."""
        if not tensor.deferred:
            return decode_array(tensor, field)
        # Messages compare by value, and two deferred tensors may well be equal in all but their bytes.
        for mine, buffer in zip(self._deferred, self._buffers, strict=True):
            if mine is tensor:
                return decode_array(tensor, field, buffer)
        raise WireError(field, "is deferred, but its bytes have not come")
