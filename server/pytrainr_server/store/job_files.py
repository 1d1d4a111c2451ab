"""A running job's files: the log of its epochs, the errors of its samples, and its checkpoint.

The log and the errors only grow; a checkpoint says how far they count, so that a job taken up again cuts them there.
What is logged is held back until someone may want it, so that a job that ends before has no files at all: its log goes
into the database with its result.
Nothing here is ever unpickled: a checkpoint is a NumPy .npz archive, whose parts carry checksums.
"""

from __future__ import annotations

import io
import os
import shutil
import struct
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pytrainr_server.failpoints import failpoint
from pytrainr_server.store.checksums import damaged
from pytrainr_server.store.files import KEPT_INLINE_BYTES, replacing, sync_directory

_RECORD = struct.Struct("<IIddd")
"""An epoch's number, a checksum (0: written before there were any), the three numbers of :class:`Epoch`."""
_CHECKED = struct.Struct("<Iddd")
_COPY_BYTES = 1 << 20
_OWN = "server."


class DamagedCheckpointError(Exception):
    """A checkpoint, or the errors that belong to it, cannot be read."""


class Epoch(NamedTuple):
    """One whole epoch: its number from 1, the mean error, the learning rate during and after it."""

    epoch: int
    mean_error: float
    learningrate: float
    next_learningrate: float


class Restored(NamedTuple):
    """What a checkpoint held, and the errors of the epochs before it: (samples, epochs)."""

    checkpoint: dict[str, Any]
    error_columns: np.ndarray


class EpochLog:
    """The epochs of a job as any process may read them."""

    def __init__(self, directory: Path) -> None:
        self.path = directory / "epochs"

    def read(self, after: int, limit: int, stored: bytes | None = None) -> list[Epoch]:
        """The epochs after one, at most ``limit`` of them; ``stored`` is the log where the database has it.

        Raises DATA_LOSS for damaged ones.
        """
        if stored is not None:
            asked = stored[after * _RECORD.size : (after + limit) * _RECORD.size]
            return _epochs_of(asked, f"{self.path.parent.name} in the database", after)
        try:
            with open(self.path, "rb") as file:
                if after * _RECORD.size >= os.fstat(file.fileno()).st_size:
                    return []
                file.seek(after * _RECORD.size)
                data = file.read(limit * _RECORD.size)
        except FileNotFoundError:
            return []
        return _epochs_of(data, str(self.path), after)


def _epochs_of(records: bytes, where: str, after: int) -> list[Epoch]:
    """The epochs of bytes that begin in a log after one epoch. Whole records only: one may just be written."""
    whole = len(records) - len(records) % _RECORD.size
    found: list[Epoch] = []
    for number, checksum, *rest in _RECORD.iter_unpack(records[:whole]):
        epoch = Epoch(number, *rest)
        if checksum and checksum != _checksum(epoch):
            message = f"The log of the job's epochs is damaged on the server, at or after epoch {after + len(found)}."
            raise damaged("epochs", where, message)
        found.append(epoch)
    return found


def _packed(epoch: Epoch) -> bytes:
    number, *rest = epoch
    return _RECORD.pack(number, _checksum(epoch), *rest)


def _checksum(epoch: Epoch) -> int:
    return zlib.crc32(_CHECKED.pack(*epoch)) or 1


