"""A line between the tests' programs that can be slow, cut, or answer in the other's place."""

from __future__ import annotations

import contextlib
import itertools
import socket
import threading
import time
from collections.abc import Sequence

BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Proxy:
    """Hands on connections to ``targets`` in turn, on 127.0.0.1; a plain load balancer where there are several.

    ``answers``: so many next connections get 503; ``cuts``: so many next ones are cut after some bytes of what comes
    back; ``delay``: seconds before each piece that comes back; ``down``: connections are refused, open ones are cut;
    ``hold``: they stay open, but what is sent, in the one direction or the other, only comes once they are let go.
    """

    def __init__(self, targets: Sequence[str]) -> None:
        self._targets = itertools.cycle(targets)
        self.answers = self.cuts = 0
        self.delay = 0.0
        self._down = False
        self._passes = {"forth": threading.Event(), "back": threading.Event()}
        self.let_go()
        self._open: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """No connection is taken any more, those there are end."""
        self._listener.close()
        self.down(True)
        self.let_go()

    def down(self, down: bool) -> None:
        """Cut every connection, and take no others until told so."""
        self._down = down
        if down:
            with self._lock:
                connections = list(self._open)
            for connection in connections:
                _end(connection)

    def hold(self, *directions: str) -> None:
        """Pass nothing on ``forth`` (from callers), ``back`` (to them), or both; nobody is told."""
        for direction in directions:
            self._passes[direction].clear()

    def let_go(self) -> None:
        """Pass on what was held, and all that comes."""
        for passes in self._passes.values():
            passes.set()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                caller, _ = self._listener.accept()
                threading.Thread(target=self._serve, args=(caller,), daemon=True).start()

    def _take(self, what: str) -> bool:
        with self._lock:
            left = getattr(self, what)
            setattr(self, what, max(0, left - 1))
            return left > 0

    def _serve(self, caller: socket.socket) -> None:
        if self._down:
            _end(caller)
            return
        if self._take("answers"):
            with contextlib.suppress(OSError):
                caller.recv(65_536)
                caller.sendall(BUSY)
            _end(caller)
            return
        limit = 1000 if self._take("cuts") else None
        try:
            target = _connected(next(self._targets))
        except OSError:
            _end(caller)
            return
        with self._lock:
            self._open |= {caller, target}
        forth = threading.Thread(target=self._copy, args=(caller, target, None, False), daemon=True)
        forth.start()
        self._copy(target, caller, limit, True)
        forth.join()
        with self._lock:
            self._open -= {caller, target}

    def _copy(self, source: socket.socket, target: socket.socket, limit: int | None, back: bool) -> None:
        sent = 0
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if back and self.delay:
                    time.sleep(self.delay)
                self._passes["back" if back else "forth"].wait()
                if limit is not None and sent + len(data) > limit:
                    target.sendall(data[: limit - sent])
                    break
                target.sendall(data)
                sent += len(data)
        _end(source)
        _end(target)


def _end(connection: socket.socket) -> None:
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


def _connected(target: str) -> socket.socket:
    """To ``HOST:PORT``, or ``unix:/PATH``."""
    if target.startswith("unix:"):
        made = socket.socket(socket.AF_UNIX)
        made.connect(target.removeprefix("unix:"))
        return made
    host, _, port = target.removeprefix("http://").rpartition(":")
    return socket.create_connection((host, int(port)))
