"""Several workers on one store: a job is one worker's at a time, and the next one's when that shows no life."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from pytrainr_server.store.jobs import LeaseLostError
from pytrainr_server.store.models import NewModel
from pytrainr_server.store.names import new_key
from pytrainr_server.store.new_jobs import Lease, Limits, NewJob
from pytrainr_server.store.schema import State
from pytrainr_server.store.store import Store, StoreSettings

from tests.service.postgresql import PostgreSQL, what_is_missing

DATABASES = ["sqlite"] if what_is_missing() else ["sqlite", "postgresql"]
LIMITS = Limits(max_jobs=1000, max_queue=1000, max_stored_bytes=1 << 30)
Open = Callable[[], Store]


@pytest.fixture(params=DATABASES)
def another(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Open]:
    """Opens the same store once more, as another server would."""
    cluster = PostgreSQL() if request.param == "postgresql" else None
    url = cluster.new_database() if cluster else f"sqlite:///{tmp_path / 'store.db'}"
    stores = []

    def open_store() -> Store:
        store = Store(StoreSettings(url, str(tmp_path), 3600.0, 3600.0, 1 << 30))
        store.open()
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.database.close()
    if cluster:
        cluster.stop()


def new_job(id: str, request_id: str | None = None, lease: Lease | None = None) -> NewJob:
    return NewJob(
        owner="alice",
        id=id,
        request_id=request_id,
        request_hash=b"hash",
        training=b"training of " + id.encode(),
        pauses=False,
        numepochs=1,
        model_id="model",
        keep_model=True,
        ttl_seconds=60.0,
        sha256s=frozenset(),
        lease=lease,
    )


def new_model(content: bytes = b"content") -> NewModel:
    return NewModel(new_key(), "alice", "model", len(content), "rnn", False, "2,3,1", 1, 0.5, content=content)


def in_threads(stores: list[Store], do: Callable[[Store, int], object], count: int) -> list:
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda index: do(stores[index % len(stores)], index), range(count)))


def test_no_job_is_taken_twice(another: Open) -> None:
    stores = [another(), another()]
    for index in range(40):
        stores[0].jobs.create(new_job(f"job-{index:02}"), LIMITS)
    taken = in_threads(stores, lambda store, index: store.jobs.lease_next(f"worker-{index}", 60.0), 120)
    keys = [lease.key for lease in taken if lease is not None]
    assert len(keys) == len(set(keys))
    rest = iter(lambda: stores[1].jobs.lease_next("last", 60.0), None)  # who found its candidates taken went without
    keys += [lease.key for lease in rest]
    assert len(keys) == len(set(keys)) == 40


def test_a_lease_that_has_run_out_is_taken_over_and_its_old_holder_told(another: Open) -> None:
    first, second = another(), another()
    first.jobs.create(new_job("job"), LIMITS)
    old = first.jobs.lease_next("first", 60.0)
    assert old is not None
    assert second.jobs.lease_next("second", 60.0) is None, "still the first one's"
    first.jobs.update(old.key, old.lease, lease_seconds=-1.0)  # shows life for the last time
    new = second.jobs.lease_next("second", 60.0)
    assert new is not None
    assert new.key == old.key
    assert new.lease != old.lease
    assert second.jobs.by_key(new.key).resumed == 1
    with pytest.raises(LeaseLostError):
        first.jobs.update(old.key, old.lease, 60.0)
    with pytest.raises(LeaseLostError):
        first.publish(old.key, old.lease, State.SUCCEEDED, new_model(), b"")
    assert first.models.page("alice", None, 10, None) == [], "not even its model is left"
    second.publish(new.key, new.lease, State.SUCCEEDED, new_model(), b"")
    assert first.jobs.by_key(new.key).state == State.SUCCEEDED
    assert [model.version for model in first.models.page("alice", "model", 10, None)] == [1]
    assert first.jobs.lease_next("first", 60.0) is None


def test_a_job_is_left_to_those_who_end_it_with_the_same_bits(another: Open) -> None:
    """Issue 17.2: another exp changes R's bits, so who has another leaves the job alone, in the queue or begun."""
    first, second = another(), another()
    first.jobs.create(replace(new_job("job"), arithmetic="fused"), LIMITS)
    first.jobs.create(new_job("any"), LIMITS)
    taken = second.jobs.lease_next("second", 60.0, arithmetic="not fused")
    assert taken is not None
    assert second.jobs.by_key(taken.key).id == "any"
    assert second.jobs.lease_next("second", 60.0, arithmetic="not fused") is None
    assert second.jobs.waiting_owners("not fused") == {}
    assert second.jobs.for_others("not fused") == {"fused": 1}
    mine = first.jobs.lease_next("first", 60.0, arithmetic="fused")
    assert mine is not None
    first.jobs.update(mine.key, mine.lease, lease_seconds=-1.0)
    assert second.jobs.lease_next("second", 60.0, arithmetic="not fused") is None
    assert first.jobs.lease_next("first", 60.0, arithmetic="fused") is not None
    assert first.jobs.for_others("fused") == {}


