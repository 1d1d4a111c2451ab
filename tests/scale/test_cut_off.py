"""Issue 17, "Done when": a worker cut off from the network for longer than its lease cannot overwrite its successor.

One of two servers, or of two Dask workers, reaches PostgreSQL and the object store over lines of its own, which are cut
while it trains: closed, or held open so that nothing passes in the one direction, the other, or both. The other takes
the job up and ends it. Then the lines are mended, and what was on its way comes, too late.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import pytrainr_client
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.store import shared
from pytrainr_server.store.schema import epoch_records, jobs, models, shared_files
from pytrainr_server.store.store import Store, StoreSettings
from sqlalchemy import make_url, select

import pytrainr
from pytrainr import Model, RRandom
from tests.scale.dask_cluster import Cluster
from tests.scale.object_store import Swift, what_is_missing
from tests.scale.proxy import Proxy
from tests.scale.test_outages import SERVING, health, wait_for
from tests.service import postgresql
from tests.service.conftest import adder
from tests.service.postgresql import PostgreSQL
from tests.service.test_faults import assert_same

HERE = [] if what_is_missing() or postgresql.what_is_missing() else ["here"]
DATABASE, BOTH = ("database",), ("database", "files")
CUTS = {
    "nothing passes": (BOTH, "forth back"),
    "no request passes": (BOTH, "forth"),
    "no answer passes": (BOTH, "back"),
    "both are closed": (BOTH, "closed"),
    "the database does not answer": (DATABASE, "back"),
}
LATE = ("taken over by another worker", "job waits", "a worker failed")
LEASE = ("--lease-seconds", "3", "--checkpoint-seconds", "0.1", "--training-threads", "1")
SOON = "-c idle_in_transaction_session_timeout=1000"
TASK: dict[str, Any] = {"network_type": "gru", "hidden_dim": 64, "learningrate": 0.05, "numepochs": 300}
SECONDS = 300.0


def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    end = time.monotonic() + SECONDS
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.05)


class Lines(NamedTuple):
    """Those of the worker that is cut off."""

    database: Proxy
    files: Proxy

    def cut(self, which: tuple[str, ...], how: str) -> None:
        for line in (getattr(self, name) for name in which):
            if how == "closed":
                line.down(True)
            else:
                line.hold(*how.split())

    def mend(self) -> None:
        for line in self:
            line.down(False)
            line.let_go()


class Look:
    """What the store keeps, seen over a line that is never cut."""

    def __init__(self, directory: Path, url: str, files: str) -> None:
        self.store = Store(StoreSettings(url, str(directory), 6e5, 6e5, 1 << 40, files))
        self.store.open()

    def job(self, job_id: str) -> Any:
        with self.store.database.read() as connection:
            return connection.execute(select(jobs).where(jobs.c.id == job_id)).one()

    def has_checkpoint(self, key: str) -> bool:
        with self.store.database.read() as connection:
            mine = (shared_files.c.belongs_to == key) & (shared_files.c.kind == shared.CHECKPOINT)
            return connection.execute(select(shared_files.c.name).where(mine)).first() is not None

    def everything(self, job_id: str) -> tuple[Any, ...]:
        """All that is kept of a job that has ended."""
        job = self.job(job_id)
        of_job = (models.c.job_id == job_id), shared_files.c.belongs_to.in_([job.key, job.model_key])
        with self.store.database.read() as connection:
            kept = [
                connection.execute(select(table).where(mine)).all()
                for table, mine in zip((models, shared_files), of_job, strict=True)
            ]
        return job, *kept

    def strays(self) -> list[str]:
        """Files to which nothing points, and that the next collection of garbage would not remove, were they old."""
        assert self.store.shared is not None
        self.store.collect_garbage()
        with self.store.database.read() as connection:
            known = set(connection.execute(select(shared_files.c.name)).scalars())
            assert connection.execute(select(epoch_records)).all() == []
        return [file.name for file in self.store.shared.place.found() if file.name not in known]


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    made = PostgreSQL()
    yield made
    made.stop()


@pytest.fixture(scope="module")
def expected() -> Model:
    X, Y = adder(40)
    return pytrainr.trainr(Y, X, rng=RRandom(5), epoch_function=pytrainr.epoch_annealing, **TASK)


def by_another_line(url: str, line: Proxy) -> str:
    """The URL of the same database, over the line; sessions that fall silent there end soon."""
    host, _, port = line.address.partition(":")
    changed = make_url(url).set(host=host, port=int(port)).difference_update_query(["host"])
    return changed.update_query_dict({"options": SOON}).render_as_string(hide_password=False)


class Pair(NamedTuple):
    """Two servers; the first over the lines."""

    first: LocalServer
    second: LocalServer
    lines: Lines
    look: Look


@pytest.fixture(scope="module")
def pair(database: PostgreSQL, swift: Swift, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    directory = tmp_path_factory.mktemp("pair")
    url, files = database.new_database(), swift.new_bucket()
    lines = Lines(Proxy([f"unix:{database.socket}"]), Proxy([swift.address]))
    own = by_another_line(url, lines.database), files.replace(swift.address, f"http://{lines.files.address}")
    servers = [
        start_local_server(directory / name, flags=(*LEASE, "--store-url", where[0], "--files", where[1]))
        for name, where in (("first", own), ("second", (url, files)))
    ]
    yield Pair(servers[0], servers[1], lines, Look(directory / "look", url, files))
    lines.mend()
    for server in servers:
        server.stop()
    for line in lines:
        line.close()


@pytest.mark.parametrize("all_is", HERE)
@pytest.mark.parametrize(("which", "how"), CUTS.values(), ids=CUTS.keys())
def test_a_server_that_was_cut_off_changes_nothing_any_more(
    pair: Pair, expected: Model, which: tuple[str, ...], how: str, monkeypatch: pytest.MonkeyPatch, all_is: str
) -> None:
    X, Y = adder(40)
    job_id = f"job-{'-'.join(which)}-{how.replace(' ', '-')}"
    with pytrainr_client.connect(pair.first.address) as first, pytrainr_client.connect(pair.second.address) as second:
        before = pair.first.log.read_text().count("\n")
        name = first.train_async(Y, X, rng=RRandom(5), job_id=job_id, model_id=job_id, **TASK).name
        until(lambda: pair.look.has_checkpoint(pair.look.job(job_id).key))
        assert pair.look.job(job_id).worker.endswith("/first")
        pair.lines.cut(which, how)

        assert_same(second.job(name).wait(), expected)
        log = [epoch.epoch for epoch in second.job(name).watch()]
        assert log == list(range(1, TASK["numepochs"] + 1)), "no gap, no epoch twice"
        kept = pair.look.everything(job_id)

        pair.lines.mend()
        until(lambda: any(text in line for line in pair.first.log.read_text().splitlines()[before:] for text in LATE))
        for part in ("pytrainr.database", "pytrainr.files"):
            wait_for(pair.first.address, part, SERVING)
        X, Y = adder(20)
        first.trainr(Y, X, learningrate=0.1)  # it works as before
        assert pair.look.everything(job_id) == kept, "what came late changed nothing"
        assert kept[0].resumed >= 1
        assert len(kept[1]) == 1, "one model"
        assert_same(first.job(name).wait(), expected)
    monkeypatch.setattr(shared, "ORPHAN_SECONDS", -10.0)
    until(lambda: pair.look.strays() == [])
    until(lambda: not any(any((server.data_dir / "work").iterdir()) for server in pair[:2]))


@pytest.mark.parametrize("all_is", HERE)
def test_a_line_that_is_silent_is_told_as_degraded(pair: Pair, all_is: str) -> None:
    """Health of the database and of the files is known although nothing fails: nothing answers."""
    pair.lines.cut(BOTH, "back")
    for part in ("pytrainr.database", "pytrainr.files"):
        wait_for(pair.first.address, part, "NOT_SERVING")
    assert health(pair.second.address, "pytrainr.database") == SERVING, "its session holds no lock for ever"
    pair.lines.mend()
    for part in ("pytrainr.database", "pytrainr.files"):
        wait_for(pair.first.address, part, SERVING)


@pytest.mark.parametrize("all_is", HERE)
def test_a_dask_worker_that_was_cut_off_changes_nothing_any_more(
    database: PostgreSQL, swift: Swift, expected: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, all_is: str
) -> None:
    """Its server and Dask's scheduler see it alive; but it cannot show life where leases are kept."""
    lines = Lines(Proxy([f"unix:{database.socket}"]), Proxy([swift.address]))
    url, files = database.new_database(), swift.new_bucket()
    name = make_url(url).database
    host, port = lines.database.address.split(":")
    far = {"PGHOST": host, "PGPORT": port, "PGOPTIONS": SOON, "AWS_ENDPOINT_URL": f"http://{lines.files.address}"}
    near = {"PGHOST": str(database.directory), "AWS_ENDPOINT_URL": swift.address}
    where = f"postgresql+psycopg://trainr@/{name}", files.partition("?")[0]
    cluster = Cluster(tmp_path)
    cluster.add_worker(far)
    flags = (*LEASE, "--store-url", where[0], "--files", where[1], "--executor", cluster.address)
    look = Look(tmp_path / "look", url, files)
    X, Y = adder(40)
    try:
        with (
            start_local_server(tmp_path / "server", flags=flags, environment=near, seconds=180) as server,
            pytrainr_client.connect(server.address) as client,
        ):
            job = client.train_async(Y, X, rng=RRandom(5), job_id="job", model_id="job", **TASK)
            until(lambda: look.has_checkpoint(look.job("job").key))
            lines.cut(BOTH, "back")
            cluster.add_worker(near)
            assert_same(job.wait(), expected)
            kept = look.everything("job")
            lines.mend()
            until(lambda: any(text in (tmp_path / "dask.log").read_text() for text in LATE))
            client.trainr(Y, X, learningrate=0.1)
            assert look.everything("job") == kept
            assert len(kept[1]) == 1
        monkeypatch.setattr(shared, "ORPHAN_SECONDS", -10.0)
        until(lambda: look.strays() == [])
    finally:
        lines.mend()
        cluster.stop()
        for line in lines:
            line.close()
