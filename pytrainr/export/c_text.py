"""Pieces of C text: numbers, arrays, names, and the C functions that lie in ``c_parts``."""

from __future__ import annotations

import re
from collections.abc import Collection
from functools import cache
from importlib import resources

import numpy as np

from pytrainr.export.of_model import NotExportableError, Scale

__all__ = ["array", "identifier", "number", "part", "scale_text", "words_of"]

_LANGUAGE = """
auto break case char const continue default do double else enum extern float for goto if inline int long main
register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
"""
_HEADERS = """
EOF FILE NULL abort abs acos acosh asin asinh atan atan2 atanh atof atoi atol bsearch calloc cbrt ceil
clearerr copysign cos cosh div div_t erf erfc exit exp exp2 expm1 fabs fclose fdim feof ferror fflush fgetc
fgets floor fma fmax fmin fmod fopen fpos_t fprintf fputc fputs fread free freopen frexp fscanf fseek ftell
fwrite getc getchar getenv gets hypot ilogb isfinite isinf isnan isnormal labs ldexp ldiv lgamma llabs log
log10 log1p log2 logb lrint lround malloc memchr memcmp memcpy memmove memset modf nan nearbyint perror pow
printf putc putchar puts qsort rand realloc remainder remove remquo rename rewind rint round scalbln scalbn
scanf setbuf setvbuf signbit sin sinh size_t snprintf sprintf sqrt srand sscanf stderr stdin stdout strcat
strchr strcmp strcoll strcpy strcspn strerror strlen strncat strncmp strncpy strpbrk strrchr strspn strstr
strtod strtof strtok strtol strtoul strxfrm system tan tanh tgamma tmpfile tmpnam trunc ungetc va_list
vfprintf vprintf vsprintf wchar_t
"""
_C_WORDS = frozenset((_LANGUAGE + _HEADERS).split())
"""What nothing of ours can be called: C's own words, and names of the headers that a file includes."""


@cache
def part(name: str) -> str:
    """The text of ``c_parts/{name}.c``."""
    return (resources.files("pytrainr.export") / "c_parts" / f"{name}.c").read_text(encoding="utf-8")


def identifier(text: str, taken: Collection[str] = ()) -> str:
    """``text`` as the name of something in C, where names are ``taken``."""
    name = re.sub(r"\W+", "_", text, flags=re.ASCII).strip("_") or "network"
    return f"network_{name}" if name[0].isdigit() or name in _C_WORDS or name in taken else name


def words_of(source: str) -> frozenset[str]:
    """The words in a text of C but for its comments and strings."""
    return frozenset(re.findall(r"\w+", re.sub(r'/\*.*?\*/|"(\\.|[^"\\])*"', " ", source, flags=re.DOTALL)))


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
