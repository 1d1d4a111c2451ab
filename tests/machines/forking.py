"""What forks, each scenario in a process of its own: ``python -m tests.machines.forking SCENARIO``, status 0 if right.

Not within pytest's own process, whose threads and files a child would have as well.
"""

from __future__ import annotations

import faulthandler
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable

import numpy as np

import pytrainr
from pytrainr import RRandom, predictr, trainr, trainr_many

SECONDS = 120  # of a child, which has its parent's kernels; then all threads' stacks, and its end
COMPILING_SECONDS = 480
X = RRandom(1).unif_rand(4000 * 10 * 2).reshape(4000, 10, 2)
Y = X.mean(axis=2, keepdims=True)
QUIET = {"learningrate": 0.01, "hidden_dim": 16, "batch_size": 1000, "epoch_function": []}


def train(exact: bool) -> pytrainr.Model:
    more = {"exact": True, "network_type": "gru"} if exact else {}
    return trainr(Y, X, rng=RRandom(2), **QUIET, **more)


def work(number: int = 0) -> list[np.ndarray]:
    """Both arithmetics, trained and predicted in two threads: the same numbers wherever it runs."""
    pytrainr.set_threads(2)
    return [array for exact in (False, True) for array in (train(exact).error, predictr(train(exact), X))]


def same(some: list[np.ndarray], others: list[np.ndarray]) -> bool:
    return len(some) == len(others) and all(map(np.array_equal, some, others))


def bounded(seconds: int) -> None:
    """End this process where it hangs. Not by faulthandler's own clock, a thread, which a child waits for in vain."""
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(seconds)


def right_in_child(check: Callable[[], bool]) -> bool:
    """Whether ``check`` is true in a forked child, which then ends as any program does."""
    child = os.fork()
    if child == 0:
        bounded(SECONDS)
        sys.exit(0 if check() else 1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def scenario_fork() -> bool:
    """In a child, a child of the child, and in the parent afterwards."""
    before = work()

    def grandchild() -> bool:
        return same(work(), before) and right_in_child(lambda: same(work(), before))

    return right_in_child(grandchild) and same(work(), before)


def scenario_multiprocessing() -> bool:
    before = work()
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return all(same(result, before) for result in pool.map(work, range(3)))


def scenario_spawn() -> bool:
    """As on Windows and macOS: everything anew, models and streams pickled."""
    pytrainr.set_threads(2)
    model, stream = train(exact=True), RRandom(3)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        predicted, drawn = pool.apply_async(predictr, (model, X)), pool.apply_async(stream.unif_rand, (3,))
        return same([predicted.get(), drawn.get()], [predictr(model, X), stream.unif_rand(3)])


def scenario_joblib_loky() -> bool:
    return joblib("loky")


def scenario_joblib_multiprocessing() -> bool:
    return joblib("multiprocessing")


def joblib(backend: str) -> bool:
    from joblib import Parallel, delayed

    before = work()
    results = Parallel(n_jobs=2, backend=backend)(delayed(work)(number) for number in range(3))
    return all(same(result, before) for result in results)


def scenario_trainr_many() -> bool:
    def trained() -> list[np.ndarray]:
        many = trainr_many(Y[:50], X[:50], {"hidden_dim": [3, 4]}, seeds=[1, 2], learningrate=0.1, progress=False)
        return [model.model.error for model in many]

    before = trained()
    return right_in_child(lambda: same(trained(), before))


def scenario_stepper() -> bool:
    """A model and a stepper from before the fork."""
    pytrainr.set_threads(2)
    for model in (train(exact=False), train(exact=True)):
        step = model.stepper()
        predicted = predictr(model, X)
        first = step(X[0, 0])

        def check(model=model, step=step, predicted=predicted, first=first) -> bool:
            steps = [first, *(step(x) for x in X[0, 1:])]
            return same([predictr(model, X)], [predicted]) and np.array_equal(np.ravel(steps), np.ravel(predicted[0]))

        if not (right_in_child(check) and check()):
            return False
    return True


def scenario_drawing() -> bool:
    """Other threads draw, from the module's stream too, while this one forks again and again."""
    streams, ended = [RRandom(1), pytrainr.r_random.default_stream()], threading.Event()

    def draw(stream: RRandom) -> None:
        while not ended.is_set():
            stream.unif_rand(1000)
            RRandom(1)

    threads = [threading.Thread(target=draw, args=(stream,)) for stream in streams]
    for thread in threads:
        thread.start()
    try:
        return all(right_in_child(lambda: all(len(stream.unif_rand(3)) == 3 for stream in streams)) for _ in range(5))
    finally:
        ended.set()
        for thread in threads:
            thread.join()


def scenario_compiling() -> bool:
    """Another thread compiles while this one forks."""
    from numba import njit

    begun, ended = threading.Event(), threading.Event()

    def compile_many() -> None:
        number = 0
        while not ended.is_set():
            number += 1
            njit(lambda x, number=number: np.sort(x).sum() + number)(X[:, 0, 0])
            begun.set()

    thread = threading.Thread(target=compile_many)
    thread.start()
    begun.wait()
    try:
        return all(right_in_child(lambda: njit(lambda x: x + 1)(1) == 2) for _ in range(5)) and thread.is_alive()
    finally:
        ended.set()
        thread.join()


def scenario_cache_of_the_process() -> bool:
    """Where kernels can be kept nowhere, the folder of the process is not removed by its children."""
    import numba

    from pytrainr.numerics import kernel_folder

    numba.config.CACHE_DIR = os.path.join(__file__, "nowhere")
    kernel_folder._found_folder.cache_clear()
    place = kernel_folder.folder
    return place().name.startswith("pytrainr-") and right_in_child(lambda: place().exists()) and place().exists()


def scenario_client() -> bool:
    """A child of a process with an open client gets an error at once; with it closed, it connects."""
    import pytrainr_client
    from pytrainr_server.local import start_local_server

    def refused(call: Callable[[], object]) -> bool:
        try:
            call()
        except pytrainr_client.ForkedError:
            return True
        return False

    with start_local_server() as server:
        client = pytrainr_client.connect(server.address)
        model = client.trainr(Y[:50], X[:50], rng=RRandom(1), learningrate=0.1, epoch_function=[])
        job = client.train_async(Y[:50], X[:50], rng=RRandom(1), learningrate=0.1, job_id="before")
        calls = [
            client.server_info,
            job.info,
            lambda: client.predictr(model, X[:50]),
            lambda: client.trainr(Y[:50], X[:50], learningrate=0.1, epoch_function=[]),
            lambda: list(client.jobs()),
            lambda: pytrainr_client.connect(server.address),
        ]
        if not right_in_child(lambda: all(map(refused, calls)) and client.close() is None):
            return False
        predicted = client.predictr(model, X[:50])  # the parent's connection is as it was
        client.close()

        def anew() -> bool:
            with pytrainr_client.connect(server.address) as mine:
                return np.array_equal(mine.predictr(model, X[:50]), predicted)

        for _ in range(20):  # gRPC ends in its own time: at the moment of some of these forks it has not
            if not right_in_child(anew):
                return False
            with pytrainr_client.connect(server.address) as again:
                again.server_info()
        with multiprocessing.get_context("fork").Pool(1):  # has a copy of all that leads to the server
            return server.stop() == 0


if __name__ == "__main__":
    bounded(COMPILING_SECONDS)
    sys.exit(0 if globals()["scenario_" + sys.argv[1]]() else 1)
