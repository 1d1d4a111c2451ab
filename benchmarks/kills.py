"""A server killed again and again, at any moment and with every kind of work under way: nothing acknowledged is lost.

Usage: python benchmarks/kills.py [--kills N] [--seed S] [--state DIRECTORY] [--report FILE] [--together]

In batches: jobs of every kind come in, data are uploaded, predictions and pauses are under way, backups are made; the
server is killed (SIGKILL) while it runs, while it starts, while it stops, and started again. After each batch all jobs
come to their end and are compared with the same trainings done here: every acknowledged job is there once, with the
same bits, each with one model; then everything is deleted, and no file is left. ``--state`` keeps how far it has come:
begun again with the same directory it goes on there. Several may run side by side, each with a seed and a state of its
own; ``--report`` puts a seed's result beside the others'. ``--together``: see kills_together.py.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import json
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytrainr_client
from long_runs import report, revision
from pytrainr_client import Client, ServerError
from pytrainr_server import LocalServer, start_local_server
from trainr.v1 import training_pb2

import pytrainr
from pytrainr import Model, RRandom

BATCH = 25
AT_ONCE = 6
PATIENCE = 3600.0  # nothing here judges how fast a machine is: only what never comes is a fault
FLAGS = ("--checkpoint-seconds", "0.05", "--grace-seconds", "3600", "--training-threads", "2")
WEIGHTS = ("time_synapse", "recurrent_synapse", "bias_synapse", "time_synapse_update")
MOMENTS = ("running", "running", "running", "starting", "stopping", "backing up")
KINDS: dict[str, dict[str, Any]] = {
    "rnn": {"hidden_dim": 8, "numepochs": 200, "use_bias": True, "batch_size": 3},
    "gru": {"network_type": "gru", "hidden_dim": (6, 4), "numepochs": 120, "momentum": 0.2},
    "lstm": {"network_type": "lstm", "hidden_dim": 5, "numepochs": 120, "clipping": 0.5},
    "tiny": {"hidden_dim": 2, "numepochs": 1},
    "exact gru": {
        **{"network_type": "gru", "hidden_dim": 5, "numepochs": 150, "exact": True},
        **{"update_rule": "adam", "dropout": 0.1, "validation": 0.25},
    },
    "exact lstm": {"network_type": "lstm", "hidden_dim": 4, "numepochs": 100, "exact": True, "update_rule": "momentum"},
    "large": {"hidden_dim": 2, "numepochs": 3, "batch_size": 400},
    "schedules": {
        **{"hidden_dim": 4, "numepochs": 250},
        "epoch_function": [pytrainr.StepSchedule(50, factor=4.0), pytrainr.EarlyStopping(patience=1000)],
    },
    "paused": {"network_type": "gru", "hidden_dim": 3, "numepochs": 6},
}


@dataclass
class Progress:
    """What is kept from one start of this program to the next."""

    seed: int
    commits: dict[str, int] = field(default_factory=dict)  # kills by the code that was killed
    kills: int = 0
    jobs: int = 0
    resumed: int = 0
    moments: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def data(kind: str) -> tuple[np.ndarray, np.ndarray]:
    """X and Y of a kind of job; the large ones are uploaded as datasets."""
    generator = np.random.default_rng(len(kind))
    samples = 8_000 if kind == "large" else 40
    X = generator.random((samples, 8, 2))
    return X, X[:, :, :1].copy()


def halved(model: Model) -> Model:
    """The paused trainings' epoch function: what it does must survive a kill as well."""
    model.learningrate *= 0.9
    return model


def expected(kind: str) -> Model:
    """The same training, done here."""
    X, Y = data(kind)
    function = halved if kind == "paused" else pytrainr.epoch_annealing
    given = {"epoch_function": function, **copy.deepcopy(KINDS[kind])}
    return pytrainr.trainr(Y, X, learningrate=0.05, rng=RRandom(7), **given)


def same(model: Model, other: Model) -> bool:
    """Whether all bits are equal."""
    arrays = [name for name in (*WEIGHTS, "time_synapse_second_moment", "time_synapse_velocity") if name in other]
    return np.array_equal(model.error, other.error) and all(
        np.array_equal(a, b) for name in arrays for a, b in zip(model[name], other[name], strict=True)
    )


