"""What the service costs: latencies, throughput, a full queue, large transfers, memory. All on this machine's loopback.

Usage: python benchmarks/service.py [--quick]
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import psutil
import pytrainr_client
from pytrainr_client import Client
from pytrainr_server import LocalServer, start_local_server

import pytrainr
from pytrainr import RRandom

OPTIONS: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 16, "epoch_function": pytrainr.epoch_annealing}
LONG: dict[str, Any] = {"learningrate": 1e-3, "hidden_dim": 64, "network_type": "lstm", "numepochs": 10**6}


def timed(call: Callable[[], Any]) -> float:
    """Seconds that a call takes."""
    began = time.perf_counter()
    call()
    return time.perf_counter() - began


def milliseconds(times: list[float]) -> str:
    """Median and 99th percentile."""
    p50, p99 = np.percentile(np.array(times) * 1e3, [50, 99])
    return f"p50 {p50:.2f} ms, p99 {p99:.2f} ms"


def data(samples: int, steps: int = 8, variables: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """X and Y of random bits."""
    X = np.random.default_rng(0).integers(0, 2, (samples, steps, variables)).astype(np.float64)
    return X, X[:, :, :1].copy()


def results(server: LocalServer, client: Client, scale: int) -> Iterator[tuple[str, str, str]]:
    """Rows of the table: what, how much, what is expected."""
    X, Y = data(100)
    model = pytrainr.trainr(Y, X, rng=RRandom(1), **OPTIONS)
    name = client.store_model(model, "small")
    for _ in range(20):
        client.predictr(name, X[:5])
    alone = [timed(lambda: client.predictr(name, X[:5])) for _ in range(2000 // scale)]
    yield "unary predict, alone", milliseconds(alone), "p50 < 1.5 ms"

    jobs = [client.train_async(*data(2000)[::-1], **LONG) for _ in range(2)]
    while any(job.info().state != "RUNNING" for job in jobs):
        time.sleep(0.05)
    time.sleep(1.0)
    busy = [timed(lambda: client.predictr(name, X[:5])) for _ in range(2000 // scale)]
    yield "unary predict, two trainings running", milliseconds(busy), "p50 < 1.5 ms, p99 < 25 ms"
    for job in jobs:
        job.cancel()
    while not all(job.info().ended for job in jobs):
        time.sleep(0.05)

    for callers in (1, 8, 64):
        count = 3000 // scale
        with ThreadPoolExecutor(callers) as pool:
            seconds = timed(
                lambda count=count, pool=pool: list(pool.map(lambda _: client.predictr(name, X[:5]), range(count)))
            )  # type: ignore[misc]
        yield f"predictions per second, {callers} callers", f"{count / seconds:,.0f}", ""

    client.trainr(Y, X, rng=RRandom(1), **OPTIONS)
    over = []
    for _ in range(100 // scale):
        remote = timed(lambda: client.trainr(Y, X, rng=RRandom(1), **OPTIONS))
        over.append(remote - timed(lambda: pytrainr.trainr(Y, X, rng=RRandom(1), **OPTIONS)))
    yield "Train beyond the training itself", milliseconds(over), "< 5 ms"

    count = 1000 // scale
    with ThreadPoolExecutor(50) as pool:
        began = time.perf_counter()
        queued = list(pool.map(lambda seed: client.train_async(Y, X, rng=RRandom(seed), **OPTIONS), range(count)))
        accepted = time.perf_counter() - began
        done = list(pool.map(lambda job: job.wait(), queued))
    text = f"accepted in {accepted:.1f} s, {len(done)} completed in {time.perf_counter() - began:.1f} s"
    yield f"{count} jobs of 1 epoch, 50 callers", text, "all completed"

    large = np.random.default_rng(1).random((10_000, 100, 10))  # 80 MB
    uploader = client._uploader()
    yield "80 MB up, SHA-256 and fsync included", f"{timed(lambda: uploader.tensor(large)):.2f} s", "< 2 s"
    yield "the same 80 MB again", f"{timed(lambda: uploader.tensor(large)):.2f} s", ""
    wide = pytrainr.trainr(Y, X, rng=RRandom(1), **{**OPTIONS, "hidden_dim": 1000})
    stored = client.store_model(wide, "wide")
    size = next(iter(client.models("models/wide"))).size_bytes
    yield f"a model of {size / 1e6:.0f} MB down", f"{timed(lambda: client.model(stored)):.2f} s", ""

    process = psutil.Process(server.process.pid)
    before = process.memory_info().rss
    for _ in range(10_000 // scale):
        client.predictr(name, X[:5])
    grown = (process.memory_info().rss - before) / 1e6
    yield f"memory after {10_000 // scale:,} calls", f"{grown:+.1f} MB", "steady"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of everything")
    scale = 10 if parser.parse_args().quick else 1
    with (
        tempfile.TemporaryDirectory() as directory,
        start_local_server(directory) as server,
        pytrainr_client.connect(server.address) as client,
    ):
        for what, measured, expected in results(server, client, scale):
            print(f"{what:45}{measured:45}{expected}", flush=True)


if __name__ == "__main__":
    main()
