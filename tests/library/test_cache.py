"""Where compiled kernels are kept when the package lies in a place that cannot be written to."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import pytrainr

SCRIPT = """
import json, sys
from pytrainr import RRandom, groups
groups.draw_groups(RRandom(1), 10, 1)
stats, cache = groups._sort_groups.stats, groups._sort_groups._cache
print(json.dumps({
    "file": groups.__file__,
    "folder": cache.cache_path,
    "loaded": sum(stats.cache_hits.values()),
    "compiled": sum(stats.cache_misses.values()),
}))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package where no cache can be beside the sources, for root neither: a file has the folder's name."""
    place = tmp_path_factory.mktemp("site")
    source = Path(pytrainr.__file__).parent
    shutil.copytree(source, place / "pytrainr", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in [path for path in (place / "pytrainr").rglob("*") if path.is_dir()] + [place / "pytrainr"]:
        (folder / "__pycache__").touch()
    return place


def run(installed: Path, home: Path, **environment: str) -> dict[str, object]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("NUMBA_", "XDG_"))}
    clean |= {"PYTHONPATH": str(installed), "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=clean, cwd=installed, capture_output=True, text=True, check=True
    )
    said: dict[str, object] = json.loads(done.stdout)
    assert said["file"] == str(installed / "pytrainr" / "groups.py")
    return said


@pytest.mark.parametrize("place", ["home", "XDG_CACHE_HOME", "NUMBA_CACHE_DIR"])
def test_the_second_process_loads_what_the_first_compiled(installed: Path, tmp_path: Path, place: str) -> None:
    environment = {} if place == "home" else {place: str(tmp_path / "chosen")}
    expected = tmp_path / ".cache" if place == "home" else tmp_path / "chosen"
    first, second = (run(installed, tmp_path, **environment) for _ in range(2))
    assert (first["loaded"], first["compiled"]) == (0, 1)
    assert (second["loaded"], second["compiled"]) == (1, 0)
    assert first["folder"] == second["folder"]
    assert Path(str(first["folder"])).is_relative_to(expected)


def test_where_nothing_can_be_kept_it_works_and_leaves_nothing(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "home").touch()  # no folder, so that there can be none in it
    (tmp_path / "temporary").mkdir()
    said = run(installed, tmp_path / "home", TMPDIR=str(tmp_path / "temporary"))
    assert (said["loaded"], said["compiled"]) == (0, 1)
    assert Path(str(said["folder"])).is_relative_to(tmp_path / "temporary")
    assert list((tmp_path / "temporary").iterdir()) == []


def test_a_change_of_any_source_compiles_anew(installed: Path, tmp_path: Path) -> None:
    """Numba itself looks at the file of the outermost function alone."""
    run(installed, tmp_path)
    with (installed / "pytrainr" / "numerics" / "views.py").open("a") as file:
        file.write("# changed\n")
    assert run(installed, tmp_path)["compiled"] == 1
    assert run(installed, tmp_path)["loaded"] == 1
