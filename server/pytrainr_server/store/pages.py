"""Pages of long lists: a token says where the next page begins."""

from __future__ import annotations

import base64
import binascii
import json
from typing import Any

from pytrainr_server.errors import invalid

DEFAULT_SIZE, LARGEST_SIZE = 50, 1000


def page_size(requested: int) -> int:
    """How many entries a page gets."""
    if requested < 0:
        raise invalid("page_size", f"is {requested}; it should be zero (which means {DEFAULT_SIZE}) or more")
    return min(requested or DEFAULT_SIZE, LARGEST_SIZE)


def encode_token(position: list[Any]) -> str:
    """The token for a page that begins after ``position``."""
    return base64.urlsafe_b64encode(json.dumps(position).encode()).decode()


def decode_token(token: str, kinds: tuple[type, ...]) -> list[Any] | None:
    """The position in a token; None for the first page."""
    if not token:
        return None
    try:
        position = json.loads(base64.urlsafe_b64decode(token.encode()))
    except (ValueError, binascii.Error, RecursionError):
        position = None
    if (
        not isinstance(position, list)
        or len(position) != len(kinds)
        or not all(isinstance(value, kind) for value, kind in zip(position, kinds, strict=True))
    ):
        raise invalid("page_token", "is not one that this server gave; leave it empty to begin with the first page")
    return position
