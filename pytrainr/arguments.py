"""Every argument's check, and the error that teaches it."""

from __future__ import annotations

import difflib
import math
import numbers
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

__all__ = [
    "NotEnoughMemoryError",
    "as_samples",
    "check_extra",
    "check_memory",
    "check_shapes",
    "choice",
    "flag",
    "functions",
    "hidden_dims",
    "positive_integer",
    "rate",
]

_CHUNK = 1 << 22  # numbers looked at at a time: a memory map larger than memory is never read whole


class NotEnoughMemoryError(ValueError, MemoryError):
    """The arrays a call needs do not fit in this machine's memory."""


# arrays ---------------------------------------------------------------------------------------------------------------


def as_samples(value: Any, name: str) -> np.ndarray:
    """``value`` as (samples, time, variables), without a copy where it is a numeric array already.

    A 2-D array is (samples, time) of one variable, as in R. Raises ``TypeError`` for anything but numbers,
    ``ValueError`` for another number of dimensions, an empty dimension, NaN or infinity.
    """
    if value is None:
        raise TypeError(f"{name} is missing: it should be an array of (samples, time, variables)")
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise ValueError(
            f"{name} is ragged, its rows differ in length ({error}): every sample should have the same number of time "
            "steps and variables; pad the shorter ones"
        ) from None
    if array.dtype == object:
        raise TypeError(
            f"{name} should hold numbers, it holds Python objects such as {_first(array)!r}: "
            "are its rows of different length, or are there strings or missing values in it?"
        )
    if array.dtype.kind in "USaOMmVc":
        raise TypeError(f"{name} should hold numbers, it holds {array.dtype} such as {_first(array)!r}")
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3:
        hint = ""
        if array.ndim == 1:
            hint = (
                f": for one series of {array.size} steps use {name}.reshape(1, {array.size}, 1), for {array.size} "
                f"samples of one step {name}.reshape({array.size}, 1, 1); pytrainr.series cuts a series into windows"
            )
        raise ValueError(
            f"{name} should be (samples, time, variables), or (samples, time) for one variable; it has the shape "
            f"{array.shape}{hint}"
        )
    if array.size == 0:
        raise ValueError(f"{name} is empty, its shape is {array.shape}: every dimension should be at least 1")
    return array


def _first(array: np.ndarray) -> Any:
    return array.reshape(-1)[0] if array.size else None


