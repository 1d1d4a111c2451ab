"""Who trains: pytrainr in both arithmetics, C++, PyTorch and R, each on the same samples in the same groups."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import opponents

from pytrainr.binary import int2bin
from pytrainr.groups import Groups, draw_groups
from pytrainr.r_random import RRandom
from pytrainr.threads import limited_threads
from pytrainr.training import Training

LEARNING_RATE = 1e-6  # keeps R's gru and lstm from leaving the range where all do the same work


class Case(NamedTuple):
    """One network on binary addition; ``samples`` make an epoch of some tens of milliseconds."""

    network_type: str
    hidden: int
    time: int
    batch: int
    samples: int

    @property
    def name(self) -> str:
        return f"{self.network_type} {self.hidden},{self.time},{self.batch}"

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(1)
        bits = min(self.time, 30)
        a, b = random.integers(0, 2 ** (bits - 1), (2, self.samples))
        X = np.zeros((self.samples, self.time, 2))
        Y = np.zeros((self.samples, self.time, 1))
        X[:, :bits, 0], X[:, :bits, 1] = int2bin(a, bits), int2bin(b, bits)
        Y[:, :bits, 0] = int2bin(a + b, bits)
        return X, Y

    def groups(self) -> Groups:
        return draw_groups(RRandom(1), self.samples, self.batch)

    def training(self, *, exact: bool = False, dtype: str = "float64") -> Training:
        """A training that goes on for as long as it is advanced."""
        X, Y = self.data()
        options = {"exact": True, "dtype": dtype} if exact else {}
        training = Training(
            Y.astype(dtype),
            X.astype(dtype),
            rng=RRandom(1),
            learningrate=LEARNING_RATE,
            hidden_dim=self.hidden,
            network_type=self.network_type,
            batch_size=self.batch,
            numepochs=1000,
            epoch_function=lambda model: model,
            **options,
        )
        if self.hidden > 16:  # as many summands, as large a sum: or the units saturate and R's gru and lstm overflow
            training.state["weights"] *= self.hidden**-0.5
        return training


def pytrainr(threads: int, **options: Any) -> Callable[[Case], Callable[[], object]]:
    """One epoch of ours; draws its groups too."""

    def make(case: Case) -> Callable[[], object]:
        training = case.training(**options)

        def epoch() -> None:
            with limited_threads(threads):
                training.advance(3600.0)

        return epoch

    return make


def cpp(kind: str) -> Callable[[Case], Callable[[], object]]:
    """One epoch in C++."""

    def make(case: Case) -> Callable[[], object]:
        X, Y = case.data()
        groups, opponent = case.groups(), opponents.Opponent(case.network_type, kind)
        model = case.training().model
        rows_first = [model.time_synapse[0], model.recurrent_synapse[0]]
        gates_apart = [weight if weight.ndim == 2 else weight.transpose(0, 2, 1) for weight in rows_first]
        weights = (
            *(weight.reshape(len(weight), -1).copy() for weight in gates_apart),
            model.time_synapse[1].T.copy(),
        )
        return lambda: opponent.train(X, Y, groups.order, groups.starts, weights, LEARNING_RATE)

    return make


def torch_eager(threads: int, dtype: str = "float64") -> Callable[[Case], Callable[[], object]]:
    """One epoch in PyTorch, group by group; stops after 200 groups (``share`` says which part of the samples)."""

    def make(case: Case) -> Callable[[], object]:
        import torch

        kind = getattr(torch, dtype)
        X, Y = (torch.from_numpy(array).to(kind) for array in case.data())
        groups = case.groups()
        count = min(groups.starts.size - 1, 200)
        layers = {"rnn": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}
        layer = layers[case.network_type](2, case.hidden, bias=False, batch_first=True, dtype=kind)
        output = torch.nn.Linear(case.hidden, 1, bias=False, dtype=kind)
        optimizer = torch.optim.SGD([*layer.parameters(), *output.parameters()], lr=LEARNING_RATE)

        def epoch() -> None:
            torch.set_num_threads(threads)
            for g in range(count):
                rows = torch.from_numpy(groups.order[groups.starts[g] : groups.starts[g + 1]])
                optimizer.zero_grad()
                error = Y[rows] - torch.sigmoid(output(layer(X[rows])[0]))
                (0.5 * (error * error).sum()).backward()
                optimizer.step()

        epoch.share = groups.starts[count] / case.samples  # type: ignore[attr-defined]
        return epoch

    return make


R_SCRIPT = """
arguments <- commandArgs(TRUE)
suppressMessages(library(rnn))
size <- as.integer(arguments[2:5])  # hidden, time, batch, samples
set.seed(1)
X <- array(sample(0:1, size[4] * size[2] * 2, TRUE), c(size[4], size[2], 2))
Y <- array(sample(0:1, size[4] * size[2], TRUE), c(size[4], size[2], 1))
seconds <- system.time(suppressMessages(trainr(Y, X, learningrate = 1e-6, hidden_dim = size[1], batch_size = size[3],
                                               network_type = arguments[1], numepochs = 1)))[["elapsed"]]
cat(seconds / size[4] * 1e6)
"""


def r_microseconds(case: Case) -> float | None:
    """Microseconds per sample of R's own rnn, where it is installed; on fewer samples, as it is slow."""
    if shutil.which("Rscript") is None:
        return None
    samples = {1: 300, 100: 2000, 64: 128}[case.batch]
    if case.hidden * case.time > 16_384:
        return None  # minutes
    sizes = map(str, (case.hidden, case.time, case.batch, samples))
    command = ["Rscript", "-e", R_SCRIPT, case.network_type, *sizes]
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    if run.returncode != 0:
        print(f"  R: {run.stderr.strip()}")
        return None
    return float(run.stdout)
