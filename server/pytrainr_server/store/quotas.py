"""What the jobs of one owner that are under way may take together, on all servers of the store."""

from __future__ import annotations

from typing import NamedTuple

from sqlalchemy import Connection, and_, bindparam, func, select

from pytrainr_server import clock
from pytrainr_server.config import UNLIMITED
from pytrainr_server.store.schema import State, jobs

_UNDER_WAY = and_(  # by a worker that shows life: what a dead one has left takes nothing
    jobs.c.state.in_([int(State.RUNNING), int(State.PAUSED)]),
    jobs.c.worker != "",
    jobs.c.lease_until >= bindparam("now"),
)
_BYTES = func.coalesce(func.sum(jobs.c.memory_bytes), 0)
_USED = select(jobs.c.owner, func.count(), _BYTES).where(_UNDER_WAY).group_by(jobs.c.owner)
_USED_BY = select(func.count(), _BYTES).where(_UNDER_WAY, jobs.c.owner == bindparam("owner"))


class Quota(NamedTuple):
    """So many jobs at the same time, a place each, and so many bytes by their estimates."""

    places: int = UNLIMITED
    memory_bytes: int = UNLIMITED

    def left(self, places: int, memory_bytes: int) -> Quota:
        """What is left where so much is taken."""
        return Quota(self.places - places, self.memory_bytes - memory_bytes)

    def holds(self, memory_bytes: int) -> bool:
        """Whether there is room for a job."""
        return self.places > 0 and self.memory_bytes >= memory_bytes


NO_QUOTA = Quota()


def left_to_all(connection: Connection, quota: Quota) -> dict[str, Quota]:
    """What is left of it to the owners who have jobs under way."""
    if quota == NO_QUOTA:
        return {}
    return {
        owner: quota.left(int(places), int(size))
        for owner, places, size in connection.execute(_USED, {"now": clock.now()})
    }


def allows(connection: Connection, quota: Quota, owner: str, memory_bytes: int) -> bool:
    """Whether one more job of this owner may begin; asked within the transaction in which it does."""
    if quota == NO_QUOTA:
        return True
    places, size = connection.execute(_USED_BY, {"owner": owner, "now": clock.now()}).one()
    return quota.left(int(places), int(size)).holds(memory_bytes)
