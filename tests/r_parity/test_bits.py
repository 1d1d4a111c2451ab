"""Where R's bits are promised, where not, and that a run says so once (issue 10)."""

from __future__ import annotations

import os
import platform

import llvmlite.binding as llvm
import numpy as np
import pytest

from pytrainr import RRandom, trainr
from pytrainr.numerics.elementwise import LIBM
from pytrainr.r import bits


def test_the_recorded_runs_are_compared_bit_for_bit_here() -> None:
    usual = platform.system() == "Linux" and platform.machine() == "x86_64" and platform.libc_ver()[0] == "glibc"
    if not usual or not llvm.get_host_cpu_features().get("fma") or "GLIBC_TUNABLES" in os.environ:
        pytest.skip("not Linux on x86-64 with glibc and fused multiply-adds")
    assert bits.difference() is None


@pytest.mark.parametrize("libm", [*LIBM.values(), "another"])
@pytest.mark.parametrize("long_double", [True, False])
def test_a_difference_is_said_once(monkeypatch, capsys, libm, long_double) -> None:
    monkeypatch.setattr(bits, "libm", lambda: libm)
    monkeypatch.setattr(bits, "HAS_LONG_DOUBLE", long_double)
    bits.note_difference.cache_clear()
    X = np.linspace(0.0, 1.0, 12).reshape(4, 3, 1)
    said = []
    for options in ({"exact": True}, {}, {}):
        trainr(X, X, learningrate=0.1, hidden_dim=2, rng=RRandom(1), epoch_function=[], **options)
        said.append(capsys.readouterr().err.count("not to the bit"))
    bits.note_difference.cache_clear()
    assert said == [0, int(libm != "glibc, fused" or not long_double), 0]
