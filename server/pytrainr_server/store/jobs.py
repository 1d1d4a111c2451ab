"""Jobs in the database: what to do, how far it is, who works on it under which lease, who waits for it."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, String, and_, bindparam, case, func, or_, select
from sqlalchemy.exc import IntegrityError

from pytrainr_server import clock
from pytrainr_server.config import UNLIMITED
from pytrainr_server.errors import Code, ServiceError, not_found, precondition
from pytrainr_server.failpoints import failpoint
from pytrainr_server.shown import one_line
from pytrainr_server.store import rounds
from pytrainr_server.store.checksums import checksum, sound
from pytrainr_server.store.database import Database
from pytrainr_server.store.job_lines import Line, host_of, line, lines_of, put_lines
from pytrainr_server.store.names import job_name, new_key
from pytrainr_server.store.new_jobs import (
    Limits,
    NewJob,
    add_trainings,
    check_limits,
    check_same_request,
    row_of,
)
from pytrainr_server.store.quotas import NO_QUOTA, Quota, allows, left_to_all
from pytrainr_server.store.schema import (
    UNFINISHED,
    State,
    batches,
    continuations,
    epoch_logs,
    epoch_records,
    job_datasets,
    job_lines,
    jobs,
    trainings,
)

CLAIMED = 16
"""Letters that the leases of all have in common who were given one job: the first of the lease's own."""
TRIES = 8
SUSPECT_DEATHS = 3
"""A job gets a process of its own once so many servers have died under it without a checkpoint in between."""
MAX_WORKER_DEATHS = 2
"""A job is given up once so many processes of its own have died under it."""
TRAINING_DAMAGED = "What was to be trained is damaged on the server. Hand the job in again."
RANDOM_STATE_DAMAGED = (
    "The state of the random numbers after this job is damaged on the server; its model is not. Set a seed of your own."
)
CONTINUATION_DAMAGED = "What your epoch functions answered is damaged on the server. Start the training again."
WITHOUT_HASH = [column for column in jobs.c if column.name != "request_hash"]

# Statements on the way of every job, made once: making one takes longer than SQLite takes for it.
_BY_KEY = select(*WITHOUT_HASH).where(jobs.c.key == bindparam("key"))
_BY_ID = select(*WITHOUT_HASH).where(jobs.c.owner == bindparam("owner"), jobs.c.id == bindparam("id"))
_BY_REQUEST = select(jobs).where(jobs.c.owner == bindparam("owner"), jobs.c.request_id == bindparam("request_id"))
_WITH_TRAINING = select(jobs, trainings.c.training, trainings.c.sha256.label("training_sha256")).where(
    jobs.c.key == bindparam("key"), trainings.c.job_key == jobs.c.key
)
_ADD = jobs.insert().returning(*WITHOUT_HASH)
_ADD_LOG = epoch_logs.insert()
_LOG = select(epoch_logs.c.records).where(epoch_logs.c.job_key == bindparam("key"))
_OLDER, _HIGHER = jobs.c.create_time < bindparam("create_time"), jobs.c.priority > bindparam("priority")
_QUEUE_POSITION = select(func.count()).where(
    jobs.c.state == int(State.QUEUED),
    or_(
        and_(jobs.c.owner != bindparam("owner"), _OLDER),
        and_(jobs.c.owner == bindparam("owner"), or_(_HIGHER, and_(jobs.c.priority == bindparam("priority"), _OLDER))),
    ),
)
_QUEUED = and_(jobs.c.state == int(State.QUEUED), jobs.c.not_before <= bindparam("now"))
_LEFT = or_(
    and_(
        jobs.c.state.in_([int(State.RUNNING), int(State.PAUSED)]),
        jobs.c.worker != "",
        jobs.c.lease_until < bindparam("now"),
    ),
    and_(jobs.c.state == int(State.PAUSED), jobs.c.worker == "", jobs.c.lease_until == 0.0),  # parked, and answered
)
_FREE = or_(_QUEUED, _LEFT)  # waits for a worker
_CAN_BE_DONE = or_(  # to the bits with which it was begun
    bindparam("arithmetic", type_=String) == "",
    jobs.c.arithmetic == "",
    jobs.c.arithmetic == bindparam("arithmetic", type_=String),
)
_FITS = jobs.c.memory_bytes <= bindparam("most_bytes")
_OWNERS = (
    select(
        jobs.c.owner,
        func.min(jobs.c.create_time).label("oldest"),
        func.min(jobs.c.memory_bytes).label("least_bytes"),
    )
    .where(_FREE, _CAN_BE_DONE, _FITS)
    .group_by(jobs.c.owner)
)
_OF_CANDIDATES = (
    *(jobs.c.key, jobs.c.owner, jobs.c.state, jobs.c.worker, jobs.c.lease, jobs.c.start_time),
    *(jobs.c.memory_bytes, jobs.c.server_deaths, jobs.c.worker_deaths, jobs.c.priority, jobs.c.create_time),
)
# Asked for apart: the index has an owner's queue in order, and what was left by its worker is little.
_CANDIDATES = tuple(
    select(*_OF_CANDIDATES)
    .where(free, _CAN_BE_DONE, jobs.c.owner == bindparam("its_owner"), _FITS)
    .order_by(jobs.c.priority.desc(), jobs.c.create_time)
    .limit(1)
    for free in (_QUEUED, _LEFT)
)
_CANCELLED = (
    select(*_OF_CANDIDATES)
    .where(jobs.c.cancel_requested, jobs.c.worker == "", jobs.c.state.in_(UNFINISHED))
    .where(jobs.c.not_before <= bindparam("now"), _FITS)
    .limit(1)
)
_PARKED = and_(jobs.c.state == int(State.PAUSED), jobs.c.worker == "")
_TAKE = jobs.update().where(
    jobs.c.key == bindparam("its_key"), jobs.c.state == bindparam("its_state"), jobs.c.lease == bindparam("its_lease")
)
_MINE = jobs.update().where(jobs.c.key == bindparam("its_key"), jobs.c.lease == bindparam("its_lease"))
_END = (
    jobs.update()
    .where(jobs.c.key == bindparam("its_key"), jobs.c.lease == bindparam("its_lease"), jobs.c.state.in_(UNFINISHED))
    .values(expire_time=bindparam("now") + jobs.c.ttl_seconds, worker="", lease="", lease_until=0.0)
    .returning(jobs.c.pauses, jobs.c.owner, jobs.c.batch_id, jobs.c.halt_epoch)
)
_WISHES = select(jobs.c.cancel_requested, jobs.c.yield_requested).where(jobs.c.key == bindparam("key"))
_DROP_CONTINUATIONS = continuations.delete().where(continuations.c.job_key == bindparam("key"))
_DROP_REFERENCES = job_datasets.delete().where(job_datasets.c.job_key == bindparam("key"))


