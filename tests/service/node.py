"""Node's packages for the tests, installed once into a cache."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
from pathlib import Path

PACKAGES = ("@bufbuild/buf@1.75.0", "@grpc/grpc-js@1.14.7", "@grpc/proto-loader@0.8.1")
SECONDS = 300


def modules() -> Path:
    """The directory ``node_modules``. Raises ``RuntimeError`` where there is no npm."""
    if shutil.which("npm") is None:
        raise RuntimeError("these tests need Node.js with npm: install the packages nodejs and npm")
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pytrainr-tests" / "node"
    cache.mkdir(parents=True, exist_ok=True)
    with open(cache / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # several tests may come at once
        stamp = cache / "installed"
        if not stamp.exists() or stamp.read_text() != " ".join(PACKAGES):
            command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(cache), *PACKAGES]
            subprocess.run(command, check=True, capture_output=True, timeout=SECONDS)
            stamp.write_text(" ".join(PACKAGES))
    return cache / "node_modules"


def buf(*arguments: str, cwd: Path | None = None) -> str:
    """What ``buf`` prints."""
    command = [str(modules() / ".bin" / "buf"), *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=300, check=False)
    return done.stdout + done.stderr
