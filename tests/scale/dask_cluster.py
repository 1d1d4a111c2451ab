"""A Dask cluster of the tests' own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path


class Cluster:
    """A scheduler and workers, each a process with Dask's own command line; workers share nothing with a server."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._file = directory / "scheduler.json"
        self._port = "0"
        self.workers: list[subprocess.Popen[bytes]] = []
        self._started = 0
        self.start_scheduler()
        self.address = json.loads(self._file.read_text())["address"].replace("tcp://", "dask://")
        self._port = self.address.rpartition(":")[2]

    def start_scheduler(self) -> None:
        """Start it, or start it again at the same address."""
        self._file.unlink(missing_ok=True)
        command = ["scheduler", "--host", "127.0.0.1", "--port", self._port, "--no-dashboard", "--no-show"]
        self.scheduler = self._start(*command, "--scheduler-file", self._file)
        until = time.monotonic() + 300
        while not self._file.exists():
            assert time.monotonic() < until, (self._directory / "dask.log").read_text()
            time.sleep(0.05)

    def _start(self, *command: object, environment: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        with open(self._directory / "dask.log", "ab") as log:
            words = [sys.executable, "-m", "dask", *map(str, command)]
            own = {**os.environ, **(environment or {})}
            return subprocess.Popen(words, stdout=log, stderr=log, cwd=self._directory, env=own)

    def add_worker(self, environment: Mapping[str, str] | None = None, threads: int = 1) -> subprocess.Popen[bytes]:
        """One with so many threads, and perhaps something in its ``environment``."""
        where = ["--nworkers", "1", "--nthreads", str(threads), "--no-nanny", "--no-dashboard", "--host", "127.0.0.1"]
        self._started += 1
        local = self._directory / f"worker{self._started}"
        command = ["worker", "--scheduler-file", self._file, *where, "--local-directory", local]
        started = self._start(*command, environment=environment)
        self.workers.append(started)
        return started

    def stop(self) -> None:
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