class Batch:
    """Some kills, and what must hold afterwards."""

    def __init__(self, directory: Path, chance: random.Random, references: dict[str, Model]) -> None:
        self._directory = directory
        self._data_dir = directory / "data"
        self._listen = f"unix:{directory / 's'}"
        self._chance = chance
        self._references = references
        self._acknowledged: dict[str, str] = {}  # kind by name
        self._paused: dict[str, Any] = {}
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._number = 0
        self.faults: list[str] = []
        self.moments: Counter[str] = Counter()
        self.resumed = 0

    def run(self, kills: int, prefix: str) -> None:
        """Kill so often, then look."""
        server = self._start()
        with pytrainr_client.connect(self._listen, retry_seconds=PATIENCE) as client:
            predicting = self._in_thread(self._predict, client)
            for _ in range(kills):
                self._fill(client, prefix)
                client.server_info()  # through the connection that all use: what was lost is open again
                server = self._kill(server)
            self._finish(client)
            self._over.set()
            predicting.join()
            for thread in self._threads:
                thread.join(PATIENCE)
            self._compare(client)
            self._clear(client)
        self._stop(server)

    def _stop(self, server: LocalServer) -> None:
        if server.stop(PATIENCE) != 0:
            self.faults.append(f"the server ended with {server.process.returncode}")
        self._check_log(server)

    def _start(self) -> LocalServer:
        return start_local_server(self._data_dir, flags=FLAGS, listen=self._listen, seconds=PATIENCE)

    def _check_log(self, server: LocalServer) -> None:
        """What a server wrote in its life; it is kept where it shows a fault."""
        if "Traceback" in server.log.read_text(errors="replace"):
            self.faults.append(f"a traceback in {server.log}")
        else:
            shutil.rmtree(server.log.parent)

    def _in_thread(self, function: Any, *arguments: Any) -> threading.Thread:
        thread = threading.Thread(target=function, args=arguments, daemon=True)
        thread.start()
        return thread

    # work ---------------------------------------------------------------------------------------------------------

    def _fill(self, client: Client, prefix: str) -> None:
        """Let new jobs come in, from threads that wait for their acknowledgement."""
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        while len(self._threads) < AT_ONCE:
            kind = self._chance.choice(list(KINDS))
            self._number += 1
            work = self._train_paused if kind == "paused" else self._submit
            self._threads.append(self._in_thread(work, client, kind, f"{prefix}-{self._number}"))

    def _submit(self, client: Client, kind: str, id: str) -> None:
        """Hand in a job and wait for its end, through every kill."""
        X, Y = data(kind)
        try:
            job = client.train_async(Y, X, learningrate=0.05, rng=RRandom(7), job_id=id, **KINDS[kind])
            with self._lock:
                self._acknowledged[job.name] = kind
            job.wait()
        except Exception as error:
            self.faults.append(f"{id} ({kind}): {error}")

    def _train_paused(self, client: Client, kind: str, id: str) -> None:
        X, Y = data(kind)
        try:
            model = client.trainr(Y, X, learningrate=0.05, rng=RRandom(7), epoch_function=halved, **KINDS[kind])
        except Exception as error:
            self.faults.append(f"{id} (paused): {error}")
            return
        with self._lock:
            self._paused[id] = model

    def _predict(self, client: Client) -> None:
        X, _ = data("rnn")
        model = self._references["rnn"]
        while not self._over.wait(0.05):
            try:
                found = client.predictr(model, X)
            except Exception as error:
                self.faults.append(f"a prediction: {error}")
                return
            if not np.array_equal(found, pytrainr.predictr(model, X)):
                self.faults.append("a prediction is different")

    # kills --------------------------------------------------------------------------------------------------------

    def _kill(self, server: LocalServer) -> LocalServer:
        moment = self._chance.choice(MOMENTS)
        self.moments[moment] += 1
        time.sleep(self._chance.uniform(0.0, 1.5))
        if moment == "stopping":
            server.process.terminate()
            time.sleep(self._chance.uniform(0.0, 0.3))
        if moment == "backing up":
            backup = self._backup()
            time.sleep(self._chance.uniform(0.0, 1.0))
            server.kill()
            self._check_log(server)
            backup.wait(PATIENCE)
            return self._start()
        server.kill()
        self._check_log(server)
        if moment == "starting":  # in the middle of taking up what was left
            self._begin_and_kill(self._chance.uniform(0.3, 2.0))
        return self._start()

    def _begin_and_kill(self, seconds: float) -> None:
        command = [sys.executable, "-m", "pytrainr_server", "serve", "--data-dir", str(self._data_dir), *FLAGS]
        process = subprocess.Popen(
            [*command, "--listen", self._listen], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL
        )
        time.sleep(seconds)
        process.kill()
        process.wait()

    def _backup(self) -> subprocess.Popen[bytes]:
        target = self._directory / f"backup-{self._number}.tar"
        command = [sys.executable, "-m", "pytrainr_server", "backup", str(target), "--data-dir", str(self._data_dir)]
        return subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)

    # what must hold -----------------------------------------------------------------------------------------------

    def _finish(self, client: Client) -> None:
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            if not any(thread.is_alive() for thread in self._threads):
                return
            time.sleep(0.1)
        self.faults.append("jobs did not come to their end")

    def _compare(self, client: Client) -> None:
        infos = {info.name: info for info in client.jobs()}
        own = {name for name, info in infos.items() if name in self._acknowledged}
        for name in set(self._acknowledged) - own:
            self.faults.append(f"{name} was acknowledged and is lost")
        if len(infos) != len(self._acknowledged) + len(self._paused):
            self.faults.append(f"{len(infos)} jobs, of {len(self._acknowledged) + len(self._paused)} handed in")
        for name in own:
            kind = self._acknowledged[name]
            try:
                if not same(client.job(name).wait(), self._references[kind]):
                    self.faults.append(f"{name} ({kind}) has other bits")
            except ServerError as error:
                self.faults.append(f"{name} ({kind}) did not succeed: {error}")
            if len(list(client.models(f"models/{name.partition('/')[2]}"))) != 1:
                self.faults.append(f"{name} has not just one model")
            request = training_pb2.GetTrainingJobRequest(name=name)
            self.resumed += client.training.GetTrainingJob(request).resumed
        for id, model in self._paused.items():
            if not same(model, self._references["paused"]):
                self.faults.append(f"{id} (paused) has other bits")

    def _clear(self, client: Client) -> None:
        """Delete everything; nothing may be left in the directory that the database does not know."""
        for info in list(client.jobs()):
            client.job(info.name).delete()
        for model in list(client.models()):
            with contextlib.suppress(ServerError, LookupError):
                client.delete_model(model.name)
        for path in self._leftovers():
            self.faults.append(f"{path} is left")
        for backup in self._directory.glob("backup-*.tar"):
            backup.unlink()

    def _leftovers(self) -> Iterator[Path]:
        for name in ("jobs", "models"):
            yield from (self._data_dir / name).iterdir()


