"""What is wrong with an argument, said in parts that each caller's language puts into its own words.

A message such as ``X[4, 1, 0] is nan: X should hold finite numbers only`` is text with terms in it: places, values,
settings. Python's words for a term are its ``str``; a server passes the parts on, and R counts from 1 and says ``NaN``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from string import Formatter
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = [
    "ArgumentError",
    "ArgumentTypeError",
    "ArgumentValueError",
    "Code",
    "Part",
    "Place",
    "Setting",
    "Value",
    "reshaped",
    "shown",
    "wrong_type",
    "wrong_value",
]

_LONGEST_LIST = 6
_LONGEST_TEXT = 80


@dataclass(frozen=True)
class Place:
    """An argument, or an entry of it: ``X[4, 1, 0]``, counted from 0; ``of`` is the argument that it is part of."""

    name: str
    index: tuple[int, ...] = ()
    of: str = ""

    @property
    def argument(self) -> str:
        """The argument's name."""
        return self.of or self.name

    def __str__(self) -> str:
        place = self.name + (f"[{', '.join(map(str, self.index))}]" if self.index else "")
        return f"{place} of {self.of}" if self.of else place


@dataclass(frozen=True)
class Value:
    """A value as source code has it: ``True``, ``'lstm'``, ``(5, 4, 2)``."""

    value: Any

    def __str__(self) -> str:
        return repr(self.value)


@dataclass(frozen=True)
class Setting:
    """An argument with its value: ``use_bias=True``."""

    name: str
    value: Any

    def __str__(self) -> str:
        return f"{self.name}={self.value!r}"


@dataclass(frozen=True)
class Code:
    """What to write, in each language: ``set_seed(1)``, in R ``set.seed(1)``."""

    python: str
    r: str

    def __str__(self) -> str:
        return self.python


def reshaped(name: str, *shape: int) -> Code:
    """The code that gives an array another shape."""
    dimensions = ", ".join(map(str, shape))
    return Code(f"{name}.reshape({dimensions})", f"array({name}, c({dimensions}))")


Part = str | Place | Value | Setting | Code


class ArgumentError(Exception):
    """An argument that cannot be what it should: an :class:`ArgumentTypeError` or an :class:`ArgumentValueError`.

    ``argument`` is its name; ``index`` the entry that is wrong, counted from 0, or (); ``parts`` the message, which
    ``str`` puts into Python's words.
    """

    def __init__(self, argument: str, index: tuple[int, ...], parts: tuple[Part, ...]) -> None:
        super().__init__(argument, index, parts)
        self.argument, self.index, self.parts = argument, index, parts

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    def followed_by(self, template: str, /, **terms: Any) -> Self:
        """The same error with more to say."""
        return type(self)(self.argument, self.index, self.parts + tuple(_parts(template, terms)))

    def moved(self, samples: int) -> Self:
        """The same error where the array begins at another sample of the caller's."""
        if not self.index:
            return self
        index = (self.index[0] + samples, *self.index[1:])
        parts = (replace(p, index=index) if isinstance(p, Place) and p.index else p for p in self.parts)
        return type(self)(self.argument, index, tuple(parts))


class ArgumentTypeError(ArgumentError, TypeError):
    """An argument of a kind that it cannot have."""


class ArgumentValueError(ArgumentError, ValueError):
    """An argument of the right kind with a value that it cannot have."""


def wrong_type(place: Place | str, template: str, /, **terms: Any) -> ArgumentTypeError:
    """The error for an argument of a wrong kind.

    ``template`` has terms in braces: ``{place}`` and ``{name}``, which is the place without its index, and those given
    by name: a :class:`Place`, a :class:`Setting` or :class:`Code`, and for anything else what :func:`shown` makes
    of it.
    """
    return _wrong(ArgumentTypeError, place, template, terms)


def wrong_value(place: Place | str, template: str, /, **terms: Any) -> ArgumentValueError:
    """The error for an argument of a wrong value; see :func:`wrong_type`."""
    return _wrong(ArgumentValueError, place, template, terms)


def _wrong(kind: Callable[..., Any], place: Place | str, template: str, terms: Mapping[str, Any]) -> Any:
    if isinstance(place, str):
        place = Place(place)
    named = {"place": place, "name": Place(place.name, of=place.of), **terms}
    return kind(place.argument, place.index, tuple(_parts(template, named)))


def _parts(template: str, terms: Mapping[str, Any]) -> Iterator[Part]:
    for text, name, _, _ in Formatter().parse(template):
        if text:
            yield text
        if name is not None:
            term = terms[name]
            yield from [term] if isinstance(term, (Place, Setting, Code)) else shown(term)


def shown(value: Any) -> list[Part]:
    """A value for a message: itself where it is short, else what it is. No message has lines of numbers in it."""
    if isinstance(value, Value):
        return [value]
    if isinstance(value, np.ndarray) and value.ndim < 2 and value.dtype.kind in "biuf":
        value = value.tolist()
    if _is_plain(value):
        return [Value(_plain(value))]
    if type(value) in (list, tuple) and len(value) <= _LONGEST_LIST and all(map(_is_plain, value)):
        return [Value(type(value)(map(_plain, value)))]
    if isinstance(getattr(value, "shape", None), tuple):
        return ["an array of the shape ", Value(tuple(int(n) for n in value.shape))]
    if isinstance(value, (list, tuple)):
        return [f"a {type(value).__name__} of {len(value)} entries"]
    if callable(value):
        return [f"the function {getattr(value, '__name__', type(value).__name__)}"]
    return [f"of the type {type(value).__name__}"]


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str, np.bool_, np.integer, np.floating))


def _plain(value: Any) -> Any:
    """A single value as one of Python's own, cut where it is long."""
    if isinstance(value, np.bool_):
        return bool(value)
    if isinstance(value, np.floating):
        return float(value)
    if isinstance(value, np.integer):
        value = int(value)
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        return value[:_LONGEST_TEXT] + "…"
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return math.inf if value > 0 else -math.inf
    return value
