"""Issue 17.2: a Dask cluster's workers train what servers accept; which may, what becomes of jobs whose worker dies."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import pytrainr_client
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.config import Config, ConfigError
from pytrainr_server.jobs.bits import bits, difference
from pytrainr_server.jobs.executors import DaskExecutor

from tests.scale.conftest import NewPlace
from tests.scale.dask_cluster import Cluster
from tests.service.postgresql import PostgreSQL, what_is_missing
from tests.service.test_faults import TASKS, assert_same, submit, undisturbed

HERE = [] if what_is_missing() else ["here"]


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler, and two workers."""
    made = Cluster(tmp_path)
    made.add_worker()
    made.add_worker()
    yield made
    made.stop()


@pytest.fixture
def servers(cluster: Cluster, new_place: NewPlace, tmp_path: Path) -> Iterator[list[LocalServer]]:
    """Two servers with everything in common: PostgreSQL, files, Dask."""
    database = PostgreSQL()
    where = ("--store-url", database.new_database(), "--files", new_place(), "--executor", cluster.address)
    flags = (*where, "--checkpoint-seconds", "0.2", "--lease-seconds", "3")
    made = [start_local_server(tmp_path / name, flags=flags, seconds=180) for name in ("first", "second")]
    yield made
    for server in made:
        server.stop()
    database.stop()


@pytest.mark.parametrize("postgresql_is", HERE)
def test_a_worker_that_dies_has_a_successor_with_the_same_bits(
    servers: list[LocalServer], cluster: Cluster, postgresql_is: str
) -> None:
    """Jobs of two servers on two workers; one worker is killed, then one server: every job ends, to the bit."""
    tasks = [{**task, "numepochs": 4 * task["numepochs"]} for task in TASKS]
    first, second = (pytrainr_client.connect(server.address) for server in servers)
    with first, second:
        jobs = [submit((first, second)[index % 2], task, index, f"job-{index}") for index, task in enumerate(tasks)]
        while not any(job.info().epoch > 5 for job in jobs):
            time.sleep(0.05)
        cluster.workers[0].kill()
        cluster.add_worker()
        servers[0].kill()
        for index, job in enumerate(jobs):
            assert_same(second.job(job.name).wait(), undisturbed(tasks[index], index))
        assert len(list(second.models())) == len(jobs), "none ended twice"
    assert "trains from now on" in servers[1].log.read_text()


def test_a_worker_with_other_bits_is_told_and_takes_no_job(cluster: Cluster, caplog: pytest.LogCaptureFixture) -> None:
    mine = bits()._replace(libm="glibc, not fused", numba="0.1")
    with DaskExecutor(cluster.address.replace("dask:", "tcp:"), mine) as executor:
        until = time.monotonic() + 300
        while sum("takes no job" in record.message for record in caplog.records) < 2:
            assert time.monotonic() < until
            assert executor.places() == 0
            time.sleep(0.2)
        assert executor.degraded == "no Dask worker is there that may train"
        assert executor.submit(print).exception() is not None
    assert "numba is" in caplog.text
    assert "here 0.1" in caplog.text


def test_what_differs_is_said() -> None:
    assert difference(bits(), bits()) == ""
    other = bits()._replace(libm="another")
    assert difference(bits(), other) == f"libm is another, here {bits().libm}"


@pytest.mark.parametrize("executor", ["dask", "dask:", "dask://host", "dask-local:0", "dask-local", "process"])
def test_what_is_no_executor_is_said(executor: str) -> None:
    with pytest.raises(ConfigError, match="must be threads, processes, dask-local:N or dask://HOST:PORT"):
        Config(executor=executor)


def test_dask_elsewhere_needs_a_store_and_files_that_its_workers_reach() -> None:
    with pytest.raises(ConfigError, match="give both"):
        Config(executor="dask://scheduler:8786")
    with pytest.raises(ConfigError, match="give both"):
        Config(executor="dask://scheduler:8786", store_url="postgresql+psycopg://host/name")


