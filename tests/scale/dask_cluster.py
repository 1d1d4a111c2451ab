"""A Dask cluster of the tests' own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path


class Cluster:
    """A scheduler and workers, each a process with Dask's own command line; workers share nothing with a server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "scheduler.json"
        command = ["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show"]
        self.scheduler = self._start(*command, "--scheduler-file", self._file)
        until = time.monotonic() + 120
        while not self._file.exists():
            assert time.monotonic() < until
            time.sleep(0.05)
        self.address = json.loads(self._file.read_text())["address"].replace("tcp://", "dask://")
        self.workers: list[subprocess.Popen[bytes]] = []

    def _start(self, *command: object) -> subprocess.Popen[bytes]:
        with open(self._directory / "dask.log", "ab") as log:
            words = [sys.executable, "-m", "dask", *map(str, command)]
            return subprocess.Popen(words, stdout=log, stderr=log, cwd=self._directory)

    def add_worker(self) -> subprocess.Popen[bytes]:
        """One with one thread."""
        where = ["--nworkers", "1", "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        local = self._directory / f"worker{len(self.workers)}"
        started = self._start("worker", "--scheduler-file", self._file, *where, "--local-directory", local)
        self.workers.append(started)
        return started

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
