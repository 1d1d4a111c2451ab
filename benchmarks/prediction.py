"""What prediction costs: a step, a call, many sequences beside the forward pass of training, threads, many models.

    python benchmarks/prediction.py [--rounds 9] [--only stepper] [--output build/benchmarks]

What is compared takes turns; a ratio is the median over the rounds of the two times next to each other. Writes
``prediction.json``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit

import pytrainr
from pytrainr import Model, RRandom, predictr, thread_count, trainr, trainr_many
from pytrainr.exact import run
from pytrainr.exact.network import ExactNetwork
from pytrainr.groups import draw_groups
from pytrainr.network import kept_network
from pytrainr.numerics.jit import fast, strict, strict_part
from pytrainr.numerics.views import borrowed, boxed, keep
from pytrainr.r import epoch
from pytrainr.r.cells import gates, kept
from pytrainr.r.layers import Rows, table_of, take, vector
from pytrainr.r.network import RNetwork
from pytrainr.threads import limited_threads

CELLS = ("rnn", "gru", "lstm")
BUILD = Path(__file__).parents[1] / "build" / "benchmarks"
HIDDEN, STEPS, BATCH, SEQUENCES = 16, 8, 100, 100_000


def timed(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def paired(first: Callable[[], object], second: Callable[[], object], rounds: int) -> tuple[float, float, float]:
    """Median seconds of each, and the median ratio of those next to each other."""
    first(), second()
    pairs = [(timed(first), timed(second)) for _ in range(rounds)]
    ratio = statistics.median(a / b for a, b in pairs)
    return statistics.median(a for a, _ in pairs), statistics.median(b for _, b in pairs), ratio


def each(function: Callable[[], object], rounds: int, calls: int = 2000) -> float:
    """Median microseconds of a call."""
    return statistics.median(timed(lambda: [function() for _ in range(calls)]) / calls * 1e6 for _ in range(rounds))


def trained(network_type: str, exact: bool) -> Model:
    X = np.random.default_rng(0).uniform(0, 1, (200, STEPS, 2))
    options = {"learningrate": 0.01, "hidden_dim": HIDDEN, "network_type": network_type, "epoch_function": []}
    return trainr(X[:, :, :1], X, rng=RRandom(1), exact=exact, **options)


# one step, one call ---------------------------------------------------------------------------------------------------


def calls(rounds: int) -> list[dict[str, Any]]:
    """One sample, one step: through a stepper and through predictr."""
    return [one_call(kind, exact, rounds) for exact in (False, True) for kind in CELLS]


def one_call(network_type: str, exact: bool, rounds: int) -> dict[str, Any]:
    model = trained(network_type, exact)
    X = np.random.default_rng(0).uniform(0, 1, (1, 1, 2))
    x, step = X[0, 0], model.stepper()
    return {
        "case": f"{network_type} {HIDDEN}, {arithmetic(exact)}",
        "stepper µs": each(lambda: step(x), rounds),
        "predictr µs": each(lambda: predictr(model, X), rounds),
    }


# many sequences -------------------------------------------------------------------------------------------------------


@strict
def forward_in_r(cell, places, weights, X, order, starts, shared):
    """The part of R's training that goes forward: each group gathered and computed."""
    table = table_of(places)
    work = epoch.workspace_for(kept(cell), gates(cell), table, X.shape[1], shared.rows, shared, shared.memory)
    forward_groups(cell, table, vector(weights), X, order, starts, borrowed(work))
    keep(places)
    keep(weights)
    keep(work)


@strict_part
def forward_groups(cell, table, weights, X, order, starts, work):
    steps = X.shape[1]
    place = boxed(epoch.Forward(table, weights, work, steps))
    for g in range(starts.size - 1):
        n = starts[g + 1] - starts[g]
        x = take(work.memory, work.x, steps, n, X.shape[2])
        epoch.gather(x, X, order[starts[g] : starts[g + 1]])
        epoch.forward_pass(cell, place, n, Rows(0, n))


@fast
def forward_in_exact(program, weights, room, X, order, starts):
    """The same of exact training."""
    for g in range(starts.size - 1):
        run.clear_states(program, room.memory, starts[g + 1] - starts[g])
        chunk = run.Chunk(order[starts[g] : starts[g + 1]], 0, np.uint64(0), 0)
        run.forward_pass(program, weights, room, X, chunk)


def forward_pass(model: Model, X: np.ndarray) -> Callable[[], object]:
    """The forward pass alone over X in groups of training, X being in their order already."""
    groups = draw_groups(RRandom(1), len(X), BATCH)
    network, weights = kept_network(model)
    largest, order = int(np.diff(groups.starts).max()), np.arange(len(X))
    if isinstance(network, ExactNetwork):
        plan = network.prediction_plan(X.shape[1])
        memory = np.zeros(plan.size * largest)
        call = np.zeros(run.CALL_SIZE, np.int64)
        room = run.Room(memory, memory, memory, call, call)  # a forward pass has no gradient
        return lambda: forward_in_exact(plan.program, weights, room, X, order, groups.starts)
    assert isinstance(network, RNetwork)
    shared = epoch.Shared(np.empty(weights.size), np.empty(0), np.empty(0), largest)
    return lambda: forward_in_r(network.cell, network.places, weights, X, order, groups.starts, shared)


