"""Runs what failed in the last run of pytest again, alone and thrice: `python -m tests.again`.

Of some 3,400 tests on a machine that is busy with other work, one may fail by what ran beside it. Such a test is to be
mended, and is told as FLAKY, but it does not hold up whoever's change was tested. More than MOST failures, or one
that fails again, are a fault of the change.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

MOST = 3
ROUNDS = 3


def main() -> int:
    recorded = Path(__file__).parents[1] / ".pytest_cache/v/cache/lastfailed"
    failed = sorted(json.loads(recorded.read_text())) if recorded.exists() else []
    if not 1 <= len(failed) <= MOST:
        print(f"{len(failed)} tests are recorded as failed: not looked at again")
        return 1
    for _ in range(ROUNDS):
        code = subprocess.run([sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *failed]).returncode
        if code != 0:
            return code
    print("".join(f"FLAKY: {test} failed before, and passed {ROUNDS} times alone\n" for test in failed))
    return 0


if __name__ == "__main__":
    sys.exit(main())