class LeaseLostError(Exception):
    """Another worker has the job now, or it was deleted: whatever this one does is to be forgotten."""


class Taken(NamedTuple):
    """A job taken to be worked on; ``alone``: in a process of its own, because others have died with it."""

    key: str
    lease: str
    owner: str
    memory_bytes: int
    alone: bool


class Waiting(NamedTuple):
    """An owner's jobs that wait: when the oldest was created, and the bytes that one may take by the owner's quota."""

    oldest: float
    most_bytes: int


class Working(NamedTuple):
    """A worker, how many jobs it has, and until when it need not show life (seconds since 1970)."""

    worker: str
    jobs: int
    until: float


class Wishes(NamedTuple):
    """What others wish of a running job: to end it for good, or to checkpoint it and give it back to the queue."""

    cancel: bool
    give_back: bool


class Look(NamedTuple):
    """A job, how many wait that were created before it, and its log where that is kept in the database."""

    job: Row[Any]
    queue_position: int
    records: bytes | None


class JobStore:
    """The table of jobs and what belongs to it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # accepting ----------------------------------------------------------------------------------------------------

    def create(self, job: NewJob, limits: Limits) -> tuple[Row[Any], bool]:
        """Store a job; with a ``request_id`` seen before, return the job of then (and False)."""
        now = clock.now()
        try:
            with self._database.write() as connection:
                if job.request_id and (known := self._by_request(connection, job.owner, job.request_id)):
                    check_same_request(known, job.request_hash)
                    return known, False
                queued = check_limits(connection, [job], limits)
                values = row_of(job, now)
                if job.lease and not queued and allows(connection, limits.quota, job.owner, job.memory_bytes):
                    # Accepted and begun with one wait for the disk. Killed before it really begins, the job is found
                    # as one that was begun: by its server when that is back, by another once the lease has run out.
                    worker, lease, until = job.lease
                    values |= {"state": State.RUNNING, "worker": worker, "lease": lease, "lease_until": until}
                    values["start_time"] = now
                row = connection.execute(_ADD, values).one()
                add_trainings(connection, {values["key"]: job})
                failpoint("mid-accept")
                return row, True
        except IntegrityError as error:
            raise ServiceError(
                Code.ALREADY_EXISTS, "ALREADY_EXISTS", f"{job_name(job.id)} exists already; choose another id."
            ) from error

    # looking ------------------------------------------------------------------------------------------------------

    def by_request(self, owner: str, request_id: str) -> Row[Any] | None:
        """The job that was created with this ``request_id``, if there is one."""
        with self._database.read() as connection:
            return self._by_request(connection, owner, request_id)

    def _by_request(self, connection: Connection, owner: str, request_id: str) -> Row[Any] | None:
        return connection.execute(_BY_REQUEST, {"owner": owner, "request_id": request_id}).first()

    def get(self, owner: str, id: str) -> Row[Any]:
        """The owner's job of this id. Raises NOT_FOUND."""
        with self._database.read() as connection:
            return self._get(connection, owner, id)

    def _get(self, connection: Connection, owner: str, id: str) -> Row[Any]:
        found = connection.execute(_BY_ID, {"owner": owner, "id": id}).first()
        if found is None:
            raise not_found(job_name(id))
        return found

    def by_key(self, key: str) -> Row[Any]:
        """The job of this key, without its training. Raises NOT_FOUND once it was deleted."""
        with self._database.read() as connection:
            return self._by_key(connection, key)

    def _by_key(self, connection: Connection, key: str) -> Row[Any]:
        found = connection.execute(_BY_KEY, {"key": key}).first()
        if found is None:
            raise not_found("The job")
        return found

    def look(self, key: str) -> Look:
        """What there is to see of the job of this key. Raises NOT_FOUND once it was deleted."""
        with self._database.read() as connection:
            job, position, records = self._by_key(connection, key), 0, None
            if job.state == State.QUEUED:
                mine = {"owner": job.owner, "priority": job.priority, "create_time": job.create_time}
                position = connection.execute(_QUEUE_POSITION, mine).scalar_one()
            elif job.state not in UNFINISHED:
                records = connection.execute(_LOG, {"key": key}).scalar()
            return Look(job, position, records)

    def with_logs(self, owner: str, ids: Sequence[str]) -> list[tuple[Row[Any], bytes | None]]:
        """The owner's jobs of these ids, each with its log of epochs where that is kept in the database.

        Raises NOT_FOUND.
        """
        with self._database.read() as connection:
            found = [self._get(connection, owner, id) for id in ids]
            return [(job, connection.execute(_LOG, {"key": job.key}).scalar()) for job in found]

    def lines(self, key: str) -> list[Line]:
        """What was said about the job of this key, oldest first."""
        with self._database.read() as connection:
            return lines_of(connection, key)

    def to_do(self, key: str) -> Row[Any]:
        """The job of this key with its training. Raises NOT_FOUND once it was deleted."""
        with self._database.read() as connection:
            found = connection.execute(_WITH_TRAINING, {"key": key}).first()
        if found is None:
            raise not_found("The job")
        return found

    def page(
        self,
        owner: str | None,
        states: Sequence[int],
        size: int,
        after: tuple[float, str] | None,
        containing: str = "",
        batch_id: str = "",
    ) -> list[Row[Any]]:
        """The owner's jobs, or all, newest first, from one position on; those whose id or model's name contains a
        text, those of a batch."""
        query = select(*WITHOUT_HASH)
        if owner is not None:
            query = query.where(jobs.c.owner == owner)
        if batch_id:
            query = query.where(jobs.c.batch_id == batch_id)
        if containing:
            query = query.where(
                or_(*(column.contains(containing, autoescape=True) for column in (jobs.c.id, jobs.c.model_name)))
            )
        if states:
            query = query.where(jobs.c.state.in_(states))
        if after:
            older = and_(jobs.c.create_time == after[0], jobs.c.id > after[1])
            query = query.where(or_(jobs.c.create_time < after[0], older))
        with self._database.read() as connection:
            return list(connection.execute(query.order_by(jobs.c.create_time.desc(), jobs.c.id).limit(size)))

    def counts(self, owner: str | None = None) -> dict[State, int]:
        """How many jobs there are in each state, of all owners or of one."""
        query = select(jobs.c.state, func.count()).group_by(jobs.c.state)
        with self._database.read() as connection:
            found = connection.execute(query if owner is None else query.where(jobs.c.owner == owner))
            return {State(state): count for state, count in found}

    def queue(self) -> dict[str, Any]:
        """How many jobs wait for a thread, and since when the one that has waited for longest (0 for none)."""
        query = select(func.count().label("waiting"), func.coalesce(func.min(jobs.c.create_time), 0.0).label("since"))
        with self._database.read() as connection:
            return dict(connection.execute(query.where(jobs.c.state == int(State.QUEUED))).one()._mapping)

    def workers(self) -> list[Working]:
        """Who trains, on how many jobs, and until when the first of their leases holds."""
        query = select(jobs.c.worker, func.count().label("jobs"), func.min(jobs.c.lease_until).label("until"))
        busy = query.where(jobs.c.state.in_([int(State.RUNNING), int(State.PAUSED)]), jobs.c.worker != "")
        with self._database.read() as connection:
            return [Working(*row) for row in connection.execute(busy.group_by(jobs.c.worker).order_by(jobs.c.worker))]

    # working: every change is bound to the lease -----------------------------------------------------------------

    def waiting_owners(
        self, arithmetic: str = "", largest_bytes: int = UNLIMITED, quota: Quota = NO_QUOTA
    ) -> dict[str, Waiting]:
        """Who has jobs that wait for a worker with this ``arithmetic`` and memory, and whom the quota leaves room."""
        wanted = {"now": clock.now(), "arithmetic": arithmetic, "most_bytes": largest_bytes}
        with self._database.read() as connection:
            found = connection.execute(_OWNERS, wanted).all()
            left = left_to_all(connection, quota)
        return {
            row.owner: Waiting(row.oldest, left.get(row.owner, quota).memory_bytes)
            for row in found
            if left.get(row.owner, quota).holds(row.least_bytes)
        }

    def for_others(self, arithmetic: str, largest_bytes: int = UNLIMITED) -> dict[str, int]:
        """How many jobs wait for workers with which other arithmetic, or with more memory (then "")."""
        other = jobs.c.arithmetic.not_in(["", arithmetic])
        kind = case((jobs.c.memory_bytes > largest_bytes, ""), else_=jobs.c.arithmetic)
        waits = and_(jobs.c.state == int(State.QUEUED), or_(other, jobs.c.memory_bytes > largest_bytes))
        with self._database.read() as connection:
            found = connection.execute(select(kind, func.count()).where(waits).group_by(kind))
            return {row[0]: row[1] for row in found}

    def next_in_line(self, owner: str, arithmetic: str = "", largest_bytes: int = UNLIMITED) -> Row[Any] | None:
        """The job of this owner whose turn is next, of those that a worker with so much memory can do."""
        wanted = {"now": clock.now(), "its_owner": owner, "arithmetic": arithmetic, "most_bytes": largest_bytes}
        with self._database.read() as connection:
            return _first(connection, wanted)

    def lease_next(
        self,
        worker: str,
        lease_seconds: float,
        owners: Sequence[str] | None = None,
        most_bytes: float = UNLIMITED,
        arithmetic: str = "",
        quota: Quota = NO_QUOTA,
    ) -> Taken | None:
        """Take the next job of the first of these owners that has one which waits, or whose worker has shown no life,
        and which fits: the one of the highest priority, of these the oldest; of those that were begun with another
        ``arithmetic`` none, and none beyond the owner's ``quota``.

        Without ``owners`` who has waited for longest comes first.
        """
        if owners is None:
            waiting = self.waiting_owners(arithmetic, quota=quota)
            owners = sorted(waiting, key=lambda owner: waiting[owner].oldest)
        for owner in owners:
            wanted = {"now": clock.now(), "its_owner": owner, "arithmetic": arithmetic}
            wanted |= {"most_bytes": int(min(most_bytes, UNLIMITED))}
            for _ in range(TRIES):  # another server may be quicker
                with self._database.read() as connection:
                    candidate = _first(connection, wanted)
                if candidate is None:
                    break
                if (taken := self._take(candidate, worker, clock.now() + lease_seconds, quota)) is not None:
                    return taken
        return None

    def lease_cancelled(self, worker: str, lease_seconds: float, most_bytes: float = UNLIMITED) -> Taken | None:
        """Take a job that was begun and cancelled and that no worker has, so that it ends with the model that it has
        come to. Nothing is computed for that: whoever has memory for it can, out of turn and with any arithmetic."""
        with self._database.read() as connection:
            wanted = {"now": clock.now(), "most_bytes": int(min(most_bytes, UNLIMITED))}
            candidate = connection.execute(_CANCELLED, wanted).first()
        return candidate and self._take(candidate, worker, clock.now() + lease_seconds, NO_QUOTA)

    def _take(self, candidate: Any, worker: str, until: float, quota: Quota) -> Taken | None:
        lease = new_key()
        parked = candidate.state == State.PAUSED and candidate.worker == ""
        again = candidate.start_time > 0
        values: dict[str, Any] = {
            "state": State.RUNNING,
            "worker": worker,
            "lease": lease,
            "lease_until": until,
            "resumed": jobs.c.resumed + (1 if again and not parked else 0),
            "error_message": "",
            "yield_requested": False,
        }
        if not again:
            values["start_time"] = clock.now()
        if candidate.state == State.RUNNING:  # its worker died, or cannot reach the database
            values["server_deaths"] = jobs.c.server_deaths + 1
        # Only one of several servers finds the row as it was.
        unchanged = {"its_key": candidate.key, "its_state": candidate.state, "its_lease": candidate.lease}
        alone = quota != NO_QUOTA  # what an owner has under way is counted and added to by one at a time
        with self._database.write(durable=False, alone=alone) as connection:
            if not allows(connection, quota, candidate.owner, candidate.memory_bytes):
                return None
            if connection.execute(_TAKE.values(**values), unchanged).rowcount != 1:
                return None
            if candidate.worker:
                before, now = host_of(candidate.worker), host_of(worker)
                gone = line(f"{before}, which trained it, shows no life: {now} takes it.", logging.WARNING)
                put_lines(connection, candidate.key, [gone])
        alone = candidate.server_deaths >= SUSPECT_DEATHS or candidate.worker_deaths > 0
        return Taken(candidate.key, lease, candidate.owner, candidate.memory_bytes, alone)

    def update(self, key: str, lease: str, lease_seconds: float, lines: Sequence[Line] = (), **values: Any) -> Wishes:
        """Show life and store ``values`` and what is said; what others wish of the job. Raises
        :class:`LeaseLostError`."""
        with self._database.write(durable=False, alone=False) as connection:
            mine = {"its_key": key, "its_lease": lease, "lease_until": clock.now() + lease_seconds}
            changed = connection.execute(_MINE, {**mine, **values})
            if changed.rowcount == 0:
                raise LeaseLostError(key)
            put_lines(connection, key, lines)
            return self._wishes(connection, key)

    def claim(self, key: str, lease: str, lease_seconds: float) -> str:
        """Take a job for one worker of several that may be given it under this ``lease``: what it is held under from
        now on, by this one alone. Raises :class:`LeaseLostError` where the lease itself has been lost."""
        first, mine = func.substr(jobs.c.lease, 1, CLAIMED), lease[:CLAIMED] + new_key()[CLAIMED:]
        held = and_(jobs.c.key == key, first == lease[:CLAIMED], jobs.c.state.in_([State.RUNNING, State.PAUSED]))
        with self._database.write(durable=False, alone=False) as connection:
            before = connection.execute(select(jobs.c.lease).where(held).with_for_update()).scalar()
            if before is None:
                raise LeaseLostError(key)
            again = 0 if before == lease else 1
            values = {"lease": mine, "lease_until": clock.now() + lease_seconds, "resumed": jobs.c.resumed + again}
            connection.execute(jobs.update().where(jobs.c.key == key).values(**values))
            if again:
                put_lines(connection, key, [line("Its worker is gone: another takes it.", logging.WARNING)])
        return mine

    def renew_all(self, held: Mapping[str, str], lease_seconds: float) -> None:
        """Show life for jobs, each held under its lease, that a worker may be busy with for long before it comes to do
        so itself. One that was claimed since (:meth:`claim`) is held under another: its worker shows life alone."""
        mine = and_(jobs.c.key.in_(held.keys()), jobs.c.lease.in_(held.values()))
        with self._database.write(durable=False) as connection:
            connection.execute(jobs.update().where(mine).values(lease_until=clock.now() + lease_seconds))

    def wishes(self, key: str) -> Wishes:
        """What others wish of the job."""
        with self._database.read() as connection:
            return self._wishes(connection, key)

    def _wishes(self, connection: Connection, key: str) -> Wishes:
        row = connection.execute(_WISHES, {"key": key}).first()
        return Wishes(cancel=True, give_back=True) if row is None else Wishes(*row)

    def ask_back(self, worker: str) -> list[str]:
        """Ask for every job of this worker to be checkpointed and given back; return their keys."""
        mine = and_(jobs.c.worker == worker, jobs.c.state.in_(UNFINISHED))
        with self._database.write(durable=False) as connection:
            connection.execute(jobs.update().where(mine).values(yield_requested=True))
            return [row.key for row in connection.execute(select(jobs.c.key).where(mine))]

    def ask_one_back(self, key: str) -> None:
        """Ask for this job to be checkpointed and given back, so that another owner's can run."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                jobs.update().where(jobs.c.key == key, jobs.c.state.in_(UNFINISHED)).values(yield_requested=True)
            )

    def paused(self, worker: str) -> list[str]:
        """The jobs of this worker that hold a thread while they wait for their callers."""
        query = select(jobs.c.key).where(jobs.c.worker == worker, jobs.c.state == State.PAUSED)
        with self._database.read() as connection:
            return list(connection.execute(query).scalars())

    def park(self, key: str, lease: str, seconds: float, lines: Sequence[Line] = ()) -> None:
        """The job waits for its caller without a worker; it is taken up when the answer comes, for so long."""
        values = {"state": State.PAUSED, "worker": "", "lease": "", "lease_until": clock.now() + seconds}
        with self._database.write() as connection:
            if self._answered(connection, key):
                values["lease_until"] = 0.0
            mine = jobs.update().where(jobs.c.key == key, jobs.c.lease == lease)
            if connection.execute(mine.values(yield_requested=False, **values)).rowcount:
                put_lines(connection, key, lines)

    def halt(self, key: str, lease: str, error: float, lines: Sequence[Line] = ()) -> None:
        """The job waits for the others of its batch, with what they are compared by; the last one's coming decides."""
        until = case((jobs.c.cancel_requested, 0.0), else_=rounds.FOR_EVER)  # at once to be ended, where that is wished
        values: dict[str, Any] = {"state": State.PAUSED, "worker": "", "lease": "", "lease_until": until}
        values |= {"compared": or_null(error), "progress": 0.0, "yield_requested": False}
        with self._database.write() as connection:
            mine = jobs.update().where(jobs.c.key == key, jobs.c.lease == lease)
            row = connection.execute(mine.values(**values).returning(jobs.c.owner, jobs.c.batch_id)).first()
            if row is None:
                raise LeaseLostError(key)
            put_lines(connection, key, lines)
            rounds.decide(connection, row.owner, row.batch_id)

    def _answered(self, connection: Connection, key: str) -> bool:
        query = select(jobs.c.key).where(
            jobs.c.key == key, continuations.c.job_key == key, continuations.c.epoch == jobs.c.epoch + 1
        )
        return connection.execute(query).first() is not None

    def end_overdue_pauses(self) -> list[str]:
        """End the parked jobs whose callers have not answered in time; their keys."""
        overdue = and_(_PARKED, jobs.c.lease_until > 0.0, jobs.c.lease_until < clock.now())
        with self._database.read() as connection:
            if not connection.execute(select(jobs.c.key).where(overdue).limit(1)).first():
                return []
        with self._database.write() as connection:
            keys = list(connection.execute(select(jobs.c.key).where(overdue)).scalars())
            error = precondition("PAUSE_TIMEOUT", "The caller's epoch functions did not answer in time.")
            for key in keys:
                end(connection, key, "", State.FAILED, **error_values(error))
            return keys

    def running(self, worker: str) -> int:
        """How many jobs this worker trains just now, those that wait for their caller not counted."""
        query = select(func.count()).where(jobs.c.worker == worker, jobs.c.state == State.RUNNING)
        with self._database.read() as connection:
            return connection.execute(query).scalar_one()

    def release(
        self, key: str, lease: str, *, seconds: float = 0.0, message: str = "", lines: Sequence[Line] = ()
    ) -> None:
        """Give the job back to the queue, to be taken again after some time."""
        values = {"state": State.QUEUED, "worker": "", "lease": "", "lease_until": 0.0}
        values |= {"not_before": clock.now() + seconds if seconds else 0.0, "error_message": message[:4000]}
        with self._database.write() as connection:
            mine = jobs.update().where(jobs.c.key == key, jobs.c.lease == lease)
            if connection.execute(mine.values(**values)).rowcount:
                put_lines(connection, key, lines)

    def release_all(self, worker: str, *, crashed: bool = False) -> int:
        """Give back every job of this worker: it was killed, for it begins only now.

        ``crashed``: it died by a fault of its own, so what it trained is suspected at once.
        """
        mine = and_(jobs.c.worker == worker, jobs.c.state.in_(UNFINISHED))
        deaths = jobs.c.server_deaths + (SUSPECT_DEATHS if crashed else 1)
        with self._database.write() as connection:
            connection.execute(jobs.update().where(mine, jobs.c.state == State.RUNNING).values(server_deaths=deaths))
            died = "by a fault of its own" if crashed else "stopped or killed"
            for key in connection.execute(select(jobs.c.key).where(mine, jobs.c.start_time > 0)).scalars().all():
                put_lines(connection, key, [line(f"The server died while it had this job ({died}).", logging.WARNING)])
            released = connection.execute(
                jobs.update().where(mine).values(state=State.QUEUED, worker="", lease="", lease_until=0.0)
            )
            return released.rowcount

    def survived(self, key: str, lease: str) -> None:
        """The job has come to a checkpoint: the deaths of servers before it were not its doing."""
        with self._database.write(durable=False) as connection:
            mine = and_(jobs.c.key == key, jobs.c.lease == lease)
            connection.execute(jobs.update().where(mine).values(server_deaths=0))

    def worker_died(self, key: str, lease: str) -> bool:
        """A process of its own has died under the job: back into the queue with it, or its end; whether it ended."""
        with self._database.write() as connection:
            mine = and_(jobs.c.key == key, jobs.c.lease == lease, jobs.c.state.in_(UNFINISHED))
            died = jobs.c.worker_deaths + 1
            row = connection.execute(
                jobs.update()
                .where(mine)
                .values(worker_deaths=died)
                .returning(jobs.c.worker_deaths, jobs.c.cancel_requested)
            ).first()
            if row is None:
                return False
            if row.worker_deaths >= MAX_WORKER_DEATHS:
                error = ServiceError(
                    Code.RESOURCE_EXHAUSTED,
                    "WORKER_DIED",
                    f"The process that trained this job died {row.worker_deaths} times (memory exhausted, or a fault), "
                    "so it is not taken up again. Smaller layers, batches or data may help.",
                )
                end(connection, key, lease, State.FAILED, **error_values(error))
                return True
            why = "The process of its own that trained it died (memory exhausted, or a fault); it is tried once more."
            put_lines(connection, key, [line(why, logging.WARNING)])
            connection.execute(
                jobs.update().where(mine).values(state=State.QUEUED, worker="", lease="", lease_until=0.0)
            )
            return False

    def finish(
        self,
        connection: Connection,
        key: str,
        lease: str,
        state: State,
        records: bytes = b"",
        lines: Sequence[Line] = (),
        *,
        first_lines: bool = False,
        **values: Any,
    ) -> None:
        """End the job, within a transaction; ``records`` is its log, ``lines`` what is left to be said of it.

        Raises :class:`LeaseLostError`.
        """
        end(connection, key, lease, state, **values)
        put_lines(connection, key, lines, first=first_lines)
        if records:
            connection.execute(_ADD_LOG, {"job_key": key, "records": records})

    # the callers' wishes ------------------------------------------------------------------------------------------

    def cancel(self, owner: str, id: str) -> Row[Any]:
        """Ask for a job to be cancelled; one that has not begun is so at once."""
        with self._database.write() as connection:
            cancel(connection, self._get(connection, owner, id), "Its owner asked for it to be cancelled.")
            return self._get(connection, owner, id)

    def delete(self, owner: str, id: str) -> str:
        """Forget a job that has ended; return its key."""
        with self._database.write() as connection:
            job = self._get(connection, owner, id)
            if job.state in UNFINISHED:
                raise precondition("JOB_UNFINISHED", f"{job_name(id)} has not ended; cancel it first.")
            forget(connection, job.key)
            if job.batch_id:
                remove_empty_batches(connection, owner)
            return job.key

    def attach(self, key: str, server: str) -> None:
        """A caller of Train waits for the job, at this server."""
        with self._database.write(durable=False) as connection:
            connection.execute(jobs.update().where(jobs.c.key == key).values(attached_to=server, abandon_time=0.0))

    def leave(self, key: str, abandon_time: float) -> None:
        """The caller of Train has gone; unless it is back by then, the job is cancelled."""
        with self._database.write(durable=False) as connection:
            connection.execute(jobs.update().where(jobs.c.key == key).values(attached_to="", abandon_time=abandon_time))

    def leave_all(self, server: str, abandon_time: float) -> None:
        """All callers of this server have gone: it was killed, for it begins only now."""
        with self._database.write() as connection:
            connection.execute(
                jobs.update()
                .where(jobs.c.attached_to == server, jobs.c.state.in_(UNFINISHED))
                .values(attached_to="", abandon_time=abandon_time)
            )

    def detach(self, owner: str, id: str) -> Row[Any]:
        """The job goes on whoever waits for it."""
        with self._database.write() as connection:
            job = self._get(connection, owner, id)
            connection.execute(jobs.update().where(jobs.c.key == job.key).values(detached=True, abandon_time=0.0))
            return self._get(connection, owner, id)

    def cancel_abandoned(self) -> list[str]:
        """Cancel every job of Train whose caller has been gone for too long; return their keys."""
        abandoned = and_(
            jobs.c.detached.is_(False),
            jobs.c.abandon_time > 0,
            jobs.c.abandon_time < clock.now(),
            jobs.c.cancel_requested.is_(False),
            jobs.c.state.in_(UNFINISHED),
        )
        with self._database.read() as connection:
            if not connection.execute(select(jobs.c.key).where(abandoned).limit(1)).first():
                return []
        with self._database.write() as connection:
            found = connection.execute(select(*WITHOUT_HASH).where(abandoned)).all()
            for job in found:
                cancel(connection, job, "The call that waited for it is gone: it is cancelled.")
            return [job.key for job in found]

    # the callers' epoch functions ----------------------------------------------------------------------------------

    def put_continuation(self, key: str, epoch: int, request: bytes) -> None:
        """Keep the answer of a caller's epoch functions; a second one for the same epoch is ignored."""
        with self._database.write() as connection:
            if not self._continuation(connection, key, epoch):
                answer = {"job_key": key, "epoch": epoch, "request": request, "sha256": checksum(request)}
                connection.execute(continuations.insert(), answer)
                connection.execute(jobs.update().where(jobs.c.key == key, _PARKED).values(lease_until=0.0))

    def continuation(self, key: str, epoch: int) -> bytes | None:
        """The answer for this epoch, if it has come."""
        with self._database.read() as connection:
            return self._continuation(connection, key, epoch)

    def _continuation(self, connection: Connection, key: str, epoch: int) -> bytes | None:
        mine = and_(continuations.c.job_key == key, continuations.c.epoch == epoch)
        row = connection.execute(select(continuations.c.request, continuations.c.sha256).where(mine)).first()
        if row is None:
            return None
        where = f"the answer to epoch {epoch} of the job {key}"
        return sound(row.request, row.sha256, "continuation", where, CONTINUATION_DAMAGED)

    def drop_continuations(self, key: str, epoch: int) -> None:
        """Forget the answers up to an epoch that a checkpoint includes."""
        with self._database.write(durable=False) as connection:
            connection.execute(
                continuations.delete().where(continuations.c.job_key == key, continuations.c.epoch <= epoch)
            )


