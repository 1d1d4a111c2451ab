"""``train.py`` for AVX2 and AVX-512, opponents and all, and the tables of README.md.

    python benchmarks/widths.py [arguments of train.py]

Each width is a process of its own: Numba, g++, PyTorch and JAX all compile for it, or take the variant for it. AVX2
runs on every such machine, AVX-512 only where the processor has it. With ``--check`` it fails if one of them does.
With ``--rounds 5`` it takes some ten minutes on two quiet processors; ``--only 16,8,1``, ``--only gru`` or ``--against
JAX`` run a part.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm

HERE = Path(__file__).parent
BUILD = HERE.parent / "build" / "benchmarks"
AVX2_FEATURES = "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe"
AVX2 = {
    "NUMBA_CPU_NAME": "haswell",
    "NUMBA_CPU_FEATURES": AVX2_FEATURES,
    "ATEN_CPU_CAPABILITY": "avx2",  # PyTorch and the libraries it calls
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "MKL_ENABLE_INSTRUCTIONS": "AVX2",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2",
}
TYPES = ("rnn", "gru", "lstm")
TIMES = ("R", "C++ strict", "exact", "C++ fast", "PyTorch", "JAX")
RATIOS = (("R", "C++ strict"), ("exact", "C++ fast"), ("exact", "PyTorch"), ("exact", "JAX"))


def widths() -> dict[str, dict[str, str]]:
    """The environment for each width that this machine can run."""
    here = {"AVX-512": {}} if llvm.get_host_cpu_features().get("avx512f") else {}
    return {**here, "AVX2": AVX2}


def folder(width: str) -> Path:
    return BUILD / width.lower()


def run(width: str, settings: dict[str, str], arguments: list[str]) -> int:
    """``train.py`` as compiled for this width."""
    print(f"--- {width}", flush=True)
    cache = {"NUMBA_CACHE_DIR": str(folder(width) / "cache")} if settings else {}
    environment = {**os.environ, **settings, **cache}
    command = [sys.executable, str(HERE / "train.py"), "--output", str(folder(width)), *arguments]
    return subprocess.run(command, env=environment, check=False).returncode


def tables(reports: dict[str, dict[str, Any]]) -> str:
    """Times and ratios in Markdown; in each field rnn, gru, lstm."""
    by_case = {width: {result["case"]: result for result in report["results"]} for width, report in reports.items()}
    shapes = list(dict.fromkeys(name.split(" ", 1)[1] for results in by_case.values() for name in results))
    machine = next(iter(reports.values()))["machine"]
    lines = [f"Measured on {date.today():%d %B %Y}: {machine}, {os.cpu_count()} processors."]
    for width, results in by_case.items():
        lines += ["", f"{width}, microseconds a sample:", "", f"| case | {' | '.join(TIMES)} |"]
        lines.append("|---" * (1 + len(TIMES)) + "|")
        for shape in shapes:
            times = [_times(results, shape, name) for name in TIMES]
            lines.append(f"| {shape.replace(',', ', ')} | {' | '.join(times)} |")
    heads = [f"{ours} / {theirs}, {width}" for ours, theirs in RATIOS for width in reports]
    lines += ["", f"| case | {' | '.join(heads)} |", "|---" * (1 + len(heads)) + "|"]
    for shape in shapes:
        ratios = [_ratios(by_case[width], shape, *pair) for pair in RATIOS for width in reports]
        lines.append(f"| {shape.replace(',', ', ')} | {' | '.join(ratios)} |")
    unfair = [
        f"{width}, {name}: {complaint}"
        for width, results in by_case.items()
        for name, result in results.items()
        for complaint in result["unfair"]
    ]
    if unfair:
        lines += ["", "Unfair, so not for publication:", *(f"- {one}" for one in unfair)]
    return "\n".join(lines)


def _times(results: dict[str, Any], shape: str, name: str) -> str:
    found = [results.get(f"{kind} {shape}", {"µs": {}})["µs"].get(name) for kind in TYPES]
    return ", ".join("–" if us is None else f"{us:.3g}" for us in found) if any(found) else ""


def _ratios(results: dict[str, Any], shape: str, ours: str, theirs: str) -> str:
    found = []
    for kind in TYPES:
        ratios = results.get(f"{kind} {shape}", {"ratios": []})["ratios"]
        medians = [ratio["median"] for ratio in ratios if (ratio["ours"], ratio["theirs"]) == (ours, theirs)]
        found.append(f"{medians[0]:.2f}" if medians else "–")
    return ", ".join(found) if set(found) != {"–"} else ""


def main() -> int:
    arguments = sys.argv[1:]
    statuses = [run(width, settings, arguments) for width, settings in widths().items()]
    if not any(statuses) and not {"--check", "--help", "-h"} & set(arguments):
        reports = {width: json.loads((folder(width) / "train.json").read_text()) for width in widths()}
        text = tables(reports)
        (BUILD / "widths.md").write_text(text + "\n")
        print(text)
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
