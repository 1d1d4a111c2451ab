"""Issue 17.4 on several servers with one PostgreSQL: fair shares, batches and successive halving across them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import pytrainr_client
from sqlalchemy.engine import make_url

import pytrainr
from pytrainr import RRandom
from tests.scale.test_shared_servers import HERE, Pair, start_pair, stop_pair
from tests.service.conftest import adder, create_token
from tests.service.postgresql import PostgreSQL
from tests.service.test_batches import same

QUEUED = 10_000
ENDLESS: dict[str, Any] = {"learningrate": 0.01, "numepochs": 900_000, "hidden_dim": 16, "network_type": "lstm"}
SMALL: dict[str, Any] = {"learningrate": 0.1, "numepochs": 2, "hidden_dim": 2}


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    """One cluster for all of these tests."""
    cluster = PostgreSQL()
    yield cluster
    cluster.stop()


@pytest.fixture
def url(postgresql: PostgreSQL) -> str:
    """An empty database."""
    return postgresql.new_database()


def started(url: str, directory: Path, *flags: str) -> Pair:
    return start_pair(directory, "--store-url", url, "--files", f"file://{directory / 'files'}", *flags)


def multiply(url: str, count: int) -> None:
    """So many copies of the one job that waits, as if each had been handed in."""
    address = make_url(url)
    connection = psycopg.connect(host=address.query["host"], user=address.username, dbname=address.database)
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT key FROM jobs WHERE state = 1 ORDER BY create_time DESC LIMIT 1")
        (key,) = cursor.fetchone() or ("",)
        for table, own in (("jobs", "key"), ("trainings", "job_key")):
            cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = %s", [table])
            columns = [row[0] for row in cursor.fetchall()]
            made = {own: "'copy' || n", "id": "'copy' || n", "request_id": "NULL", "create_time": "create_time + n"}
            values = ", ".join(made.get(column, column) for column in columns)
            cursor.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {values} FROM {table}, "
                f"generate_series(1, {count}) n WHERE {own} = %s",
                [key],
            )


@pytest.mark.parametrize("postgresql_is", HERE)
def test_ten_thousand_jobs_of_one_owner_keep_nobody_waiting(url: str, tmp_path: Path, postgresql_is: str) -> None:
    """One owner fills two servers and the queue; another's jobs are done at once, wherever they were handed in, and a
    third's, of the lowest priority, as well."""
    pair = started(url, tmp_path, "--training-threads", "1", "--max-jobs", "20000", "--max-queue", "30000")
    try:
        owners = ("alice", "bob", "carol")
        tokens = {owner: create_token(tmp_path / "first", owner, url) for owner in owners}
        first, second = (server.address for server in pair.servers)
        X, Y = adder(20)
        with (
            pytrainr_client.connect(first, tokens["alice"]) as alice,
            pytrainr_client.connect(second, tokens["bob"]) as bob,
            pytrainr_client.connect(first, tokens["carol"]) as carol,
        ):
            jobs = [alice.train_async(Y, X, rng=RRandom(index), priority=100, **ENDLESS) for index in range(4)]
            while sum(job.info().state == "RUNNING" for job in jobs) < 2:
                time.sleep(0.05)
            multiply(url, QUEUED)
            expected = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=(), **SMALL)
            for client, priority in ((bob, 0), (carol, -100), (bob, -100)):
                assert client.train_async(Y, X, rng=RRandom(1), priority=priority, **SMALL).wait().error.tolist() == (
                    expected.error.tolist()
                )
            assert not any(job.info().ended for job in jobs)
    finally:
        stop_pair(pair)


@pytest.mark.parametrize("postgresql_is", HERE)
def test_a_batch_is_watched_anywhere_and_outlives_a_server(url: str, tmp_path: Path, postgresql_is: str) -> None:
    """Handed in at one, watched at the other; one of them is killed while jobs train and others wait for them."""
    pair = started(url, tmp_path, "--checkpoint-seconds", "0.2", "--lease-seconds", "2", "--training-threads", "1")
    X, Y = adder(40)
    grid = {"hidden_dim": [2, 4, 6, 8]}
    shared: dict[str, Any] = {"learningrate": 0.05, "numepochs": 400, "network_type": "gru"}
    try:
        with pytrainr_client.connect(pair.servers[0].address) as first:
            batch = first.train_many_async(Y, X, grid, halving=2, **shared)
            chosen = batch._chosen
        with pytrainr_client.connect(pair.servers[1].address) as second:
            there = pytrainr_client.Batch(second, batch.name, chosen)
            events = there.watch()
            while there.info().epoch < 150:
                next(events)
            pair.servers[0].kill()
            assert [event for event in events if not isinstance(event, pytrainr_client.BatchInfo)]
            found = there.wait()
        same(found, pytrainr.trainr_many(Y, X, grid, halving=2, progress=False, **shared))
    finally:
        stop_pair(pair)
