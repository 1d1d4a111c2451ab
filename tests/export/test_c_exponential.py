"""exp, logistic and tanh of the C that ``to_c`` writes: as near as is said, at every level of optimisation."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import mpmath
import numpy as np
import pytest

from pytrainr.export.c_text import part

COMPILERS = [name for name in ("gcc", "clang") if shutil.which(name)]
pytestmark = pytest.mark.skipif(not COMPILERS, reason="a C compiler is missing: install gcc or clang")
STRICT = ["-std=c99", "-pedantic", "-Wall", "-Wextra", "-Werror"]
FLAGS = (
    [*STRICT, "-O0"],
    [*STRICT, "-O2", "-ffp-contract=off"],
    ["-O3"],
    ["-O3", "-march=native"],
)

TRUE: dict[str, Callable[[mpmath.mpf], mpmath.mpf]] = {
    "exponential": mpmath.exp,
    "logistic": lambda x: 1 / (1 + mpmath.exp(-x)),
    "hyperbolic_tangent": mpmath.tanh,
}

SOURCE = """\
#include <float.h>
#include <math.h>
#include <stdint.h>
#include <string.h>
#define R_ARITHMETIC 0
typedef REAL real;
"""


def functions(folder: Path, dtype: type, compiler: str, flags: list[str]) -> Callable[[str, np.ndarray], np.ndarray]:
    """The functions as compiled, applied to arrays."""
    single = dtype is np.float32
    names = {"EXP": "expf", "TANH_": "tanhf"} if single else {"EXP": "exp", "TANH_": "tanh"}
    text = "".join(f"#define {key} {value}\n" for key, value in names.items())
    text += SOURCE.replace("REAL", "float" if single else "double")
    text += part("common") + part(f"exponential_{32 if single else 64}") + part("exponential")
    for name in TRUE:
        text += (
            f"void all_{name}(real *x, int n)\n{{\n    TOGETHER for (int k = 0; k < n; k++) x[k] = {name}(x[k]);\n}}\n"
        )
    source, library = folder / "exponential.c", folder / "exponential.so"
    source.write_text(text)
    subprocess.run([compiler, *flags, "-shared", "-fPIC", source, "-o", library, "-lm"], check=True)
    compiled = ctypes.CDLL(str(library))

    def of(name: str, x: np.ndarray) -> np.ndarray:
        x = x.astype(dtype)
        getattr(compiled, f"all_{name}")(x.ctypes.data_as(ctypes.c_void_p), len(x))
        return x

    return of


@cache
def sweep(dtype: type) -> np.ndarray:
    """Numbers of every size, and where the pieces meet."""
    random = np.random.default_rng(0)
    info = np.finfo(dtype)
    ends = float(-np.log(float(info.smallest_subnormal))), float(np.log(info.max))
    magnitudes = np.exp(random.uniform(np.log(float(info.smallest_subnormal)), np.log(ends[0] * 1.1), 400))
    halves = (np.arange(-2200, 2200, 23) + 0.5) / 2 * np.log(2.0)
    near = np.concatenate([np.nextafter(halves, -np.inf), halves, np.nextafter(halves, np.inf)])
    close = np.concatenate([random.uniform(-edge, edge, 300) for edge in (0.1, 1.0, 4.0, 25.0, ends[0])])
    return np.concatenate([magnitudes, -magnitudes, near, close, [ends[1], -ends[0], 0.0]]).astype(dtype)


@cache
def truth(name: str, dtype: type) -> tuple[np.ndarray, np.ndarray]:
    """What is true, as the sum of two numbers of float64."""
    with mpmath.workdps(40):
        exact = [TRUE[name](mpmath.mpf(float(x))) for x in sweep(dtype)]
        high = [float(value) for value in exact]
        low = [0.0 if np.isinf(h) else float(value - h) for value, h in zip(exact, high, strict=True)]
    return np.array(high), np.array(low)


def units(name: str, found: np.ndarray, dtype: type) -> float:
    """The largest distance from what is true, in units in its last place."""
    (high, low), info = truth(name, dtype), np.finfo(dtype)
    finite = high <= float(info.max)
    assert np.all(found[~finite] >= info.max)
    distance = np.abs(np.where(finite, found, 0) - np.where(finite, high, 0) - np.where(finite, low, 0))
    if name == "logistic":  # 0 where e^-x is infinite, as with the C library's
        distance[distance <= info.tiny] = 0
    with np.errstate(over="ignore"):
        return float((distance / np.spacing(np.abs(high).clip(0, info.max).astype(dtype))).max())


@pytest.mark.parametrize("compiler", COMPILERS)
@pytest.mark.parametrize("flags", FLAGS, ids=" ".join)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_units_in_the_last_place(dtype: type, flags: list[str], compiler: str, tmp_path: Path) -> None:
    """To 3 units in the last place over all numbers, those below the smallest normal ones included."""
    of = functions(tmp_path, dtype, compiler, flags)
    for name in TRUE:
        assert units(name, of(name, sweep(dtype)), dtype) < 3, name
    ends = np.array([-np.inf, np.inf, np.nan, 0.0])
    for name, expected in {
        "exponential": [0, np.inf, np.nan, 1],
        "logistic": [0, 1, np.nan, 0.5],
        "hyperbolic_tangent": [-1, 1, np.nan, 0],
    }.items():
        assert np.array_equal(of(name, ends), expected, equal_nan=True), name


def test_the_c_librarys_where_sums_are_not_kept(tmp_path: Path) -> None:
    """With -ffast-math (x + c) - c is x: the C library's functions are taken instead."""
    source = tmp_path / "exponential.c"
    source.write_text(SOURCE + part("common") + part("exponential_64") + part("exponential"))
    for flags, own in (([], True), (["-ffast-math"], False), (["-DPYTRAINR_FAST"], True)):
        done = subprocess.run([COMPILERS[0], *flags, "-E", source], capture_output=True, text=True, check=True)
        assert ("power_of_2" in done.stdout) == own
    source.write_text(source.read_text().replace("R_ARITHMETIC 0", "R_ARITHMETIC 1"))
    for flags, own in (([], False), (["-ffast-math", "-DPYTRAINR_FAST"], False), (["-DPYTRAINR_FAST"], True)):
        done = subprocess.run([COMPILERS[0], *flags, "-E", source], capture_output=True, text=True, check=True)
        assert ("power_of_2" in done.stdout) == own
