"""A server whose jobs run in other processes: python -m tests.service.other_executors KIND DATA_DIR READY_FILE."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from pytrainr_server import telemetry
from pytrainr_server.config import Config
from pytrainr_server.server import Server


@contextmanager
def executor(kind: str) -> Iterator[Executor]:
    """Two processes: Python's own, or a Dask cluster on this machine."""
    if kind == "processes":
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:
            yield pool
        return
    from distributed import Client, LocalCluster

    with (
        LocalCluster(2, threads_per_worker=1, processes=True, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


def main() -> None:
    """Serve until SIGTERM."""
    kind, data_dir, ready_file = sys.argv[1:]
    config = Config(listen=("127.0.0.1:0",), data_dir=data_dir, checkpoint_seconds=0.2)
    telemetry.set_up_logs("info", "text")

    def ready(addresses: list[str]) -> None:
        partial = Path(ready_file + ".part")
        partial.write_text(addresses[0])
        partial.replace(ready_file)

    with executor(kind) as pool:
        asyncio.run(Server(config, pool).run(ready))


if __name__ == "__main__":
    main()
