"""Servers for the tests: real ones, in processes of their own."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import pytrainr_client
from pytrainr_server import LocalServer, start_local_server

from tests.service.certificates import Authority


class SecureServer(NamedTuple):
    """A server with TLS that asks for a token."""

    server: LocalServer
    authority: Authority
    token: str
    other_token: str

    def connect(self, token: str | None = None) -> pytrainr_client.Client:
        """A client of the first owner, or of the one whose token is given."""
        return pytrainr_client.connect(
            self.server.address, token or self.token, ca=self.authority.certificate, retry_seconds=10
        )


def create_token(data_dir: Path, owner: str, store_url: str = "") -> str:
    """A token made by the command line."""
    command = [
        sys.executable,
        "-m",
        "pytrainr_server",
        "token",
        "create",
        "--owner",
        owner,
        "--data-dir",
        str(data_dir),
        *(["--store-url", store_url] if store_url else []),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=300).stdout.strip()


@pytest.fixture(scope="session")
def secure(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServer]:
    """One server over TLS with tokens, for every test that does it no harm."""
    directory = tmp_path_factory.mktemp("secure")
    authority = Authority(directory)
    certificate, key = authority.sign("trainr server", "server")
    tokens = [create_token(directory / "data", owner) for owner in ("alice", "bob")]
    flags = ["--tls-certificate", str(certificate), "--tls-key", str(key), "--grace-seconds", "2"]
    with start_local_server(directory / "data", flags=flags) as server:
        yield SecureServer(server, authority, *tokens)


@pytest.fixture(scope="session")
def client(secure: SecureServer) -> Iterator[pytrainr_client.Client]:
    """A client of the secure server."""
    with secure.connect() as connected:
        yield connected


@pytest.fixture(scope="session")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """One server on loopback without tokens."""
    with start_local_server(tmp_path_factory.mktemp("plain"), flags=["--grace-seconds", "1"]) as server:
        yield server


def adder(samples: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """X and Y of binary addition: (samples, 8, 2) and (samples, 8, 1), the lowest bit first."""
    generator = np.random.default_rng(seed)
    numbers = generator.integers(0, 128, (2, samples))
    bits = ((numbers[..., None] >> np.arange(8)) & 1).astype(np.float64)
    total = ((numbers.sum(axis=0)[:, None] >> np.arange(8)) & 1).astype(np.float64)
    return np.ascontiguousarray(bits.transpose(1, 2, 0)), total[:, :, None]


@pytest.fixture(scope="session")
def data() -> tuple[np.ndarray, np.ndarray]:
    """A small task: X and Y."""
    return adder(60)
