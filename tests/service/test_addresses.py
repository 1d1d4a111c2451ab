"""Issue 11.17: addresses are understood, or refused at once; no call to this machine passes through a proxy."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytrainr_client
from pytrainr_client.channel import open_channel
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.config import Config, ConfigError
from trainr.addresses import AddressError, parse_address

CASES: dict[str, dict[str, Any]] = json.loads((Path(__file__).parents[1] / "addresses.json").read_text())
PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "grpc_proxy", "all_proxy")


@pytest.mark.parametrize("text", CASES["understood"])
def test_an_address_is_understood(text: str) -> None:
    """11.17: what counts as this machine is a parsed address, not how the text begins."""
    assert parse_address(text)._asdict() == CASES["understood"][text]


@pytest.mark.parametrize("text", CASES["refused"])
def test_what_is_no_address_is_refused_at_once(text: str) -> None:
    """11.17: the client and the server say what is wrong with the address before anything is sent."""
    with pytest.raises(AddressError, match=CASES["refused"][text]):
        parse_address(text)
    with pytest.raises(ValueError, match=CASES["refused"][text]):
        pytrainr_client.connect(text)
    with pytest.raises(ConfigError, match=CASES["refused"][text]):
        Config(listen=(text,))


def test_no_address_is_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    """11.17: ``""`` is no address, as an environment variable that is not set; the variable is trimmed too."""
    monkeypatch.delenv("TRAINR_ADDRESS", raising=False)
    for nothing in (None, "", " "):
        with pytrainr_client.connect(nothing) as client:
            assert client.address == "127.0.0.1:7272"
    monkeypatch.setenv("TRAINR_ADDRESS", " LOCALHOST:1/ ")
    with pytrainr_client.connect() as client:
        assert client.address == "localhost:1"


@pytest.mark.parametrize("address", ["127.example.org:7272", "localhost.example.org", "127.0.0.1.nip.io:7272"])
def test_a_name_that_begins_like_this_machine_is_not_this_machine(address: str) -> None:
    """11.17: no clear text to it, and no listening on it without TLS and tokens."""
    with pytest.raises(ValueError, match="is not on this machine"):
        open_channel("http://" + parse_address(address).target, "token", None, None, None, False)
    with pytest.raises(ConfigError, match="can be reached from other machines"):
        Config(listen=(address,))


def test_listening_names_no_scheme() -> None:
    """11.17: the server's address is without http://, and says so."""
    with pytest.raises(ConfigError, match=r"give 127\.0\.0\.1:7272"):
        Config(listen=("http://127.0.0.1:7272",))
    assert [address.target for address in Config(listen=("LOCALHOST", "[::1]:0")).addresses] == [
        "localhost:7272",
        "[::1]:0",
    ]


@pytest.mark.parametrize("text", ["127.0.0.1", "unix:/run/metrics", "http://127.0.0.1:9090", "host:x", "9090", "[::1]"])
def test_the_address_of_the_metrics(text: str) -> None:
    """11.17: the neighbour that Prometheus asks was a traceback after the start."""
    with pytest.raises(ConfigError, match="metrics"):
        Config(metrics=text)
    assert Config(metrics=":9090").metrics_address == ("127.0.0.1", 9090)
    assert Config(metrics="[::1]:9090").metrics_address == ("::1", 9090)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """A proxy that every variable names; what it was sent."""
    received: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def answer() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    received.append(connection.recv(4096))

        threading.Thread(target=answer, daemon=True).start()
        for name in PROXIES:
            monkeypatch.setenv(name, f"http://127.0.0.1:{listening.getsockname()[1]}")
        for name in ("no_proxy", "NO_PROXY", "no_grpc_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield received
        listening.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("form", ["127.0.0.1:{}", "LOCALHOST:{}", "http://127.0.0.1:{}/"])
def test_this_machine_is_never_reached_through_a_proxy(plain: LocalServer, proxy: list[bytes], form: str) -> None:
    """11.17: with http_proxy set, the call arrives, and the proxy sees nothing of it."""
    port = plain.address.rpartition(":")[2]
    with pytrainr_client.connect(form.format(port), retry_seconds=0) as client:
        assert client.server_info().version
    assert proxy == []


def test_another_machine_is_reached_through_the_proxy(proxy: list[bytes]) -> None:
    """11.17: proxies are left out for this machine alone."""
    with (
        pytrainr_client.connect("trainr.invalid:7272", insecure=True, retry_seconds=0) as client,
        pytest.raises(pytrainr_client.ServerError),
    ):
        client.server_info()
    assert proxy
    assert proxy[0].startswith(b"CONNECT trainr.invalid:7272")


def test_ipv6_on_this_machine(tmp_path: Path) -> None:
    """11.17: ``[::1]`` is this machine, to listen on and to call."""
    with socket.socket(socket.AF_INET6) as probe:
        try:
            probe.bind(("::1", 0))
        except OSError:
            pytest.skip("this machine has no IPv6")
    with (
        start_local_server(tmp_path, listen="[::1]:0") as server,
        pytrainr_client.connect(server.address, retry_seconds=10) as client,
    ):
        assert server.address.startswith("[::1]:")
        assert client.server_info().version