def test_no_scheduler_is_said_at_the_start(tmp_path: Path) -> None:
    flags = ("--executor", "dask://127.0.0.1:9", "--store-url", "sqlite:///x", "--files", f"file://{tmp_path}")
    with pytest.raises(RuntimeError, match="no Dask scheduler answers"):
        start_local_server(tmp_path / "data", flags=flags)


# what workers have room for (issue 17.4) ------------------------------------------------------------------------------


def counting(directory: Path, seconds: float) -> Callable[[], int]:
    """What tells how many of its like are under way at the same time; under the name of what trains, which counts."""

    def run_claimed_job() -> int:
        mark = directory / uuid.uuid4().hex
        mark.touch()
        time.sleep(seconds)
        count = len(list(directory.iterdir()))
        mark.unlink()
        return count

    directory.mkdir(exist_ok=True)
    return run_claimed_job


def fit(executor: DaskExecutor, places: int) -> None:
    until = time.monotonic() + 100
    while executor.places() != places:
        assert time.monotonic() < until
        time.sleep(0.1)


def test_places_that_another_server_has_filled_are_not_counted_twice(cluster: Cluster, tmp_path: Path) -> None:
    """Two servers, one cluster of two threads: what one hands out the other sees, and has places again afterwards."""
    address = cluster.address.replace("dask:", "tcp:")
    with DaskExecutor(address) as first, DaskExecutor(address) as second:
        fit(first, 2)
        fit(second, 2)
        futures = [first.submit(counting(tmp_path / "marks", 5.0)) for _ in range(2)]
        fit(second, 0)
        assert first.places() == 2, "its own are for it to count"
        assert [future.result(120) for future in futures]
        fit(second, 2)


def test_no_worker_is_given_more_than_its_memory_whichever_server_asks(cluster: Cluster, tmp_path: Path) -> None:
    """A worker with threads to spare, and two servers that each hand it two jobs of most of its memory: one at a time;
    a small one goes beside it, and one that no worker has the memory for is refused."""
    while cluster.workers:
        worker = cluster.workers.pop()
        worker.kill()
        worker.wait()
    cluster.add_worker(threads=4)
    address = cluster.address.replace("dask:", "tcp:")
    large, small = counting(tmp_path / "large", 1.0), counting(tmp_path / "small", 0.1)
    with DaskExecutor(address) as first, DaskExecutor(address) as second:
        fit(first, 4)
        fit(second, 4)
        most = first.largest_bytes()
        assert most == first.memory_bytes() == second.memory_bytes() > 0
        futures = [server.submit(large, memory_bytes=int(0.7 * most)) for server in (first, second) * 2]
        beside = first.submit(small, memory_bytes=int(0.2 * most))
        assert beside.result(120) == 1
        assert [future.result(120) for future in futures] == [1, 1, 1, 1]
        assert first.submit(large, memory_bytes=2 * most).exception(120) is not None


def test_a_lost_scheduler_is_told_in_the_form_of_the_server_s_log(cluster: Cluster) -> None:
    """Dask and tornado wrote tracebacks, in a form of their own, between a server's lines of JSON."""
    script = f"""
import subprocess
import sys
import time
from pytrainr_server import telemetry
from pytrainr_server.jobs.executors import opened_executor
telemetry.set_up_logs("info", "json")
with opened_executor({cluster.address!r}, 1) as executor:
    waiting = executor.submit(time.sleep, 600)
    time.sleep(2)
    print("waiting", flush=True)
    assert waiting.exception() is not None
    time.sleep(2)
"""
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "waiting\n"
    cluster.scheduler.kill()
    _, said = child.communicate(timeout=600)
    assert child.returncode == 0, said
    lines = [json.loads(line) for line in said.splitlines()]
    assert lines, "that the scheduler is gone"
    assert not any("Traceback" in line["message"] or "exception" in line for line in lines)
