"""What many workers cost: jobs per second and efficiency, what falls to the database and the object store per job.

Usage: python benchmarks/scaling_out.py [--real] [--workers 1,2,4] [--seconds 1] [--jobs 10] [--write PAGE]

A server, PostgreSQL, an object store (Swift with its S3 interface) and a Dask cluster, all on this machine. Without
``--real`` the workers are threads of a few Dask workers, and training is replaced by a wait of known length: what is
claimed, shown, checkpointed and published is what a real job claims and so on, a network with 64 gru cells, of which
checkpoints and model go to the object store. Jobs take from three to five quarters of ``--seconds``: they do not march
in step. Efficiency is the part of the workers' time in which jobs wait, from when each worker has begun its first
until the last job begins. With ``--real`` jobs train on Dask workers, a process each.

``--write`` puts the tables into a page, between the lines that name this program.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1]))

import pytrainr_client
from pytrainr_server.store.schema import State, jobs
from sqlalchemy import create_engine, func, select

from benchmarks.scaling_out_parts import MOST_WORKERS, THREADS, allow, counted, trained
from pytrainr import RRandom, set_seed
from tests.scale.dask_cluster import Cluster
from tests.scale.object_store import KEYS, Swift
from tests.service.conftest import adder
from tests.service.postgresql import PostgreSQL

BEGIN, END = "<!-- benchmarks/scaling_out.py -->", "<!-- end of scaling_out.py -->"
REAL_EPOCHS = 2500
NETWORK: dict[str, Any] = {"network_type": "gru", "hidden_dim": 64, "learningrate": 0.05}
PATIENCE = 900.0
CONNECTIONS = 300


class Result(NamedTuple):
    """One measurement. ``counts``: per job."""

    workers: int
    seconds: float  # of one job
    jobs: int
    took: float
    efficiency: float
    counts: dict[str, float]
    load: float
    files: str

    @property
    def rate(self) -> float:
        return self.jobs / self.took


def efficiency(trained: Sequence[tuple[float, float]], workers: int) -> float:
    """The part of the workers' time that went into jobs while there was one for each of them."""
    begins = sorted(begin for begin, _ in trained)
    if len(begins) <= workers:
        return math.nan
    first, last = begins[workers - 1], begins[-1]
    busy = sum(max(0.0, min(end, last) - max(begin, first)) for begin, end in trained)
    return busy / workers / (last - first)


