"""Pieces of C text: numbers, arrays, names, and the C functions that lie in ``c_parts``."""

from __future__ import annotations

import re
from functools import cache
from importlib import resources

import numpy as np

from pytrainr.export.of_model import NotExportableError, Scale

__all__ = ["array", "identifier", "number", "part", "scale_text"]

_C_WORDS = frozenset(
    (
        *("auto", "break", "case", "char", "const", "continue", "default", "do", "double", "else", "enum", "extern"),
        *("float", "for", "goto", "if", "inline", "int", "long", "main", "register", "restrict", "return", "short"),
        *(
            "signed",
            "sizeof",
            "static",
            "struct",
            "switch",
            "typedef",
            "union",
            "unsigned",
            "void",
            "volatile",
            "while",
        ),
    )
)


@cache
def part(name: str) -> str:
    """The text of ``c_parts/{name}.c``."""
    return (resources.files("pytrainr.export") / "c_parts" / f"{name}.c").read_text(encoding="utf-8")


def identifier(text: str) -> str:
    """``text`` as the name of something in C."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "network"
    return f"network_{name}" if name[0].isdigit() or name in _C_WORDS else name


def number(value: float) -> str:
    """The shortest decimal that is this very number."""
    if not np.isfinite(value):
        raise NotExportableError(f"a weight is {value}: the training diverged, and such a network computes nothing")
    return repr(float(value))


def array(name: str, values: np.ndarray, kind: str = "double") -> str:
    """A constant array; matrices row by row."""
    numbers = [number(value) for value in np.asarray(values, np.float64).reshape(-1)]
    lines, line = [], "   "
    for text in numbers:
        if len(line) + len(text) > 116:
            lines.append(line)
            line = "   "
        line += f" {text},"
    shape = ", ".join(map(str, np.shape(values)))
    body = "\n".join([*lines, line])
    return f"static const {kind} {name}[{len(numbers)}] = {{ /* ({shape}) */\n{body}\n}};\n"


def scale_text(side: str, scale: Scale | None) -> str:
    """The functions that bring raw numbers to the network's and back."""
    if side == "input":
        head, formula = (
            "static void normalise(double *to, const double *x)",
            "(x[k] - input_center[k]) / input_scale[k]",
        )
        plain, count = "x[k]", "INPUTS"
    else:
        head, formula = "static void raw(double *to, const real *y)", "y[k] * output_scale[k] + output_center[k]"
        plain, count = "y[k]", "OUTPUTS"
    arrays = ""
    if scale is not None:
        arrays = array(f"{side}_center", scale.center) + array(f"{side}_scale", scale.scale) + "\n"
        plain = formula
    return f"{arrays}{head}\n{{\n    for (int k = 0; k < {count}; k++) to[k] = {plain};\n}}\n"
