"""What may be asked about the compiled kernels: where they are kept, how they are compiled, what is being compiled and
where."""

from __future__ import annotations

from pytrainr.numerics.compiling import (
    Helper,
    Line,
    Progress,
    Task,
    can_start_helpers,
    compile_elsewhere,
    compiled_so_far,
    helper_count,
    listen,
    now_compiling,
)
from pytrainr.numerics.kernel_folder import folder, is_kept
from pytrainr.numerics.numba_internals import FAST, NEWEST_TRIED, OLDEST, target

__all__ = [
    "FAST",
    "NEWEST_TRIED",
    "OLDEST",
    "Helper",
    "Line",
    "Progress",
    "Task",
    "can_start_helpers",
    "compile_elsewhere",
    "compiled_so_far",
    "folder",
    "helper_count",
    "is_kept",
    "listen",
    "now_compiling",
    "target",
]
