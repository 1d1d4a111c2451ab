"""What a layer is. Each is one small file: its options, its sizes, and its equations forward and backward.

A layer is a frozen dataclass of its options, with Keras's names and defaults, that says

    output_shape(steps, width)   what comes out for an incoming (steps, width)
    weights(steps, width)        the weights it has
    memory(steps, width)         the arrays it needs beside x, d_x, y and d_y, by their names in ``Tape``
    numbers()                    its options as compiled code reads them, by their names in ``Options``
    kernels                      the compiled functions; see ``exact/kernels.py``

A container, or a layer that is several in turn, lays out the rows itself (``lay``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np

from pytrainr.argument_errors import Code, wrong_type, wrong_value
from pytrainr.exact.activations import ACTIVATIONS, known_as
from pytrainr.exact.initial import Weight
from pytrainr.exact.kernels import Kernels
from pytrainr.exact.plan import LayerDoesNotFit, Part, Path, Planner, Stream

__all__ = ["Layer", "LayerDoesNotFit", "Part", "Weight", "check_activation", "check_range", "needs_whole"]


@dataclass(frozen=True)
class Layer:
    """A layer that keeps the number of steps and the width, and has no weights, unless it says otherwise."""

    kernels: ClassVar[Kernels] = None  # type: ignore[assignment]  # a container has none of its own
    causal: ClassVar[bool] = True
    """Whether it gives one step for each, that depends on no later one: so that it can go step by step."""
    pointwise: ClassVar[bool] = False
    """Whether it treats every step by itself."""
    stateful: ClassVar[bool] = True
    """Whether what it gives depends on how many steps it reads."""

    def __post_init__(self) -> None:
        """Check the options: first their types, then what the layer itself asks for."""
        for field in fields(self):
            _check_type(type(self).__name__, field.name, str(field.type), getattr(self, field.name))
        self.check()

    def check(self) -> None:
        """Raise ``ValueError`` where an option is impossible."""

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        """What comes out; raises :class:`LayerDoesNotFit` where the layer can make nothing of what comes in."""
        return steps, width

    def weights(self, steps: int, width: int) -> tuple[Weight, ...]:
        """The weights."""
        return ()

    def memory(self, steps: int, width: int) -> dict[str, tuple[int, ...]]:
        """Sizes, without the samples, of the arrays of its own."""
        return {}

    def numbers(self) -> dict[str, float]:
        """Options as compiled code reads them."""
        return {}

    def shown(self, steps: int) -> dict[str, Part]:
        """What ``layer_states`` shows of it, where so many steps come in."""
        return {}

    def shown_gates(self) -> dict[str, Part]:
        """What ``gates`` shows of it."""
        return {}

    def looks_ahead(self) -> str | None:
        """The layer, here or inside a container, that needs later steps, by name; None where it goes step by step."""
        return None if self.causal else type(self).__name__

    def shortens(self) -> bool:
        """Whether it gives the last steps alone of those it reads."""
        return False

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        """Add the layer's row, or rows, to the plan; gives back what comes out."""
        return plan.row(self, x, path)


def needs_whole(layers: Sequence[Layer]) -> str | None:
    """The first layer, by name, for which a list of layers needs the whole sequence; None where it goes step by step.

    That is one that looks ahead, or one with a state that reads the last steps of another alone: step by step it would
    read all of them.
    """
    below = None
    for layer in layers:
        if ahead := layer.looks_ahead():
            return ahead
        if below and not layer.pointwise and layer.stateful:
            return f"{type(layer).__name__} above {below}, of which it reads the last steps alone,"
        if layer.shortens():
            below = type(layer).__name__
    return None


_KINDS: dict[str, tuple[tuple[type, ...], str | Code]] = {
    "int": ((int, np.integer), "a whole number"),
    "float": ((int, float, np.integer, np.floating), "a number"),
    "bool": ((bool, np.bool_), Code("True or False", "TRUE or FALSE")),
    "str": ((str,), "a text"),
    "Layer": ((Layer,), "a layer"),
}


def _check_type(layer: str, name: str, kind: str, value: Any) -> None:
    """Raise ``TypeError`` where an option is of another kind than its annotation says."""
    if kind.endswith(" | None"):
        if value is None:
            return
        kind = kind.removesuffix(" | None")
    article = "an" if kind[0] in "AEIOU" else "a"
    named = f"{article} {kind.lower()} layer"
    known, should = _KINDS.get(kind, ((Layer,), named) if kind[:1].isupper() else ((object,), ""))
    right = isinstance(value, known) and not (isinstance(value, bool) and kind in ("int", "float"))
    if right and kind[:1].isupper():  # the class of a layer; those that may be within another are known by name
        right = kind in (base.__name__ for base in type(value).__mro__)
    if not right:
        text = "{should}" if isinstance(should, Code) else should
        raise wrong_type("layers", f"{layer}: {name} should be {text}, it is {{value}}", should=should, value=value)


def check_range(layer: Layer, name: str, right: bool, should: str) -> None:
    """Raise ``ValueError`` that names the layer and its option."""
    if not right:
        value = getattr(layer, name)
        raise wrong_value("layers", f"{type(layer).__name__}: {name} {should}, not {{value}}", value=value)


def check_activation(layer: Layer, name: str, among: tuple[str, ...] = ACTIVATIONS) -> None:
    """Raise ``ValueError`` where an option is no activation."""
    known = ", ".join(map(repr, among))
    check_range(layer, name, known_as(getattr(layer, name)) in among, f"should be one of {known}")
