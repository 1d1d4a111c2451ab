"""Servers with a page, and a browser: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright
from pytrainr_server import LocalServer, start_local_server

from tests.service.certificates import Authority
from tests.service.conftest import SecureServer, create_token

OWNER = '<script>alert("owner")</script>'
WEB = ["--web", "127.0.0.1:0"]


@pytest.fixture(scope="session")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalServer]:
    """A server on loopback, which needs no token."""
    with start_local_server(tmp_path_factory.mktemp("watched"), flags=WEB) as server:
        yield server


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SecureServer]:
    """A server over TLS that asks for a token; the other owner's name would be markup."""
    directory = tmp_path_factory.mktemp("guarded")
    authority = Authority(directory)
    certificate, key = authority.sign("trainr server", "server")
    tokens = [create_token(directory / "data", owner) for owner in ("alice", OWNER)]
    flags = ["--tls-certificate", str(certificate), "--tls-key", str(key), *WEB]
    with start_local_server(directory / "data", flags=flags) as server:
        yield SecureServer(server, authority, *tokens)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """A browser without a window."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        pytest.skip("LEFT OUT: the page in a browser; install Debian's chromium")
    with sync_playwright() as playwright:
        # Without its own sandbox, which root cannot have; the only page is ours.
        started = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        yield started
        started.close()
