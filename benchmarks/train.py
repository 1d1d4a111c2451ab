"""Microseconds per sample of one epoch: pytrainr beside C++, PyTorch and R on the same groups in the same run.

    python benchmarks/train.py [--only rnn] [--rounds 7] [--threads 1] [--output build/benchmarks]

The contestants take turns; a ratio is the median over the rounds of the two times next to each other, so that what else
the machine does falls on both. Writes ``train.json`` and, with matplotlib, ``train.png``.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import contestants
import opponents
from contestants import Case

SHAPES = ((16, 8, 1, 10_000), (64, 32, 1, 1_000), (16, 8, 100, 20_000), (128, 32, 64, 640), (512, 64, 64, 64))


def timed(function: Callable[[], object]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def available(case: Case, wanted: set[str]) -> dict[str, Callable[[], object]]:
    """The contestants that this machine has, ready to run an epoch."""
    makers: dict[str, Callable[[Case], Callable[[], object]]] = {"pytrainr R": contestants.pytrainr_r}
    makers["pytrainr exact"] = contestants.pytrainr_exact
    if opponents.compiler():
        makers["C++ strict"] = contestants.cpp("strict")
        makers["C++ fast"] = contestants.cpp("fast")
    makers["PyTorch"] = contestants.torch_eager
    ready = {}
    for name, make in makers.items():
        if wanted and name not in wanted:
            continue
        try:
            ready[name] = make(case)
        except ImportError as error:
            print(f"  {name}: {error}")
    return ready


def measure(case: Case, rounds: int, wanted: set[str]) -> dict[str, Any]:
    """Medians in µs per sample, and the ratios of paired rounds."""
    ready = available(case, wanted)
    for function in ready.values():
        function()  # compiled, in cache
    shares = {name: getattr(function, "share", 1.0) for name, function in ready.items()}
    times: dict[str, list[float]] = {name: [] for name in ready}
    for _ in range(rounds):
        for name, function in ready.items():
            times[name].append(timed(function) / case.samples / shares[name] * 1e6)
    result: dict[str, Any] = {"case": case.name, "µs": {name: statistics.median(t) for name, t in times.items()}}
    ratios = {}
    for ours, theirs in (("pytrainr R", "C++ strict"), ("pytrainr exact", "C++ fast"), ("pytrainr exact", "PyTorch")):
        if ours in times and theirs in times:
            pairs = zip(times[ours], times[theirs], strict=True)
            ratios[f"{ours} / {theirs}"] = statistics.median(a / b for a, b in pairs)
    return {**result, "ratios": ratios}


def print_table(results: list[dict[str, Any]]) -> None:
    names = list(dict.fromkeys(name for result in results for name in result["µs"]))
    print(f"{'µs per sample':<18}" + "".join(f"{name:>16}" for name in names) + "   ratios")
    for result in results:
        cells = "".join(f"{result['µs'].get(name, float('nan')):16.2f}" for name in names)
        ratios = ", ".join(f"{name} {ratio:.2f}" for name, ratio in result["ratios"].items())
        print(f"{result['case']:<18}{cells}   {ratios}")


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Time per sample, a group of bars for each case."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = list(dict.fromkeys(name for result in results for name in result["µs"]))
    figure, axes = pyplot.subplots(figsize=(11, 5))
    for k, name in enumerate(names):
        places = [i + (k - len(names) / 2) * 0.8 / len(names) for i in range(len(results))]
        heights = [result["µs"].get(name, float("nan")) for result in results]
        axes.bar(places, heights, 0.8 / len(names), label=name, align="edge")
    axes.set_yscale("log")
    axes.set_ylabel("µs per sample, one epoch")
    axes.set_xticks(range(len(results)), [result["case"] for result in results], rotation=45, ha="right")
    axes.set_title("network hidden,time,batch; lower is faster")
    axes.legend()
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the case's name, such as 'gru' or '16,8,1'")
    parser.add_argument("--contestants", default="", help="comma-separated, such as 'pytrainr R,C++ strict'")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--threads", type=int, default=1, help="PyTorch's threads")
    parser.add_argument("--r", action="store_true", help="R's own rnn too, where it is installed")
    parser.add_argument("--output", type=Path, default=opponents.BUILD)
    arguments = parser.parse_args()
    wanted = {name for name in arguments.contestants.split(",") if name}
    if not wanted or "PyTorch" in wanted:
        try:
            import torch

            torch.set_num_threads(arguments.threads)
        except ImportError:
            pass
    results = []
    for shape in SHAPES:
        for network_type in ("rnn", "gru", "lstm"):
            case = Case(network_type, *shape)
            if arguments.only in case.name:
                results.append(measure(case, arguments.rounds, wanted))
                r = contestants.r_microseconds(case) if arguments.r else None
                if r is not None:
                    results[-1]["µs"]["R"] = r
                print_table(results[-1:])
    print()
    print_table(results)
    arguments.output.mkdir(parents=True, exist_ok=True)
    report = {"machine": platform.processor() or platform.machine(), "threads": arguments.threads, "results": results}
    (arguments.output / "train.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
    try:
        plot(results, arguments.output / "train.png")
    except ImportError:
        print("no plot: matplotlib is not installed")
    print(f"written to {arguments.output}")


if __name__ == "__main__":
    main()
