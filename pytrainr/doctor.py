"""``pytrainr doctor``: what this machine is, how the package works on it, and what to do where it does not.

Its output is what a report of a fault should have.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import redirect_stderr
from importlib import metadata
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from pytrainr import kernels

__all__ = ["GOLDEN", "Finding", "examine", "main"]

GOLDEN = Path(__file__).parent / "golden"
"""Five small trainings as R recorded them."""

_NEEDED = ("numpy", "numba", "llvmlite", "scipy")
_OPTIONAL = ("grpcio", "protobuf", "sqlalchemy", "psycopg", "matplotlib", "pandas", "scikit-learn")
_CLOSE = 1e-10
_SHOWN = 3


class Finding(NamedTuple):
    """A line of the report. ``remedy`` says what to do; where it is not empty, something is wrong."""

    what: str
    found: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Everything, one after the other; a part that fails is itself a finding."""
    for part in (_versions, _processor, _numba, _bits, _threads, _cache, _self_test):
        try:
            yield from part()
        except Exception as error:  # whatever it is, it belongs into the report
            name = part.__name__.strip("_").replace("_", " ")
            yield Finding(name, f"{type(error).__name__}: {error}", "report this output: this part should not fail")


def _versions() -> Iterator[Finding]:
    import pytrainr

    yield Finding("pytrainr", f"{pytrainr.__version__} in {Path(pytrainr.__file__).parent}")
    yield Finding("python", f"{platform.python_implementation()} {platform.python_version()}, {sys.executable}")
    yield Finding("system", platform.platform())
    found = {name: version for name in (*_NEEDED, *_OPTIONAL) if (version := _version(name))}
    missing = [name for name in _NEEDED if name not in found]
    remedy = f"pip install {' '.join(missing)}" if missing else ""
    yield Finding("packages", ", ".join(f"{name} {version}" for name, version in found.items()), remedy)
    for extra, module in (("client", "pytrainr_client"), ("server", "pytrainr_server")):
        if importlib.util.find_spec(module) is None or importlib.util.find_spec("grpc") is None:
            yield Finding(extra, f"not installed; pip install 'pytrainr[{extra}]' if you want it")


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _processor() -> Iterator[Finding]:
    from pytrainr.numerics.vectors import registers

    width = registers()
    triple, name, _ = kernels.target()
    fused = "fused multiply-adds" if width.fused else "no fused multiply-adds"
    yield Finding("processor", f"{_model_name()} ({platform.machine()})")
    yield Finding(
        "compiled for", f"{name}, {triple}: registers of {width.bytes} bytes, {width.number} of them, {fused}"
    )


def _model_name() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown")


def _numba() -> Iterator[Finding]:
    if kernels.FAST:
        path = "its compiler's parts as we know them (fast)"
    elif os.environ.get("PYTRAINR_NUMBA") == "fallback":
        path = "its own pipeline (fallback), as PYTRAINR_NUMBA asks for: slower to compile, the same bits"
    else:
        newest = ".".join(map(str, kernels.NEWEST_TRIED))
        path = f"its own pipeline (fallback), newer than the {newest} we know: slower to compile, the same bits"
    yield Finding("numba", path)


def _bits() -> Iterator[Finding]:
    from pytrainr.numerics.elementwise import libm, vector_bits_equal
    from pytrainr.r.bits import difference

    why = difference()
    promise = "R's very bits are promised" if why is None else f"R's numbers to about {_CLOSE:g}, not its bits: {why}"
    yield Finding("R's bits", f"{promise} (exp and tanh: {libm()})")
    equal = vector_bits_equal()
    yield Finding("vectors", f"exp and tanh in vectors {'have' if equal else 'do not have'} the C library's bits here")


def _threads() -> Iterator[Finding]:
    import pytrainr

    given = os.environ.get("PYTRAINR_THREADS")
    try:
        count = pytrainr.thread_count()
    except (ValueError, TypeError) as error:
        yield Finding("threads", str(error), "set PYTRAINR_THREADS to a whole number from 1 on, or unset it")
        return
    said = f", PYTRAINR_THREADS={given}" if given else ""
    helpers = kernels.helper_count()
    compiled = f"kernels are compiled in {helpers + 1} processes" if helpers else "kernels are compiled in this process"
    yield Finding("threads", f"{count} for a call, {os.cpu_count()} processors{said}; {compiled}")


def _cache() -> Iterator[Finding]:
    folder, kept = kernels.folder(), kernels.is_kept()
    count = sum(1 for _ in folder.glob("*.kernel"))
    if kept:
        yield Finding("kernels", f"{count} kept in {folder}, which can be written to")
    else:
        remedy = "every process compiles anew, for many seconds: set NUMBA_CACHE_DIR to a folder that can be written to"
        yield Finding("kernels", f"kept nowhere: only for this process, in {folder}", remedy)


def _self_test() -> Iterator[Finding]:
    from pytrainr.interop.crosscheck import compare, read_record, replay
    from pytrainr.r.bits import difference

    started, compiled = time.perf_counter(), kernels.compiled_so_far()
    equal, runs, wrong = 0, sorted(GOLDEN.glob("*.json.gz")), []
    for path in runs:
        record = read_record(path)
        with redirect_stderr(StringIO()):  # R's notes about the trainings
            computed = replay(record)
        rows = [row for row in compare(record, computed) if not row.identical]
        equal += not rows
        for row in rows:
            near = not row.remark and abs(row.r_value - row.our_value) <= _CLOSE * max(1.0, abs(row.r_value))
            if difference() is None or not near:
                wrong.append(f"{path.name.removesuffix('.json.gz')}: {row.field} {row.verdict}")
    fresh = kernels.compiled_so_far() - compiled
    spent = f"{time.perf_counter() - started:.1f} s" + (f", {fresh} kernels compiled for it" if fresh else "")
    text = f"{equal} of {len(runs)} trainings recorded in R are the same to the bit ({spent})"
    if wrong:
        remedy = "these numbers are wrong: report this output; another Numba (pip install 'numba==0.63.*') may help"
        yield Finding("self test", f"{text}; {'; '.join(wrong[:_SHOWN])}", remedy)
    elif len(runs) != 5:
        yield Finding("self test", text, "the recorded trainings are missing: install the package again")
    else:
        yield Finding("self test", text)


def main(arguments: Sequence[str] | None = None, write: Callable[[str], object] = print) -> int:
    """Print the report; 0 when all is well, 1 when something is wrong."""
    parser = argparse.ArgumentParser("pytrainr doctor", description=(__doc__ or "").strip())
    parser.parse_args(arguments)
    kernels.listen(kernels.Line(sys.stderr))  # heard in the self test too
    remedies = []
    for finding in examine():
        write(f"{'!' if finding.remedy else ' '} {finding.what:<13} {finding.found}")
        if finding.remedy:
            remedies.append(f"{finding.what}: {finding.remedy}")
    write("")
    write("All is well." if not remedies else "What to do:")
    for remedy in remedies:
        write(f"  {remedy}")
    return 1 if remedies else 0
