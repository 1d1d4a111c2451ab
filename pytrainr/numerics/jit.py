"""All Numba policy in one place: flags, caching, and the few things LLVM can do that Numba does not offer.

Two kinds of kernels exist. A ``strict`` kernel computes what it says in the order it says it, because the order
of every floating-point operation is part of the promise to equal R to the bit. A ``fast`` kernel lets LLVM fuse
multiplications with additions and reorder sums; the exact arithmetic uses it. Both release the GIL, are cached on
disk and divide as NumPy does (Numba's Python division raises on zero, which prevents vectorisation).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

from llvmlite import ir
from numba import njit, types
from numba.core import caching
from numba.extending import intrinsic

__all__ = ["fast", "is_set", "strict"]

_PACKAGE = Path(__file__).resolve().parents[1]


@lru_cache(maxsize=8)
def _source_stamp(folder: Path) -> str:
    """A digest of every source file that a kernel in ``folder`` can call: its own folder and ``numerics``.

    Numba's own stamp looks only at the file of the outermost function, so an edit to a function that is called
    from another file would leave a stale kernel in the cache.
    """
    digest = hashlib.sha256()
    for path in sorted({*folder.rglob("*.py"), *Path(__file__).parent.rglob("*.py")}):
        status = path.stat()
        digest.update(f"{path.relative_to(_PACKAGE)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _stamped(locator: Any) -> Any:
    """Numba's cache locator ``locator``, for this package's files only, with the stamp above."""

    class StampedLocator(locator):  # type: ignore[misc]
        @classmethod
        def from_function(cls, function: Any, file: str) -> Any:
            inside = os.path.abspath(file).startswith(str(_PACKAGE) + os.sep)
            found = super().from_function(function, file) if inside else None
            if found is not None:
                found.pytrainr_folder = Path(file).resolve().parent
            return found

        def get_source_stamp(self) -> str:
            return _source_stamp(self.pytrainr_folder)

    return StampedLocator


caching.CacheImpl._locator_classes = [
    *(_stamped(locator) for locator in caching.CacheImpl._locator_classes),
    *caching.CacheImpl._locator_classes,
]

_POLICY: dict[str, Any] = {"nogil": True, "cache": True, "error_model": "numpy"}


def strict(function: Callable) -> Callable:
    """Compile a kernel whose floating-point operations keep their written order (R's arithmetic)."""
    return njit(**_POLICY)(function)


def fast(function: Callable) -> Callable:
    """Compile a kernel in which LLVM may fuse and reorder operations; NaN and Inf keep their meaning."""
    return njit(fastmath={"contract", "reassoc", "arcp", "nsz"}, **_POLICY)(function)


@intrinsic
def is_set(typing: Any, flag: types.Array) -> Any:
    """Whether ``flag[0]`` is non-zero, read from memory each time: another thread may have set it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        value = builder.load_atomic(array.data, ordering="monotonic", align=1)
        return builder.icmp_unsigned("!=", value, ir.Constant(value.type, 0))

    return types.boolean(flag), generate
