"""A process of its own for a job under which others have died: it takes no other job with it.

``CrashMark`` tells, when a server starts, whether the one before it died by a fault (a broken heap, say) rather than by
a kill from outside: then whatever that one trained is suspected at once.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import threading
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path


def process_of_its_own() -> ProcessPoolExecutor:
    """An executor with one process, which ends with this one."""
    return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"), _leave_with_parent)


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None

    def leave() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=leave, name="leave-with-parent", daemon=True).start()


class CrashMark:
    """A file in which Python's ``faulthandler`` leaves where each thread was when the process died by a fault."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / "crash.log"

    def take(self) -> str:
        """What the last process left, which is then forgotten; empty if it died in another way."""
        try:
            text = self._path.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        self._path.unlink()
        return text.strip()

    def watch(self) -> None:
        """Leave a mark should this process die by a fault."""
        self._file = open(self._path, "w", encoding="utf-8")  # noqa: SIM115 (open for as long as the process lives)
        faulthandler.enable(self._file)

    def stop(self) -> None:
        """The process ends in order."""
        faulthandler.disable()
        self._file.close()
        self._path.unlink(missing_ok=True)
