"""Runs parts of the tests as compiled for other processors, two at a time, and prints what passed.

    python -m tests.portable [NAME ...] [--at-once 2] [--minutes 25]

Each configuration is a process of its own, with a cache of compiled kernels of its own (``build/portable``, removed
before) and a limit on its time. A hang ends, within that limit or the one of ``faulthandler_timeout``, as a failure.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

import llvmlite.binding as llvm

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "portable"

AVX2 = "+sse3,+ssse3,+sse4.1,+sse4.2,+popcnt,+avx,+avx2,+fma,+f16c,+bmi,+bmi2,+lzcnt,+movbe"
AVX512 = AVX2 + ",+avx512f,+avx512cd,+avx512bw,+avx512dq,+avx512vl"
WITHOUT_FMA = "glibc.cpu.hwcaps=-FMA,-FMA4,-AVX2"
"""Makes glibc choose the exp and tanh that it has for processors without fused multiply-adds."""

GOLDEN = ["tests/r_parity/test_golden.py"]
KERNELS = [f"tests/numerics/test_{name}.py" for name in ("elementwise", "linalg", "long_double", "vectors")]
ARITHMETIC = [*KERNELS, "tests/r_parity/test_properties.py"]
ALL = [
    *GOLDEN,
    *ARITHMETIC,
    "tests/r_parity/test_threads.py",
    "tests/exact/test_gradients.py",
    "tests/library/test_prediction.py",
    "tests/library/test_stepper.py",
]


class Configuration(NamedTuple):
    """One way to compile, and what is run so."""

    name: str
    arguments: Sequence[str]
    environment: Mapping[str, str] = MappingProxyType({})
    module: str = "pytest"

    def command(self) -> list[str]:
        options = ["-q", "-p", "no:cacheprovider"] if self.module == "pytest" else []
        return [sys.executable, "-m", self.module, *options, *self.arguments]


def compiled_for(cpu: str, features: str) -> dict[str, str]:
    """Numba's settings; the processor's name alone would leave this machine's registers."""
    return {"NUMBA_CPU_NAME": cpu, "NUMBA_CPU_FEATURES": features}


CONFIGURATIONS = [
    Configuration("haswell", ALL, compiled_for("haswell", AVX2)),
    Configuration("x86-64", ALL, compiled_for("x86-64", "+sse2")),
    Configuration("native", ALL),
    Configuration(
        "x86-64, no FMA in libm",
        [*GOLDEN, *ARITHMETIC],
        {**compiled_for("x86-64", "+sse2"), "GLIBC_TUNABLES": WITHOUT_FMA},
    ),
    Configuration("as on aarch64", ["-p", "tests.portable.as_aarch64", *GOLDEN]),
    Configuration("avx512, not run", [], compiled_for("skylake-avx512", AVX512), "tests.portable.compile_only"),
]


class Result(NamedTuple):
    """How a configuration went."""

    configuration: Configuration
    passed: bool
    seconds: float
    summary: str


def run(configuration: Configuration, limit: float) -> Result:
    """Run it, with its output in a file of its name."""
    folder = BUILD / configuration.name.replace(", ", "-").replace(" ", "-")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    environment = {**os.environ, **configuration.environment, "NUMBA_CACHE_DIR": str(folder / "cache")}
    log = folder / "output.txt"
    started = time.monotonic()
    with log.open("w") as file:
        process = subprocess.Popen(
            configuration.command(), cwd=ROOT, env=environment, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            status = process.wait(limit)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            status = None
    lines = log.read_text(errors="replace").splitlines() or ["no output"]
    passed = status == 0
    if not passed:
        print(f"--- {configuration.name}", *lines[-60:], sep="\n", flush=True)
    summary = f"not finished in {limit:.0f} s" if status is None else lines[-1].strip("= ")
    return Result(configuration, passed, time.monotonic() - started, summary)


def main() -> int:
    names = [configuration.name for configuration in CONFIGURATIONS]
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help=f"of {', '.join(names)}; all without any")
    parser.add_argument("--at-once", type=int, default=min(2, os.cpu_count() or 1), help="processes at a time")
    parser.add_argument("--minutes", type=float, default=25.0, help="how long each may take")
    arguments = parser.parse_args()
    unknown = set(arguments.names) - set(names)
    if unknown:
        parser.error(f"no configuration is called {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    chosen = [one for one in CONFIGURATIONS if one.name in (arguments.names or names)]
    print(f"this machine: {llvm.get_host_cpu_name()}; logs in {BUILD}", flush=True)
    with ThreadPoolExecutor(arguments.at_once) as pool:
        results = []
        for result in pool.map(lambda one: run(one, 60 * arguments.minutes), chosen):
            mark = "passed" if result.passed else "FAILED"
            print(f"{result.configuration.name:<24}{mark}  {result.seconds:5.0f} s  {result.summary}", flush=True)
            results.append(result)
    return 0 if all(result.passed for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
