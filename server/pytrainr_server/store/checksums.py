"""Checksums of what is kept: a flipped bit is found when it is read, named, logged and counted."""

from __future__ import annotations

import hashlib
import logging

from pytrainr_server import telemetry
from pytrainr_server.errors import Code, ServiceError

log = logging.getLogger("pytrainr_server.store")


def checksum(data: bytes) -> bytes:
    """What is kept beside the data."""
    return hashlib.sha256(data).digest()


def sound(data: bytes, expected: bytes | None, kind: str, where: str, message: str) -> bytes:
    """The data, where their checksum is as expected; none is expected of what was kept before there were any.

    Raises as :func:`damaged`.
    """
    if expected is not None and checksum(data) != expected:
        raise damaged(kind, where, message)
    return bytes(data)


def damaged(kind: str, where: str, message: str) -> ServiceError:
    """DATA_LOSS with the ``message`` for the caller; ``where`` it is, which callers are not told, goes into the log."""
    log.error("a damaged %s: %s", kind, where)
    telemetry.damaged_files.labels(kind).inc()
    return ServiceError(Code.DATA_LOSS, f"{kind.upper()}_DAMAGED", message)
