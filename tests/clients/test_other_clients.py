"""The examples in Node.js and with ``buf curl``, against a server over TLS that wants a token."""

from __future__ import annotations

import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytrainr_server.local import start_local_server

from tests.r_client.certificates import make_certificates
from tests.r_client.conftest import make_token, tls_flags

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
BUF = "@bufbuild/buf@^1.50.0"
MISSING = ", ".join(program for program in ("node", "npm") if shutil.which(program) is None)
HERE = [] if MISSING else ["here"]


def test_node_is_there() -> None:
    """Where Node.js is missing this says what is left out; in continuous integration that is an error."""
    if MISSING:
        assert not os.environ.get("CI"), f"{MISSING} is missing: the other clients were not tested"
        warnings.warn(f"LEFT OUT: the examples in Node.js and with buf curl; {MISSING} is not installed", stacklevel=1)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A server, and the environment in which the examples find it."""
    folder = tmp_path_factory.mktemp("server")
    make_certificates(folder)
    token = make_token(folder / "data", "another language")
    with start_local_server(folder / "data", flags=tls_flags(folder)) as server:
        yield {
            **os.environ,
            "TRAINR_ADDRESS": server.address.replace("127.0.0.1", "localhost"),
            "TRAINR_TOKEN": token,
            "TRAINR_CACERT": str(folder / "authority.pem"),
            "TRAINR_PROTO": str(ROOT / "proto"),
        }


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a copy of the Node.js example and everything that npm brings."""
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "train.mjs"):
        shutil.copy(EXAMPLES / "node" / name, folder)
    command = ["npm", "install", "--no-audit", "--no-fund", "--silent", BUF]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def run(command: list[str], folder: Path, environment: dict[str, str]) -> str:
    """What the command printed."""
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize("node_is", HERE)
def test_node_trains_and_predicts(node_is: str, packages: Path, environment: dict[str, str]) -> None:
    printed = run(["node", "train.mjs"], packages, environment)
    assert "epoch 10: mean error" in printed
    assert "37 + 90 = 127\n5 + 6 = 11\n127 + 1 = 128\n64 + 63 = 127\n" in printed


@pytest.mark.parametrize("node_is", HERE)
def test_buf_curl_trains_and_predicts_through_reflection(
    node_is: str, packages: Path, environment: dict[str, str]
) -> None:
    binaries = packages / "node_modules" / ".bin"
    with_buf = {**environment, "PATH": os.pathsep.join([str(binaries), os.environ["PATH"]])}
    printed = run([str(EXAMPLES / "buf" / "train.sh")], packages, with_buf)
    assert '"state": "JOB_STATE_SUCCEEDED"' in printed
    assert '"prediction": {' in printed
    assert '"name": "models/delay@1"' in printed
