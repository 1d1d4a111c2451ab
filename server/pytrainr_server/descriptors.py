"""How many files and connections the process may have open at a time."""

from __future__ import annotations

import errno
import logging
import os
import sys

from pytrainr_server.config import ConfigError

NEEDED = 28
"""What a server that does nothing has open, and a few files of the work that is under way."""
COMFORTABLE = 256

log = logging.getLogger("pytrainr_server")


def none_left() -> bool:
    """Whether no file can be opened just now; libraries that fail so do not say it."""
    try:
        os.close(os.open(os.devnull, os.O_RDONLY))
    except OSError as error:
        return error.errno in (errno.EMFILE, errno.ENFILE)
    return False


def take_descriptors() -> None:
    """Allow this process as many as it may allow itself. Raises ``ConfigError`` where they are not enough to serve."""
    if sys.platform == "win32":  # no such limit
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
            soft = hard
        except (ValueError, OSError):  # a system with a limit of its own below that
            pass
    if soft == resource.RLIM_INFINITY:
        return
    if soft < NEEDED:
        raise ConfigError(
            f"this process may have {soft} files open, a server needs {NEEDED}, and one more for every connection: "
            "raise `ulimit -n` (systemd: LimitNOFILE)"
        )
    if soft < COMFORTABLE:
        log.warning("only %d files and connections may be open (ulimit -n); who comes later has to wait", soft)
