"""Issue 17.4: whose turn it is, and which of an owner's jobs: priorities, quotas, memory."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from concurrent.futures import Executor, Future
from dataclasses import replace
from pathlib import Path
from typing import Any

import grpc
import pytest
import pytrainr_client
from pytrainr_client import Client, ServerError
from pytrainr_server import start_local_server
from pytrainr_server.jobs import runner as runner_module
from pytrainr_server.jobs.runner import Places, Runner
from pytrainr_server.jobs.worker import WorkerSettings
from pytrainr_server.store.jobs import Taken
from pytrainr_server.store.names import new_key
from pytrainr_server.store.new_jobs import Lease, NewJob
from pytrainr_server.store.quotas import Quota
from pytrainr_server.store.schema import State, metadata
from pytrainr_server.store.store import Store, StoreSettings
from sqlalchemy import inspect
from trainr.v1 import training_pb2

from tests.service.test_bad_input import refused, training
from tests.service.test_leases import LIMITS, Open, another, in_threads, new_job  # noqa: F401 (a fixture)


def job_of(owner: str, id: str, **changes: Any) -> NewJob:
    return replace(new_job(id), owner=owner, **changes)


def create(store: Store, *new: NewJob) -> None:
    for job in new:
        store.jobs.create(job, LIMITS)


def taken(store: Store, owners: list[str] | None = None) -> str:
    found = store.jobs.lease_next("worker", 60.0, owners)
    return store.jobs.by_key(found.key).id if found else ""


# priorities -----------------------------------------------------------------------------------------------------------


def test_of_an_owners_jobs_the_one_of_the_highest_priority_begins(another: Open) -> None:  # noqa: F811
    store = another()
    create(store, new_job("first"), new_job("second"))
    create(
        store, *(replace(new_job(id), priority=priority) for id, priority in (("low", -1), ("high", 9), ("more", 9)))
    )
    positions = {id: store.jobs.look(store.jobs.get("alice", id).key).queue_position for id in ("high", "first", "low")}
    assert positions == {"high": 0, "first": 2, "low": 4}
    assert [taken(store) for _ in range(6)] == ["high", "more", "first", "second", "low", ""]


def test_what_was_given_back_or_left_keeps_its_place(another: Open) -> None:  # noqa: F811
    """Jobs whose worker is gone are asked for apart from those that wait, and stand in the same line."""
    store = another()
    create(store, new_job("left"), replace(new_job("back"), priority=1))
    back, left = (store.jobs.lease_next("worker", 60.0) for _ in range(2))
    assert back is not None
    assert left is not None
    create(store, new_job("new"), replace(new_job("urgent"), priority=2))
    store.jobs.release(back.key, back.lease)
    store.jobs.update(left.key, left.lease, lease_seconds=-1.0)
    assert [taken(store) for _ in range(4)] == ["urgent", "back", "left", "new"]


def test_a_priority_pushes_no_other_owner_away(another: Open) -> None:  # noqa: F811
    """Between owners it is who has waited for longest, whatever one of them says of his own."""
    store = another()
    create(store, job_of("bob", "bobs", priority=-100), job_of("alice", "alices", priority=100))
    key = store.jobs.get("bob", "bobs").key
    assert store.jobs.look(key).queue_position == 0
    assert [taken(store), taken(store)] == ["bobs", "alices"]


@pytest.mark.parametrize("priority", [101, -101, 2**31 - 1])
def test_a_priority_beyond_its_bounds_is_refused_by_name(client: Client, priority: int) -> None:
    message = training()
    message.priority = priority
    request = training_pb2.CreateTrainingJobRequest(training=message)
    code, _, field = refused(lambda: client.training.CreateTrainingJob(request))
    assert (code, field) == (grpc.StatusCode.INVALID_ARGUMENT, "priority")


@pytest.mark.parametrize("priority", [0.5, True, "high", 1 << 40])
def test_what_is_no_priority_is_refused_before_anything_is_sent(client: Client, data: Any, priority: Any) -> None:
    X, Y = data
    with pytest.raises((TypeError, ValueError), match=r"priority should be .*-100 to 100"):
        client.train_async(Y, X, learningrate=0.1, priority=priority)


def test_a_job_says_its_priority(client: Client, data: Any) -> None:
    X, Y = data
    job = client.train_async(Y, X, learningrate=0.1, priority=7)
    assert job.info().priority == 7
    assert next(info for info in client.jobs() if info.name == job.name).priority == 7
    job.wait()


# quotas and memory ----------------------------------------------------------------------------------------------------


def test_an_owner_has_no_more_under_way_than_the_quota_whichever_servers_ask(another: Open) -> None:  # noqa: F811
    """Ten at once at two servers: two of the owner's jobs run, and another owner's; an end makes room for the next."""
    stores = [another(), another()]
    create(stores[0], *(job_of("alice", f"job-{number}") for number in range(6)), job_of("bob", "bobs"))
    quota = Quota(places=2)

    def take(store: Store, index: int) -> Taken | None:
        return store.jobs.lease_next(f"worker-{index}", 60.0, quota=quota)

    took = [job for job in in_threads(stores, take, 10) if job is not None]
    took += [job for job in iter(lambda: take(stores[1], 10), None) if job is not None]
    assert sorted(job.owner for job in took) == ["alice", "alice", "bob"]
    assert stores[1].jobs.waiting_owners(quota=quota) == {}
    first = next(job for job in took if job.owner == "alice")
    stores[1].publish(first.key, first.lease, State.SUCCEEDED, None, b"")
    assert take(stores[0], 11) is not None
    assert take(stores[1], 12) is None
    lease = Lease("worker", new_key(), 4e9)
    made, _ = stores[0].jobs.create(job_of("alice", "more", lease=lease), replace(LIMITS, quota=quota))
    assert made.state == State.QUEUED, "nor does one begin as it is accepted"


def test_memory_has_a_quota_and_smaller_jobs_use_what_is_left_of_it(another: Open) -> None:  # noqa: F811
    store, quota = another(), Quota(memory_bytes=100)
    create(store, *(job_of("alice", f"of-{size}", memory_bytes=size) for size in (60, 50, 30, 20)))
    assert store.jobs.waiting_owners(quota=quota)["alice"].most_bytes == 100
    took = [store.jobs.lease_next("worker", 60.0, most_bytes=most, quota=quota) for most in (100, 40, 40)]
    ids = [store.jobs.by_key(job.key).id for job in took if job is not None]
    assert ids == ["of-60", "of-30"]
    assert store.jobs.lease_next("worker", 60.0, quota=quota) is None
    assert took[0] is not None
    store.jobs.update(took[0].key, took[0].lease, lease_seconds=-1.0)
    again = store.jobs.lease_next("another", 60.0, quota=quota)
    assert again is not None
    assert again.key == took[0].key, "what a dead worker has left takes nothing of it"


def test_what_can_never_fit_is_refused_with_the_estimate(tmp_path: Path, data: Any) -> None:
    X, Y = data
    flags = ["--max-owner-memory-bytes", "100000000", "--max-owner-places", "1", "--training-threads", "2"]
    with start_local_server(tmp_path, flags=flags) as server, pytrainr_client.connect(server.address) as client:
        with pytest.raises(ServerError, match=r"needs .* of memory, one request may have 100 MB"):
            client.train_async(Y, X, learningrate=0.1, hidden_dim=3000)
        endless = [client.train_async(Y, X, learningrate=0.01, hidden_dim=64, numepochs=20_000) for _ in range(2)]
        while endless[0].info().state != "RUNNING":
            time.sleep(0.05)
        time.sleep(1.0)
        assert endless[1].info().state == "QUEUED", "there is a thread, and no place left for its owner"
        endless[0].cancel()
        while endless[1].info().state != "RUNNING":
            time.sleep(0.05)
        endless[1].cancel()


class Never(Executor):
    """Takes jobs and does none of them."""

    def __init__(self) -> None:
        self.futures: list[Future[Any]] = []

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        self.futures.append(Future())
        return self.futures[-1]


def runner_of(store: Store, memory_bytes: float) -> Runner:
    settings = WorkerSettings(store.settings, 3.0, 60.0, 60.0, memory_bytes)
    executor = Never()
    return Runner(store, executor, settings, "here", Places(8, memory_bytes, executor))


def begun(store: Store) -> set[str]:
    return {job.id for job in store.jobs.page(None, [State.RUNNING], 100, None)}


def test_a_large_job_is_passed_but_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rule of docs/server.md: it is passed for some time; then nothing else begins, and who has most gives back."""
    store = opened_at(tmp_path)
    runner = runner_of(store, 100)
    create(store, job_of("alice", "a", memory_bytes=40), job_of("alice", "b", memory_bytes=40))
    runner._pass()
    assert begun(store) == {"a", "b"}
    create(store, job_of("bob", "large", memory_bytes=70), job_of("bob", "small", memory_bytes=5))
    create(store, job_of("carol", "c", memory_bytes=5))
    runner._pass()
    assert begun(store) == {"a", "b", "small", "c"}, "they pass it"
    small = next(iter(store.jobs.page("bob", [State.RUNNING], 1, None)))
    store.publish(small.key, small.lease, State.SUCCEEDED, None, b"")
    runner._futures = {future: held for future, held in runner._futures.items() if held.owner != "bob"}
    monkeypatch.setattr(runner_module, "PATIENCE_SECONDS", 0.0)
    monkeypatch.setattr(runner_module, "TURN_SECONDS", 0.0)
    create(store, job_of("carol", "d", memory_bytes=5), job_of("bob", "next", memory_bytes=1))
    runner._pass()
    assert begun(store) == {"a", "b", "c"}, "nothing passes it any more"
    assert runner.reserve("dave", 1) is None
    asked = [job for job in store.jobs.page(None, [State.RUNNING], 10, None) if job.yield_requested]
    assert [job.owner for job in asked] == ["alice"], "who has most of the memory gives back"
    store.jobs.release(asked[0].key, asked[0].lease)
    runner._futures = {future: held for future, held in runner._futures.items() if held.key != asked[0].key}
    runner._asked.clear()
    runner._pass()
    assert "large" not in begun(store), "40 and 5 are in use, 70 do not fit yet"
    left = [job for job in store.jobs.page("alice", [State.RUNNING], 10, None) if job.yield_requested]
    store.jobs.release(left[0].key, left[0].lease)
    runner._futures = {future: held for future, held in runner._futures.items() if held.owner != "alice"}
    runner._asked.clear()
    monkeypatch.setattr(runner_module, "PATIENCE_SECONDS", 30.0)
    runner._pass()
    assert begun(store) == {"large", "c", "d", "next"}, "and those who gave back wait"
    store.database.close()


