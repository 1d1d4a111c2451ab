"""What the long runs have in common: which code they were of, and a report that holds the run of every seed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["report", "revision"]


def revision() -> str:
    """The commit that is checked out, with ``-dirty`` where files differ from it; empty outside a clone."""
    command = ["git", "-C", str(Path(__file__).parent), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""


def report(run: Mapping[str, Any], file: Path) -> None:
    """Put the run of a seed beside those of other seeds."""
    runs = json.loads(file.read_text()) if file.exists() else []
    runs = [other for other in runs if other["seed"] != run["seed"]] + [run]
    file.write_text(json.dumps(sorted(runs, key=lambda run: run["seed"]), indent=2) + "\n")
