"""The tree of modules: no import circles, and each package only on those below it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = {
    "pytrainr": ROOT,
    "trainr": ROOT / "proto" / "python",
    "pytrainr_client": ROOT / "client" / "python",
    "pytrainr_server": ROOT / "server",
}
MAY_IMPORT = {
    "pytrainr": {"pytrainr"},
    "trainr": {"trainr", "pytrainr"},
    "pytrainr_client": {"pytrainr_client", "trainr", "pytrainr"},
    "pytrainr_server": {"pytrainr_server", "trainr", "pytrainr"},
}


def modules(package: str, folder: Path) -> dict[str, Path]:
    """Every module of a package by its name."""
    found = {}
    for path in (folder / package).rglob("*.py"):
        parts = path.relative_to(folder).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


MODULES = {name: path for package, folder in PACKAGES.items() for name, path in modules(package, folder).items()}


def imported(name: str, source: str, is_package: bool, known: set[str] | dict[str, Path]) -> set[str]:
    """The known modules that one imports: at its top, inside functions, or for its annotations alone."""

    def names() -> Iterator[str]:
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                above = name.split(".")[: len(name.split(".")) - node.level + is_package] if node.level else []
                module = ".".join([*above, *([node.module] if node.module else [])])
                for alias in node.names:
                    yield f"{module}.{alias.name}" if f"{module}.{alias.name}" in known else module

    return {found for found in names() if found in known} - {name}


GRAPH = {
    name: imported(name, path.read_text(encoding="utf-8"), path.name == "__init__.py", MODULES)
    for name, path in MODULES.items()
}


def test_no_import_circles() -> None:
    """Issue 12.1: whoever reads a module finds what it stands on below it, never above."""
    try:
        list(TopologicalSorter(GRAPH).static_order())
    except CycleError as error:
        pytest.fail("an import circle: " + " ← ".join(error.args[1]))


def test_packages_import_only_what_is_below_them() -> None:
    """The numerics know neither server nor client; these share pytrainr and the stubs, and nothing else."""
    for name, needed in GRAPH.items():
        package = name.partition(".")[0]
        strangers = {other for other in needed if other.partition(".")[0] not in MAY_IMPORT[package]}
        assert not strangers, f"{name} imports {strangers}"


def test_every_way_to_import_is_seen() -> None:
    """The test of the test: imports at the top, relative, in a function, for annotations, of a name or a module."""
    known = {"a", "a.b", "a.c", "a.d", "a.e", "a.f"}
    source = "import a.b\nfrom a import c\nfrom .d import x\nif TYPE_CHECKING:\n    from . import e\n"
    assert imported("a.g", source + "def f():\n    from a.f import y\n", False, known) == known - {"a"}
    assert imported("a", "from . import b\nfrom .c import d", True, known) == {"a.b", "a.c"}
