"""Bearer tokens. The database holds only their hashes; a token is shown once, when it is made.

A token is ``trainr_<id>_<secret>``: the id finds the row, the secret (256 random bits) is compared by its SHA-256. With
so much randomness a slow password hash would add nothing.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
import time
from typing import Any

from sqlalchemy import Row, func, select

from pytrainr_server.errors import Code, ServiceError
from pytrainr_server.store.database import Database
from pytrainr_server.store.schema import tokens

PREFIX = "trainr"
REMEMBERED_SECONDS = 2.0
"""How long a revoked token may still be accepted: a call does not ask the database each time."""


class TokenStore:
    """The table of tokens."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._remembered: dict[str, tuple[float, str]] = {}
        self._any: tuple[float, bool] = (-2 * REMEMBERED_SECONDS, False)

    def create(self, owner: str, days: float = 0.0) -> str:
        """A new token for ``owner``, valid for some days (0: until revoked)."""
        id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        now = time.time()
        with self._database.write() as connection:
            connection.execute(
                tokens.insert().values(
                    id=id,
                    owner=owner,
                    hash=_hash(secret),
                    create_time=now,
                    expire_time=now + 86_400 * days if days else 0.0,
                )
            )
        return f"{PREFIX}_{id}_{secret}"

    def all(self) -> list[Row[Any]]:
        """Every token, without its hash."""
        columns = [column for column in tokens.c if column.name != "hash"]
        with self._database.read() as connection:
            return list(connection.execute(select(*columns).order_by(tokens.c.create_time)))

    def revoke(self, id: str) -> bool:
        """Make a token invalid for ever; whether there was one of this id."""
        with self._database.write() as connection:
            changed = connection.execute(
                tokens.update().where(tokens.c.id == id, tokens.c.revoke_time == 0.0).values(revoke_time=time.time())
            )
            return changed.rowcount > 0

    def exist(self) -> bool:
        """Whether any token was ever made."""
        then, found = self._any
        if time.monotonic() - then > REMEMBERED_SECONDS:
            with self._database.read() as connection:
                found = connection.execute(select(func.count()).select_from(tokens)).scalar_one() > 0
            self._any = (time.monotonic(), found)
        return found

    @property
    def remembered(self) -> bool:
        """Whether :meth:`exist` knows the answer without asking the database."""
        return time.monotonic() - self._any[0] <= REMEMBERED_SECONDS

    def remembered_owner(self, token: str) -> str | None:
        """Whose token it is, if that was asked a moment ago."""
        with self._lock:
            then, owner = self._remembered.get(_digest(token), (0.0, ""))
        return owner if owner and time.monotonic() - then < REMEMBERED_SECONDS else None

    def owner(self, token: str) -> str:
        """Whose token it is. Raises UNAUTHENTICATED."""
        owner = self.remembered_owner(token)
        if owner is None:
            owner = self._look_up(token)
            with self._lock:
                if len(self._remembered) > 10_000:
                    self._remembered.clear()
                self._remembered[_digest(token)] = (time.monotonic(), owner)
        return owner

    def _look_up(self, token: str) -> str:
        parts = token.split("_", 2)
        id, secret = (parts[1], parts[2]) if len(parts) == 3 and parts[0] == PREFIX else ("", "")
        with self._database.read() as connection:
            row = connection.execute(select(tokens).where(tokens.c.id == id[:32])).first()
        # Compare in any case, so that the time says nothing about which ids exist.
        same = hmac.compare_digest(_hash(secret), bytes(row.hash) if row else _hash("no such token"))
        valid = row is not None and not row.revoke_time and (not row.expire_time or row.expire_time > time.time())
        if row is None or not same or not valid:
            raise unauthenticated("The token is not valid (unknown, expired or revoked).")
        return row.owner


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _hash(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()


def unauthenticated(message: str) -> ServiceError:
    """The caller has not shown who it is."""
    return ServiceError(Code.UNAUTHENTICATED, "UNAUTHENTICATED", message)
