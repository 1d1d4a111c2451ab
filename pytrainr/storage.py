"""A model as one file: a JSON header, then the arrays as they lie in memory. No pickle, no code.

    8 bytes   the magic number
    4 bytes   format version, little-endian
    8 bytes   length of the header
    32 bytes  SHA-256 of the header
    header    JSON: the fields in order; each array with its type, shape, place and SHA-256
    data      the arrays, little-endian, each on a multiple of 64 bytes and padded with zeros to the next

The header is padded so that the data begins on a multiple of 64 as well: a file can be mapped into memory and its
arrays used where they are. Every byte is covered by a checksum. A file is written under another name, flushed to
the disk and renamed, so a crash leaves either the old file or the new one.
"""

from __future__ import annotations

import hashlib
import io
import json
import mmap as memory_map
import os
import secrets
import struct
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from pytrainr.function_names import function_name, function_named
from pytrainr.r_list import TRAINING_SIZED, RList

__all__ = ["ModelFileError", "can_be_packed", "load_fields", "packed", "save_fields", "unpacked", "write_atomically"]

FORMAT_VERSION = 1
_MAGIC = b"\x89trainr\n"  # a first byte that is no text, a newline that a text-mode copy would change
_PREAMBLE = struct.Struct("<8sIQ32s")
_ALIGNMENT = 64
_LARGEST_HEADER = 1 << 30
_DTYPES = {np.dtype(code).newbyteorder("<").str for code in "?bBhHiIqQefdFD"}

Functions = Mapping[str, Callable[..., Any]]


class ModelFileError(ValueError):
    """A model file that is damaged, truncated, newer than this program, or no model file at all."""


# saving -------------------------------------------------------------------------------------------------------------


def save_fields(
    model: Mapping[str, Any] | RList, path: str | os.PathLike[str], *, keep_store: bool = False, durable: bool = True
) -> None:
    """Write ``model`` to the file ``path``, replacing what was there only when all of it is on the disk.

    With ``durable=False`` nobody waits for the disk: readers see the old file or the new one whole, a power cut may
    take both.

    A field may hold numbers, strings, None, arrays of numbers, functions (stored by name), and lists, tuples and
    dicts of these; ``TypeError`` names the first that holds anything else. The fields as large as the training data
    (``store``, ``store_best``, ``last_layer_*``) are left out unless ``keep_store=True``.
    """
    fields = {name: value for name, value in model.items() if keep_store or name not in TRAINING_SIZED}
    write_atomically(path, _pieces(fields), durable)


def packed(fields: Mapping[str, Any]) -> np.ndarray:
    """The bytes of a model file with these fields, as an array; for what is kept inside another file."""
    return np.frombuffer(b"".join(bytes(piece) for piece in _pieces(fields)), dtype=np.uint8)


def unpacked(data: np.ndarray, functions: Functions | None = None) -> dict[str, Any]:
    """The fields that :func:`packed` took. Raises ``ModelFileError`` as :func:`load_fields`."""
    size = np.asarray(data, dtype=np.uint8).size
    return _read(io.BytesIO(bytes(data)), size, Path("the checkpoint"), False, functions)


def can_be_packed(value: Any) -> bool:
    """Whether a field with this value can be stored."""
    try:
        _Writer().encoded(value, "value")
    except TypeError:
        return False
    return True


def _pieces(fields: Mapping[str, Any]) -> list[Any]:
    writer = _Writer()
    encoded = [[_field_name(name), writer.encoded(value, name)] for name, value in fields.items()]
    header = json.dumps({"fields": encoded, "data_bytes": writer.size}, separators=(",", ":")).encode()
    header += b" " * (-(_PREAMBLE.size + len(header)) % _ALIGNMENT)
    preamble = _PREAMBLE.pack(_MAGIC, FORMAT_VERSION, len(header), hashlib.sha256(header).digest())
    return [preamble, header, *writer.pieces]


