"""Starts pytrainr-server for R: python start.py ENDED ARGUMENTS; the file ENDED appears when the server has ended."""

import os
import runpy
import sys

if __name__ == "__main__":
    ended = sys.argv.pop(1)
    if hasattr(os, "setsid"):
        os.setsid()  # Ctrl-C is for R
    try:
        runpy.run_module("pytrainr_server", run_name="__main__", alter_sys=True)
    finally:
        with open(ended, "w"):
            pass
