"""A test that hangs, even in machine code that never looks up, ends as a failure that shows where every thread is."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HANGS = """
import threading
from numba import njit

@njit(nogil=NOGIL)
def for_ever(step):
    at = 0
    while at < 10:
        at += step
    return at

assert for_ever(1) == 10  # compiled before the clock runs

def a_bystander():
    threading.Event().wait()

def test_hangs():
    threading.Thread(target=a_bystander, daemon=True).start()
    for_ever(0)
"""


@pytest.mark.parametrize(("nogil", "workers"), [(True, ["-n", "1"]), (False, [])])
def test_a_hang_in_compiled_code_is_a_failure_with_all_stacks(tmp_path, nogil, workers):
    (tmp_path / "test_it.py").write_text(textwrap.dedent(HANGS).replace("NOGIL", str(nogil)))
    command = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "--rootdir", str(tmp_path)]
    command += ["-o", "faulthandler_timeout=5", "-p", "no:cacheprovider", *workers, str(tmp_path / "test_it.py")]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False)
    told = done.stdout + done.stderr
    assert done.returncode != 0, told
    assert "Timeout" in told, told
    assert "in test_hangs" in told
    assert nogil is False or "in a_bystander" in told
