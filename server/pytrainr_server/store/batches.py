"""Batches: jobs that were handed in together, all of them or none, and are looked at together."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, func, select
from sqlalchemy.exc import IntegrityError

from pytrainr.halving import Rung
from pytrainr_server import clock
from pytrainr_server.errors import Code, ServiceError, not_found, precondition
from pytrainr_server.failpoints import failpoint
from pytrainr_server.store import rounds
from pytrainr_server.store.database import Database
from pytrainr_server.store.jobs import WITHOUT_HASH, cancel, forget
from pytrainr_server.store.names import batch_name
from pytrainr_server.store.new_jobs import Limits, NewJob, add_jobs, check_limits, check_same_request
from pytrainr_server.store.schema import UNFINISHED, State, batches, jobs


@dataclass(frozen=True)
class NewBatch:
    """A batch as accepted."""

    owner: str
    id: str
    request_id: str | None
    request_hash: bytes
    numepochs: int = 0
    rungs: tuple[Rung, ...] = ()  # with successive halving


class Batch(NamedTuple):
    """A batch, how many of its jobs are in which state, and whole epochs trained and to be trained of them all."""

    row: Row[Any]
    counts: dict[State, int]
    epoch: int
    numepochs: int

    @property
    def ended(self) -> int:
        """How many of its jobs have ended."""
        return sum(count for state, count in self.counts.items() if state not in UNFINISHED)

    @property
    def finished(self) -> bool:
        """Whether all have."""
        return self.ended == sum(self.counts.values())


class BatchStore:
    """The table of batches; their jobs are rows like any other."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def create(self, batch: NewBatch, new: Sequence[NewJob], limits: Limits) -> tuple[Batch, bool]:
        """Store a batch and its jobs, or nothing; with a ``request_id`` seen before, the batch of then (and False)."""
        now = clock.now()
        try:
            with self._database.write() as connection:
                if batch.request_id and (known := _by_request(connection, batch.owner, batch.request_id)):
                    check_same_request(known, batch.request_hash)
                    return _look(connection, known), False
                check_limits(connection, new, limits)
                values = {"owner": batch.owner, "id": batch.id, "create_time": now}
                values |= {"request_id": batch.request_id, "request_hash": batch.request_hash}
                values |= {"rungs": rounds.written(batch.rungs)}
                row = connection.execute(batches.insert().returning(*batches.c), values).one()
                add_jobs(connection, new, now)
                failpoint("mid-accept")
                return _look(connection, row), True
        except IntegrityError as error:
            raise ServiceError(
                Code.ALREADY_EXISTS,
                "ALREADY_EXISTS",
                f"{batch_name(batch.id)}, or a job of the id of one of its jobs, exists already; choose another id.",
            ) from error

    def by_request(self, owner: str, request_id: str, request_hash: bytes) -> Batch | None:
        """The batch that was created with this ``request_id``, if there is one. Raises where it asked for others."""
        with self._database.read() as connection:
            known = _by_request(connection, owner, request_id)
            if known is None:
                return None
            check_same_request(known, request_hash)
            return _look(connection, known)

    def get(self, owner: str, id: str) -> Batch:
        """The owner's batch of this id. Raises NOT_FOUND."""
        with self._database.read() as connection:
            return _look(connection, _get(connection, owner, id))

    def look(self, owner: str, id: str, seen: Collection[int], most: int) -> tuple[Batch, list[Row[Any]]]:
        """The same, and at the ``most`` so many of its jobs that have ended, but those of the places ``seen``."""
        with self._database.read() as connection:
            batch = _look(connection, _get(connection, owner, id))
            if batch.ended <= len(seen):
                return batch, []
            ended = and_(_of(batch.row), jobs.c.state.not_in(UNFINISHED))
            order = jobs.c.end_time, jobs.c.batch_place
            found = connection.execute(select(jobs.c.key, jobs.c.batch_place).where(ended).order_by(*order)).all()
            keys = [row.key for row in found if row.batch_place not in seen][:most]
            rows = connection.execute(select(*WITHOUT_HASH).where(jobs.c.key.in_(keys)).order_by(*order))
            return batch, list(rows)

    def cancel(self, owner: str, id: str) -> tuple[Batch, list[str]]:
        """Ask for all of its jobs to be cancelled; the keys of those that had not ended."""
        with self._database.write() as connection:
            batch = _get(connection, owner, id)
            unfinished = and_(_of(batch), jobs.c.state.in_(UNFINISHED))
            connection.execute(jobs.update().where(unfinished).values(halt_epoch=0))  # nobody is compared any more
            found = connection.execute(select(*WITHOUT_HASH).where(unfinished)).all()
            for job in found:
                cancel(connection, job, "Its owner asked for its batch to be cancelled.")
            return _look(connection, batch), [job.key for job in found]

    def delete(self, owner: str, id: str) -> list[Row[Any]]:
        """Forget a batch whose jobs have all ended, and the jobs; what they were."""
        with self._database.write() as connection:
            batch = _get(connection, owner, id)
            if not _look(connection, batch).finished:
                raise precondition("BATCH_UNFINISHED", f"{batch_name(id)} has not ended; cancel it first.")
            found = connection.execute(select(*WITHOUT_HASH).where(_of(batch))).all()
            for job in found:
                forget(connection, job.key)
            connection.execute(batches.delete().where(batches.c.owner == owner, batches.c.id == id))
            return list(found)


def _of(batch: Row[Any]) -> Any:
    return and_(jobs.c.owner == batch.owner, jobs.c.batch_id == batch.id)


def _get(connection: Connection, owner: str, id: str) -> Row[Any]:
    found = connection.execute(select(batches).where(batches.c.owner == owner, batches.c.id == id)).first()
    if found is None:
        raise not_found(batch_name(id))
    return found


def _by_request(connection: Connection, owner: str, request_id: str) -> Row[Any] | None:
    its = and_(batches.c.owner == owner, batches.c.request_id == request_id)
    return connection.execute(select(batches).where(its)).first()


def _look(connection: Connection, batch: Row[Any]) -> Batch:
    sums = func.sum(jobs.c.epoch).label("epoch"), func.sum(jobs.c.numepochs).label("numepochs")
    query = select(jobs.c.state, func.count().label("jobs"), *sums).where(_of(batch)).group_by(jobs.c.state)
    found = connection.execute(query).all()
    counts = {State(row.state): int(row.jobs) for row in found}
    return Batch(batch, counts, sum(int(row.epoch) for row in found), sum(int(row.numepochs) for row in found))
