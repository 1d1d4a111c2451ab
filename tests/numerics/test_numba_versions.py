"""Numba's versions (issue 10): a too old one is refused in words, an unknown one computes the same by its own means."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pytrainr
from pytrainr.numerics import numba_internals

PACKAGE = Path(pytrainr.__file__).parent
GOLDEN = """
import sys
sys.path.insert(0, sys.argv[1])
from tests.r_parity.test_golden import test_training_equals_r
for name in sys.argv[2:]:
    test_training_equals_r(name)
from pytrainr.numerics import numba_internals
print(numba_internals.FAST)
"""


def pretending(version: str, script: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    code = f"import numba; numba.__version__ = {version!r}\n{script}"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=900,
    )


@pytest.mark.parametrize("version", ["0.60.0", "0.59.1", "0.9"])
def test_too_old_a_numba_is_refused_with_what_to_do(version: str) -> None:
    done = pretending(version, "import pytrainr")
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"needs Numba 0.61 or newer, this is {version}" in last
    assert "pip install" in last


def test_the_oldest_is_what_installers_are_told() -> None:
    text = (PACKAGE.parent / "pyproject.toml").read_text()
    oldest = re.search(r'"numba>=([0-9.]+)"', text)
    assert oldest is not None
    assert tuple(map(int, oldest[1].split("."))) == numba_internals.OLDEST


@pytest.mark.parametrize("version", ["0.99.0", "1.2.0rc1", "0.69.0dev0+12.gabc"])
def test_an_unknown_numba_is_not_trusted_with_its_private_parts(version: str) -> None:
    done = pretending(
        version, "import pytrainr\nfrom pytrainr.numerics import numba_internals\nprint(numba_internals.FAST)"
    )
    assert done.stdout.strip() == "False", done.stderr


def test_an_unknown_numba_computes_the_same_bits(tmp_path: Path) -> None:
    runs = ("adder_rnn_bias_two_layers", "clipping_rnn")
    done = pretending("0.99.0", GOLDEN, str(PACKAGE.parent), *runs, NUMBA_CACHE_DIR=str(tmp_path))
    assert done.stdout.strip() == "False", done.stderr


def test_private_names_stand_in_one_file() -> None:
    """Names with an underscore, and modules that are no part of what extensions of Numba are told to use."""
    promised = {"numba", "numba.core", "numba.core.errors", "numba.extending", "numba.np", "numba.np.arrayobj"}
    used = set()
    for path in PACKAGE.rglob("*.py"):
        if path.name == "numba_internals.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            names = {node.module or ""} if isinstance(node, ast.ImportFrom) else set()
            if isinstance(node, ast.ImportFrom) and node.module == "numba.core":
                names |= {f"numba.core.{alias.name}" for alias in node.names} - {"numba.core.cgutils"}
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            used |= {(path.name, name) for name in names if name.startswith("numba.") and name not in promised}
            if isinstance(node, ast.Attribute) and re.match("_(?!_)", node.attr):
                used |= {
                    (path.name, text) for text in [ast.unparse(node)] if re.match(r"(numba|llvm|llvmlite|ir)\b", text)
                }
    assert used == set()
