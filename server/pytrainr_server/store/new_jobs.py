"""Jobs as they are accepted: what is stored of them, and the limits of one owner and of all together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from sqlalchemy import Connection, Row, and_, bindparam, case, func, select

from pytrainr_server.errors import Code, ServiceError, exhausted, not_found
from pytrainr_server.store.checksums import checksum
from pytrainr_server.store.names import new_key
from pytrainr_server.store.quotas import NO_QUOTA, Quota
from pytrainr_server.store.schema import UNFINISHED, State, datasets, job_datasets, jobs, models, trainings

RETRY_SECONDS = 2.0

# Statements on the way of every job, made once: making one takes longer than SQLite takes for it.
_COUNTS = select(
    func.count().label("in_all"),
    func.coalesce(func.sum(case((jobs.c.owner == bindparam("owner"), 1), else_=0)), 0).label("mine"),
    func.coalesce(func.sum(case((jobs.c.state == int(State.QUEUED), 1), else_=0)), 0).label("queued"),
).where(jobs.c.state.in_(UNFINISHED))
_ADD_TRAINING = trainings.insert()
_STORED = select(
    *(
        select(func.coalesce(func.sum(size), 0)).where(table.c.owner == bindparam("owner")).scalar_subquery()
        for table, size in (
            (jobs, jobs.c.training_bytes),
            (models, models.c.size_bytes),
            (datasets, datasets.c.size_bytes),
        )
    )
)


class Lease(NamedTuple):
    """Who may work on a job, and until when (seconds since 1970)."""

    worker: str
    lease: str
    until: float


@dataclass(frozen=True)
class NewJob:
    """A job as accepted."""

    owner: str
    id: str
    request_id: str | None
    request_hash: bytes
    training: bytes
    pauses: bool
    numepochs: int
    model_id: str
    keep_model: bool
    ttl_seconds: float
    sha256s: frozenset[str]
    initial_model_key: str | None = None
    attached_to: str = ""  # the server whose Train call waits for it; empty for a job that stands alone
    memory_bytes: int = 0
    arithmetic: str = ""
    priority: int = 0
    batch_id: str = ""  # of those that it was handed in with, and its place among them
    batch_place: int = 0
    halt_epoch: int = 0
    lease: Lease | None = None  # under which it can begin at once, if no other job waits


@dataclass(frozen=True)
class Limits:
    """What one owner, and all together, may have waiting and running."""

    max_jobs: int
    max_queue: int
    max_stored_bytes: int
    quota: Quota = NO_QUOTA


def row_of(job: NewJob, now: float) -> dict[str, Any]:
    """A new row; of a batch each is a little younger than the one before it, and so they stay in order."""
    return {
        "key": new_key(),
        "owner": job.owner,
        "id": job.id,
        "request_id": job.request_id,
        "request_hash": job.request_hash,
        "training_bytes": len(job.training),
        "pauses": job.pauses,
        "model_id": job.model_id,
        "keep_model": job.keep_model,
        "initial_model_key": job.initial_model_key,
        "ttl_seconds": job.ttl_seconds,
        "create_time": now + job.batch_place * 1e-6,
        "state": State.QUEUED,
        "numepochs": job.numepochs,
        "memory_bytes": job.memory_bytes,
        "arithmetic": job.arithmetic,
        "priority": job.priority,
        "batch_id": job.batch_id,
        "batch_place": job.batch_place,
        "halt_epoch": job.halt_epoch,
        "detached": not job.attached_to,
        "attached_to": job.attached_to,
    }


def add_jobs(connection: Connection, new: Sequence[NewJob], now: float) -> None:
    """Store jobs that wait for their turn, within a transaction."""
    rows = [row_of(job, now) for job in new]
    connection.execute(jobs.insert(), rows)
    add_trainings(connection, {row["key"]: job for row, job in zip(rows, new, strict=True)})


def add_trainings(connection: Connection, new: Mapping[str, NewJob]) -> None:
    """Store what jobs train, by their keys. Raises NOT_FOUND where a dataset or a model of theirs has gone."""
    trained = [{"job_key": key, "training": job.training, "sha256": checksum(job.training)} for key, job in new.items()]
    connection.execute(_ADD_TRAINING, trained)
    referred = [{"job_key": key, "sha256": sha256} for key, job in new.items() for sha256 in job.sha256s]
    for owner, sha256 in {(job.owner, sha256) for job in new.values() for sha256 in job.sha256s}:
        its = and_(datasets.c.owner == owner, datasets.c.sha256 == sha256)
        if not connection.execute(select(datasets.c.sha256).where(its)).first():
            raise not_found(f"datasets/{sha256}")
    if referred:
        connection.execute(job_datasets.insert(), referred)
    for key in {job.initial_model_key for job in new.values() if job.initial_model_key}:
        if not connection.execute(select(models.c.key).where(models.c.key == key)).first():
            raise not_found("stored_model")


def check_same_request(known: Row[Any], request_hash: bytes) -> None:
    """Refuse a ``request_id`` that was used for something else."""
    if known.request_hash != request_hash:
        raise ServiceError(
            Code.ALREADY_EXISTS,
            "REQUEST_ID_REUSED",
            "request_id was used before for a different training; every new training needs a new one.",
            field="request_id",
        )


def check_limits(connection: Connection, new: Sequence[NewJob], limits: Limits) -> int:
    """Refuse new jobs of one owner that would go beyond a limit; how many jobs wait in the queue."""
    owner, count = new[0].owner, len(new)
    in_all, mine, queued = connection.execute(_COUNTS, {"owner": owner}).one()
    if in_all + count > limits.max_queue:
        more = f" of {limits.max_queue}, and this batch has {count}" if count > 1 else ""
        raise exhausted(
            "QUEUE_FULL", f"The server's queue is full ({in_all} jobs{more}); try again later.", RETRY_SECONDS
        )
    if mine + count > limits.max_jobs:
        more = f" and this batch has {count}" if count > 1 else ""
        raise exhausted(
            "TOO_MANY_JOBS",
            f"You have {mine} jobs waiting or running{more}; {limits.max_jobs} are allowed at a time.",
            RETRY_SECONDS if count <= limits.max_jobs else None,
        )
    check_storage(connection, owner, sum(len(job.training) for job in new), limits.max_stored_bytes)
    return int(queued)


def check_storage(connection: Connection, owner: str, more: int, limit: int) -> None:
    """Refuse what would take the owner beyond the quota."""
    stored = stored_bytes(connection, owner)
    if stored + more > limit:
        raise exhausted(
            "STORAGE_FULL",
            f"This needs {more} bytes more; you have stored {stored} of the {limit} bytes that you may. "
            "Delete models, jobs or datasets first.",
        )


def stored_bytes(connection: Connection, owner: str) -> int:
    """Bytes that an owner has stored: jobs, models and datasets."""
    return sum(int(size) for size in connection.execute(_STORED, {"owner": owner}).one())
