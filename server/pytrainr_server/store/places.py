"""Where files lie that several servers share: a directory, or an object store such as S3.

A file here is written once, under a name that nobody has used before, and is whole as soon as it can be seen; the
database then points to it (:mod:`~pytrainr_server.store.shared`). So nothing here is ever replaced.
"""

from __future__ import annotations

import errno
import logging
import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, urlsplit, urlunsplit

from pytrainr_server.errors import Code, ServiceError
from pytrainr_server.store.files import remove, replacing, sync_directory

PART_BYTES = 16 << 20
"""Larger files go to an object store in parts of this size, each of which is tried again by itself."""
CONNECT_SECONDS, READ_SECONDS, TRIES = 5, 20, 2
_OUR_OWN = (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE)  # this machine's disk is full, not the store
log = logging.getLogger("pytrainr_server.store")


class FilesError(RuntimeError):
    """The place for files cannot be used; the message says why."""


class Found(NamedTuple):
    """A file in its place, and when it was written (seconds since 1970, by the place's own clock)."""

    name: str
    time: float


class Place(Protocol):
    """Files by name, ``"models/0123.model"``. What does not work for now raises UNAVAILABLE."""

    def check(self) -> None:
        """Raises :class:`FilesError` unless files can be written here."""

    def put(self, name: str, source: Path) -> None:
        """Write a file of a new name. Once this returns it is durable; before, it is not to be seen."""

    def fetch(self, name: str, target: Path) -> None:
        """Copy a file to ``target``. Raises ``FileNotFoundError``."""

    def here(self, name: str) -> Path | None:
        """The file itself, where it can be read and mapped in its place; None where it has to be fetched."""

    def has(self, name: str, size_bytes: int) -> bool:
        """Whether there is a file of that name and size."""

    def delete(self, name: str) -> bool:
        """Delete a file, if there is one; false where that has to wait."""

    def found(self) -> Iterator[Found]:
        """All files."""

    def end_broken(self, before: float) -> int:
        """End what was begun before that, by the place's clock, to be written in parts and never came to its end; how
        many."""


class DirectoryPlace:
    """A directory, on a disk of this machine or one that machines share."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def check(self) -> None:
        try:
            self._root.mkdir(mode=0o700, parents=True, exist_ok=True)
            with replacing(self._root / "check"):
                pass
            remove(self._root / "check")
        except OSError as error:
            raise FilesError(f"the directory {self._root} for files cannot be used: {error.strerror}") from error

    def put(self, name: str, source: Path) -> None:
        target = self._root / name
        if not target.parent.exists():
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (*target.parent.relative_to(self._root).parents, Path()):
                sync_directory(self._root / folder)
        with replacing(target) as file, open(source, "rb") as content:
            shutil.copyfileobj(content, file, 1 << 20)
        if os.name == "posix":
            target.chmod(0o400)  # it is never written again

    def fetch(self, name: str, target: Path) -> None:
        shutil.copyfile(self._root / name, target)

    def here(self, name: str) -> Path | None:
        return self._root / name

    def has(self, name: str, size_bytes: int) -> bool:
        try:
            return (self._root / name).stat().st_size == size_bytes
        except FileNotFoundError:
            return False

    def delete(self, name: str) -> bool:
        return remove(self._root / name)

    def found(self) -> Iterator[Found]:
        for path in self._root.rglob("*"):
            try:
                if path.is_file():
                    yield Found(path.relative_to(self._root).as_posix(), path.stat().st_mtime)
            except FileNotFoundError:
                continue

    def end_broken(self, before: float) -> int:
        return 0  # these are files that nobody knows, as others are


class ObjectPlace:
    """What `fsspec` can reach; S3 and whatever speaks as it does with `s3fs`, whose retries these are."""

    def __init__(self, url: str) -> None:
        self._url, options = _split(url)
        self._options = options
        self._prefix = ""
        self._lock = threading.Lock()
        self._opened: Any = None

    @property
    def _files(self) -> Any:
        """fsspec's file system, made in the process that uses it."""
        with self._lock:
            if self._opened is None:
                self._opened = self._open()
            return self._opened

    def _open(self) -> Any:
        scheme = urlsplit(self._url).scheme
        try:
            from fsspec.core import url_to_fs
        except ImportError as error:
            raise FilesError(f"{scheme}:// needs a package that is not installed: {_install(scheme)}") from error
        options: dict[str, Any] = {"use_listings_cache": False, "skip_instance_cache": True}
        if scheme in ("s3", "s3a"):
            options |= _s3_options(self._options)
        else:
            options |= self._options
        try:
            made, path = url_to_fs(self._url, **options)
        except (ImportError, ValueError) as error:
            raise FilesError(f"files at {scheme}:// cannot be reached: {error}. Perhaps {_install(scheme)}") from error
        self._prefix = path.strip("/")
        return made

    def _path(self, name: str) -> str:
        return f"{self._prefix}/{name}"

    def check(self) -> None:
        files = self._files
        try:
            files.pipe_file(self._path("check"), b"")
            files.rm_file(self._path("check"))
        except Exception as error:
            raise FilesError(f"files cannot be written to {self._url}: {error}") from error

    def put(self, name: str, source: Path) -> None:
        files = self._files
        with _reported():
            files.put_file(str(source), self._path(name), chunksize=PART_BYTES)

    def fetch(self, name: str, target: Path) -> None:
        files = self._files
        with _reported():
            files.get_file(self._path(name), str(target))

    def here(self, name: str) -> Path | None:
        return None

    def has(self, name: str, size_bytes: int) -> bool:
        files = self._files
        try:
            with _reported():
                return bool(files.info(self._path(name))["size"] == size_bytes)
        except FileNotFoundError:
            return False

    def delete(self, name: str) -> bool:
        files = self._files
        try:
            with _reported():
                files.rm_file(self._path(name))
        except FileNotFoundError:
            pass
        except ServiceError:
            return False
        return True

    def found(self) -> Iterator[Found]:
        files = self._files
        with _reported():
            listed = files.find(self._prefix, detail=True)
        for path, about in listed.items():
            written = about.get("LastModified") or about.get("last_modified") or about.get("created")
            if written is not None:
                yield Found(path.strip("/").removeprefix(self._prefix + "/"), written.timestamp())

    def end_broken(self, before: float) -> int:
        files = self._files
        if "s3" not in files.protocol:  # others have no such thing, or end it by themselves
            return 0
        bucket, _, prefix = self._prefix.partition("/")
        with _reported():
            listed = files.call_s3("list_multipart_uploads", Bucket=bucket, Prefix=f"{prefix}/" if prefix else "")
            old = [part for part in listed.get("Uploads", ()) if part["Initiated"].timestamp() < before]
            for part in old:
                files.call_s3("abort_multipart_upload", Bucket=bucket, Key=part["Key"], UploadId=part["UploadId"])
        return len(old)


