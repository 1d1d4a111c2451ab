"""Named points at which a test can kill the server; without PYTRAINR_SERVER_FAILPOINT they do nothing.

``PYTRAINR_SERVER_FAILPOINT=before-publish:3`` ends the process with SIGKILL when it comes to the point
``before-publish`` for the third time, ``before-publish:3:SEGV`` with another signal. ``NAMES`` lists the points; a test
kills the server at every one of them.
"""

from __future__ import annotations

import os
import signal
import threading
import time

VARIABLE = "PYTRAINR_SERVER_FAILPOINT"

NAMES = (
    "mid-accept",
    "after-accept",
    "after-lease",
    "before-checkpoint",
    "mid-checkpoint",
    "checkpoint-before-rename",
    "after-checkpoint",
    "mid-epoch-log",
    "before-publish",
    "mid-publish",
    "after-publish",
    "mid-upload",
    "dataset-before-rename",
    "after-continue",
)

_name, _count, _signal = (*os.environ.get(VARIABLE, "").split(":"), "", "")[:3]
_left = int(_count or 1)
_lock = threading.Lock()


def failpoint(name: str) -> None:
    """Die here if the environment asked for it."""
    if name == _name:
        _die()


def _die() -> None:
    global _left
    with _lock:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.Signals[f"SIG{_signal or 'KILL'}"])
            time.sleep(60.0)  # a signal may take another thread than this one
