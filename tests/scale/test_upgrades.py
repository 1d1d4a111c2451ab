"""Issue 17.5: the database is brought up to date while servers of the version before go on."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrainr_client
from pytrainr_server import start_local_server
from pytrainr_server.store.database import Database
from pytrainr_server.store.migrations import MIGRATIONS, current_version, migrate
from sqlalchemy import Connection

import pytrainr
from pytrainr import RRandom
from tests.service.conftest import adder
from tests.service.postgresql import PostgreSQL, what_is_missing

HERE = [] if what_is_missing() else ["here"]
TASK: dict[str, Any] = {"learningrate": 0.05, "hidden_dim": 4, "numepochs": 30}


def to_come(connection: Connection) -> None:
    """A migration as they may be: tables, columns with a default, indexes."""
    connection.exec_driver_sql("CREATE TABLE to_come (key VARCHAR(32) PRIMARY KEY)")
    for table in ("jobs", "models", "datasets", "shared_files", "uploads"):
        connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN to_come BIGINT NOT NULL DEFAULT 0")
    connection.exec_driver_sql("CREATE INDEX jobs_to_come ON jobs (to_come, create_time)")


@pytest.mark.parametrize("postgresql_is", HERE)
def test_a_running_server_does_not_mind_a_newer_schema(tmp_path: Path, postgresql_is: str) -> None:
    """Jobs before, under and after the migration end to the bit; a server of the old version begins no more."""
    X, Y = adder(40)
    expected = pytrainr.trainr(Y, X, rng=RRandom(3), epoch_function=pytrainr.epoch_annealing, **TASK)
    cluster = PostgreSQL()
    url = cluster.new_database()
    flags = ["--store-url", url, "--files", f"file://{tmp_path / 'files'}", "--checkpoint-seconds", "0.05"]
    try:
        with (
            start_local_server(tmp_path / "old", flags=flags) as server,
            pytrainr_client.connect(server.address) as client,
        ):
            jobs, over = [], threading.Event()

            def submit() -> None:
                while not over.is_set() or len(jobs) < 10:
                    jobs.append(client.train_async(Y, X, rng=RRandom(3), model_id="model", **TASK))
                    jobs[-1].wait()

            submitting = threading.Thread(target=submit)
            submitting.start()
            while len(jobs) < 3:
                pass
            database = Database(url)
            with database.write() as connection:
                assert migrate(connection, (*MIGRATIONS, to_come)) == len(MIGRATIONS) + 1
            after = len(jobs)
            while len(jobs) < after + 3:
                pass
            over.set()
            submitting.join()
            for job in jobs:
                assert np.array_equal(job.wait().time_synapse[0], expected.time_synapse[0])
            assert len(list(client.models("models/model"))) == len(jobs)
            client.predictr("models/model", X)
            jobs[0].delete()
            with pytest.raises(RuntimeError, match="start it with the newer version"):
                start_local_server(tmp_path / "another", flags=flags)
            with database.read() as connection:
                assert current_version(connection) == len(MIGRATIONS) + 1
            database.close()
        assert "Traceback" not in server.log.read_text()
    finally:
        cluster.stop()
