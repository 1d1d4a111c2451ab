"""The tests themselves, where `nohup make test &` or cron runs them: with SIGINT and SIGHUP ignored."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="this system has no shell with trap")
def test_ctrl_c_is_heard_by_the_tests_and_what_they_start_although_the_runner_ignores_it(tmp_path):
    test = tmp_path / "test_signals.py"
    test.write_text(
        "import signal, subprocess, sys\n"
        "def test_here_and_in_a_child():\n"
        "    show = 'import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, '\n"
        "    show += 'signal.getsignal(signal.SIGHUP) is signal.SIG_DFL)'\n"
        "    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler\n"
        "    assert subprocess.check_output([sys.executable, '-c', show], text=True) == 'True True\\n'\n",
        encoding="utf-8",
    )
    pytest_of_tests = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-p", "no:cacheprovider", test]
    ignoring = ["sh", "-c", 'trap "" INT HUP; exec "$@"', "sh"]
    run = subprocess.run([*ignoring, *pytest_of_tests], cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout
