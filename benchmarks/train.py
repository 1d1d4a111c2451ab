"""Microseconds per sample of one epoch: pytrainr beside C++, PyTorch, JAX and R on the same samples in the same run.

    python benchmarks/train.py [--only rnn] [--rounds 7] [--r] [--check] [--output build/benchmarks]

The contestants take turns; a ratio is the median over the rounds of the two times next to each other, so that what else
the machine does falls on both. With one thread the time is the processor's, with more it is the clock's: a round in
which other processes were busy is unfair, is repeated, and if that does not help, said to be unfair. Each ratio
has a limit. Writes ``train.json`` and, with matplotlib, ``train.png``. ``--check`` measures only the ratios to C++ and
fails where one is beyond its limit by more than noise explains. ``widths.py`` runs this for AVX2 and AVX-512.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import contestants
import fairness
import opponents
from contestants import Case

SMALL = ((16, 8, 1, 10_000), (64, 32, 1, 1_000), (16, 8, 100, 20_000))
LARGE = ((128, 32, 64, 640), (512, 64, 64, 64))
TYPES = ("rnn", "gru", "lstm")

OURS: dict[str, Callable[[Case], Callable[[], object]]] = {
    "R": contestants.pytrainr(1),
    "R, 2 threads": contestants.pytrainr(2),
    "exact": contestants.pytrainr(1, exact=True),
    "exact, 2 threads": contestants.pytrainr(2, exact=True),
    "exact float32": contestants.pytrainr(1, exact=True, dtype="float32"),
    "exact float32, 2 threads": contestants.pytrainr(2, exact=True, dtype="float32"),
}
OTHERS: dict[str, Callable[[Case], Callable[[], object]]] = {
    "C++ strict": contestants.cpp("strict"),
    "C++ fast": contestants.cpp("fast"),
    "PyTorch": contestants.torch_eager(1),
    "PyTorch, 2 threads": contestants.torch_eager(2),
    "PyTorch float32": contestants.torch_eager(1, "float32"),
    "PyTorch float32, 2 threads": contestants.torch_eager(2, "float32"),
    "JAX": contestants.jax_scan(),
    "JAX float32": contestants.jax_scan("float32"),
}


class Target(NamedTuple):
    """The most that our time may be of theirs."""

    ours: str
    theirs: str
    limit: float


def targets(case: Case) -> list[Target]:
    """What is promised for a case."""
    if case.batch == 64:
        slowest = 1 / 1.2 if case.hidden == 128 else 1.0
        pairs = [Target(f"exact{threads}", f"PyTorch{threads}", slowest) for threads in ("", ", 2 threads")]
        single = [Target(f"exact float32{t}", f"PyTorch float32{t}", 1.0) for t in ("", ", 2 threads")]
        strict = [Target(f"R{threads}", "C++ strict", 1.2) for threads in ("", ", 2 threads")]
        return [*strict, *pairs, *single, *_beside_jax(1 / 1.2)]
    strict = 1.1 if case.network_type == "rnn" else 0.7 if case.hidden == 16 else 0.85
    return [
        Target("R", "C++ strict", strict),
        Target("exact", "C++ fast", 1.5),
        Target("exact", "PyTorch", 1.0),
        Target("exact float32", "PyTorch float32", 1.0),
        *(_beside_jax(1 / 10 if case.network_type == "rnn" else 1 / 20) if case[1:4] == SMALL[0][:3] else []),
    ]


def _beside_jax(limit: float) -> list[Target]:
    return [Target(f"exact{dtype}", f"JAX{dtype}", limit) for dtype in ("", " float32")]


def ready(case: Case, names: set[str]) -> dict[str, Callable[[], object]]:
    """The contestants of these that this machine has, ready to run an epoch, in a fixed order."""
    found = {}
    for name, make in (OURS | OTHERS).items():
        if name not in names or (name.startswith("C++") and not opponents.compiler()):
            continue
        try:
            found[name] = make(case)
        except ImportError as error:
            print(f"  {name}: {error}")
    return found


def measure(case: Case, wanted: list[Target], rounds: int) -> dict[str, Any]:
    """Medians in µs per sample, and for each target the ratios of paired rounds."""
    runs = ready(case, {name for target in wanted for name in target[:2]})
    for function in runs.values():
        function()  # compiled, in cache
    taken = fairness.Rounds(runs, rounds)
    times = {
        name: [seconds / case.samples / getattr(runs[name], "share", 1.0) * 1e6 for seconds in of_contestant]
        for name, of_contestant in taken.seconds().items()
    }
    result: dict[str, Any] = {"case": case.name, "µs": {name: statistics.median(t) for name, t in times.items()}}
    result["unfair"] = taken.complaints()
    result["ratios"] = []
    for target in wanted:
        if target.ours in times and target.theirs in times:
            pairs = sorted(a / b for a, b in zip(times[target.ours], times[target.theirs], strict=True))
            of = {"median": statistics.median(pairs), "lower quartile": pairs[len(pairs) // 4]}
            result["ratios"].append({**target._asdict(), **of})
    return result


def print_result(result: dict[str, Any]) -> None:
    """A case: the times, then each ratio beside its limit."""
    print(f"{result['case']:<14}" + "  ".join(f"{name} {us:.2f}" for name, us in result["µs"].items()))
    for complaint in result["unfair"]:
        print(f"{'':<14}UNFAIR: {complaint}")
    for ratio in result["ratios"]:
        mark = "" if ratio["median"] <= ratio["limit"] else "   MORE THAN ASKED"
        name = f"{ratio['ours']} / {ratio['theirs']}"
        print(f"{'':<14}{name:<56}{ratio['median']:6.3f}   asked {ratio['limit']:.2f}{mark}", flush=True)


def processor() -> str:
    """The processor's name, as the system gives it."""
    information = Path("/proc/cpuinfo")
    lines = information.read_text().splitlines() if information.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def plot(results: list[dict[str, Any]], path: Path) -> None:
    """Time per sample, a group of bars for each case."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    names = [name for name in (*OURS, *OTHERS, "R itself") if any(name in result["µs"] for result in results)]
    figure, axes = pyplot.subplots(figsize=(14, 6))
    for k, name in enumerate(names):
        places = [i + (k - len(names) / 2) * 0.8 / len(names) for i in range(len(results))]
        heights = [result["µs"].get(name, float("nan")) for result in results]
        label = f"pytrainr {name}" if name in OURS else name
        axes.bar(places, heights, 0.8 / len(names), label=label, align="edge", color=pyplot.get_cmap("tab20")(k))
    axes.set_yscale("log")
    axes.set_ylabel("µs per sample, one epoch")
    axes.set_xticks(range(len(results)), [result["case"] for result in results], rotation=45, ha="right")
    axes.set_title("network hidden,time,batch; lower is faster")
    axes.legend(fontsize="small", ncols=2)
    figure.tight_layout()
    figure.savefig(path, dpi=120)


def check(rounds: int) -> int:
    """The exit status: 1 if a ratio to C++ is lost. Noise only slows, so three tries' lower quartiles must all tell."""
    lost = []
    for shape in (*SMALL, LARGE[0]):
        for network_type in TYPES:
            case = Case(network_type, *shape)
            wanted = [target for target in targets(case) if target.theirs.startswith("C++")]
            for _ in range(3):
                result = measure(case, wanted, rounds)
                print_result(result)
                wanted = [Target(r["ours"], r["theirs"], r["limit"]) for r in result["ratios"] if _is_lost(r)]
                if not wanted:
                    break
            lost += [f"{case.name}: {target.ours} / {target.theirs} above {target.limit}" for target in wanted]
    print("\n".join(lost) or "no ratio is lost")
    return bool(lost)


