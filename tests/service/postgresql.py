"""A PostgreSQL of the tests' own: a cluster in a new directory, on a Unix socket, gone at the end."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

USER = "postgres"  # the server refuses to run as root; Debian's package makes this user


def _programs() -> Path | None:
    if (found := shutil.which("initdb")) is not None:
        return Path(found).resolve().parent
    return max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: float(path.parent.name), default=None)


PROGRAMS = _programs()


def what_is_missing() -> str:
    """What the tests with PostgreSQL need and do not find here."""
    if PROGRAMS is None:
        return "PostgreSQL"
    return "" if importlib.util.find_spec("psycopg") else "psycopg"


class PostgreSQL:
    """A running cluster, for so many connections."""

    def __init__(self, connections: int = 100) -> None:
        self._connections = connections
        assert PROGRAMS is not None
        self.directory = Path(tempfile.mkdtemp(prefix="pytrainr-postgresql-"))
        self._databases = 0
        self._as_user: dict[str, Any] = {}
        if os.geteuid() == 0:
            shutil.chown(self.directory, USER, USER)
            self._as_user = {"user": USER, "group": USER, "extra_groups": []}
        data = self.directory / "data"
        make = [PROGRAMS / "initdb", "-D", data, "-U", "trainr", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8"]
        subprocess.run(make, check=True, capture_output=True, timeout=300, cwd=self.directory, **self._as_user)
        self.start()

    def start(self) -> None:
        """Start it, or start it again."""
        assert PROGRAMS is not None
        data = self.directory / "data"
        command = [PROGRAMS / "postgres", "-D", data, "-k", self.directory, "-c", "listen_addresses="]
        command += ["-c", f"max_connections={self._connections}"]
        with open(self.directory.with_suffix(".log"), "ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=subprocess.STDOUT, cwd=self.directory, **self._as_user
            )
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 600
        while self._run("pg_isready").returncode != 0:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(self.directory.with_suffix(".log").read_text(errors="replace"))
            time.sleep(0.05)

    def _run(self, program: str, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        assert PROGRAMS is not None
        command = [PROGRAMS / program, "-h", str(self.directory), "-U", "trainr", *arguments]
        return subprocess.run(command, capture_output=True, timeout=300, check=False, cwd="/")

    def new_database(self) -> str:
        """The URL of an empty database."""
        self._databases += 1
        name = f"test{self._databases}"
        made = self._run("createdb", name)
        assert made.returncode == 0, made.stderr
        return f"postgresql+psycopg://trainr@/{name}?host={self.directory}"

    @property
    def socket(self) -> Path:
        """Where it listens."""
        return self.directory / ".s.PGSQL.5432"

    def kill(self) -> None:
        """End it at once, as a crash would: what was committed is there when it is started again."""
        self._process.send_signal(signal.SIGQUIT)
        self._process.wait(600)

    def stop(self) -> None:
        """End it and remove its files."""
        self._process.send_signal(signal.SIGINT)  # a fast shutdown: connections are closed
        self._process.wait(600)
        shutil.rmtree(self.directory, ignore_errors=True)
        self.directory.with_suffix(".log").unlink(missing_ok=True)