def sequences(rounds: int) -> list[dict[str, Any]]:
    """predictr of many sequences: against training's forward pass on one thread, and more threads against one."""
    X = np.random.default_rng(0).uniform(0, 1, (SEQUENCES, STEPS, 2))
    results = []
    for exact in (False, True):
        for network_type in CELLS:
            model = trained(network_type, exact)

            def one_thread(model: Model = model) -> None:
                with limited_threads(1):
                    predictr(model, X)

            forward, predicted, efficiency = paired(forward_pass(model, X), one_thread, rounds)
            _, threads, gain = paired(one_thread, lambda model=model: predictr(model, X), rounds)
            results.append(
                {
                    "case": f"{network_type} {HIDDEN},{STEPS}, {arithmetic(exact)}",
                    "forward µs": forward / SEQUENCES * 1e6,
                    "predictr µs": predicted / SEQUENCES * 1e6,
                    "forward / predictr": efficiency,
                    f"{thread_count()} threads µs": threads / SEQUENCES * 1e6,
                    "gain": gain,
                }
            )
    return results


# many models ----------------------------------------------------------------------------------------------------------


@njit(nogil=True)
def spin(count):
    """Some arithmetic that shares nothing with another thread."""
    total = 0.0
    for k in range(count):
        total += np.sqrt(total + k)
    return total


def spin_alone() -> None:
    for _ in range(thread_count()):
        spin(20_000_000)


def spin_together() -> None:
    with ThreadPoolExecutor(thread_count()) as pool:
        list(pool.map(spin, [20_000_000] * thread_count()))


def many(rounds: int) -> list[dict[str, Any]]:
    """Eight models on all threads against one after the other: efficiency = single times / threads / time of all.

    ``of what there is``: the same against the gain of plain arithmetic measured beside it, as others use the machine.
    """
    X = np.random.default_rng(0).integers(0, 2, (20_000, STEPS, 2)).astype(np.float64)
    Y, seeds, results = X[:, :, :1], range(1, 9), []
    for exact in (False, True):
        for network_type in CELLS:
            options: dict[str, Any] = {
                "learningrate": 1e-3,
                "hidden_dim": HIDDEN,
                "network_type": network_type,
                "numepochs": 5,
                "batch_size": 10 if exact else 1,
                "exact": exact,
                "epoch_function": pytrainr.epoch_annealing,
            }

            def one_by_one(options: dict[str, Any] = options) -> None:
                with limited_threads(1):
                    for seed in seeds:
                        trainr(Y, X, rng=RRandom(seed), **options)

            def together(options: dict[str, Any] = options) -> None:
                trainr_many(Y, X, seeds=seeds, progress=False, **options)

            contestants = (one_by_one, together, spin_alone, spin_together)
            for function in contestants:
                function()
            times = np.array([[timed(function) for function in contestants] for _ in range(rounds)])
            gain, possible = times[:, 0] / times[:, 1], times[:, 2] / times[:, 3]
            results.append(
                {
                    "case": f"8 × {network_type} {HIDDEN},{STEPS}, {arithmetic(exact)}",
                    "one by one s": float(np.median(times[:, 0])),
                    f"{thread_count()} threads s": float(np.median(times[:, 1])),
                    "efficiency": float(np.median(gain)) / thread_count(),
                    "best round": float(gain.max()) / thread_count(),
                    "of what there is": float(np.median(gain / possible)),
                }
            )
    return results


def arithmetic(exact: bool) -> str:
    return "exact" if exact else "R"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--only", default="", choices=["", "calls", "sequences", "many"])
    parser.add_argument("--output", type=Path, default=BUILD)
    arguments = parser.parse_args()
    report: dict[str, Any] = {"threads": thread_count()}
    for measure in (calls, sequences, many):
        if arguments.only in ("", measure.__name__):
            report[measure.__name__] = results = measure(arguments.rounds)
            names = list(results[0])
            print("".join(f"{name:>24}" for name in names))
            for result in results:
                cells = (
                    f"{result[name]:24.3f}" if isinstance(result[name], float) else f"{result[name]:>24}"
                    for name in names
                )
                print("".join(cells))
            print(flush=True)
    arguments.output.mkdir(parents=True, exist_ok=True)
    (arguments.output / "prediction.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
    print(f"written to {arguments.output / 'prediction.json'}")


if __name__ == "__main__":
    main()
