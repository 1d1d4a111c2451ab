"""From an address to a gRPC channel: TLS unless the server is on this machine, the token with every call."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.experimental

DEFAULT_ADDRESS = "127.0.0.1:7272"
ADDRESS_VARIABLE, TOKEN_VARIABLE, CA_VARIABLE = "TRAINR_ADDRESS", "TRAINR_TOKEN", "TRAINR_CACERT"
_LOOPBACK = ("127.", "localhost:", "[::1]:", "unix:")
_OPTIONS = (
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    ("grpc.enable_retries", 0),
    ("grpc.use_local_subchannel_pool", 1),
    # A stream is read by the thread that iterates it; a thread started for every call would cost milliseconds.
    (grpc.experimental.ChannelOptions.SingleThreadedUnaryStream, 1),
)

Pem = str | os.PathLike[str] | bytes | None


def open_channel(
    address: str | None, token: str | None, ca: Pem, cert: Pem, key: Pem, insecure: bool
) -> tuple[grpc.Channel, str]:
    """A channel to the server, and its address. Raises ``ValueError`` for settings that contradict each other."""
    address = address or os.environ.get(ADDRESS_VARIABLE) or DEFAULT_ADDRESS
    token = token if token is not None else os.environ.get(TOKEN_VARIABLE)
    ca = ca if ca is not None else os.environ.get(CA_VARIABLE)
    scheme, _, rest = address.rpartition("://")
    address = rest if scheme else address
    if scheme not in ("", "http", "https"):
        raise ValueError(
            f"address begins with {scheme!r}://; it should be HOST:PORT, http://..., https://... or unix:/PATH"
        )
    if not address.startswith("unix:") and ":" not in address:
        raise ValueError(f"address is {address!r}; it should have a port, such as {address}:7272")
    local = address.startswith(_LOOPBACK)
    secure = scheme == "https" or ca is not None or cert is not None or (not local and scheme != "http")
    if secure and insecure:
        secure = scheme == "https"
    if not secure and not local and not insecure:
        raise ValueError(
            f"{address} is not on this machine: without TLS everyone on the way could read along; "
            "use https://, or insecure=True if that is meant"
        )
    channel = _secure(address, ca, cert, key) if secure else grpc.insecure_channel(address, _OPTIONS)
    if token:
        channel = grpc.intercept_channel(channel, _WithToken(token))
    return channel, address


def _secure(address: str, ca: Pem, cert: Pem, key: Pem) -> grpc.Channel:
    if (cert is None) != (key is None):
        raise ValueError("mutual TLS needs both cert and key")
    credentials = grpc.ssl_channel_credentials(_pem(ca, "ca"), _pem(key, "key"), _pem(cert, "cert"))
    return grpc.secure_channel(address, credentials, _OPTIONS)


def _pem(value: Pem, name: str) -> bytes | None:
    if value is None or isinstance(value, bytes):
        return value
    try:
        return Path(value).read_bytes()
    except OSError as error:
        raise ValueError(f"{name}: the file {os.fspath(value)!r} cannot be read: {error.strerror}") from error


class _Details(grpc.ClientCallDetails):
    def __init__(self, details: Any, metadata: list[tuple[str, str]]) -> None:
        self.method = details.method
        self.timeout = details.timeout
        self.metadata = metadata
        self.credentials = details.credentials
        self.wait_for_ready = details.wait_for_ready
        self.compression = details.compression


class _WithToken(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds the token to every call."""

    def __init__(self, token: str) -> None:
        self._header = ("authorization", f"Bearer {token}")

    def _with_header(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        return continuation(_Details(details, [*(details.metadata or ()), self._header]), request)

    intercept_unary_unary = _with_header
    intercept_unary_stream = _with_header
    intercept_stream_unary = _with_header
    intercept_stream_stream = _with_header
