"""The server's page with much to show: 10,000 jobs, 100 curves of 10,000 epochs, 50 browsers that watch.

Usage: python benchmarks/page.py [--jobs N] [--watchers N] [--seconds S]

Prints how long the server takes to answer (median and worst), and its memory before and after the watching: half of the
browsers look at the list, half at the curve of a job that trains meanwhile.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import socket
import statistics
import struct
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

import numpy as np
import psutil
import pytrainr_client
from pytrainr_server import start_local_server
from pytrainr_server.config import Config
from pytrainr_server.server import store_settings
from pytrainr_server.store.new_jobs import Limits, NewJob
from pytrainr_server.store.schema import State
from pytrainr_server.store.store import Store
from trainr.v1 import tensor_pb2, training_pb2

EPOCHS, CURVES, ASKED, MEASURED = 10_000, 100, 30, 6
MEMORY = Path("/dev/shm")


def fill(data_dir: Path, count: int) -> None:
    """Jobs that have ended, stored as the server stores them; the newest have long logs."""
    store = Store(store_settings(Config(data_dir=str(data_dir))))
    store.open()
    tensor = tensor_pb2.Tensor(dim=[100, 10, 2])
    records = b"".join(struct.pack("<qddd", epoch, 1 / epoch, 0.1, 0.1) for epoch in range(1, EPOCHS + 1))
    for number in range(count):
        options = training_pb2.TrainingOptions(learningrate=0.1 + number, numepochs=EPOCHS, hidden_dim=[8])
        training = training_pb2.Training(x=tensor, y=tensor, options=options).SerializeToString()
        id = f"job-{number:05}"
        new = NewJob("local", id, None, b"", training, False, EPOCHS, id, False, 1e6, frozenset())
        job, _ = store.jobs.create(new, Limits(count + 1, count + 1, 1 << 40))
        with store.database.write(durable=False) as connection:
            log = records if number >= count - CURVES else records[:32]
            store.jobs.finish(connection, job.key, "", State.SUCCEEDED, log, epoch=EPOCHS, mean_error=1 / EPOCHS)
    store.database.close()


class Browser:
    """What a browser sends."""

    def __init__(self, page: str) -> None:
        self.page = page
        request = urllib.request.Request(page + "api/sign-in", b"{}", {"Content-Type": "application/json"})
        with urllib.request.urlopen(request) as response:
            self.cookie = response.headers["Set-Cookie"].partition(";")[0]

    def get(self, path: str) -> tuple[dict, float]:
        """The answer, and the milliseconds until it was whole."""
        began = time.perf_counter()
        with urllib.request.urlopen(
            urllib.request.Request(self.page + path, headers={"Cookie": self.cookie})
        ) as response:
            found = response.read()
        return json.loads(found), 1000 * (time.perf_counter() - began)

    def watch(self, path: str, ended: threading.Event) -> None:
        """Read a stream of events until the end; goes on as a browser does where it breaks off."""
        host, port = self.page.removeprefix("http://").strip("/").split(":")
        while not ended.is_set():
            with socket.create_connection((host, int(port))) as connection:
                asked = f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nCookie: {self.cookie}\r\n\r\n"
                connection.sendall(asked.encode())
                connection.settimeout(1.0)
                while not ended.is_set():
                    with contextlib.suppress(TimeoutError):
                        if not connection.recv(1 << 16):
                            break


def train(address: str) -> None:
    """Begin a job that ends some epochs a second for as long as anybody watches; few samples, for the model grows by
    their errors."""
    random = np.random.default_rng(1)
    X, Y = random.uniform(0, 1, (5, 2000, 2)), random.uniform(0, 1, (5, 2000, 1))
    with pytrainr_client.connect(address) as client:
        job = client.train_async(Y, X, learningrate=0.001, hidden_dim=64, numepochs=500_000, job_id="trains")
        next(job.watch())  # compiled


def main() -> None:
    """Fill, ask, watch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=10_000)
    parser.add_argument("--watchers", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=600.0)
    given = parser.parse_args()
    # In memory where that is possible: what is measured is the page, not ten thousand waits for the disk.
    with tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
        fill(Path(folder), given.jobs)
        with start_local_server(folder, flags=["--web", "127.0.0.1:0"]) as server:
            browser, process = Browser(server.page), psutil.Process(server.process.pid)
            first = browser.get("api/jobs")[0]
            for name, path in {
                "first page of jobs": "api/jobs",
                "a search through all": "api/jobs?search=00042",
                "the next page": f"api/jobs?after={first['after']}",
                "a curve of 10,000 epochs": f"api/jobs/job-{given.jobs - 1:05}/curve",
            }.items():
                times = [browser.get(path)[1] for _ in range(ASKED)]
                print(f"{name:28} {statistics.median(times):7.1f} ms, worst {max(times):7.1f} ms")
            compared = ",".join(f"job-{number:05}" for number in range(given.jobs - CURVES, given.jobs))
            times = [browser.get(f"api/compare?jobs={compared}")[1] for _ in range(ASKED)]
            print(f"{f'{CURVES} curves to compare':28} {statistics.median(times):7.1f} ms, worst {max(times):7.1f} ms")
            ended = threading.Event()
            train(server.address)
            paths = [("/api/live", "/api/jobs/trains/watch")[number % 2] for number in range(given.watchers)]
            watchers = [threading.Thread(target=browser.watch, args=(path, ended)) for path in paths]
            for watcher in watchers:
                watcher.start()
            time.sleep(min(10.0, given.seconds / 10))  # until all are there
            memory = []
            for measured in range(MEASURED):
                time.sleep(given.seconds / (MEASURED - 1) if measured else 0.0)
                memory.append(f"{process.memory_info().rss >> 20}")
            times = [browser.get("api/jobs")[1] for _ in range(ASKED)]
            print(f"{given.watchers} watchers, {given.seconds:.0f} s: memory {', '.join(memory)} MiB")
            print(f"{'jobs, meanwhile':28} {statistics.median(times):7.1f} ms, worst {max(times):7.1f} ms")
            ended.set()
            for watcher in watchers:
                watcher.join()


if __name__ == "__main__":
    main()
