"""Milliseconds of a group's forward and backward pass through convolutions: pytrainr beside PyTorch, in the same run.

    python benchmarks/convolution.py [--only TCN] [--threads 1 2] [--rounds 9] [--output build/benchmarks]

The contestants take turns as in ``train.py``; a ratio is the median over the rounds of the two times next to each
other. Both take one step of gradient descent on the same group with the same network, from arrays as each likes them
best (PyTorch's are channels first). ``conv`` are two ``Conv1D(32, 5)`` on (128, 120, 32), so that one of them has a
gradient by its input; ``TCN`` has eight levels of 25 channels, 7 taps, at 600 steps. Writes ``convolution.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import fairness
import numpy as np
import opponents

from pytrainr.exact.network import ExactNetwork
from pytrainr.layers import TCN, Conv1D, Dense
from pytrainr.r_random import RRandom
from pytrainr.threads import limited_threads
from pytrainr.training import Training

DILATIONS = tuple(2**level for level in range(8))


class Case(NamedTuple):
    """A network on one group of samples."""

    name: str
    samples: int
    steps: int
    width: int
    layers: tuple[Any, ...]
    repeated: int

    def data(self) -> tuple[np.ndarray, np.ndarray]:
        random = np.random.default_rng(1)
        X = random.standard_normal((self.samples, self.steps, self.width))
        shape = (self.steps - 8, 32) if self.name == "conv" else (1, 1)
        return X, random.standard_normal((self.samples, *shape))


CASES = (
    Case("conv", 128, 120, 32, (Conv1D(32, 5), Conv1D(32, 5)), 4),
    Case("TCN", 32, 600, 2, (TCN(25, 7, DILATIONS), Dense(1)), 1),
)
DTYPES = ("float64", "float32")


def ours(case: Case, dtype: str, threads: int) -> Callable[[], object]:
    """An epoch of one group: its gradient, and one update."""
    X, Y = case.data()
    options = {"learningrate": 1e-6, "batch_size": case.samples, "numepochs": 100_000, "dtype": dtype}
    options |= {"exact": True, "layers": list(case.layers), "epoch_function": lambda model: model}
    training = Training(Y.astype(dtype), X.astype(dtype), rng=RRandom(1), **options)
    assert isinstance(training.network, ExactNetwork)

    def run() -> None:
        with limited_threads(threads):
            for _ in range(case.repeated):
                training.advance(0.0)

    return run


def torch_network(case: Case, kind: Any) -> tuple[Any, Callable[[Any], Any]]:
    """PyTorch's module and its function of (samples, variables, steps)."""
    import torch
    from torch.nn import Conv1d, Linear, ModuleList
    from torch.nn.functional import pad, relu

    if case.name == "conv":
        module = ModuleList(Conv1d(32, 32, 5, dtype=kind) for _ in range(2))
        return module, lambda x: module[1](module[0](x))
    widths, module = [case.width, *[25] * 8], ModuleList()
    for dilation, width in zip(DILATIONS, widths, strict=False):
        module += [Conv1d(inputs, 25, 7, dilation=dilation, dtype=kind) for inputs in (width, 25)]
    module += [Conv1d(case.width, 25, 1, dtype=kind), Linear(25, 1, dtype=kind)]

    def network(x: Any) -> Any:
        for level, dilation in enumerate(DILATIONS):
            y = x
            for conv in module[2 * level : 2 * level + 2]:
                y = relu(conv(pad(y, (6 * dilation, 0))))
            x = relu((module[-2](x) if level == 0 else x) + y)
        return torch.unsqueeze(module[-1](x[:, :, -1]), 2)

    return module, network


def theirs(case: Case, dtype: str, threads: int) -> Callable[[], object]:
    """The same in PyTorch."""
    import torch

    kind = getattr(torch, dtype)
    X, Y = (torch.from_numpy(array.swapaxes(1, 2).copy()).to(kind) for array in case.data())
    module, network = torch_network(case, kind)
    optimizer = torch.optim.SGD(module.parameters(), lr=1e-6)

    def run() -> None:
        torch.set_num_threads(threads)
        for _ in range(case.repeated):
            optimizer.zero_grad()
            error = network(X) - Y
            (0.5 * (error * error).sum()).backward()
            optimizer.step()

    return run


def measure(case: Case, dtype: str, threads: int, rounds: int) -> dict[str, Any]:
    """Medians in ms, and the ratio of paired rounds."""
    suffix = f" {dtype}" + (f", {threads} threads" if threads > 1 else "")
    runs = {
        f"pytrainr{suffix}": ours(case, dtype, threads),
        f"PyTorch{suffix}": theirs(case, dtype, threads),
    }
    for function in runs.values():
        function()  # compiled, in cache
    taken = fairness.Rounds(runs, rounds)
    mine, other = taken.seconds().values()
    ratio = statistics.median(a / b for a, b in zip(mine, other, strict=True))
    times = [statistics.median(seconds) / case.repeated * 1e3 for seconds in (mine, other)]
    least = min(mine) / min(other)
    name = f"{case.name}{suffix}"
    line = (
        f"{name:<28}{times[0]:8.2f} ms   PyTorch {times[1]:8.2f} ms   ratio {ratio:.3f}, of the least times {least:.3f}"
    )
    print(line, flush=True)
    for complaint in taken.complaints():
        print(f"{'':<28}UNFAIR: {complaint}")
    return {"case": name, "ms": times, "ratio": ratio, "least": least, "unfair": taken.complaints()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the case's name, such as 'TCN' or 'float32'")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, default=opponents.BUILD)
    arguments = parser.parse_args()
    results = [
        measure(case, dtype, threads, arguments.rounds)
        for case in CASES
        for dtype in DTYPES
        for threads in arguments.threads
        if arguments.only in f"{case.name} {dtype}"
    ]
    arguments.output.mkdir(parents=True, exist_ok=True)
    text = json.dumps({"compiled for": opponents.PROCESSOR, "results": results}, indent=1)
    (arguments.output / "convolution.json").write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