class Site:
    """A server with all that it works with, in a directory."""

    def __init__(self, directory: Path, real: bool, workers: int, swift: bool, stack: ExitStack) -> None:
        os.environ.update(KEYS, PYTHONPATH=str(Path(__file__).parents[1]), SCALING_OUT=str(directory))
        self._directory = directory
        database, cluster = PostgreSQL(CONNECTIONS), Cluster(directory)
        for part in (database, cluster):
            stack.callback(part.stop)
        self.files, place = "a directory", f"file://{directory / 'files'}"
        if swift:
            objects = Swift()
            stack.callback(objects.stop)
            self.files, place = "Swift", objects.new_bucket()
        self.url = database.new_database()
        self._counts = directory / "counts"
        self._counts.mkdir()
        threads = 1 if real else THREADS
        for _ in range(workers if real else -(-workers // THREADS)):
            cluster.add_worker(threads=threads)
        # Not as a program of its own: Dask's workers find what they are to do by its module's name.
        program = [sys.executable, "-c", "from benchmarks import scaling_out_parts as s; s.main()", cluster.address]
        program += [self.url, place, "real" if real else "wait"]
        with open(directory / "log", "wb") as log:
            self._server = subprocess.Popen(list(map(str, program)), stdout=log, stderr=log, stdin=subprocess.PIPE)
        stack.callback(self._stop)
        self._engine = create_engine(self.url)
        ready = directory / "addresses"
        _wait(ready.exists, directory / "log")
        self.address = ready.read_text().split()[0]

    def _stop(self) -> None:
        assert self._server.stdin is not None
        self._engine.dispose()
        self._server.stdin.close()
        try:
            self._server.wait(60)
        except subprocess.TimeoutExpired:
            self._server.kill()
            self._server.wait()

    def ended(self) -> int:
        with self._engine.connect() as connection:
            states = dict(connection.execute(select(jobs.c.state, func.count()).group_by(jobs.c.state)).all())
        assert not states.get(State.FAILED), (self._directory / "log").read_text()[-2000:]
        return states.get(State.SUCCEEDED, 0)

    def measure(self, workers: int, seconds: float, each: int, epochs: int) -> Result:
        """So many jobs for each worker; all are in the queue before the first begins."""
        allow(self._directory, 0, seconds)
        X, Y = adder(40)
        before = self.ended()
        count = workers * each
        with pytrainr_client.connect(self.address) as client:
            for index in range(count):
                client.train_async(Y, X, rng=RRandom(index), numepochs=epochs, **NETWORK)
        time.sleep(1.0)  # what was counted of that is written
        at_first = counted(self._directory)
        started = time.monotonic()
        allow(self._directory, workers, seconds)
        _wait(lambda: self.ended() >= before + count, self._directory / "log")
        took = time.monotonic() - started
        time.sleep(1.0)
        share = efficiency([span for span in trained(self._directory) if span[0] > started], workers)
        counts = {name: value / count for name, value in (counted(self._directory) - at_first).items()}
        return Result(workers, seconds, count, took, share, counts, os.getloadavg()[0], self.files)


def _wait(holds: Any, log: Path) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        if time.monotonic() > until:
            raise TimeoutError(log.read_text(errors="replace")[-4000:])
        time.sleep(0.05)


@contextmanager
def site(real: bool, workers: int, swift: bool) -> Iterator[Site]:
    with tempfile.TemporaryDirectory(prefix="scaling-out-") as directory, ExitStack() as stack:
        yield Site(Path(directory), real, workers, swift, stack)


def tables(waited: Sequence[Result], real: Sequence[Result]) -> str:
    """For the page."""
    rows = [
        [
            f"{r.workers}",
            f"{r.seconds:g} s",
            r.files,
            f"{r.jobs}",
            f"{r.rate:.2f}",
            f"{100 * r.efficiency:.1f} %",
            f"{r.load:.0f}",
        ]
        for r in waited
    ]
    text = _table(
        ["workers", "a job takes", "files in", "jobs", "jobs a second", "efficiency", "load of the machine"], rows
    )
    columns = {
        "statements": "statements",
        "transactions that write": "writes",
        "of them alone": "alone",
        "ms under the lock of writers": "locked_ms",
        "files put": "puts",
        "KiB put": "put_kib",
        "files read": "gets",
        "other requests": "others",
    }
    rows = []
    for r in [r for r in waited if r.workers == max(r.workers for r in waited) or r.workers == 1]:
        found = Counter(r.counts)
        found.update({"locked_ms": 1000 * found["locked_seconds"], "put_kib": found["put_bytes"] / 1024})
        rows.append(
            [f"{r.seconds:g} s, {r.workers} at a time, {r.files}", *(f"{found[name]:.1f}" for name in columns.values())]
        )
    text += "\n" + _table(["per job, of", *columns], rows)
    if real:
        one = real[0].rate / real[0].workers
        rows = [
            [f"{r.workers}", f"{r.jobs}", f"{r.rate:.2f}", f"{100 * r.rate / one / r.workers:.0f} %", f"{r.load:.0f}"]
            for r in real
        ]
        text += "\n" + _table(
            ["workers that train", "jobs", "jobs a second", "efficiency", "load of the machine"], rows
        )
    return text


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [titles, ["---:"] * len(titles), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def write(page: Path, text: str) -> None:
    before, _, rest = page.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}")


def _order(result: Result) -> tuple[float, int, str]:
    return result.seconds, result.workers, result.files


def _kept(file: Path | None) -> dict[str, list[Result]]:
    found = json.loads(file.read_text()) if file and file.exists() else {}
    return {kind: [Result(*values) for values in found.get(kind, [])] for kind in ("wait", "real")}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--real", action="store_true", help="train, instead of waiting")
    parser.add_argument("--directory", action="store_true", help="files in a directory, not in Swift")
    parser.add_argument("--workers", default="1,2,4,8,16,32,64", help="numbers of workers, up to 64")
    parser.add_argument("--seconds", type=float, default=1.0, help="of one job (with --real: as long as it takes)")
    parser.add_argument("--jobs", type=int, default=10, help="jobs for each worker")
    parser.add_argument("--epochs", type=int, default=REAL_EPOCHS, help="of a real job")
    parser.add_argument("--state", type=Path, help="file that keeps what was measured, for tables of several runs")
    parser.add_argument("--write", type=Path, help="page that gets the tables")
    given = parser.parse_args(arguments)
    numbers = [int(number) for number in given.workers.split(",")]
    if not 0 < min(numbers) <= max(numbers) <= MOST_WORKERS:
        parser.error(f"--workers: numbers from 1 to {MOST_WORKERS}")
    set_seed(1)
    kept, kind = _kept(given.state), "real" if given.real else "wait"
    with site(given.real, max(numbers), not given.directory) as place:
        place.measure(max(numbers), 0.1, 1, given.epochs if given.real else 1)  # everything has been loaded
        for workers in numbers:
            result = place.measure(workers, given.seconds, given.jobs, given.epochs if given.real else 1)
            print(f"{workers} workers: {result.jobs} jobs in {result.took:.2f} s, {result.rate:.2f} a second", end="")
            print("" if given.real else f", efficiency {100 * result.efficiency:.1f} %", f"(load {result.load:.0f})")
            print("   ", ", ".join(f"{name} {value:.4g}" for name, value in sorted(result.counts.items())), flush=True)
            same = (result.files, result.workers, result.seconds)
            kept[kind] = sorted(
                [r for r in kept[kind] if (r.files, r.workers, r.seconds) != same] + [result], key=_order
            )
            if given.state:
                given.state.write_text(json.dumps(kept))
    text = tables(kept["wait"], kept["real"])
    print(text)
    if given.write:
        write(given.write, text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
