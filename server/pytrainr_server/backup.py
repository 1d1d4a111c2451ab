"""Backup and restore. A backup is a .tar file: a snapshot of the database, then every file that it names.

The server may run meanwhile: the snapshot is one moment's, files are never changed once they have their name, and none
is removed while a backup copies them. Jobs under way are in it with their last checkpoint.
"""

from __future__ import annotations

import io
import json
import shutil
import sqlite3
import tarfile
import tempfile
import time
from pathlib import Path

from sqlalchemy import select

from pytrainr_server.config import Config
from pytrainr_server.store.database import Database
from pytrainr_server.store.files import TEMPORARY, replacing
from pytrainr_server.store.schema import UNFINISHED, datasets, jobs, model_contents, models, uploads
from pytrainr_server.store.store import Store, lock_directory

FORMAT = 1
MANIFEST = "manifest.json"
DATABASE = "store.db"


class BackupError(RuntimeError):
    """A backup that cannot be made or read; the message says why."""


def save(store: Store, target: Path) -> tuple[int, int]:
    """Save everything in ``store`` to the file ``target``; the number of files, and the backup's size in bytes."""
    if not store.database.embedded:
        raise BackupError(
            "only the embedded database is saved; use your database's own tools, and copy the data directory"
        )
    if store.shared is not None:
        raise BackupError("files that servers share are not saved; copy the database first, then what --files names")
    with store.keeping_files(), _beside(store) as directory:
        snapshot = Path(directory) / DATABASE
        _snapshot(store.database.url, snapshot)
        names = _names(snapshot)
        with replacing(target.resolve()) as file, tarfile.open(fileobj=file, mode="w") as archive:
            manifest = {"format": FORMAT, "time": time.time(), "files": len(names)}
            _add_bytes(archive, MANIFEST, json.dumps(manifest).encode())
            archive.add(snapshot, DATABASE)
            for name in names:
                _add(archive, store.directories.root, name)
    return len(names) + 1, target.stat().st_size


def _beside(store: Store) -> tempfile.TemporaryDirectory[str]:
    """A directory within the store's; should this process be killed, the server's next start removes it."""
    return tempfile.TemporaryDirectory(suffix=TEMPORARY, dir=store.directories.root)


def _snapshot(url: str, target: Path) -> None:
    source = sqlite3.connect(url.removeprefix("sqlite:///"))
    copy = sqlite3.connect(target)
    try:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, not three
    finally:
        copy.close()
        source.close()


def _names(snapshot: Path) -> list[str]:
    """The files that the database names, relative to the data directory."""
    database = Database(f"sqlite:///{snapshot}")
    try:
        with database.read() as connection:
            in_files = select(models.c.key).where(models.c.key.not_in(select(model_contents.c.model_key)))
            names = [f"models/{row.key}.model" for row in connection.execute(in_files)]
            names += [f"datasets/{row.sha256}" for row in connection.execute(select(datasets.c.sha256).distinct())]
            names += [f"uploads/{row.file}" for row in connection.execute(select(uploads.c.file))]
            for job in connection.execute(select(jobs.c.key, jobs.c.state)):
                # The checkpoint first: what belongs to it only grows afterwards.
                files = ("checkpoint.npz", "errors", "epochs") if job.state in UNFINISHED else ("epochs",)
                names += [f"jobs/{job.key}/{file}" for file in files]
    finally:
        database.close()
    return names


def _add(archive: tarfile.TarFile, root: Path, name: str) -> None:
    try:
        with open(root / name, "rb") as file:
            entry = archive.gettarinfo(arcname=name, fileobj=file)
            archive.addfile(entry, file)
    except FileNotFoundError:
        if name.startswith("models/"):
            raise BackupError(f"{name} is missing in the data directory: there is no whole backup to be made") from None


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size = len(data)
    archive.addfile(entry, io.BytesIO(data))


def restore(source: Path, config: Config) -> int:
    """Fill the data directory of ``config`` from the backup ``source``; the number of files restored.

    Raises :class:`BackupError` where the directory holds anything already, or the file is no whole backup.
    """
    if config.store_url:
        raise BackupError("only the embedded database is restored; leave --store-url out")
    root = Path(config.data_dir)
    if root.exists() and any(root.iterdir()):
        raise BackupError(f"{root} is not empty; restore into a new directory, and point the server there")
    root.mkdir(parents=True, exist_ok=True)
    with lock_directory(root):
        try:
            count = _unpack(source, root)
        except BaseException:
            for path in root.iterdir():
                if path.name != "server.lock":
                    shutil.rmtree(path) if path.is_dir() else path.unlink()
            raise
    Database(config.database_url).open()
    return count


def _unpack(source: Path, root: Path) -> int:
    try:
        with tarfile.open(source) as archive:
            first = archive.next()
            found = archive.extractfile(first) if first is not None and first.name == MANIFEST else None
            if found is None:
                raise BackupError(f"{source} is not a backup of pytrainr-server")
            manifest = json.loads(found.read())
            if manifest["format"] != FORMAT:
                raise BackupError(f"{source} has the format {manifest['format']}; this program reads {FORMAT}")
            count = 0
            for entry in archive:
                if entry.name != MANIFEST:
                    _unpack_one(archive, entry, root)
                    count += 1
    except (tarfile.TarError, EOFError, ValueError, KeyError) as error:
        raise BackupError(f"{source} is damaged, or not a backup of pytrainr-server: {error}") from error
    if not (root / DATABASE).exists():
        raise BackupError(f"{source} is damaged: the database is not in it")
    return count


def _unpack_one(archive: tarfile.TarFile, entry: tarfile.TarInfo, root: Path) -> None:
    target = (root / entry.name).resolve()
    content = archive.extractfile(entry) if entry.isfile() else None
    if content is None or root.resolve() not in target.parents:
        raise BackupError(f"the backup has an entry {entry.name!r} that does not belong into it")
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with replacing(target) as file:
        shutil.copyfileobj(content, file)
