"""Successive halving of a batch: whose turn ends after which epoch, decided by whichever job comes there last."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, or_, select

from pytrainr.halving import Rung, best, dropped
from pytrainr_server.store.job_lines import line, put_lines
from pytrainr_server.store.schema import UNFINISHED, State, batches, jobs

_UNFINISHED = jobs.c.state.in_([int(state) for state in UNFINISHED])
_COMPETES = and_(jobs.c.halt_epoch > 0, jobs.c.cancel_requested.is_(False))
FOR_EVER = 1e12
"""Until when a job waits that waits for the others of its batch."""
_HALTED = and_(jobs.c.state == int(State.PAUSED), jobs.c.worker == "", jobs.c.lease_until == FOR_EVER)


def written(rungs: Sequence[Rung]) -> str:
    """The rungs as the database has them."""
    return " ".join(f"{rung.epochs}:{rung.kept}" for rung in rungs)


def read(text: str) -> list[Rung]:
    """The rungs that were :func:`written`."""
    return [Rung(*map(int, each.split(":"))) for each in text.split()]


def decide(connection: Connection, owner: str, batch_id: str) -> None:
    """Where no job of the batch is on its way to the rung any more, let the best go on and drop the others."""
    mine = and_(jobs.c.owner == owner, jobs.c.batch_id == batch_id)
    under_way = and_(mine, _UNFINISHED, _COMPETES, ~_HALTED)
    if connection.execute(select(jobs.c.key).where(under_way).limit(1)).first():
        return
    batch = select(batches.c.rungs).where(batches.c.owner == owner, batches.c.id == batch_id)
    rungs = read(connection.execute(batch).scalar() or "")
    columns = jobs.c.key, jobs.c.state, jobs.c.epoch, jobs.c.numepochs, jobs.c.halt_epoch, jobs.c.compared
    took_part = and_(mine, or_(and_(_UNFINISHED, _COMPETES), jobs.c.state == int(State.SUCCEEDED)))
    rows = connection.execute(select(*columns).where(took_part).order_by(jobs.c.batch_place)).all()
    waiting = [row for row in rows if row.state == State.PAUSED]
    here = next((place for place, rung in enumerate(rungs) if waiting and rung.epochs == waiting[0].halt_epoch), None)
    if here is None:
        return
    errors = {row.key: math.inf if row.compared is None else row.compared for row in rows}
    kept = set(best(errors, rungs[here].kept))
    following = rungs[here + 1].epochs if here + 1 < len(rungs) else 0
    for row in waiting:
        if row.key in kept:
            _change(connection, row.key, halt_epoch=following, compared=None)
        else:
            why = dropped(row.epoch, row.numepochs, errors[row.key], rungs[here], len(rows))
            put_lines(connection, row.key, [line(f"Successive halving: {why}.")])
            _change(connection, row.key, halt_epoch=0, dropped=why[:200], cancel_requested=True)


def _change(connection: Connection, key: str, **values: Any) -> None:
    """Let a job that waits be taken up again."""
    connection.execute(jobs.update().where(jobs.c.key == key).values(lease_until=0.0, **values))
