"""What importing the package leaves behind."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(("before", "after"), [("gc.enable()", "True"), ("gc.disable()", "False")])
def test_garbage_is_collected_after_the_import_as_before_it(before, after):
    script = f"import gc; {before}; import pytrainr; print(gc.isenabled())"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == after
