"""The command line: ``pytrainr demo | train | predict | export | crosscheck | doctor | warmup``."""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from pytrainr.cli.export import add_export
from pytrainr.cli.files import check_folder
from pytrainr.cli.predict import add_predict
from pytrainr.cli.train import add_train

__all__ = ["main"]

DELEGATED = {
    "crosscheck": (
        "pytrainr.interop.crosscheck",
        "replay what R's trainr did, recorded in files, and compare bit by bit",
    ),
    "doctor": ("pytrainr.doctor", "what this machine is, whether all works on it, and what to do where it does not"),
    "warmup": ("pytrainr.warmup", "compile every kernel now, so that no later run waits for it"),
}

OVERVIEW = """\
R's rnn package (trainr, predictr) on the command line. Three steps:

  pytrainr demo                                    see it work: binary sums, the lecture's Activity 9.1, a real series
  pytrainr train sums.csv --y c --x a,b --sample id --time bit --learningrate 1 --numepochs 10 --out sums.model
  pytrainr predict sums.model new.csv --out sums_predicted.csv

A network learns arrays of samples x time x variables. A CSV file holds the same with a row per sample and time:

  id,bit,a,b,c          --sample id   which rows belong together: one sequence
  1,1,1,0,1             --time bit    the order of the rows in it
  1,2,1,1,0             --x a,b       what the network sees at each time
  2,1,0,1,1             --y c         what it is to answer at each time
  ...

A single long series (one row per time, no samples) is cut into windows instead: --lookback 24 shows the network 24
rows, and it learns the next one. Numbers are then scaled by themselves, and back in predict.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the result is the exit status."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in DELEGATED:
        return int(importlib.import_module(DELEGATED[given[0]][0]).main(given[1:]) or 0)
    options = command_parser().parse_args(given)
    try:
        options.run(options)
    except (ValueError, TypeError, OSError, ImportError) as problem:
        print(f"pytrainr {options.command}: {problem}", file=sys.stderr)
        return 1
    return 0


def command_parser() -> argparse.ArgumentParser:
    """The parser of all commands; each one's options are described where it is carried out."""
    form = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser("pytrainr", description=OVERVIEW, formatter_class=form, allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run the three examples of the README", allow_abbrev=False)
    demo.add_argument("--out", type=Path, default=Path("demo"), metavar="FOLDER", help="where plots go (default: demo)")
    demo.set_defaults(run=_demo)

    add_train(commands)
    add_predict(commands)
    add_export(commands)
    for name, (_, text) in DELEGATED.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _demo(options: argparse.Namespace) -> None:
    from pytrainr.demo import run_demo

    check_folder("--out", options.out)
    run_demo(options.out)
