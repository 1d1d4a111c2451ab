"""What all tests rely on."""

from __future__ import annotations

import signal

# `nohup make test &`, cron and the like leave these ignored, and ignored signals are inherited by every process that a
# test starts: then no Ctrl-C of a test would arrive.
for _name in ("SIGINT", "SIGHUP"):
    if (_number := getattr(signal, _name, None)) is not None and signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, signal.default_int_handler if _name == "SIGINT" else signal.SIG_DFL)
