"""The losses: one file each, with the value for one sample at one time step and its gradient by the output.

A loss is a file with ``value(y, target, width)``, ``gradient(d, y, target, width)``, in ``TARGETS`` what a target can
be ("any" number, a "share" from 0 to 1, or rows of "probabilities") and, where one output activation cancels against it
so that the gradient before the activation is y − target, that activation's name in ``CANONICAL``. A new loss is a file
like these and one line in ``LOSSES``. Losses are summed over the group, as R does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import ModuleType

from numba.extending import overload, register_jitable

from pytrainr.exact.losses import absolute, binary_crossentropy, categorical_crossentropy, huber, squared

__all__ = ["LOSSES", "loss_gradient", "loss_value"]

LOSSES: dict[str, ModuleType] = {
    "squared": squared,
    "absolute": absolute,
    "huber": huber,
    "binary_crossentropy": binary_crossentropy,
    "categorical_crossentropy": categorical_crossentropy,
}
"""The losses by name; compiled code knows each by its place."""


def loss_value(number, y, target, width):
    """The loss of one sample at one time step by the loss's place in ``LOSSES``; compiled code only."""


def loss_gradient(number, d, y, target, width):
    """``d`` = the gradient of that loss by y; compiled code only."""


@overload(loss_value)
def _value(number, y, target, width):
    return _chosen_value([module.value for module in LOSSES.values()])


@overload(loss_gradient)
def _gradient(number, d, y, target, width):
    return _chosen_gradient([module.gradient for module in LOSSES.values()])


# The loss is chosen at run time, so that it does not multiply the compilations: if 0 the first, else among the rest.


def _chosen_value(functions: Sequence[Callable]) -> Callable:
    first, *others = functions
    if not others:
        return lambda number, y, target, width: first(y, target, width)
    rest = register_jitable(_chosen_value(others))

    def choose(number, y, target, width):
        if number == 0:
            return first(y, target, width)
        return rest(number - 1, y, target, width)

    return choose


def _chosen_gradient(functions: Sequence[Callable]) -> Callable:
    first, *others = functions
    if not others:
        return lambda number, d, y, target, width: first(d, y, target, width)
    rest = register_jitable(_chosen_gradient(others))

    def choose(number, d, y, target, width):
        if number == 0:
            first(d, y, target, width)
        else:
            rest(number - 1, d, y, target, width)

    return choose
