"""From an address to a gRPC channel: TLS unless the server is on this machine, the token with every call."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.experimental
from trainr.addresses import parse_address

DEFAULT_ADDRESS = "127.0.0.1:7272"
ADDRESS_VARIABLE, TOKEN_VARIABLE, CA_VARIABLE = "TRAINR_ADDRESS", "TRAINR_TOKEN", "TRAINR_CACERT"
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

# Nothing between this machine and itself: a proxy would answer for another 127.0.0.1, and read the token.
_NO_PROXY = (("grpc.enable_http_proxy", 0),)

Pem = str | os.PathLike[str] | bytes | None


def open_channel(
    address: str | None, token: str | None, ca: Pem, cert: Pem, key: Pem, insecure: bool
) -> tuple[grpc.Channel, str]:
    """A channel to the server, and its address.

    Raises ``ValueError`` for an address that is none, and for settings that contradict each other.
    """
    where = parse_address((address or "").strip() or os.environ.get(ADDRESS_VARIABLE, "").strip() or DEFAULT_ADDRESS)
    token = token if token is not None else os.environ.get(TOKEN_VARIABLE)
    if where.scheme == "http" and (ca is not None or cert is not None):
        raise ValueError(f"http:// is without TLS, which ca and cert are for; give https://{where.target}")
    ca = ca if ca is not None else os.environ.get(CA_VARIABLE)
    secure = where.scheme == "https" or (
        where.scheme != "http" and not insecure and (ca is not None or cert is not None or not where.loopback)
    )
    if not secure and not where.loopback and not insecure:
        raise ValueError(
            f"{where.target} is not on this machine: without TLS everyone on the way could read along; "
            "use https://, or insecure=True if that is meant"
        )
    settings = (*_OPTIONS, *_NO_PROXY) if where.loopback else _OPTIONS
    if secure:
        channel = grpc.secure_channel(where.target, _credentials(ca, cert, key), settings)
    else:
        channel = grpc.insecure_channel(where.target, settings)
    if token:
        channel = grpc.intercept_channel(channel, _WithToken(token))
    return channel, where.target


def _credentials(ca: Pem, cert: Pem, key: Pem) -> grpc.ChannelCredentials:
    if (cert is None) != (key is None):
        raise ValueError("mutual TLS needs both cert and key")
    return grpc.ssl_channel_credentials(_pem(ca, "ca"), _pem(key, "key"), _pem(cert, "cert"))


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
