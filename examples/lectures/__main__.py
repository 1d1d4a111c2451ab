"""All lectures, what was not made before: ``python -m examples.lectures [--quick] [--again]``."""

from __future__ import annotations

import argparse
import subprocess
import sys
from pathlib import Path

LECTURES = (
    *("steps", "gradients", "activities", "variants", "weather", "sentiment", "sequences", "memory", "language"),
    "comparison",
)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.lectures", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small networks and data; no page is made")
    parser.add_argument("--again", action="store_true", help="also what was made before")
    options = vars(parser.parse_args())
    flags = [f"--{name}" for name, given in options.items() if given]
    for name in LECTURES:
        done = subprocess.run([sys.executable, Path(__file__).with_name(f"{name}.py"), *flags], check=False)
        if done.returncode:
            return done.returncode
    return 0


if __name__ == "__main__":
    sys.exit(main())
