"""Where compiled kernels are kept on disk: each version of each function in a file of its own.

Numba's own cache looks only at the file of the outermost function, so that an edit to a function which is called from
another file would leave a stale kernel; and it has an index for each function, in which two processes that compile
at the same time overwrite each other's entries. Here a file says what it was made from, and appears whole or not at
all.
"""

from __future__ import annotations

import hashlib
import os
import pickle
import sys
import threading
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import llvmlite
import numba

from pytrainr.numerics import compiling
from pytrainr.numerics.kernel_folder import PACKAGE, folder
from pytrainr.numerics.numba_internals import FAST, load_array_functions, rebuilt, reduced, target

__all__ = ["KernelCache"]


def _sources_of(file: Path) -> Path:
    """The part of the package that ``file`` belongs to, as ``exact``: kernels call all of it, and ``numerics``. A file
    elsewhere, as that of a user's own cell, itself."""
    folder = file.parent
    if folder != PACKAGE and PACKAGE not in folder.parents:
        return file
    while folder != PACKAGE and folder.parent != PACKAGE:
        folder = folder.parent
    return folder


@cache
def _source_stamp(sources: Path) -> bytes:
    """A digest of the compilers and of every source file that a kernel in ``sources`` can call: one that is no part of
    the package, all of that."""
    digest = hashlib.sha256(repr((sys.version, numba.__version__, llvmlite.__version__, FAST)).encode())
    called = PACKAGE if sources.is_file() else Path(__file__).parent
    for path in sorted({sources, *sources.rglob("*.py"), *called.rglob("*.py")}):
        if path.is_file():
            status = path.stat()
            name = path.relative_to(PACKAGE) if PACKAGE in path.parents else path
            digest.update(f"{name} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.digest()


class KernelCache:
    """The versions of one function, as Numba asks for them."""

    def __init__(self, function: Callable) -> None:
        self._module, self.name = function.__module__, f"{function.__module__}.{function.__qualname__}"
        self._sources = _sources_of(Path(function.__code__.co_filename).resolve())

    @property
    def cache_path(self) -> str:
        return str(folder())

    def _file(self, kinds: Any) -> Path:
        version = repr((str(kinds), target(), sys.implementation.cache_tag))
        return folder() / f"{self.name}-{hashlib.sha256(version.encode()).hexdigest()[:24]}.kernel"

    def task(self, kinds: Any) -> compiling.Task:
        """To compile the version for arguments of these ``kinds``."""
        return compiling.Task(self._module, self.name, tuple(kinds))

    def fetch(self, kinds: Any) -> None:
        """The version will be needed at once, and the current thread holds no lock."""
        compiling.fetch(self.task(kinds), lambda: self.has(kinds))

    def has(self, kinds: Any) -> bool:
        """Whether there is a version for arguments of these ``kinds``."""
        stamp = _source_stamp(self._sources)
        try:
            with open(self._file(kinds), "rb") as file:
                return file.read(len(stamp)) == stamp
        except OSError:
            return False

    def load_overload(self, kinds: Any, context: Any) -> Any:
        """The version for arguments of these ``kinds``; None, and Numba compiles it."""
        compiling.obtain(self.task(kinds))
        loaded = self._loaded(kinds, context)
        if loaded is None:
            load_array_functions()
            compiling.begin(self.task(kinds))
        return loaded

    def _loaded(self, kinds: Any, context: Any) -> Any:
        try:
            stored = self._file(kinds).read_bytes()
            stamp = _source_stamp(self._sources)
            if not stored.startswith(stamp):
                return None
            known, payload = pickle.loads(stored[len(stamp) :])
            return rebuilt(context, payload) if known == kinds else None
        except Exception:  # whatever is wrong with a file or an unknown Numba, compiling helps
            return None

    def save_overload(self, kinds: Any, result: Any) -> None:
        """Keep a version; where that fails it is compiled again in the next process."""
        try:
            payload = reduced(result)
            if payload is not None:
                _write(self._file(kinds), _source_stamp(self._sources) + pickle.dumps((kinds, payload)))
        except Exception:
            return
        finally:
            compiling.end(self.task(kinds))

    def enable(self) -> None:
        """Numba's interface; this cache is always on."""

    def disable(self) -> None:
        """Numba's interface; this cache is always on."""

    def flush(self) -> None:
        """Numba's interface; there is no index that could be stale."""


def _write(file: Path, content: bytes) -> None:
    """``file`` with ``content``, at once; whoever may read the folder may read it."""
    temporary = file.with_name(f"{file.stem}.{os.getpid()}.{threading.get_ident()}")
    try:
        temporary.write_bytes(content)
        os.replace(temporary, file)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