def check_finite(array: np.ndarray, name: str) -> None:
    """Raise ``ValueError``, with the place, where ``array`` (samples, time, variables) has NaN or infinity."""
    if array.dtype.kind in "iub":
        return
    if array.size <= _CHUNK and np.count_nonzero(np.isfinite(array)) == array.size:
        return
    step = max(1, _CHUNK // max(1, array[0].size))
    for start in range(0, array.shape[0], step):
        finite = np.isfinite(array[start : start + step])
        if not finite.all():
            sample, time, variable = np.argwhere(~finite)[0]
            value = array[start + sample, time, variable]
            raise ValueError(
                f"{name}[{start + sample}, {time}, {variable}] is {value} (sample, time step, variable): {name} should "
                "hold finite numbers only; remove or fill the sample"
            )


def check_shapes(X: np.ndarray, Y: np.ndarray, seq_to_seq_unsync: bool) -> None:
    """Raise ``ValueError`` where X and Y do not belong together."""
    if X.shape[0] != Y.shape[0]:
        raise ValueError(
            f"X and Y should have the same number of samples (first dimension); X has {X.shape[0]}, Y has {Y.shape[0]}"
            f": X is {X.shape}, Y is {Y.shape}"
        )
    if not seq_to_seq_unsync and X.shape[1] != Y.shape[1]:
        raise ValueError(
            f"the time dimension of X is different from the time dimension of Y: X has {X.shape[1]} steps, Y has "
            f"{Y.shape[1]} (X is {X.shape}, Y is {Y.shape}); with seq_to_seq_unsync=True the output begins "
            "where the input ends"
        )


def check_memory(needed: float, what: str) -> None:
    """Raise :class:`NotEnoughMemoryError` where ``needed`` bytes are more than this machine has."""
    if needed < 1e6:
        return
    try:
        available = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return  # not known on this platform: an allocation says so then
    if needed > available:
        raise NotEnoughMemoryError(
            f"{what} needs {_bytes(needed)} of memory, this machine has {_bytes(available)}: "
            "use fewer samples, epochs or hidden units, or a smaller batch_size"
        )


def _bytes(n: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB", "TB"):
        if n < 1000 or unit == "TB":
            return f"{n:.3g} {unit}"
        n /= 1000
    return ""


# single values ------------------------------------------------------------------------------------------------------


def _number(value: Any, name: str, should: str) -> float:
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} should be {should}, it is {value!r} ({type(value).__name__})")
    return float(value)


def rate(value: Any, name: str, *, zero: bool = True) -> float:
    """A finite number of 0 or more (``zero=False``: more than 0)."""
    should = "a finite number, 0 or more" if zero else "a finite number greater than 0"
    number = _number(value, name, should)
    if not math.isfinite(number) or number < 0 or (number == 0 and not zero):
        raise ValueError(f"{name} should be {should}, it is {value!r}")
    return number


def positive_integer(value: Any, name: str) -> int:
    """A whole number of 1 or more."""
    should = "a whole number, 1 or more"
    number = _number(value, name, should)
    if not math.isfinite(number) or number != int(number) or number < 1:
        raise ValueError(f"{name} should be {should}, it is {value!r}")
    return int(number)


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise TypeError(f"{name} should be True or False, it is {value!r}")


def choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """One of the names ``allowed``."""
    if isinstance(value, str) and value in allowed:
        return value
    listed = ", ".join(repr(a) for a in allowed)
    error = ValueError if isinstance(value, str) else TypeError
    raise error(f"{name} should be one of {listed}, it is {value!r}{_suggestion(value, allowed)}")


def _suggestion(value: Any, allowed: Iterable[str]) -> str:
    close = difflib.get_close_matches(str(value), list(allowed), 1, 0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def hidden_dims(value: Any, name: str = "hidden_dim") -> tuple[int, ...]:
    """The numbers of hidden units: an integer, or one for each layer from the input up."""
    if isinstance(value, (str, bytes)):
        raise TypeError(f"{name} should be a whole number or a list of them, one a layer; it is {value!r}")
    values = np.atleast_1d(np.asarray(value, dtype=object)).tolist()
    if not values:
        raise ValueError(f"{name} should name at least one hidden layer, it is {value!r}")
    if len(values) == 1:
        return (positive_integer(values[0], name),)
    return tuple(positive_integer(dim, f"{name}[{layer}]") for layer, dim in enumerate(values))


def functions(value: Any, name: str) -> list[Callable]:
    """A list of callables; a single one is accepted bare."""
    listed = [value] if callable(value) else list(value) if isinstance(value, (list, tuple)) else None
    if value is None:
        listed = []
    if listed is None or not all(callable(function) for function in listed):
        raise TypeError(f"{name} should be a function of the model that returns it, or a list of such; it is {value!r}")
    return listed


# keyword arguments beyond R's own -----------------------------------------------------------------------------------


def check_extra(extra: Mapping[str, Any], known: Iterable[str], reserved: Iterable[str]) -> None:
    """Raise ``TypeError`` for a keyword that looks like a known one misspelt, or that would hide a field of the model.

    R keeps every further argument on the model, so a misspelt one trains silently with the default.
    """
    known = list(known)
    for name in extra:
        if name in reserved:
            raise TypeError(f"{name!r} is a field that training sets on the model, it cannot be an argument")
        normal = name.lower().replace(".", "_")
        by_case = [k for k in known if k.lower() == normal]
        close = by_case or difflib.get_close_matches(normal, known, 1, 0.8)
        if close and close[0] != name:
            raise TypeError(
                f"unknown argument {name!r}: did you mean {close[0]!r}? "
                "(an argument of your own, kept on the model, needs a name less like it)"
            )