def _is_lost(ratio: dict[str, Any]) -> bool:
    return ratio["lower quartile"] > 1.25 * ratio["limit"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="a part of the case's name, such as 'gru' or '16,8,1'")
    parser.add_argument("--against", default="", help="a part of the opponent's name, such as 'C++' or 'float32'")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--r", action="store_true", help="R's own rnn too, where it is installed")
    parser.add_argument("--check", action="store_true", help="only find out whether a ratio to C++ is lost")
    parser.add_argument("--output", type=Path, default=opponents.BUILD)
    arguments = parser.parse_args()
    if arguments.check:
        return check(arguments.rounds)
    results = []
    for shape in (*SMALL, *LARGE):
        for network_type in TYPES:
            case = Case(network_type, *shape)
            if arguments.only not in case.name:
                continue
            wanted = [target for target in targets(case) if arguments.against in target.theirs]
            results.append(measure(case, wanted, arguments.rounds))
            r = contestants.r_microseconds(case) if arguments.r else None
            if r is not None:
                results[-1]["µs"]["R itself"] = r
            print_result(results[-1])
    arguments.output.mkdir(parents=True, exist_ok=True)
    report = {"machine": processor(), "compiled for": opponents.PROCESSOR, "results": results}
    (arguments.output / "train.json").write_text(json.dumps(report, indent=1, ensure_ascii=False))
    try:
        plot(results, arguments.output / "train.png")
    except ImportError:
        print("no plot: matplotlib is not installed")
    print(f"written to {arguments.output}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