def cancel(connection: Connection, job: Row[Any], why: str) -> None:
    """Ask for a job to be cancelled, within a transaction; one that has not begun is so at once. A worker ends the
    others, with the models of their last whole epochs (:meth:`JobStore.lease_cancelled`)."""
    if job.state in UNFINISHED and not job.cancel_requested:
        put_lines(connection, job.key, [line(why)])
    if job.state == State.QUEUED and not job.start_time:
        cancelled = ServiceError(Code.CANCELLED, "CANCELLED", "The job was cancelled before it began.")
        end(connection, job.key, "", State.CANCELLED, **error_values(cancelled))
    elif job.state in UNFINISHED:
        connection.execute(jobs.update().where(jobs.c.key == job.key).values(cancel_requested=True))
        connection.execute(jobs.update().where(jobs.c.key == job.key, _PARKED).values(lease_until=0.0))


def _first(connection: Connection, wanted: Mapping[str, Any]) -> Row[Any] | None:
    found: list[Any] = [connection.execute(query, wanted).first() for query in _CANDIDATES]
    return min(filter(None, found), key=lambda job: (-job.priority, job.create_time), default=None)


def check_lease(connection: Connection, key: str, lease: str) -> None:
    """Raises :class:`LeaseLostError` unless the job is still held under this lease, and remains so until the
    transaction ends."""
    held = select(jobs.c.key).where(jobs.c.key == key, jobs.c.lease == lease)
    if not connection.execute(held.with_for_update()).first():
        raise LeaseLostError(key)


