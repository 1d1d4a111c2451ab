"""Models as files for elsewhere: written here and sent in pieces, read here and never kept."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, NamedTuple

from trainr.v1 import model_pb2

import pytrainr
from pytrainr.memory import check_memory
from pytrainr.model_fields import checked_model
from pytrainr_server.errors import exhausted, invalid, precondition
from pytrainr_server.jobs import specification
from pytrainr_server.jobs.stored_models import array_bytes, parts_of
from pytrainr_server.service.computed_models import check_model
from pytrainr_server.store.files import TEMPORARY, Directories

__all__ = ["FORMATS", "file_format", "file_parts", "model_parts", "spooled", "written"]


LONGEST_NAME = 63  # as many letters as C tells names apart by


class FileFormat(NamedTuple):
    """How a file of a model is written.

    ``memory``: bytes held meanwhile for each byte of the model's arrays, as measured with networks of 500 units.
    """

    ending: str
    write: Callable[[pytrainr.Model, Path, str], None]
    memory: float


FORMATS: dict[model_pb2.ModelFileFormat, FileFormat] = {
    model_pb2.MODEL_FILE_FORMAT_TRAINR: FileFormat(".trainr", lambda model, path, name: model.save(path), 1.0),
    model_pb2.MODEL_FILE_FORMAT_RDS: FileFormat(
        ".rds", lambda model, path, name: pytrainr.write_r_model(model, path), 8.0
    ),
    model_pb2.MODEL_FILE_FORMAT_C: FileFormat(
        ".c", lambda model, path, name: model.to_c(path, name or "network"), 12.0
    ),
    model_pb2.MODEL_FILE_FORMAT_ONNX: FileFormat(".onnx", lambda model, path, name: model.to_onnx(path), 3.0),
}


def file_format(number: model_pb2.ModelFileFormat) -> FileFormat:
    """The format of that number. Raises INVALID_ARGUMENT for one that there is not."""
    chosen = number or model_pb2.MODEL_FILE_FORMAT_TRAINR
    if chosen not in FORMATS:
        raise invalid("format", f"is {number}, which is not one of trainr.v1.ModelFileFormat")
    return FORMATS[chosen]


@contextmanager
def spooled(directories: Directories) -> Iterator[Path]:
    """The path of a file to be, for as long as this lasts; what a kill leaves goes when the server next starts."""
    with tempfile.TemporaryDirectory(suffix=TEMPORARY, dir=directories.root, ignore_cleanup_errors=True) as folder:
        yield Path(folder) / "model"


def written(model: pytrainr.Model, format: FileFormat, name: str, path: Path) -> None:
    """Write the model's file. Raises an error that names what the format cannot say, or the memory it would take."""
    if len(name) > LONGEST_NAME:
        raise invalid("name", f"has {len(name)} characters; it should have {LONGEST_NAME} at most")
    try:
        check_memory(format.memory * array_bytes(model), f"writing the model as {format.ending}")
        format.write(model, path, name)
    except MemoryError as error:
        raise exhausted("OUT_OF_MEMORY", str(error)) from error
    except (ValueError, TypeError, ImportError) as error:  # what the format cannot say, or the server lacks
        raise precondition("NOT_EXPORTABLE", str(error)) from error


def file_parts(file: BinaryIO, size_bytes: int, chunk_bytes: int) -> Iterator[model_pb2.ModelFilePart]:
    """The pieces of a file."""
    part = model_pb2.ModelFilePart(size_bytes=size_bytes)
    while data := file.read(chunk_bytes):
        part.data = data
        yield part
        part = model_pb2.ModelFilePart()


def model_parts(path: Path, chunk_bytes: int) -> Iterator[model_pb2.ModelPart]:
    """What a model file that came from outside holds, checked as every model that does."""
    try:
        model = checked_model(dict(pytrainr.Model.load(path).items()))
    except pytrainr.ModelFileError as error:
        raise invalid("file", str(error).replace(str(path), "the file")) from error
    except (ValueError, TypeError) as error:
        raise specification.named_argument(error, {}) from error
    check_model(model)
    del model
    return parts_of(pytrainr.Model.load(path, mmap=True), chunk_bytes)
