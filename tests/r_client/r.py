"""R from Python: what is installed here, and running scripts against a server."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "client" / "r"
NEEDED = ("curl", "RProtoBuf", "testthat", "jsonlite")


@cache
def has_package(name: str) -> bool:
    """Whether R finds the package."""
    return subprocess.run(["Rscript", "-e", f"find.package('{name}')"], capture_output=True).returncode == 0


@cache
def what_is_missing() -> str:
    """What keeps the tests of the R client from running here; empty when nothing does."""
    if shutil.which("Rscript") is None:
        return "R"
    return ", ".join(f"the R package {name}" for name in NEEDED if not has_package(name))


@cache
def bare_python() -> str:
    """The Python that this environment was made of, where that can make others and has no pytrainr; else nothing."""
    program = Path(sys.base_prefix) / "bin" / "python3"
    looks = "import ensurepip, importlib.util as i, sys; sys.exit(i.find_spec('pytrainr') is not None)"
    bare = program.exists() and subprocess.run([program, "-c", looks], capture_output=True).returncode == 0
    return str(program) if bare else ""


@dataclass
class R:
    """Runs R with the package rnnremote and a server to talk to."""

    library: Path
    address: str
    token: str = ""
    authority: Path | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def settings(self) -> Mapping[str, str]:
        """The environment for an R process."""
        given = {
            **os.environ,
            "R_LIBS": os.pathsep.join(filter(None, [str(self.library), os.environ.get("R_LIBS", "")])),
            "TRAINR_ADDRESS": self.address,
            "TRAINR_TOKEN": self.token,
            "TRAINR_CACERT": str(self.authority or ""),
            "PYTRAINR_GOLDEN": str(ROOT / "tests" / "golden"),
            "PYTRAINR_R_TESTS": str(HERE),
            "PYTRAINR_PYTHON": sys.executable,
            "PYTRAINR_BARE_PYTHON": bare_python(),
            "NOT_CRAN": "true",
        }
        return {**given, **self.environment}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """A running R process: Rscript with these arguments."""
        return subprocess.Popen(
            ["Rscript", *arguments],
            env=self.settings(),
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=HERE / "testthat",
        )

    def run(self, code: str, seconds: float = 120) -> str:
        """What the code printed. Raises ``AssertionError`` with it where R failed."""
        return self.finish(self.start("-e", code), seconds)

    def run_file(self, name: str, seconds: float = 600) -> str:
        """What a file of tests in testthat/ printed. Raises ``AssertionError`` with it where a test failed."""
        return self.finish(self.start(str(HERE / "run_tests.R"), name), seconds)

    def finish(self, process: subprocess.Popen[str], seconds: float = 120) -> str:
        """What a running process printed to its end. Raises ``AssertionError`` with it where R failed."""
        try:
            output, _ = process.communicate(timeout=seconds)
        finally:
            process.kill()
        assert process.returncode == 0, output
        return output


def install(library: Path) -> None:
    """Install the R package rnnremote into the library folder."""
    command = ["R", "CMD", "INSTALL", "--no-docs", "--no-test-load", f"--library={library}", str(PACKAGE)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
