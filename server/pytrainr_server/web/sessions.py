"""Who is signed in: a token, shown once, becomes a cookie that scripts cannot read."""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections import OrderedDict
from typing import NamedTuple

from pytrainr_server.errors import Code, ServiceError, exhausted

SECONDS = 12 * 3600.0
MAX_SESSIONS = 10_000
MAX_WATCHED = 10_000


class Session(NamedTuple):
    """One browser. ``token`` is empty where none is needed; ``secret`` comes back with everything that changes
    anything, which another site's page cannot know."""

    token: str
    secret: str
    end: float


class Sessions:
    """The sessions of this server, in memory: after a restart people sign in again."""

    def __init__(self) -> None:
        self._sessions: OrderedDict[str, Session] = OrderedDict()

    def begin(self, token: str) -> tuple[str, Session]:
        """A new session and the cookie's value for it. The oldest ends where there are too many."""
        id, session = secrets.token_urlsafe(32), Session(token, secrets.token_urlsafe(32), time.monotonic() + SECONDS)
        while len(self._sessions) >= MAX_SESSIONS:
            self._sessions.popitem(last=False)
        self._sessions[_digest(id)] = session
        return id, session

    def of(self, id: str) -> Session | None:
        """The session of a cookie, unless it has ended."""
        session = self._sessions.get(_digest(id))
        if session is None or session.end < time.monotonic():
            return None
        return session

    def end(self, id: str) -> None:
        """End a session."""
        self._sessions.pop(_digest(id), None)


def check_secret(session: Session, given: str) -> None:
    """Refuse what does not come from this session's own page."""
    if not hmac.compare_digest(session.secret.encode(), given.encode("utf-8", "replace")):
        raise ServiceError(
            Code.PERMISSION_DENIED, "NOT_FROM_THIS_PAGE", "The request does not come from this page; load it again."
        )


class RateLimit:
    """So many events at once, then so many a second, for each of those who cause them."""

    def __init__(self, at_once: float, a_second: float) -> None:
        self._at_once = at_once
        self._a_second = a_second
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def check(self, who: str) -> None:
        """Count one event. Raises RESOURCE_EXHAUSTED beyond the limit."""
        now = time.monotonic()
        left, then = self._left.pop(who, (self._at_once, now))
        left = min(self._at_once, left + (now - then) * self._a_second)
        self._left[who] = (max(left - 1.0, 0.0), now)
        while len(self._left) > MAX_WATCHED:
            self._left.popitem(last=False)
        if left < 1.0:
            raise exhausted("TOO_MANY_REQUESTS", "Too many requests; wait a moment.", (1.0 - left) / self._a_second)

    def forgive(self, who: str) -> None:
        """Take the count of one event back."""
        left, then = self._left.get(who, (self._at_once, 0.0))
        self._left[who] = (min(self._at_once, left + 1.0), then)


def _digest(id: str) -> str:
    return hashlib.sha256(id.encode("utf-8", "replace")).hexdigest()
