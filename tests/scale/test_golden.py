"""Issue 17: what R recorded, through two servers, PostgreSQL, an object store and Dask workers: not one bit differs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
import pytrainr_client
from pytrainr_client import Client
from pytrainr_server import start_local_server

from tests.r_parity.golden import RUNS
from tests.scale import object_store
from tests.scale.dask_cluster import Cluster
from tests.scale.object_store import Swift
from tests.service import postgresql
from tests.service.postgresql import PostgreSQL
from tests.service.test_golden import test_remote_training_and_prediction_equal_r as equal_to_r

MISSING = postgresql.what_is_missing() or object_store.what_is_missing()


@pytest.fixture(scope="module")
def clients(swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Iterator[Client]]:
    """A client of the one server, of the other, and so on."""
    directory = tmp_path_factory.mktemp("golden")
    database, cluster = PostgreSQL(), Cluster(directory)
    for _ in range(2):
        cluster.add_worker()
    where = ("--store-url", database.new_database(), "--files", swift.new_bucket(), "--executor", cluster.address)
    servers = [start_local_server(directory / name, flags=where, seconds=180) for name in ("first", "second")]
    made = [pytrainr_client.connect(server.address) for server in servers]
    yield itertools.cycle(made)
    for client, server in zip(made, servers, strict=True):
        client.close()
        server.stop()
    cluster.stop()
    database.stop()


@pytest.mark.parametrize("name", [] if MISSING else RUNS)
def test_remote_training_and_prediction_equal_r(clients: Iterator[Client], name: str) -> None:
    equal_to_r(next(clients), name)
