"""Generates the Python stubs in proto/python from the .proto files, or checks that the committed ones are current.

Usage: python proto/generate.py [--check]
"""

from __future__ import annotations

import filecmp
import shutil
import sys
import tempfile
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

HERE = Path(__file__).resolve().parent
STUBS = HERE / "python" / "trainr" / "v1"
SOURCES = sorted(path.relative_to(HERE).as_posix() for path in HERE.glob("trainr/**/*.proto"))
HEADER = '"""The messages and services of trainr.v1, generated from proto/trainr by `make proto`."""\n'


def generate(into: Path) -> None:
    """Write the package `trainr.v1` into the directory `into`."""
    arguments = ["protoc", f"-I{HERE}", f"-I{files('grpc_tools') / '_proto'}"]
    arguments += [f"--python_out={into}", f"--pyi_out={into}", f"--grpc_python_out={into}", *SOURCES]
    if protoc.main(arguments) != 0:
        raise SystemExit("protoc could not compile the .proto files (its messages are above).")
    (into / "trainr" / "v1" / "__init__.py").write_text(HEADER, encoding="utf-8")


def differences(one: Path, other: Path) -> list[str]:
    """Names of the files that are not the same in both directories."""
    names = {path.relative_to(root) for root in (one, other) for path in root.rglob("*") if path.is_file()}
    names = {name for name in names if "__pycache__" not in name.parts}
    same = [name for name in names if (one / name).is_file() and (other / name).is_file()]
    equal = {name for name in same if filecmp.cmp(one / name, other / name, shallow=False)}
    return sorted(str(name) for name in names - equal)


def main(arguments: list[str]) -> None:
    """Generate, or with --check compare."""
    with tempfile.TemporaryDirectory() as directory:
        generate(Path(directory))
        fresh = Path(directory) / "trainr" / "v1"
        if arguments == ["--check"]:
            if stale := differences(fresh, STUBS):
                raise SystemExit(f"The stubs are not those of the .proto files; run `make proto`. Stale: {stale}")
        elif arguments:
            raise SystemExit(__doc__)
        else:
            shutil.rmtree(STUBS, ignore_errors=True)
            shutil.copytree(fresh, STUBS)


if __name__ == "__main__":
    main(sys.argv[1:])
