"""Who trains: pytrainr in both arithmetics, C++, PyTorch, JAX and R, on the same samples in groups as large."""

from __future__ import annotations

import os
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


def jax_scan(dtype: str = "float64") -> Callable[[Case], Callable[[], object]]:
    """One epoch in JAX at its best: one compiled scan over groups of one size, each a scan over time; on one thread.

    Stops after 2,000 groups. The first epoch compiles it, some seconds.
    """

    def make(case: Case) -> Callable[[], object]:
        os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {_XLA_ON_ONE_THREAD}"  # read with the first array
        import jax
        from jax import lax, nn
        from jax import numpy as jnp

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")
        count = min(case.samples // case.batch, 2000)
        random, gates = np.random.default_rng(1), {"rnn": 1, "gru": 3, "lstm": 4}[case.network_type]
        order = jnp.asarray(random.permutation(case.samples)[: count * case.batch].reshape(count, case.batch))
        shapes = (2, gates * case.hidden), (case.hidden, gates * case.hidden), (case.hidden, 1)
        weights = tuple(jnp.asarray(random.uniform(-1, 1, shape) * case.hidden**-0.5, dtype) for shape in shapes)
        X, Y = (jnp.asarray(array, dtype) for array in case.data())
        zeros = jnp.zeros((case.batch, case.hidden), dtype)

        def rnn(recurrent: Any, state: Any, given: Any) -> Any:
            hidden = nn.sigmoid(given + state[0] @ recurrent)
            return (hidden,), hidden

        def gru(recurrent: Any, state: Any, given: Any) -> Any:
            (before,) = state
            update_in, reset_in, candidate_in = jnp.split(given, 3, axis=1)
            update_of, reset_of, candidate_of = jnp.split(before @ recurrent, 3, axis=1)
            update, reset = nn.sigmoid(update_in + update_of), nn.sigmoid(reset_in + reset_of)
            hidden = update * before + (1 - update) * jnp.tanh(candidate_in + reset * candidate_of)
            return (hidden,), hidden

        def lstm(recurrent: Any, state: Any, given: Any) -> Any:
            before, cell = state
            forget, keep, candidate, show = jnp.split(given + before @ recurrent, 4, axis=1)
            cell = nn.sigmoid(forget) * cell + nn.sigmoid(keep) * jnp.tanh(candidate)
            hidden = nn.sigmoid(show) * jnp.tanh(cell)
            return (hidden, cell), hidden

        step = {"rnn": rnn, "gru": gru, "lstm": lstm}[case.network_type]
        start = (zeros, zeros) if case.network_type == "lstm" else (zeros,)

        def loss(weights: Any, x: Any, y: Any) -> Any:
            inputs, recurrent, output = weights
            given = jnp.swapaxes(x, 0, 1) @ inputs
            hidden = lax.scan(lambda state, now: step(recurrent, state, now), start, given)[1]
            error = jnp.swapaxes(y, 0, 1) - nn.sigmoid(hidden @ output)
            return 0.5 * (error * error).sum()

        def group(weights: Any, rows: Any) -> Any:
            gradients = jax.grad(loss)(weights, X[rows], Y[rows])
            moved = jax.tree.map(lambda weight, gradient: weight - LEARNING_RATE * gradient, weights, gradients)
            return moved, None

        trained = jax.jit(lambda weights, order: lax.scan(group, weights, order)[0])

        def epoch() -> None:
            jax.block_until_ready(trained(weights, order))

        epoch.share = count * case.batch / case.samples  # type: ignore[attr-defined]
        return epoch

    return make


_XLA_ON_ONE_THREAD = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"

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
