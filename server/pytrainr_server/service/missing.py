"""Deleting what may not exist."""

from __future__ import annotations

from collections.abc import Callable

from pytrainr_server.errors import Code, ServiceError


def deleted_or_missing(delete: Callable[[], int], allow_missing: bool) -> int:
    """How many things ``delete`` deleted; with ``allow_missing`` 0 where it finds nothing."""
    try:
        return delete()
    except ServiceError as error:
        if allow_missing and error.code == Code.NOT_FOUND:
            return 0
        raise
