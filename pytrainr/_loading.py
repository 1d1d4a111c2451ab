"""Loading without looking for garbage: Python would look dozens of times while hundreds of modules come, and find none.

That is a tenth of the time to the first result, and looking once, at the end, would take as long. Compiling likewise.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["quickly"]


@contextmanager
def quickly() -> Iterator[None]:
    """Inside no garbage is looked for; afterwards it is, if it was before, also where loading failed."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # else somebody's frozen objects would thaw
                gc.freeze()  # and back: what was loaded counts as old, as it would had it been looked through
                gc.unfreeze()
            gc.enable()
