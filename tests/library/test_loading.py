"""What importing the package leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


@pytest.mark.parametrize(("before", "after"), [("gc.enable()", "True"), ("gc.disable()", "False")])
def test_garbage_is_collected_after_the_import_as_before_it(before, after):
    script = f"import gc; {before}; import pytrainr; print(gc.isenabled())"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == after


def test_what_somebody_froze_stays_frozen():
    script = """
import gc
gc.freeze()
frozen = gc.get_freeze_count()
import pytrainr
print(gc.get_freeze_count() > 0.9 * frozen)
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "True"


def test_a_kernel_from_disk_is_loaded_without_what_numba_can_compile(tmp_path):
    """A fifth of the start (issue 10.7); a function of one's own is compiled afterwards as ever."""
    script = """
import sys
import numba
import numpy as np
import pytrainr
X = np.linspace(0, 1, 60).reshape(5, 6, 2)
pytrainr.trainr(X[:, :, :1], X, learningrate=0.1, hidden_dim=3, numepochs=1, epoch_function=[])
print("numba.np.arraymath" in sys.modules, numba.njit(lambda a: np.cumsum(a + a).sum())(np.ones(4)))
"""
    for loaded in (True, False):
        run = subprocess.run(
            [sys.executable, "-c", script],
            env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
            capture_output=True,
            text=True,
            check=True,
        )
        assert run.stdout.split() == [str(loaded), "20.0"]


def test_layers_and_plots_are_there_and_loaded_at_their_first_use():
    script = """
import sys
import pytrainr
print("pytrainr.layers" in sys.modules, pytrainr.layers.Dense(3).units, hasattr(pytrainr, "nothing"))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["False", "3", "False"]
