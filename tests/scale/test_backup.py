"""Issue 17.5: database and bucket are saved with their own tools while servers run, and brought back elsewhere."""

from __future__ import annotations

import contextlib
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrainr_client
from pytrainr_server import start_local_server
from sqlalchemy import make_url

import pytrainr
from pytrainr import RRandom
from tests.scale.object_store import KEYS, Swift, what_is_missing
from tests.service import postgresql
from tests.service.conftest import adder
from tests.service.postgresql import PROGRAMS, PostgreSQL

HERE = [] if what_is_missing() or postgresql.what_is_missing() else ["here"]
TASK: dict[str, Any] = {"network_type": "gru", "hidden_dim": 64, "learningrate": 0.05}


def run(program: str, database: PostgreSQL, url: str, *arguments: object) -> None:
    assert PROGRAMS is not None
    where = f"--host={database.directory}", "--username=trainr", f"--dbname={make_url(url).database}"
    done = subprocess.run(
        [PROGRAMS / program, *where, *map(str, arguments)], capture_output=True, check=False, timeout=600
    )
    assert done.returncode == 0, done.stderr


def copy_bucket(swift: Swift, source: str, target: str) -> int:
    """As any tool that copies buckets does, which goes on where a file is deleted meanwhile; how many there were."""
    import s3fs

    store = s3fs.S3FileSystem(
        key=KEYS["AWS_ACCESS_KEY_ID"],
        secret=KEYS["AWS_SECRET_ACCESS_KEY"],
        client_kwargs={"endpoint_url": swift.address},
    )
    before, after = (url.partition("?")[0].removeprefix("s3://") for url in (source, target))
    found = store.find(before)
    for path in found:
        with contextlib.suppress(FileNotFoundError):  # a checkpoint that has a successor by now
            store.pipe_file(after + path.removeprefix(before), store.cat_file(path))
    return len(found)


@pytest.mark.parametrize("all_is", HERE)
def test_what_was_saved_is_served_elsewhere(swift: Swift, tmp_path: Path, all_is: str) -> None:
    """Models and jobs of before the backup are there to the bit, one that ran goes on; what came later is not."""
    X, Y = adder(40)
    before, long = ({**TASK, "numepochs": number} for number in (3, 1500))
    database = PostgreSQL()
    url, files = database.new_database(), swift.new_bucket()
    flags = ("--checkpoint-seconds", "0.1")
    try:
        with (
            start_local_server(tmp_path / "first", flags=(*flags, "--store-url", url, "--files", files)) as server,
            pytrainr_client.connect(server.address) as client,
        ):
            client.train_async(Y, X, rng=RRandom(1), model_id="kept", **before).wait()
            running = client.train_async(Y, X, rng=RRandom(2), job_id="running", **long)
            while running.info().epoch < 10:
                pass
            run("pg_dump", database, url, "--format=custom", f"--file={tmp_path / 'dump'}")
            client.train_async(Y, X, rng=RRandom(3), model_id="later", **before).wait()
            new_files = swift.new_bucket()
            assert copy_bucket(swift, files, new_files) >= 1
            running.cancel()
        new_url = database.new_database()
        run("pg_restore", database, new_url, tmp_path / "dump")
        # The lease of then has run out, or is soon to.
        where = ("--store-url", new_url, "--files", new_files)
        with (
            start_local_server(tmp_path / "second", flags=(*flags, *where)) as server,
            pytrainr_client.connect(server.address) as client,
        ):
            expected = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **before)
            assert np.array_equal(client.predictr("models/kept", X), pytrainr.predictr(expected, X))
            assert {model.name.partition("@")[0] for model in client.models()} == {"models/kept"}
            expected = pytrainr.trainr(Y, X, rng=RRandom(2), epoch_function=pytrainr.epoch_annealing, **long)
            assert np.array_equal(client.job("trainingJobs/running").wait().error, expected.error)
    finally:
        database.stop()
