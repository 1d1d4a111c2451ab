"""What is said about a job, for its owner to read: who trains it, its checkpoints, what went wrong. Bounded."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from pytrainr_server import clock
from pytrainr_server.shown import one_line
from pytrainr_server.store.names import new_key
from pytrainr_server.store.schema import job_lines

MAX_LINES = 200
"""Of one job; the oldest go."""
MAX_TEXT = 1000

_ADD = job_lines.insert()
_MINE = job_lines.c.job_key == bindparam("its_job")
_NEWEST_FIRST = job_lines.c.time.desc(), job_lines.c.key
_OF = select(job_lines).where(_MINE).order_by(*_NEWEST_FIRST).limit(MAX_LINES)
_COUNT = select(func.count()).where(_MINE)
_DROP_OLD = job_lines.delete().where(
    _MINE, job_lines.c.key.not_in(select(job_lines.c.key).where(_MINE).order_by(*_NEWEST_FIRST).limit(MAX_LINES))
)


class Line(NamedTuple):
    """One line; one of the same key takes its place. ``level`` is one of :mod:`logging`'s."""

    key: str
    time: float
    level: int
    text: str


def line(text: str, level: int = logging.INFO, key: str = "") -> Line:
    """A line of now."""
    return Line(key or new_key(), clock.now(), level, one_line(text)[:MAX_TEXT])


def host_of(worker: str) -> str:
    """The machine of a worker, host:directory; where the server keeps its files is not its callers' affair."""
    return worker.partition(":")[0]


def put_lines(connection: Connection, job_key: str, lines: Sequence[Line], *, first: bool = False) -> None:
    """Store lines of a job, within a transaction; ``first``: it is known to have none yet."""
    if not lines:
        return
    if not first:
        connection.execute(job_lines.delete().where(job_lines.c.key.in_([each.key for each in lines])))
    connection.execute(_ADD, [{"job_key": job_key, **each._asdict()} for each in lines])
    if not first and connection.execute(_COUNT, {"its_job": job_key}).scalar_one() > MAX_LINES:
        connection.execute(_DROP_OLD, {"its_job": job_key})


def lines_of(connection: Connection, job_key: str) -> list[Line]:
    """A job's lines, oldest first."""
    found = connection.execute(_OF, {"its_job": job_key}).all()
    return [Line(row.key, row.time, row.level, row.text) for row in reversed(found)]
