"""OpenStack Swift with its S3 interface in one process: /usr/bin/python3 swift_services.py DIRECTORY.

Run by Debian's own Python, which has Swift. Proxy, account, container and object server are Swift's, each on a port of
its own on 127.0.0.1, with rings of one device. The proxy's address is written to DIRECTORY/address; a second start on
the same directory finds what the first has stored, on the same ports.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import eventlet

eventlet.monkey_patch()

from eventlet.green import socket  # noqa: E402
from swift.common import utils  # noqa: E402

PROXY = """
[DEFAULT]
swift_dir = {directory}
[pipeline:main]
pipeline = catch_errors gatekeeper listing_formats bulk s3api tempauth slo dlo proxy-server
[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
[filter:catch_errors]
use = egg:swift#catch_errors
[filter:gatekeeper]
use = egg:swift#gatekeeper
[filter:listing_formats]
use = egg:swift#listing_formats
[filter:bulk]
use = egg:swift#bulk
[filter:s3api]
use = egg:swift#s3api
location = us-east-1
[filter:tempauth]
use = egg:swift#tempauth
user_test_tester = testing .admin
[filter:slo]
use = egg:swift#slo
[filter:dlo]
use = egg:swift#dlo
"""
STORAGE = """
[DEFAULT]
swift_dir = {directory}
devices = {directory}/devices
mount_check = false
[pipeline:main]
pipeline = {kind}-server
[app:{kind}-server]
use = egg:swift#{kind}
"""


class Cache:
    """Stands for memcached, which Swift's S3 interface wants beside it: it keeps what is found out about containers."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def get(self, key: str, raise_on_error: bool = False) -> Any:
        return self._kept.get(key)

    def set(self, key: str, value: Any, *_: Any, **__: Any) -> None:
        self._kept[key] = value

    def delete(self, key: str, *_: Any, **__: Any) -> None:
        self._kept.pop(key, None)


def completed(app: Callable) -> Callable:
    """The application with a cache, and with a length for every answer to HEAD: without one this eventlet sends the end
    of a body that there is not."""
    cache = Cache()

    def answer(environment: dict[str, Any], start: Callable) -> Any:
        environment["swift.cache"] = cache

        def start_with_length(status: str, headers: list[tuple[str, str]], *more: Any) -> Any:
            if environment["REQUEST_METHOD"] == "HEAD" and "content-length" not in {
                name.lower() for name, _ in headers
            }:
                headers = [*headers, ("Content-Length", "0")]
            return start(status, headers, *more)

        return app(environment, start_with_length)

    return answer


def listener(directory: Path, name: str) -> socket.socket:
    """A listening socket, on the port of the last start where there was one."""
    kept = directory / f"{name}.port"
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    made.bind(("127.0.0.1", int(kept.read_text()) if kept.exists() else 0))
    made.listen(128)
    kept.write_text(str(made.getsockname()[1]))
    return made


def make_ring(directory: Path, name: str, port: int) -> None:
    """The ring with one device, once."""
    from swift.common.ring import RingBuilder

    if (directory / f"{name}.ring.gz").exists():
        return
    builder = RingBuilder(3, 1, 1)
    device = {"id": 0, "region": 1, "zone": 1, "ip": "127.0.0.1", "port": port, "device": "d1", "weight": 1.0}
    device |= {"replication_ip": "127.0.0.1", "replication_port": port, "meta": ""}
    builder.add_dev(device)
    builder.rebalance()
    builder.get_ring().save(str(directory / f"{name}.ring.gz"))


def main() -> None:
    """Serve until killed."""
    directory = Path(sys.argv[1])
    conf = directory / "swift.conf"
    conf.write_text("[swift-hash]\nswift_hash_path_suffix = tests\n[storage-policy:0]\nname = all\ndefault = yes\n")
    utils.SWIFT_CONF_FILE = str(conf)
    (directory / "devices" / "d1").mkdir(parents=True, exist_ok=True)
    from swift.common.wsgi import SwiftHttpProtocol, loadapp

    sockets = {}
    for kind in ("account", "container", "object"):
        sockets[kind] = listener(directory, kind)
        make_ring(directory, kind, sockets[kind].getsockname()[1])
        (directory / f"{kind}-server.conf").write_text(STORAGE.format(directory=directory, kind=kind))
    sockets["proxy"] = listener(directory, "proxy")
    (directory / "proxy-server.conf").write_text(PROXY.format(directory=directory))
    log = utils.NullLogger()
    for kind, made in sockets.items():
        app = loadapp(str(directory / f"{kind}-server.conf"), allow_modify_pipeline=False)
        options = {"protocol": SwiftHttpProtocol, "capitalize_response_headers": False, "log_output": False}
        eventlet.spawn(eventlet.wsgi.server, made, completed(app), log, **options)
    address = directory / "address"
    address.with_suffix(".part").write_text(f"http://127.0.0.1:{sockets['proxy'].getsockname()[1]}")
    os.replace(address.with_suffix(".part"), address)
    while True:
        eventlet.sleep(60)


if __name__ == "__main__":
    main()
