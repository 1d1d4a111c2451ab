"""Issue 17: what R recorded, through two servers, PostgreSQL, an object store and Dask workers: not one bit differs."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import pytrainr_client
from pytrainr_client import Client
from pytrainr_server import start_local_server

from tests.r_parity.golden import RUNS, array, run
from tests.r_parity.test_golden import Same
from tests.scale import object_store
from tests.scale.dask_cluster import Cluster
from tests.scale.object_store import Swift
from tests.service import postgresql
from tests.service.postgresql import PostgreSQL
from tests.service.test_golden import assert_trained_as_r, train

MISSING = postgresql.what_is_missing() or object_store.what_is_missing()


@pytest.fixture(scope="module")
def clients(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Client]]:
    """A client of each server."""
    directory = tmp_path_factory.mktemp("golden")
    database, cluster = PostgreSQL(), Cluster(directory)
    for _ in range(2):
        cluster.add_worker()
    where = ("--store-url", database.new_database(), "--files", swift.new_bucket(), "--executor", cluster.address)
    servers = [start_local_server(directory / name, flags=where, seconds=180) for name in ("first", "second")]
    made = [pytrainr_client.connect(server.address) for server in servers]
    yield made
    for client, server in zip(made, servers, strict=True):
        client.close()
        server.stop()
    cluster.stop()
    database.stop()


@pytest.mark.parametrize("all_is", [] if MISSING else ["here"])
def test_trained_at_one_server_predicted_at_the_other_as_r_does(clients: list[Client], all_is: str) -> None:
    """All at once, eight at a time."""

    def check(index: int) -> None:
        name = RUNS[index]
        golden, same = run(name), Same(name)
        model, rng = train(clients[index % 2], name)
        assert_trained_as_r(model, rng, golden, same)
        same(clients[1 - index % 2].predictr(model, array(golden["X"])), golden["predict"], "predict")

    with ThreadPoolExecutor(8) as pool:
        checks = [pool.submit(check, index) for index in range(len(RUNS))]
    failed = {RUNS[index]: str(error) for index, done in enumerate(checks) if (error := done.exception())}
    assert not failed