def end(connection: Connection, key: str, lease: str, state: State, **values: Any) -> None:
    """Set a job's final state. Raises :class:`LeaseLostError`."""
    now = clock.now()
    changed = {"its_key": key, "its_lease": lease, "now": now, "state": state, "end_time": now, **values}
    row = connection.execute(_END, changed).first()
    if row is None:
        raise LeaseLostError(key)
    if row.pauses:
        connection.execute(_DROP_CONTINUATIONS, {"key": key})
    if row.halt_epoch:
        rounds.decide(connection, row.owner, row.batch_id)
    connection.execute(_DROP_REFERENCES, {"key": key})


def forget(connection: Connection, key: str) -> None:
    """Remove a job and all that refers to it."""
    for table in (continuations, job_datasets, job_lines, trainings, epoch_logs, epoch_records):
        connection.execute(table.delete().where(table.c.job_key == key))
    connection.execute(jobs.delete().where(jobs.c.key == key))


def remove_empty_batches(connection: Connection, owner: str | None = None) -> None:
    """Forget the batches, of one owner or of all, whose last job has been forgotten."""
    left = select(jobs.c.key).where(jobs.c.owner == batches.c.owner, jobs.c.batch_id == batches.c.id)
    empty = batches.delete().where(~left.exists())
    connection.execute(empty if owner is None else empty.where(batches.c.owner == owner))


def training_of(job: Row[Any]) -> bytes:
    """What a job from :meth:`JobStore.to_do` trains. Raises DATA_LOSS where it is damaged."""
    return sound(job.training, job.training_sha256, "training", f"the job {job.key}", TRAINING_DAMAGED)


def random_state_of(job: Row[Any]) -> bytes:
    """Where a job left its random numbers. Raises DATA_LOSS where that is damaged."""
    where = f"the random state of the job {job.key}"
    return sound(job.random_state, job.random_state_sha256, "random_state", where, RANDOM_STATE_DAMAGED)


def error_values(error: ServiceError) -> dict[str, Any]:
    """The columns that say how a job failed."""
    return {
        "error_code": int(error.code),
        "error_reason": error.reason,
        "error_message": one_line(error.message)[:4000],  # in one line; PostgreSQL has no NUL
        "error_field": error.field,
    }


def or_null(value: float) -> float | None:
    """A number as the database keeps it: NULL for what is not finite."""
    return value if math.isfinite(value) else None


def or_nan(value: float | None) -> float:
    """A number from the database, where NaN is stored as NULL."""
    return math.nan if value is None else value
