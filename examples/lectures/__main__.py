"""All lectures, what was not made before: ``python -m examples.lectures [--quick] [--again]``.

As many side by side as there are processors, each on one thread.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from pytrainr.threads import thread_count

ALONE = ("memory", "sequences", "weather", "sentiment", "variants", "gradients", "activities", "steps")
LECTURES = (("language", "comparison"), *((name,) for name in ALONE))
"""Those that take longest first; one after the other what stands together: the second has rows of the first."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.lectures", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="small networks and data; no page is made")
    parser.add_argument("--again", action="store_true", help="also what was made before")
    options = vars(parser.parse_args())
    flags = [f"--{name}" for name, given in options.items() if given]
    started = time.perf_counter()

    def make(names: tuple[str, ...]) -> int:
        environment = os.environ | {"PYTRAINR_THREADS": "1"}
        scripts = (Path(__file__).with_name(f"{name}.py") for name in names)
        runs = (subprocess.run([sys.executable, script, *flags], env=environment, check=False) for script in scripts)
        return next((run.returncode for run in runs if run.returncode), 0)

    with ThreadPoolExecutor(thread_count()) as side_by_side:
        for made in as_completed([side_by_side.submit(make, names) for names in LECTURES]):
            if made.result():
                side_by_side.shutdown(wait=False, cancel_futures=True)  # what has begun is kept when it ends
                return made.result()
    print(f"all lectures: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
