"""Server addresses, read alike by every client and by the server; ``docs/addresses.md`` has the rules."""

from __future__ import annotations

import ipaddress
import os
import re
from typing import NamedTuple

__all__ = ["DEFAULT_PORT", "Address", "AddressError", "parse_address"]

DEFAULT_PORT = 7272
MAX_UNIX_PATH = 107
_FORMS = f"it should be HOST:PORT (such as 127.0.0.1:{DEFAULT_PORT}), http://HOST:PORT, https://HOST:PORT or unix:/PATH"
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)", re.DOTALL)
_HOST_AND_PORT = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([^:]*))?", re.DOTALL)
_HOST = re.compile(r"\w(?:[\w-]*\w)?(?:\.\w(?:[\w-]*\w)?)*")
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9.]+")


class AddressError(ValueError):
    """A text that is no address of a server; the message says what it should be."""


class Address(NamedTuple):
    """Where a server is.

    Attributes:
        scheme: ``"http"``, ``"https"``, or ``""`` where it was not spelled out.
        target: ``HOST:PORT`` in lower case, or ``unix:PATH``: what gRPC takes.
        loopback: whether only this machine can reach it.
    """

    scheme: str
    target: str
    loopback: bool


def parse_address(text: str) -> Address:
    """Read an address. Raises :class:`AddressError`, at once and in words, for everything that is none."""
    if not isinstance(text, str):
        raise AddressError(f"address is {text!r}; {_FORMS}")
    trimmed = text.strip()
    if trimmed[:5].lower() == "unix:":
        return Address("", _unix(trimmed[5:], text), True)
    url = _SCHEME.fullmatch(trimmed)
    scheme, rest = (url.group(1).lower(), url.group(2).rstrip("/")) if url else ("", trimmed.rstrip("/"))
    if scheme not in ("", "http", "https"):
        raise AddressError(f"address is {text!r}, which begins with {scheme}://; {_FORMS}")
    for mark, what in (("@", "a user's name: the token has an argument of its own"), ("/", "a path"), ("?", "a query")):
        if mark in rest:
            raise AddressError(f"address is {text!r}, which has {what}; {_FORMS}")
    parts = _HOST_AND_PORT.fullmatch(rest)
    if parts is None:
        hint = f"; an IPv6 address is written in brackets, [::1]:{DEFAULT_PORT}" if rest.count(":") > 1 else ""
        raise AddressError(f"address is {text!r}; {_FORMS}{hint}")
    host, loopback = _host(parts.group(1), text)
    return Address(scheme, f"{host}:{_port(parts.group(2), host, scheme, text)}", loopback)


def _unix(path: str, text: str) -> str:
    if not path.strip("/"):
        raise AddressError(f"address is {text!r}, which names no socket; it should be unix:/PATH")
    if len(os.fsencode(path)) > MAX_UNIX_PATH:
        raise AddressError(
            f"address is {text!r}: the path of a Unix socket has {MAX_UNIX_PATH} bytes at most, this one has "
            f"{len(os.fsencode(path))}; choose a shorter directory, such as one in /tmp or /run"
        )
    return "unix:" + path


def _host(host: str, text: str) -> tuple[str, bool]:
    """The host in lower case, and whether it is this machine: ``127.example.org`` is somebody else's."""
    if not host:
        raise AddressError(f"address is {text!r}, which names no host; {_FORMS}")
    if host.startswith("[") or _LOOKS_LIKE_IPV4.fullmatch(host):
        try:
            number = ipaddress.ip_address(host.strip("[]"))
        except ValueError:
            raise AddressError(f"address is {text!r}: {host} is no IP address") from None
        if host.startswith("[") != (number.version == 6):
            raise AddressError(f"address is {text!r}: brackets are for IPv6 addresses, such as [::1]")
        mapped = getattr(number, "ipv4_mapped", None)
        return host.lower(), (mapped or number).is_loopback
    name = host.lower().removesuffix(".")
    if not _HOST.fullmatch(name):
        raise AddressError(f"address is {text!r}: {host!r} is no name of a host; {_FORMS}")
    return name, name == "localhost"


def _port(port: str | None, host: str, scheme: str, text: str) -> int:
    if port is None and not scheme:
        return DEFAULT_PORT
    if port is None:
        raise AddressError(
            f"address is {text!r}, which has no port: {scheme}://{host}:{DEFAULT_PORT} is a pytrainr server's own, "
            f"{scheme}://{host}:{443 if scheme == 'https' else 80} a web server's in front of it"
        )
    if not (port.isascii() and port.isdigit()) or int(port) > 65535:
        raise AddressError(f"address is {text!r}: {port!r} is no port, a whole number up to 65535")
    return int(port)