def run(kills: int, progress: Progress, save: Any, directory: Path, kind: type[Batch] = Batch) -> None:
    """The batches that are left."""
    references = {kind: expected(kind) for kind in KINDS}
    while progress.kills < kills:
        count = min(BATCH, kills - progress.kills)
        chance = random.Random(f"{progress.seed}/{progress.kills}")
        batch = kind(directory, chance, references)
        batch.run(count, f"batch{progress.kills}")
        progress.kills += count
        progress.commits = dict(Counter(progress.commits) + Counter({revision(): count}))
        progress.jobs += batch._number
        progress.resumed += batch.resumed
        progress.moments = dict(Counter(progress.moments) + batch.moments)
        progress.faults += batch.faults
        save(progress)
        print(
            f"{progress.kills} kills, {progress.jobs} jobs, taken up again {progress.resumed} times, "
            f"{len(progress.faults)} faults",
            flush=True,
        )


def together() -> type[Batch]:
    """A batch in which the victims are servers, workers, scheduler, database and object store."""
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from benchmarks.kills_together import TogetherBatch

    return TogetherBatch


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--state", type=Path)
    parser.add_argument("--report", type=Path)
    parser.add_argument("--together", action="store_true", help="two servers, PostgreSQL, Swift and Dask, any of them")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="kills-") as temporary:
        directory = given.state or Path(temporary)
        directory.mkdir(parents=True, exist_ok=True)
        kept = directory / "progress.json"
        progress = Progress(**json.loads(kept.read_text())) if kept.exists() else Progress(given.seed)
        kind = together() if given.together else Batch
        run(given.kills, progress, lambda now: kept.write_text(json.dumps(asdict(now))), directory, kind)
    for fault in progress.faults:
        print("FAULT", fault)
    if given.report:
        report(asdict(progress), given.report)
    return 1 if progress.faults else 0


if __name__ == "__main__":
    sys.exit(main())
