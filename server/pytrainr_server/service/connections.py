"""Whether a caller's connection still stands: a cancelled call and a lost connection look the same to a handler.

gRPC keeps a list of its sockets (channelz); it is asked in this process and shown to nobody, unless --channelz says so.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

try:
    from grpc._cython import cygrpc

    cygrpc.channelz_get_servers, cygrpc.channelz_get_server_sockets  # noqa: B018
except (ImportError, AttributeError):  # names that gRPC keeps for itself; there from 1.67 to 1.85
    cygrpc = None

SERVER_OPTION = ("grpc.enable_channelz", 1)


def is_open(peer: str) -> bool:
    """Whether the connection of the peer ("ipv4:HOST:PORT" and the like) is open.

    Peers on a Unix socket have no address of their own; for them this is always true, and for all where gRPC does not
    say.
    """
    if cygrpc is None or peer.startswith("unix"):
        return True
    for server in json.loads(cygrpc.channelz_get_servers(0)).get("server", []):
        if any(name.endswith(" " + peer) for name in _sockets(int(server["ref"]["serverId"]))):
            return True
    return False


def _sockets(server: int) -> Iterator[str]:
    """The names of all its sockets, which are told some at a time."""
    first = 0
    while True:
        page = json.loads(cygrpc.channelz_get_server_sockets(server, first, 0))
        sockets = page.get("socketRef", [])
        yield from (socket["name"] for socket in sockets)
        if page.get("end", False) or not sockets:
            return
        first = max(int(socket["socketId"]) for socket in sockets) + 1