def test_an_owners_own_line_waits_without_holding_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who has jobs under way here waits with the large one for their end; nobody gives way for it."""
    store = opened_at(tmp_path)
    runner = runner_of(store, 100)
    monkeypatch.setattr(runner_module, "PATIENCE_SECONDS", 0.0)
    create(store, job_of("alice", "a", memory_bytes=40), job_of("alice", "large", memory_bytes=70))
    create(store, job_of("alice", "small", memory_bytes=1), job_of("bob", "b", memory_bytes=20))
    runner._pass()
    assert begun(store) == {"a", "b"}
    assert runner._held_for is None
    store.database.close()


def test_a_job_too_large_for_one_server_is_left_to_another(another: Open) -> None:  # noqa: F811
    store = another()
    create(store, job_of("alice", "large", memory_bytes=70), job_of("alice", "small", memory_bytes=7))
    assert store.jobs.waiting_owners(largest_bytes=5) == {}
    assert store.jobs.for_others("fused", largest_bytes=50) == {"": 1}
    smallest = store.jobs.next_in_line("alice", largest_bytes=50)
    assert smallest is not None
    assert store.jobs.by_key(smallest.key).id == "small"


# older servers --------------------------------------------------------------------------------------------------------

VERSION_6 = """
DROP INDEX jobs_in_line; ALTER TABLE jobs DROP COLUMN priority;
DROP INDEX jobs_of_batch; ALTER TABLE jobs DROP COLUMN batch_id; ALTER TABLE jobs DROP COLUMN batch_place;
ALTER TABLE jobs DROP COLUMN halt_epoch; ALTER TABLE jobs DROP COLUMN compared; ALTER TABLE jobs DROP COLUMN dropped;
DROP TABLE batches;
UPDATE schema_version SET version = 6;
"""


def test_a_server_of_before_goes_on_beside_the_new_one(tmp_path: Path) -> None:
    """Servers are updated one after the other: where an old one stores a job, columns that are new fill themselves."""
    store = opened_at(tmp_path)
    create(store, new_job("first"))
    columns = [column["name"] for column in inspect(store.database.engine).get_columns("jobs")]
    store.database.close()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database:
        database.executescript(VERSION_6)
        old = [row[1] for row in database.execute("PRAGMA table_info(jobs)")]
    assert set(columns) - set(old) == {"priority", "batch_id", "batch_place", "halt_epoch", "compared", "dropped"}
    store = opened_at(tmp_path)
    values = ", ".join({"key": "'by-old'", "id": "'by-old'", "request_id": "NULL"}.get(name, name) for name in old)
    with contextlib.closing(sqlite3.connect(tmp_path / "store.db")) as database, database:
        database.execute(f"INSERT INTO jobs ({', '.join(old)}) SELECT {values} FROM jobs")
    assert [taken(store), taken(store)] == ["first", "by-old"]
    indexes = {index["name"] for index in inspect(store.database.engine).get_indexes("jobs")}
    assert indexes >= {index.name for index in metadata.tables["jobs"].indexes}
    store.database.close()


def opened_at(directory: Path) -> Store:
    store = Store(StoreSettings(f"sqlite:///{directory / 'store.db'}", str(directory), 3600.0, 3600.0, 1 << 30))
    store.open()
    return store