def test_a_job_begun_as_it_was_accepted_is_leased_like_any_other(another: Open) -> None:
    first, second = another(), another()
    lease = Lease("first", new_key(), 4e9)
    job, created = first.jobs.create(new_job("job", lease=lease), LIMITS)
    assert created
    assert (job.state, job.lease) == (State.RUNNING, lease.lease)
    assert second.jobs.lease_next("second", 60.0) is None
    assert second.jobs.to_do(job.key).training == b"training of job"
    assert first.jobs.release_all("first") == 1, "killed before it began: it is back in the queue"
    waiting, _ = first.jobs.create(new_job("later", lease=Lease("first", new_key(), 4e9)), LIMITS)
    assert waiting.state == State.QUEUED, "nobody goes before those that wait"
    taken = second.jobs.lease_next("second", 60.0)
    assert taken is not None
    assert taken.key == job.key


def test_one_request_at_two_servers_is_one_job(another: Open) -> None:
    stores = [another(), another()]
    made = in_threads(stores, lambda store, index: store.jobs.create(new_job(f"job-{index}", "request"), LIMITS), 16)
    assert len({job.key for job, _ in made}) == 1
    assert sum(created for _, created in made) == 1


def test_versions_are_counted_without_gap_or_double(another: Open) -> None:
    stores = [another(), another()]

    def publish(store: Store, index: int) -> None:
        lease = Lease(f"worker-{index}", new_key(), 4e9)
        job, _ = store.jobs.create(new_job(f"job-{index}", lease=lease), LIMITS)
        store.publish(job.key, lease.lease, State.SUCCEEDED, new_model(b"%d" % index), b"")

    in_threads(stores, publish, 24)
    versions = stores[0].models.page("alice", "model", 100, None)
    assert sorted(model.version for model in versions) == list(range(1, 25))
    assert {stores[1].models.content(model.key) for model in versions} == {b"%d" % index for index in range(24)}


def test_the_limits_hold_however_many_ask_at_once(another: Open) -> None:
    stores = [another(), another()]

    def create(store: Store, index: int) -> bool:
        try:
            return store.jobs.create(new_job(f"job-{index}"), replace(LIMITS, max_jobs=10))[1]
        except Exception as error:
            assert getattr(error, "reason", "") == "TOO_MANY_JOBS"
            return False

    assert sum(in_threads(stores, create, 40)) == 10


def test_imports_with_one_request_id_at_once_are_one_model(another: Open) -> None:
    """Found by broken messages (issue 18.2): both calls see no such model yet, then both store one."""
    stores = [another(), another()]
    imported = replace(new_model(), request_id="once")

    def add(store: Store, index: int) -> tuple[str, int]:
        row = store.add_imported(replace(imported, key=new_key()))
        return row.key, row.version

    assert len(set(in_threads(stores, add, 16))) == 1


def test_jobs_with_one_request_id_at_once_are_one_job(another: Open) -> None:
    """The neighbour: an honest retry through another server is no clash of names."""
    stores = [another(), another()]
    made = in_threads(stores, lambda store, index: store.jobs.create(new_job("job", "once"), LIMITS), 16)
    assert len({row.key for row, _ in made}) == 1
    assert sum(created for _, created in made) == 1


def test_a_cancelled_job_that_was_begun_is_taken_out_of_turn_to_be_ended(another: Open) -> None:
    """By whoever has memory for it, whatever its arithmetic; once, and only where no worker has it."""
    first, second = another(), another()
    for id in ("waits", "runs", "new"):
        first.jobs.create(replace(new_job(id), arithmetic="fused", memory_bytes=1000), LIMITS)
    waits, runs = (first.jobs.lease_next("first", 60.0, arithmetic="fused") for _ in range(2))
    assert waits is not None
    assert runs is not None
    first.jobs.release(waits.key, waits.lease)
    assert second.jobs.lease_cancelled("second", 60.0) is None
    states = {id: first.jobs.cancel("alice", id).state for id in ("waits", "runs", "new")}
    assert states == {"waits": State.QUEUED, "runs": State.RUNNING, "new": State.CANCELLED}
    assert first.jobs.lease_next("first", 60.0, owners=["alice"], arithmetic="other") is None
    assert second.jobs.lease_cancelled("second", 60.0, most_bytes=999) is None
    taken = in_threads([first, second], lambda store, index: store.jobs.lease_cancelled(f"{index}", 60.0), 16)
    (one,) = filter(None, taken)
    assert one.key == waits.key
    assert first.jobs.by_key(one.key).cancel_requested
    second.publish(one.key, one.lease, State.CANCELLED, new_model(), b"")
    assert first.jobs.lease_cancelled("first", 60.0) is None, "the other is its worker's to end"
    first.jobs.release(runs.key, runs.lease, seconds=600.0)
    assert second.jobs.lease_cancelled("second", 60.0) is None, "what failed for the disk is not tried all the time"
