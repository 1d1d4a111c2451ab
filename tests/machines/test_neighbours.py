"""Importing pytrainr changes nothing for others in the process (issue 10.6): their Numba code, Python's settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

# A user's script: compiled and kept, by each way that we use ourselves; what Numba and Python are set to.
USER = """
import gc, json, os, signal, sys, threading, warnings
if sys.argv[1] == "with pytrainr":
    import pytrainr
import numpy as np
from numba import config, njit, prange, vectorize
from numba.core import caching, compiler, cpu, dispatcher
from numba.np import linalg

@njit(cache=True)
def inner(x):
    return x * 2.0 + 1.0

@njit(cache=True)
def outer(x):
    return np.dot(x, x.T).sum() + inner(x[0, 0])

@njit(cache=True, parallel=True, fastmath=True)
def spread(x):
    total = 0.0
    for k in prange(x.size):
        total += x.flat[k]
    return total

@vectorize(["float64(float64)"], cache=True)
def squared(x):
    return x * x

def values():
    x = np.arange(12.0).reshape(3, 4)
    return [float(v).hex() for v in (outer(x), spread(x), squared(x).sum(), inner(3.0))]

first = values()
if sys.argv[1] == "with pytrainr":
    X = np.ones((20, 3, 1))
    pytrainr.predictr(pytrainr.trainr(X, X, learningrate=0.1, hidden_dim=3, epoch_function=[]), X)
    pytrainr.trainr(X, X, learningrate=0.1, hidden_dim=3, epoch_function=[], exact=True)
assert values() == first
folder = os.path.join(os.path.dirname(os.path.abspath(sys.argv[0])), "__pycache__")
cached = sorted(name for name in os.listdir(folder) if name.endswith((".nbi", ".nbc")))

def named(value):
    return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else repr(value)

print(json.dumps({
    "values": first,
    "cached": cached,
    "hits": [sum(f.stats.cache_hits.values()) for f in (outer, spread, inner)],
    "misses": [sum(f.stats.cache_misses.values()) for f in (outer, spread, inner)],
    "cache": named(type(outer._cache)) + named(type(outer._cache._impl)) + outer.stats.cache_path,
    "locators": [named(locator) for locator in caching.CacheImpl._locator_classes],
    "implementation": named(caching.FunctionCache._impl_class),
    "ensure_blas": named(linalg.ensure_blas),
    "pipeline": [str(step) for step, _ in compiler.DefaultPassBuilder.define_nopython_pipeline(
        type("State", (), {"flags": compiler.Flags(), "func_ir": 1})()).passes],
    "config": {name: repr(getattr(config, name)) for name in dir(config) if name.isupper()},
    "flags": repr(sys.flags),
    "garbage": [gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()],
    "numpy": [np.geterr(), repr(np.get_printoptions())],
    "signals": [repr(signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGTERM)],
    "environment": sorted(os.environ.items()),
    "hooks": [repr(sys.excepthook), repr(threading.excepthook), repr(sys.gettrace()), sys.getswitchinterval()],
    "warnings": [repr(entry) for entry in warnings.filters],
    "recursion": sys.getrecursionlimit(),
}))
"""


def ran(folder: Path, how: str) -> dict:
    script = folder / "script.py"
    script.write_text(USER, encoding="utf-8")
    run = subprocess.run([sys.executable, script, how], cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    return json.loads(run.stdout.splitlines()[-1])


def test_a_user_s_own_numba_code_is_compiled_kept_and_computed_as_without_us(tmp_path):
    """Each in a folder of its own; then again in the same one, where either finds what the other kept."""
    folders = [tmp_path / "alone" / "user", tmp_path / "together" / "user"]
    for folder in folders:
        folder.mkdir(parents=True)
    alone, together = ran(folders[0], "alone"), ran(folders[1], "with pytrainr")
    for seen, folder in ((alone, folders[0]), (together, folders[1])):
        seen["cache"] = seen["cache"].replace(str(folder), "")
        assert seen["misses"] == [1, 1, 1]
    assert together == alone
    again = [ran(folders[0], "with pytrainr"), ran(folders[1], "alone")]
    for seen in again:
        assert seen["cached"] == alone["cached"]
        assert seen["hits"] == [1, 1, 1], "what the one kept, the other does not find"
        assert seen["values"] == alone["values"]


@pytest.mark.parametrize(("before", "after"), [("gc.enable()", "True"), ("gc.disable()", "False")])
def test_garbage_is_collected_after_a_failed_import_as_before_it(before, after):
    script = (
        f"import gc, sys; {before}; sys.modules['numba'] = None\n"
        "try: import pytrainr\n"
        "except ImportError: print(gc.isenabled())"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == after
