"""What ``kills.py --together`` kills: of two servers behind a load balancer, PostgreSQL, Swift and a Dask cluster any,
or two at once. What was killed is started again a moment later, as whatever watches over it would do.

A server dies and begins on its own data directory; the database and the object store lose what they had in memory, not
what they had acknowledged; a scheduler forgets all, and its workers leave with it.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from kills import FLAGS, PATIENCE, Batch
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.store import shared
from pytrainr_server.store.schema import epoch_records
from pytrainr_server.store.store import Store, StoreSettings
from sqlalchemy import func, select

from pytrainr import Model
from tests.scale.dask_cluster import Cluster
from tests.scale.object_store import KEYS, Swift
from tests.scale.proxy import Proxy
from tests.service.postgresql import PostgreSQL

SERVERS = WORKERS = 2
TWO_AT_ONCE = 0.3
DOWN_SECONDS = 2.0


class TogetherBatch(Batch):
    """Some kills of what works together."""

    def __init__(self, directory: Path, chance: random.Random, references: dict[str, Model]) -> None:
        super().__init__(directory, chance, references)
        os.environ.update(KEYS)
        self._database, self._objects = PostgreSQL(), Swift()
        self._place, self._url = self._objects.new_bucket(), self._database.new_database()
        dask = directory / "dask"
        dask.mkdir(exist_ok=True)
        self._cluster = Cluster(dask)
        self._servers: list[LocalServer] = []
        self._addresses = [_free_address() for _ in range(SERVERS)]
        self._balancer = Proxy(self._addresses)
        self._listen = self._balancer.address

    def _start(self) -> LocalServer:
        for _ in range(WORKERS):
            self._cluster.add_worker()
        self._servers = [self._start_server(number) for number in range(SERVERS)]
        return self._servers[0]

    def _start_server(self, number: int) -> LocalServer:
        where = ("--store-url", self._url, "--files", self._place, "--executor", self._cluster.address)
        return start_local_server(
            self._directory / f"data{number}",
            flags=(*FLAGS, *where, "--lease-seconds", "5"),
            listen=self._addresses[number],
            environment=KEYS,
            seconds=PATIENCE,
        )

    # kills ------------------------------------------------------------------------------------------------------------

    def _kill(self, server: LocalServer) -> LocalServer:
        time.sleep(self._chance.uniform(0.0, DOWN_SECONDS))
        count = 2 if self._chance.random() < TWO_AT_ONCE else 1
        victims = self._chance.sample(["server", "worker", "scheduler", "database", "object store"], count)
        self.moments[" and ".join(sorted(victims))] += 1
        revivals = [self._end(victim) for victim in victims]
        time.sleep(self._chance.uniform(0.0, DOWN_SECONDS))
        for revive in sorted(revivals, key=lambda revive: revive.__name__ == "revive_server"):
            revive()  # servers last: they do not start without the rest
        return self._servers[0]

    def _end(self, victim: str) -> Callable[[], Any]:
        """Kill it; what starts it again."""
        if victim == "server":
            number = self._chance.randrange(SERVERS)
            self._servers[number].kill()
            self._check_log(self._servers[number])

            def revive_server() -> None:
                self._servers[number] = self._start_server(number)

            return revive_server
        if victim == "worker":
            self._cluster.workers.pop(self._chance.randrange(WORKERS)).kill()
            return self._cluster.add_worker
        if victim == "scheduler":
            return self._end_scheduler()
        part = self._database if victim == "database" else self._objects
        part.kill()
        return part.start

    def _end_scheduler(self) -> Callable[[], Any]:
        for process in (self._cluster.scheduler, *self._cluster.workers):
            process.kill()
            process.wait()
        self._cluster.workers.clear()

        def revive() -> None:
            self._cluster.start_scheduler()
            for _ in range(WORKERS):
                self._cluster.add_worker()

        return revive

    # what must hold ---------------------------------------------------------------------------------------------------

    def _stop(self, server: LocalServer) -> None:
        for each in self._servers:
            super()._stop(each)
        self._balancer.close()
        self._cluster.stop()
        for path in self._left_in_common():
            self.faults.append(f"{path} is left")
        self._objects.stop()
        self._database.stop()

    def _leftovers(self) -> Iterator[Path]:
        for number in range(SERVERS):
            yield from (self._directory / f"data{number}" / "jobs").iterdir()
            yield from (self._directory / f"data{number}" / "models").iterdir()

    def _left_in_common(self) -> Iterator[str]:
        """What the next collection of garbage would leave, were all old enough; datasets stay for a week."""
        store = Store(StoreSettings(self._url, str(self._directory / "look"), 6e5, 6e5, 1 << 40, self._place))
        store.open()
        assert store.shared is not None
        shared.ORPHAN_SECONDS = -60.0
        store.collect_garbage()
        yield from (file.name for file in store.shared.place.found() if not file.name.startswith("datasets/"))
        with store.database.read() as connection:
            if count := connection.execute(select(func.count()).select_from(epoch_records)).scalar():
                yield f"{count} rows of epochs"
        store.database.close()


def _free_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"127.0.0.1:{listener.getsockname()[1]}"
