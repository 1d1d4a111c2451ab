"""Runs ``tests.versions.round`` with the oldest and the newest of every dependency, each in an environment of its own.

    python -m tests.versions                                    oldest and newest, on this Python: what CI runs
    python -m tests.versions --numba 0.61.0 0.63.1 0.68.1       these Numbas, on this Python
    python -m tests.versions --python 3.10 3.13                 the newest of all, on these Pythons

The oldest are those that pyproject.toml allows at least, found by ``uv --resolution lowest-direct``. Environments and
logs are in ``build/versions``.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "versions"
EXTRAS = "client,server,sklearn,onnx,safetensors,keras,tensorboard,progress,plots,tables"
PACKAGE = f"{ROOT}[{EXTRAS}]"
SHOWN = (
    *("numba", "numpy", "scipy", "grpcio", "protobuf", "sqlalchemy", "scikit-learn", "onnx", "onnxruntime"),
    *("safetensors", "h5py", "tensorboardx", "tensorboardX", "tqdm", "matplotlib", "pandas"),
)


class Configuration(NamedTuple):
    """Which versions: further arguments of ``uv pip install``, and the Python."""

    name: str
    arguments: Sequence[str]
    python: str = sys.executable


def uv() -> str:
    """The program that resolves versions."""
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if found is None:
        raise SystemExit("uv is missing: pip install uv")
    return found


def configurations(given: argparse.Namespace) -> list[Configuration]:
    if given.numba or given.python:
        numbas = [Configuration(f"numba-{version}", [f"numba=={version}"]) for version in given.numba]
        return numbas + [Configuration(f"python-{version}", [], version) for version in given.python]
    return [Configuration("oldest", ["--resolution", "lowest-direct"]), Configuration("newest", ["--upgrade"])]


def run(configuration: Configuration, limit: float) -> bool:
    """Make the environment, run the round in it, print what came of it."""
    folder = BUILD / configuration.name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    python = folder / "environment" / ("Scripts" if os.name == "nt" else "bin") / "python"
    quiet = [uv(), "--quiet"]
    install = [*quiet, "pip", "install", "--python", str(python), PACKAGE, *configuration.arguments]
    steps = [
        [*quiet, "venv", "--python", configuration.python, str(folder / "environment")],
        install,
        [str(python), "-m", "tests.versions.round"],
    ]
    environment = {
        **os.environ,
        "NUMBA_CACHE_DIR": str(folder / "kernels"),
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "Agg",
    }
    environment.pop("VIRTUAL_ENV", None)
    log, started = folder / "log.txt", time.monotonic()
    with log.open("w") as file:
        for step in steps:
            try:
                left = limit - (time.monotonic() - started)
                done = subprocess.run(step, cwd=folder, env=environment, stdout=file, stderr=file, timeout=left)
                status = done.returncode
            except subprocess.TimeoutExpired:
                status = 124
            if status:
                break
    versions = subprocess.run(
        [*quiet, "pip", "list", "--python", str(python), "--format", "freeze"], capture_output=True, text=True
    ).stdout.split()
    shown = " ".join(version for version in versions if version.split("==")[0] in SHOWN)
    mark = "passed" if status == 0 else "not in time" if status == 124 else "FAILED"
    print(f"{configuration.name:<14} {mark:<12} {time.monotonic() - started:4.0f} s  {shown}", flush=True)
    if status:
        print("\n".join(log.read_text().splitlines()[-40:]), flush=True)
    return status == 0


def main() -> int:
    """0 where all passed."""
    parser = argparse.ArgumentParser("python -m tests.versions", description=__doc__)
    parser.add_argument("--numba", nargs="+", default=[], metavar="VERSION")
    parser.add_argument("--python", nargs="+", default=[], metavar="VERSION")
    parser.add_argument("--minutes", type=float, default=10.0, help="limit for each (default: 10)")
    given = parser.parse_args()
    passed = [run(each, 60 * given.minutes) for each in configurations(given)]
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main())
