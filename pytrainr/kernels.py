"""What may be asked about the compiled kernels: where they are kept, how they are compiled, what is being compiled."""

from __future__ import annotations

from pytrainr.numerics.compiling import Line, Progress, compiled_so_far, helper_count, listen, now_compiling
from pytrainr.numerics.kernel_folder import folder, is_kept
from pytrainr.numerics.numba_internals import FAST, NEWEST_TRIED, OLDEST, target

__all__ = [
    "FAST",
    "NEWEST_TRIED",
    "OLDEST",
    "Line",
    "Progress",
    "compiled_so_far",
    "folder",
    "helper_count",
    "is_kept",
    "listen",
    "now_compiling",
    "target",
]