def write_atomically(path: str | os.PathLike[str], pieces: Iterable[Any], durable: bool = True) -> None:
    """Write the bytes of ``pieces`` to ``path``; a crash at any time leaves the old file or the new one whole."""
    target = Path(path).resolve()  # of a link, the file it points to
    temporary = target.with_name(f".{target.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        with open(temporary, "xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        _replace(temporary, target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable and os.name == "posix":  # the rename itself is on the disk once the folder is
        folder = os.open(target.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)


def _replace(temporary: Path, target: Path) -> None:
    try:
        os.replace(temporary, target)
    except PermissionError as error:
        if os.name != "nt":
            raise
        raise PermissionError(
            f"{target} cannot be replaced: Windows keeps a file that is open somewhere, or that Model.load(mmap=True) "
            "has mapped; save under another name, or drop that model first"
        ) from error


class _Writer:
    """Turns values into JSON and collects the bytes of the arrays beside it."""

    def __init__(self) -> None:
        self.pieces: list[Any] = []
        self.size = 0
        self._names: dict[str, list[Callable[..., Any]]] = {}

    def encoded(self, value: Any, where: str) -> Any:
        if value is None or isinstance(value, (bool, str)):
            return value
        if isinstance(value, np.bool_):
            return bool(value)
        if isinstance(value, (int, np.integer)):
            return int(value)
        if isinstance(value, (float, np.float32, np.float16)):
            return float(value)
        if isinstance(value, np.ndarray):
            return {"array": self._array(value, where)}
        if isinstance(value, list):
            return [self.encoded(item, f"{where}[{i}]") for i, item in enumerate(value)]
        if type(value) is tuple:
            return {"tuple": [self.encoded(item, f"{where}[{i}]") for i, item in enumerate(value)]}
        if isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                raise TypeError(f"the field {where} cannot be saved: the names in a dict should be strings")
            return {"dict": [[name, self.encoded(item, f"{where}[{name!r}]")] for name, item in value.items()]}
        if callable(value):
            return {"function": self._function(value)}
        raise TypeError(
            f"the field {where} cannot be saved: it is a {type(value).__name__}; a model file holds numbers, strings, "
            "None, arrays of numbers, functions by name, and lists, tuples and dicts of these"
        )

    def _array(self, array: np.ndarray, where: str) -> dict[str, Any]:
        dtype = array.dtype.newbyteorder("<")
        if dtype.str not in _DTYPES:
            raise TypeError(f"the field {where} cannot be saved: it is an array of {array.dtype}, not of plain numbers")
        order = "F" if array.flags.f_contiguous and not array.flags.c_contiguous else "C"
        stored = np.asarray(array, dtype=dtype, order=order)  # type: ignore[call-overload]
        data = stored.reshape(-1, order=order).view(np.uint8)
        padding = bytes(-data.size % _ALIGNMENT)
        digest = hashlib.sha256(data.data)
        digest.update(padding)
        described = {
            "dtype": dtype.str,
            "shape": list(array.shape),
            "order": order,
            "offset": self.size,
            "sha256": digest.hexdigest(),
        }
        self.pieces += [data, padding]
        self.size += data.size + len(padding)
        return described

    def _function(self, function: Callable[..., Any]) -> str:
        """Its name; a second function of the same name (two lambdas) gets a number."""
        name = function_name(function)
        known = self._names.setdefault(name, [])
        if not any(function is other for other in known):
            known.append(function)
        number = next(i for i, other in enumerate(known) if function is other)
        return name if number == 0 else f"{name} #{number + 1}"


def _field_name(name: Any) -> str:
    if not isinstance(name, str) or name.startswith("__"):
        raise TypeError(f"the field {name!r} cannot be saved: a field's name should be a string without leading '__'")
    return name


# loading ------------------------------------------------------------------------------------------------------------


def load_fields(path: str | os.PathLike[str], mmap: bool = False, functions: Functions | None = None) -> dict[str, Any]:
    """The fields of the model in the file ``path``.

    ``mmap=True`` maps the file into memory: the arrays are read-only and come from the disk as they are used; only
    the header's checksum is checked then. ``functions`` gives the functions that are not pytrainr's by the names the
    model has for them; in the place of one that is not given stands an ``UnknownFunction``, with which the model can do
    everything but be trained on.

    Raises ``ModelFileError`` for a file that is damaged, truncated, of a newer format or no model file. Nothing in the
    file is ever run.
    """
    path = Path(path)
    with open(path, "rb") as file:
        return _read(file, os.fstat(file.fileno()).st_size, path, mmap, functions)


def _read(file: BinaryIO, size: int, path: Path, mmap: bool, functions: Functions | None) -> dict[str, Any]:
    try:
        header, start = _header(file, size, path)
        fields = header["fields"]
        if start + header["data_bytes"] != size:
            raise ModelFileError(f"{path} is truncated or damaged: its length is not what its header says")
        reader = _Reader(file, path, start, header["data_bytes"], mmap, functions)
        return {_field_name(name): reader.decoded(value, name) for name, value in fields}
    except ModelFileError:
        raise
    except (ValueError, TypeError, KeyError, IndexError, RecursionError, OverflowError) as error:
        # the checksum held, so another program wrote this header
        raise ModelFileError(f"{path} is damaged: its header is not that of a model ({error})") from None


def _header(file: BinaryIO, size: int, path: Path) -> tuple[dict[str, Any], int]:
    """The header, checked, and where the data begins."""
    preamble = file.read(_PREAMBLE.size)
    if not preamble.startswith(_MAGIC):
        if preamble and _MAGIC.startswith(preamble):
            raise ModelFileError(f"{path} is truncated: it ends in its first bytes")
        raise ModelFileError(f"{path} is not a model file of pytrainr")
    if len(preamble) < _PREAMBLE.size:
        raise ModelFileError(f"{path} is truncated: it ends in its first bytes")
    _, version, length, digest = _PREAMBLE.unpack(preamble)
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has the format version {version}, this pytrainr reads up to {FORMAT_VERSION}: update pytrainr, "
            "or the file is damaged"
        )
    if version < 1:
        raise ModelFileError(f"{path} is damaged: there is no format version {version}")
    if length > min(_LARGEST_HEADER, size - _PREAMBLE.size):
        raise ModelFileError(f"{path} is truncated or damaged: its header is longer than the file")
    text = file.read(length)
    if hashlib.sha256(text).digest() != digest:
        raise ModelFileError(f"{path} is damaged: the checksum of its header is wrong")
    return json.loads(text), _PREAMBLE.size + length


class _Reader:
    """Turns the JSON of the header into values, with the arrays from the data behind it."""

    def __init__(
        self, file: BinaryIO, path: Path, start: int, size: int, mmap: bool, functions: Functions | None
    ) -> None:
        self._file, self._path, self._start, self._size, self._functions = file, path, start, size, functions
        self._known: dict[str, Callable[..., Any]] = {}
        self._map = memory_map.mmap(file.fileno(), 0, access=memory_map.ACCESS_READ) if mmap else None

    def decoded(self, value: Any, where: str) -> Any:
        if isinstance(value, list):
            return [self.decoded(item, where) for item in value]
        if not isinstance(value, dict):
            return value
        ((kind, content),) = value.items()
        if kind == "tuple":
            return tuple(self.decoded(item, where) for item in content)
        if kind == "dict":
            return {str(name): self.decoded(item, where) for name, item in content}
        if kind == "function":
            if not isinstance(content, str):
                raise ValueError(f"the field {where} has a function without a name")
            return self._known.setdefault(content, function_named(content, self._functions))
        if kind == "array":
            return self._array(content, where)
        raise ValueError(f"the field {where} is of the unknown kind {kind!r}")

    def _array(self, described: dict[str, Any], where: str) -> np.ndarray:
        if described["dtype"] not in _DTYPES or described["order"] not in ("C", "F"):
            raise ValueError(f"the array {where} has an unknown type or order")
        dtype, shape, offset = np.dtype(described["dtype"]), tuple(described["shape"]), described["offset"]
        if not all(type(n) is int and n >= 0 for n in (*shape, offset)):
            raise ValueError(f"the array {where} has an impossible shape or place")
        count = 1
        for n in shape:
            count *= n
        used = count * dtype.itemsize
        padded = used + -used % _ALIGNMENT
        if offset % _ALIGNMENT or offset + padded > self._size:
            raise ValueError(f"the array {where} lies outside the file")
        if self._map is not None:
            flat = np.frombuffer(self._map, dtype, count, self._start + offset)
        else:
            flat = self._read(offset, used, padded, described["sha256"], where).view(dtype)
        return flat.reshape(shape, order=described["order"])

    def _read(self, offset: int, used: int, padded: int, sha256: str, where: str) -> np.ndarray:
        data = np.empty(padded, dtype=np.uint8)
        self._file.seek(self._start + offset)
        read = self._file.readinto(data) if padded else 0  # type: ignore[attr-defined]
        if read != padded or hashlib.sha256(data.data).hexdigest() != sha256:
            raise ModelFileError(f"{self._path} is damaged: the checksum of the array {where} is wrong")
        return data[:used]
