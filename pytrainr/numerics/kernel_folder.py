"""Where compiled kernels are kept on disk.

In ``NUMBA_CACHE_DIR``, else beside the package, else in the user's cache folder; where nothing can be kept anywhere, as
in some containers, in a folder that lives as long as the process.
"""

from __future__ import annotations

import atexit
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numba

from pytrainr.forks import in_child

__all__ = ["PACKAGE", "folder", "is_kept", "use"]

PACKAGE = Path(__file__).resolve().parents[1]


_chosen: Path | None = None


def use(place: Path) -> None:
    """Keep kernels in ``place``, as another process does."""
    global _chosen
    _chosen = place


def folder() -> Path:
    """Where kernels are kept."""
    return _chosen or _found_folder()


def is_kept() -> bool:
    """Whether that outlives the process."""
    return folder() != _process_folder


_process_folder: Path | None = None


@cache
def _found_folder() -> Path:
    global _process_folder
    for place in _places():
        try:
            place.mkdir(parents=True, exist_ok=True)
            tempfile.TemporaryFile(dir=place).close()
        except OSError:
            continue
        return place
    _process_folder = Path(tempfile.mkdtemp(prefix="pytrainr-"))
    atexit.register(_remove, _process_folder)
    in_child(lambda: atexit.unregister(_remove))  # it is the parent's
    return _process_folder


def _remove(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def _places() -> Iterator[Path]:
    mine = f"pytrainr-{hashlib.sha256(str(PACKAGE).encode()).hexdigest()[:16]}"
    if numba.config.CACHE_DIR:
        yield Path(numba.config.CACHE_DIR) / mine
        return
    yield PACKAGE / "__pycache__"
    if sys.platform == "win32":
        yield Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local") / "numba" / mine
    elif sys.platform == "darwin":
        yield Path.home() / "Library" / "Caches" / "numba" / mine
    else:
        yield Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "numba" / mine