def open_place(url: str) -> Place:
    """The place of a URL: ``file:///DIRECTORY``, or ``s3://BUCKET/PREFIX`` and what else fsspec knows.

    Options of fsspec's, such as S3's ``endpoint_url``, stand behind a question mark. Raises :class:`FilesError`.
    """
    parts = urlsplit(url)
    if parts.scheme == "file":
        if parts.netloc or not parts.path.startswith("/"):
            raise FilesError(f"files is {url!r}; a directory is given as file:///DIRECTORY")
        return DirectoryPlace(Path(parts.path))
    if len(parts.scheme) < 2 or not parts.netloc:
        raise FilesError(f"files is {url!r}; it should be like file:///DIRECTORY or s3://BUCKET/PREFIX")
    return ObjectPlace(url)


def _split(url: str) -> tuple[str, dict[str, str]]:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(query="", fragment="")).rstrip("/"), dict(parse_qsl(parts.query))


def _install(scheme: str) -> str:
    return "pip install 'pytrainr[s3]'" if scheme in ("s3", "s3a") else "pip install 'pytrainr[files]'"


def _s3_options(given: dict[str, str]) -> dict[str, Any]:
    """Keys come from where AWS's tools find them: ``AWS_ACCESS_KEY_ID``, a profile, the machine's role."""
    client = {name: value for name, value in given.items() if name in ("endpoint_url", "region_name", "verify")}
    unknown = given.keys() - client.keys()
    if unknown:
        raise FilesError(f"s3:// knows the options endpoint_url, region_name and verify, not {', '.join(unknown)}")
    config = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": READ_SECONDS,
        "retries": {"max_attempts": TRIES, "mode": "standard"},
        # Else checksums of a kind are sent along that no store but Amazon's own knows; ours are in the database.
        "request_checksum_calculation": "when_required",
        "response_checksum_validation": "when_required",
    }
    return {"client_kwargs": client, "config_kwargs": config}


@contextmanager
def _reported() -> Iterator[None]:
    """What an object store's many layers raise, as one error: it does not work for now."""
    try:
        yield
    except FileNotFoundError:
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _OUR_OWN:
            raise
        log.warning("the files' place: %s: %s", type(error).__name__, error)
        raise unreachable() from error


def unreachable() -> ServiceError:
    """Files cannot be stored or read for now."""
    message = "The server cannot reach the place where it keeps files. Nothing was changed."
    return ServiceError(Code.UNAVAILABLE, "FILES_UNREACHABLE", message, retry_seconds=1.0)