class JobFiles:
    """What the worker of a job writes."""

    def __init__(self, directory: Path, samples: int) -> None:
        self.directory = directory
        self.samples = samples
        self.log = EpochLog(directory)
        self._errors_path = directory / "errors"
        self._checkpoint_path = directory / "checkpoint.npz"
        self._checksum = 0
        self._epochs: BinaryIO | None = None
        self._errors: BinaryIO | None = None
        self._held_epochs: list[bytes] = []
        self._held_errors: list[bytes] = []

    def open(self) -> Restored | None:
        """Prepare for writing where the last checkpoint left off; None if there is none.

        Raises :class:`DamagedCheckpointError` for one that cannot be read; :meth:`begin_anew` may follow.
        """
        if not self.directory.exists():
            return None
        for leftover in self.directory.glob("*.tmp"):
            leftover.unlink(missing_ok=True)
        restored = self._load()
        if restored is None:
            self.begin_anew()
        else:
            self._open_at(restored.error_columns.shape[1])
        return restored

    def begin_anew(self) -> None:
        """Forget checkpoint and log."""
        self.close()
        self._checkpoint_path.unlink(missing_ok=True)
        self._checksum = 0
        self._open_at(0)

    def _open_at(self, epochs: int) -> None:
        if not self.directory.exists():
            self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_directory(self.directory.parent)  # else a checkpoint could be lost with the directory that it is in
        self._epochs = _cut(self.log.path, epochs * _RECORD.size)
        self._errors = _cut(self._errors_path, epochs * 8 * self.samples)

    def _load(self) -> Restored | None:
        if not self._checkpoint_path.exists():
            return None
        try:
            with np.load(self._checkpoint_path, allow_pickle=False) as archive:
                stored = {name: archive[name] for name in archive.files}
            epochs, checksum = int(stored.pop(_OWN + "epochs")), int(stored.pop(_OWN + "checksum"))
            data = self._read_errors(epochs)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, struct.error) as error:
            raise DamagedCheckpointError(f"the checkpoint {self._checkpoint_path} cannot be read: {error}") from error
        if zlib.crc32(data) != checksum:
            raise DamagedCheckpointError(f"the errors {self._errors_path} do not belong to the checkpoint beside them")
        self._checksum = checksum
        columns = np.frombuffer(data, dtype="<f8").reshape((self.samples, epochs), order="F")
        return Restored({name: _scalar(value) for name, value in stored.items()}, columns)

    def _read_errors(self, epochs: int) -> bytearray:
        data = bytearray(8 * self.samples * epochs)
        with open(self._errors_path, "rb", buffering=0) as file:
            view, read = memoryview(data), 0
            while read < len(data):
                got = file.readinto(view[read:])
                if not got:
                    raise EOFError(f"{self._errors_path} ends after {read} of {len(data)} bytes")
                read += got
        return data

    def append(self, epoch: Epoch, error_column: np.ndarray) -> None:
        """Log a whole epoch; ``error_column`` has the errors of its samples, shape (samples,)."""
        data = np.ascontiguousarray(error_column, dtype="<f8").tobytes()
        self._checksum = zlib.crc32(data, self._checksum)
        self._held_errors.append(data)
        self._held_epochs.append(_packed(epoch))

    def flush(self) -> None:
        """Let everyone see the epochs that were logged."""
        if self._epochs is None or self._errors is None:
            self._open_at(0)
        assert self._epochs is not None
        assert self._errors is not None
        _write(self._errors, b"".join(self._held_errors))
        failpoint("mid-epoch-log")
        _write(self._epochs, b"".join(self._held_epochs))
        self._held_errors.clear()
        self._held_epochs.clear()

    def save(self, epochs: int, checkpoint: Mapping[str, Any]) -> None:
        """Make the job's state durable; ``epochs`` is the number of epochs logged."""
        self.flush()
        assert self._epochs is not None
        assert self._errors is not None
        failpoint("before-checkpoint")
        os.fsync(self._errors.fileno())
        os.fsync(self._epochs.fileno())
        content = io.BytesIO()
        own = {_OWN + "epochs": epochs, _OWN + "checksum": self._checksum}
        np.savez(
            content, allow_pickle=False, **{name: np.asarray(value) for name, value in {**checkpoint, **own}.items()}
        )
        data = content.getbuffer()
        with replacing(self._checkpoint_path, "checkpoint-before-rename") as file:
            file.write(data[: len(data) // 2])
            failpoint("mid-checkpoint")
            file.write(data[len(data) // 2 :])
        failpoint("after-checkpoint")

    def close(self) -> None:
        """Close the files."""
        for file in (self._epochs, self._errors):
            if file is not None:
                file.close()
        self._epochs = self._errors = None

    def complete(self) -> bytes:
        """No epoch will follow: the log's bytes where there is no file, which the job's end is to be stored with.

        Where there is a file, it is durable when this returns.
        """
        if self._epochs is None and len(self._held_epochs) * _RECORD.size <= KEPT_INLINE_BYTES:
            return b"".join(self._held_epochs)
        self.flush()
        assert self._epochs is not None
        os.fsync(self._epochs.fileno())
        sync_directory(self.directory)
        return b""

    def finished(self) -> None:
        """The job's end is stored: keep its log for those who still watch, drop the rest."""
        if self._epochs is not None:
            self._checkpoint_path.unlink(missing_ok=True)
            self._errors_path.unlink(missing_ok=True)


def _cut(path: Path, size: int) -> BinaryIO:
    """A new file with the first ``size`` bytes of the old one, open for appending.

    New, so that a worker that has lost the job without knowing writes where nobody reads.
    """
    temporary = path.with_name(path.name + ".tmp")
    with open(temporary, "wb") as file:
        left = size
        if size:
            with open(path, "rb") as old:
                while left and (data := old.read(min(left, _COPY_BYTES))):
                    file.write(data)
                    left -= len(data)
        if left:
            raise DamagedCheckpointError(f"{path} ends {left} bytes before what its checkpoint needs")
    os.replace(temporary, path)
    return open(path, "ab", buffering=0)


def _write(file: BinaryIO, data: bytes) -> None:
    view = memoryview(data)
    while view:  # an unbuffered write may take a part only
        view = view[file.write(view) :]


def _scalar(value: np.ndarray) -> Any:
    return value.item() if value.ndim == 0 else value


def remove(directory: Path) -> bool:
    """Remove a job's files; false where some have to wait."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()
