"""``pytrainr export``: from a model file to a network that runs without pytrainr."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytrainr.cli.files import check_outputs

__all__ = ["add_export"]

DESCRIPTION = """\
Write a trained network for use without pytrainr.

  pytrainr export c adder.model --out adder.c          one C99 file: functions to step, predict and reset
  cc -std=c99 -O2 -ffp-contract=off -DPYTRAINR_MAIN adder.c -lm -o adder
  ./adder < X.csv                                      a row of inputs for each time, an empty line between sequences
  pytrainr export onnx lstm.model --out lstm.onnx      a graph for ONNX Runtime and others: X in, Y out
"""


def add_export(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Describe the command and its options."""
    form = argparse.RawDescriptionHelpFormatter
    export = commands.add_parser(
        "export", help="write a model as C or ONNX", description=DESCRIPTION, formatter_class=form, allow_abbrev=False
    )
    export.add_argument("format", choices=list(_WRITERS), help="c: one file of C99; onnx: a graph")
    export.add_argument("model", type=Path, metavar="MODEL", help="a file that train wrote")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="the file to write")
    export.add_argument("--name", help="c: what its functions' names begin with (default: the file's name)")
    export.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> None:
    import pytrainr

    check_outputs({"--out": options.out}, [options.model])
    _WRITERS[options.format](pytrainr.Model.load(options.model), options)


_WRITERS = {
    "c": lambda model, options: model.to_c(options.out, name=options.name),
    "onnx": lambda model, options: model.to_onnx(options.out),
}
