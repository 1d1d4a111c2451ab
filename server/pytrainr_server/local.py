"""A server of one's own: started in a process beside this one, on a free port of this machine, and stopped again."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

__all__ = ["LocalServer", "start_local_server"]

START_SECONDS = 60.0
STOP_SECONDS = 30.0


class LocalServer:
    """A running server; a context manager that stops it. ``address`` is where it answers, ``page`` the URL of its page,
    empty without the flag ``--web``."""

    def __init__(
        self, process: subprocess.Popen[bytes], address: str, data_dir: Path, log: Path, page: str = ""
    ) -> None:
        self.process = process
        self.address = address
        self.page = page
        self.data_dir = data_dir
        self.log = log
        self._owner = os.getpid()

    def stop(self, seconds: float = STOP_SECONDS) -> int:
        """Let it checkpoint and leave, or end it after so many seconds; its exit status."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            # Not SIGTERM, which on Windows ends it at once; and closing alone is not seen where a fork has a copy.
            with contextlib.suppress(OSError):
                self.process.stdin.write(b"leave")
                self.process.stdin.flush()
            with contextlib.suppress(OSError):
                self.process.stdin.close()
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return self.kill()

    def kill(self) -> int:
        """End it at once, as a crash would; its exit status."""
        self.process.kill()
        return self.process.wait()

    def __enter__(self) -> LocalServer:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() == self._owner:  # a forked child that ends within this block leaves the server to its parent
            self.stop()


def start_local_server(
    data_dir: str | os.PathLike[str] | None = None,
    *,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    listen: str = "127.0.0.1:0",
    prefix: Sequence[str] = (),
    seconds: float = START_SECONDS,
) -> LocalServer:
    """Start a server and wait until it answers.

    ``data_dir`` keeps its data (default: a new temporary directory), ``flags`` are further flags of
    ``pytrainr-server serve``, ``listen`` an address whose port 0 means a free one, or ``unix:/PATH``; ``prefix`` is put
    before the command (``["nice"]``). Raises
    ``RuntimeError`` with what the server wrote if it does not come up within ``seconds``.
    """
    directory = Path(data_dir) if data_dir is not None else Path(tempfile.mkdtemp(prefix="pytrainr-server-"))
    directory.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix="pytrainr-server-run-"))
    ready, log = beside / "addresses", beside / "log"
    command = [
        *prefix,
        sys.executable,
        "-m",
        "pytrainr_server",
        "serve",
        "--data-dir",
        str(directory),
        "--listen",
        listen,
    ]
    command += ["--ready-file", str(ready), "--leave-with-parent", *flags]
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,  # closed when this process ends, however that happens
            stdout=output,
            # Ctrl-C is for this program, which then stops the server in order.
            start_new_session=True,
            creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # the same on Windows
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
        )
    until = time.monotonic() + seconds
    while not ready.exists():
        if process.poll() is not None or time.monotonic() > until:
            process.kill()
            raise RuntimeError(
                f"the server did not start (exit status {process.wait()}):\n{log.read_text(errors='replace')}"
            )
        time.sleep(0.01)
    addresses = ready.read_text(encoding="utf-8").split()
    page = addresses[-1] if addresses[-1].startswith("http") else ""
    return LocalServer(process, addresses[0], directory, log, page)
