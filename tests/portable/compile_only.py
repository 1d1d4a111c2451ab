"""Compiles every kernel that training, prediction and stepping use, for a processor that need not be this one.

Two processes: the first runs small networks as compiled for this machine and notes which kernels were compiled for
which types; the second, whose machine code may be for another processor, compiles the same and runs none.
"""

from __future__ import annotations

import importlib
import os
import pickle
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

KIND = {"+avx512f": "zmm", "+avx2": "ymm"}


def dispatchers() -> dict[str, Any]:
    """Every kernel of the modules loaded so far, by its name."""
    from numba.core.dispatcher import Dispatcher

    from pytrainr.numerics import compiling

    return {name: kernel for name, kernel in sorted(compiling._kernels.items()) if isinstance(kernel, Dispatcher)}


def used() -> list[tuple[str, str, tuple]]:
    """Run small networks; the kernels compiled for them: module, name, types of the arguments."""
    import numpy as np

    from pytrainr import RRandom, predictr, trainr

    random = np.random.default_rng(1)
    X, Y = random.random((20, 3, 2)), random.random((20, 3, 1))
    for exact in (False, True):
        for network_type in ("rnn", "gru", "lstm"):
            options = {"exact": True} if exact else {}
            model = trainr(
                Y, X, learningrate=0.1, hidden_dim=5, batch_size=3, network_type=network_type, rng=RRandom(1),
                epoch_function=[], **options,
            )  # fmt: skip
            predictr(model, X)
            model.stepper()(X[0, 0])
    found = dispatchers()
    return [(found[name].py_func.__module__, name, kinds) for name in found for kinds in found[name].signatures]


def compile_all(wanted: list[tuple[str, str, tuple]]) -> None:
    """Compile without running; a name is looked up where it was found."""
    from pytrainr.numerics import compiling
    from pytrainr.numerics.numba_internals import target

    for module in {module for module, _, _ in wanted}:
        importlib.import_module(module)
    features = target()[2].split(",")
    register = next((kind for feature, kind in KIND.items() if feature in features), "xmm")
    found = 0
    for _, name, kinds in wanted:
        compiling._kernels[name].compile(kinds)  # some are made only now, and take their own place there
        found += bool(re.search(rf"%{register}\d", dispatchers()[name].inspect_asm(kinds)))
    assert 2 * found > len(wanted), f"of {len(wanted)} kernels only {found} use {register} registers"
    print(f"{len(wanted)} kernels compiled, {found} of them with {register} registers")


def main() -> None:
    if len(sys.argv) > 1:
        path = Path(sys.argv[1])
        if path.exists():
            compile_all(pickle.loads(path.read_bytes()))
        else:
            path.write_bytes(pickle.dumps(used()))
        return
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.portable.compile_only", str(Path(folder) / "kernels")]
        here = {name: value for name, value in os.environ.items() if not name.startswith("NUMBA_CPU_")}
        subprocess.run(command, env=here, check=True)
        # by itself, without helping processes: what comes from the cache shows no assembly
        subprocess.run(command, env={**os.environ, "PYTRAINR_THREADS": "1"}, check=True)


if __name__ == "__main__":
    main()
