"""An object store of the tests' own: OpenStack Swift with its S3 interface, as Debian packages it."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PYTHON = "/usr/bin/python3"  # Debian's own, which has Swift
KEYS = {"AWS_ACCESS_KEY_ID": "test:tester", "AWS_SECRET_ACCESS_KEY": "testing", "AWS_EC2_METADATA_DISABLED": "true"}


def what_is_missing() -> str:
    """What the tests with an object store need and do not find here."""
    look = "import importlib.util as u; raise SystemExit(not all(map(u.find_spec, ('swift', 'eventlet'))))"
    if not Path(PYTHON).exists() or subprocess.run([PYTHON, "-c", look], check=False, timeout=60).returncode:
        return "OpenStack Swift"
    return "" if importlib.util.find_spec("s3fs") else "s3fs"


class Swift:
    """A running object store; what it keeps lies in ``directory``, and outlives :meth:`kill`."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="pytrainr-swift-"))
        self._buckets = 0
        self.start()

    def start(self) -> None:
        """Start it, or start it again, on the same address."""
        ready, log = self.directory / "address", self.directory / "log"
        ready.unlink(missing_ok=True)
        command = [PYTHON, Path(__file__).with_name("swift_services.py"), self.directory]
        with open(log, "ab") as output:
            self._process = subprocess.Popen(command, stdout=output, stderr=output, cwd="/")
        until = time.monotonic() + 600
        while not ready.exists():
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(log.read_text(errors="replace"))
            time.sleep(0.05)
        self.address = ready.read_text()

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()
        self._process.wait()

    def new_bucket(self, address: str = "") -> str:
        """The URL of a prefix in a new bucket, as the server is given it; through another ``address``, perhaps."""
        import s3fs

        self._buckets += 1
        client = {"endpoint_url": self.address}
        made = s3fs.S3FileSystem(
            key=KEYS["AWS_ACCESS_KEY_ID"], secret=KEYS["AWS_SECRET_ACCESS_KEY"], client_kwargs=client
        )
        made.call_s3("create_bucket", Bucket=f"bucket{self._buckets}")
        return f"s3://bucket{self._buckets}/pytrainr?endpoint_url={address or self.address}"

    def stop(self) -> None:
        """End it and remove its files."""
        self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)
