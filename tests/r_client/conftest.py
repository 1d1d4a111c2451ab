"""A server over TLS that wants a token, and R with the package installed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from pytrainr_server.local import LocalServer, start_local_server

from tests.r_client.certificates import make_certificates
from tests.r_client.r import R, install


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with authority.pem, server.pem and server.key."""
    folder = tmp_path_factory.mktemp("certificates")
    make_certificates(folder)
    return folder


@pytest.fixture(scope="session")
def r_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An R library that holds rnnremote."""
    folder = tmp_path_factory.mktemp("r_library")
    install(folder)
    return folder


def tls_flags(certificates: Path) -> list[str]:
    """The server's flags for TLS."""
    return ["--tls-certificate", str(certificates / "server.pem"), "--tls-key", str(certificates / "server.key")]


def make_token(data_dir: Path, owner: str) -> str:
    """A token for the server with this data directory."""
    program = [sys.executable, "-m", "pytrainr_server"]
    command = [*program, "token", "create", "--owner", owner, "--data-dir", str(data_dir)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()[-1]


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, certificates: Path) -> Iterator[LocalServer]:
    """A server over TLS; callers need a token."""
    data_dir = tmp_path_factory.mktemp("server")
    make_token(data_dir, "nobody")
    with start_local_server(data_dir, flags=tls_flags(certificates)) as running:
        yield running


@pytest.fixture(scope="session")
def r(server: LocalServer, certificates: Path, r_library: Path) -> R:
    """R, connected with the server through the environment variables."""
    return R(r_library, server.address, make_token(server.data_dir, "an R user"), certificates / "authority.pem")
