"""A clean environment: the wheel that the source distribution makes, and the base installation alone beside it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
SETUPTOOLS = "setuptools>=77"  # as [build-system] has it; a test compares


class Environment:
    """A virtual environment of one's own, away from the sources."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.scripts = place / ("Scripts" if os.name == "nt" else "bin")
        self._call(sys.executable, "-m", "venv", place)

    def install(self, *what: str | Path) -> None:
        """Install by the ordinary client, what is needed included."""
        self._call(self.scripts / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *what)

    def borrow(self) -> None:
        """Beside its own packages, those of the environment that runs the tests; its own come first."""
        folders = [path for path in sys.path if path.endswith("site-packages")]
        (self.site_packages / "borrowed.pth").write_text("\n".join(folders), encoding="utf-8")

    @property
    def site_packages(self) -> Path:
        """Where its packages are."""
        return Path(sysconfig.get_path("purelib", vars={"base": str(self.place), "platbase": str(self.place)}))

    def run(self, command: str, *arguments: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
        """One of its commands, from a folder where no source lies."""
        return subprocess.run(
            [self.scripts / command, *arguments],
            cwd=self.place,
            env={**_outside(), "NUMBA_CACHE_DIR": str(self.place / "cache"), **environment},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    @staticmethod
    def _call(*command: Any) -> None:
        run = subprocess.run(command, env=_outside(), capture_output=True, text=True, timeout=600, check=False)
        assert run.returncode == 0, run.stdout + run.stderr


def _outside() -> dict[str, str]:
    """The environment without what would lead to this project."""
    return {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS")}


def distributions(place: Path) -> tuple[Path, Path]:
    """The source distribution of this project, and the wheel that is built from it and nothing else."""
    builder = Environment(place / "builder")
    builder.install(SETUPTOOLS)
    build = "import sys; from setuptools import build_meta; print(getattr(build_meta, sys.argv[1])(sys.argv[2]))"

    def built(kind: str, source: Path) -> Path:
        python = builder.scripts / "python"
        command = [python, "-c", build, f"build_{kind}", place]
        run = subprocess.run(command, cwd=source, env=_outside(), capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stderr
        return place / run.stdout.splitlines()[-1]

    source = built("sdist", _copy(place / "checkout"))
    subprocess.run([sys.executable, "-m", "tarfile", "--extract", source, place / "unpacked"], check=True)
    return source, built("wheel", place / "unpacked" / source.name.removesuffix(".tar.gz"))


def _copy(place: Path) -> Path:
    """The files that git knows, so that building leaves nothing behind here and finds nothing that is not committed."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    for name in subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes((ROOT / name).read_bytes())
    return place
