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
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np

from pytrainr_server.failpoints import failpoint
from pytrainr_server.store.checksums import damaged
from pytrainr_server.store.files import KEPT_INLINE_BYTES, replacing, sync_directory

_PLAIN, _VALIDATED = struct.Struct("<IIddd"), struct.Struct("<IIdddd")
"""A record of the log: an epoch's number, a checksum (0: written before there were any), the numbers of :class:`Epoch`;
in a training with data held out with the loss there. A log has records of one kind, which the first number tells."""
_VALIDATED_BIT = 1 << 31
_NUMBER = struct.Struct("<I")
_CHECKED = {3: struct.Struct("<Iddd"), 4: struct.Struct("<Idddd")}
_COPY_BYTES = 1 << 20
_OWN = "server."


class DamagedCheckpointError(Exception):
    """A checkpoint, or the errors that belong to it, cannot be read."""


class Epoch(NamedTuple):
    """One whole epoch: its number from 1, the mean error, the learning rate during and after it, and the mean loss of
    the data held out where there are any."""

    epoch: int
    mean_error: float
    learningrate: float
    next_learningrate: float
    validation_loss: float | None = None


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
        with self._opened(stored) as file:
            record = _record_of(file)
            if after * record.size >= file.seek(0, os.SEEK_END):
                return []
            file.seek(after * record.size)
            data = file.read(limit * record.size)
        whole = len(data) - len(data) % record.size  # one may just be written
        return self._epochs_of(record.iter_unpack(data[:whole]), after, stored)

    def thinned(self, points: int, stored: bytes | None = None) -> list[Epoch]:
        """At most so many of the epochs: evenly chosen, the first and the last always; otherwise as :meth:`read`."""
        with self._opened(stored) as file:
            record = _record_of(file)
            data = file.read()
        count = len(data) // record.size
        places = range(count) if count <= points else np.linspace(0, count - 1, points).round().astype(int).tolist()
        return self._epochs_of((record.unpack_from(data, place * record.size) for place in places), 0, stored)

    def _opened(self, stored: bytes | None) -> BinaryIO:
        if stored is not None:
            return io.BytesIO(stored)
        try:
            return open(self.path, "rb")
        except FileNotFoundError:
            return io.BytesIO()

    def _epochs_of(self, records: Iterable[tuple[Any, ...]], after: int, stored: bytes | None) -> list[Epoch]:
        found: list[Epoch] = []
        for number, checksum, *rest in records:
            epoch = Epoch(number & ~_VALIDATED_BIT, *rest)
            if checksum and checksum != _checksum(epoch):
                where = str(self.path) if stored is None else f"{self.path.parent.name} in the database"
                message = (
                    f"The log of the job's epochs is damaged on the server, at or after epoch {after + len(found)}."
                )
                raise damaged("epochs", where, message)
            found.append(epoch)
        return found


def _record_of(log: BinaryIO) -> struct.Struct:
    """The kind of a log's records; reads from its beginning, and goes back there."""
    begin = log.read(_NUMBER.size)
    log.seek(0)
    validated = len(begin) == _NUMBER.size and _NUMBER.unpack(begin)[0] & _VALIDATED_BIT
    return _VALIDATED if validated else _PLAIN


def _packed(epoch: Epoch, record: struct.Struct) -> bytes:
    if record is _PLAIN:
        epoch = epoch._replace(validation_loss=None)
        return record.pack(epoch.epoch, _checksum(epoch), *epoch[1:4])
    return record.pack(epoch.epoch | _VALIDATED_BIT, _checksum(epoch), *epoch[1:])


def _checksum(epoch: Epoch) -> int:
    numbers = epoch[1:4] if epoch.validation_loss is None else epoch[1:]
    return zlib.crc32(_CHECKED[len(numbers)].pack(epoch.epoch, *numbers)) or 1


class JobFiles:
    """What the worker of a job writes; ``validated``: whether its epochs have a loss on data held out."""

    def __init__(self, directory: Path, samples: int, *, validated: bool = False) -> None:
        self.directory = directory
        self.samples = samples
        self.log = EpochLog(directory)
        self._errors_path = directory / "errors"
        self._checkpoint_path = directory / "checkpoint.npz"
        self._record = _VALIDATED if validated else _PLAIN
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
        if epochs:  # one that a server began which logged no validation goes on without
            with open(self.log.path, "rb") as log:
                self._record = _record_of(log)
        self._epochs = _cut(self.log.path, epochs * self._record.size)
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
        self._held_epochs.append(_packed(epoch, self._record))

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
        own = {_OWN + "epochs": epochs, _OWN + "checksum": self._checksum}
        with replacing(self._checkpoint_path, "checkpoint-before-rename") as file:
            _write_archive(file, {**checkpoint, **own})
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
        if self._epochs is None and len(self._held_epochs) * self._record.size <= KEPT_INLINE_BYTES:
            return b"".join(self._held_epochs)
        self.flush()
        assert self._epochs is not None
        os.fsync(self._epochs.fileno())
        sync_directory(self.directory)
        return b""

    def leave(self) -> None:
        """The worker is done with the job, for now or for good."""
        self.close()

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


def _write_archive(file: BinaryIO, values: Mapping[str, Any]) -> None:
    """What ``np.savez`` writes, one after the other: memory for all at once would be as much as the job's own."""
    with zipfile.ZipFile(file, "w") as archive:
        for name, value in values.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, np.asarray(value), allow_pickle=False)
            failpoint("mid-checkpoint")


def _scalar(value: np.ndarray) -> Any:
    return value.item() if value.ndim == 0 else value


def remove(directory: Path) -> bool:
    """Remove a job's files; false where some have to wait."""
    shutil.rmtree(directory, ignore_errors=True)
    return not directory.exists()
