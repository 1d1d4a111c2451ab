"""Every argument's check, and the error that teaches it."""

from __future__ import annotations

import difflib
import math
import numbers
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from pytrainr.argument_errors import ArgumentValueError, Place, Setting, Value, reshaped, wrong_type, wrong_value
from pytrainr.option_names import foreign_name, normal_name
from pytrainr.r_list import RList

__all__ = [
    "as_samples",
    "check_dimensions",
    "check_exact_only",
    "check_extra",
    "check_finite",
    "check_shapes",
    "check_variables",
    "choice",
    "entry",
    "first_entry",
    "flag",
    "function",
    "functions",
    "hidden_dims",
    "natural",
    "number",
    "positive_integer",
    "rate",
    "too_few_samples",
    "too_large_batch",
    "trained",
    "unmasked",
]

_CHUNK = 1 << 22  # numbers looked at at a time: a memory map larger than memory is never read whole
_LARGEST = 2**31 - 1  # of R's integers


# arrays ---------------------------------------------------------------------------------------------------------------


def unmasked(value: Any) -> Any:
    """``value`` with NaN, a missing value, in place of every masked entry.

    Readers of netCDF and others return masked arrays; NumPy's own conversion takes what happens to lie under the mask.
    """
    if isinstance(value, (list, tuple)):
        nested = any(isinstance(item, (list, tuple, np.ma.MaskedArray)) for item in value)
        return [unmasked(item) for item in value] if nested else value
    if not isinstance(value, np.ma.MaskedArray):
        return value
    if not np.ma.is_masked(value) or value.dtype.kind not in "fiub":
        return value.data
    return np.ma.filled(value.astype(value.dtype if value.dtype.kind == "f" else np.float64), np.nan)


def as_samples(value: Any, name: Place | str) -> np.ndarray:
    """``value`` as (samples, time, variables), without a copy where it is a numeric array already.

    A 2-D array is (samples, time) of one variable, as in R; a masked entry is a missing value, NaN. Raises
    ``TypeError`` for anything but numbers, ``ValueError`` for another number of dimensions or an empty one.
    """
    if value is None:
        raise wrong_type(name, "{place} is missing: it should be an array of (samples, time, variables)")
    try:
        array = np.asarray(unmasked(value))
    except ValueError:
        raise wrong_value(
            name,
            "{place} is ragged, its rows differ in length: every sample should have the same number of time steps and "
            "variables; pad the shorter ones",
        ) from None
    if array.dtype == object:
        raise wrong_type(
            name,
            "{place} should hold numbers, it holds Python objects such as {first}: are its rows of different length, "
            "or are there strings or missing values in it?",
            first=_first(array),
        )
    if array.dtype.kind in "USaOMmVc":
        raise wrong_type(
            name, f"{{place}} should hold numbers, it holds {array.dtype} such as {{first}}", first=_first(array)
        )
    if array.ndim == 2:
        array = array[:, :, np.newaxis]
    if array.ndim != 3:
        raise _dimensions_error(array, name)
    if array.size == 0:
        raise wrong_value(
            name, "{place} is empty, its shape is {shape}: every dimension should be at least 1", shape=array.shape
        )
    return array


def _dimensions_error(array: np.ndarray, name: Place | str) -> ArgumentValueError:
    error = wrong_value(
        name,
        "{place} should be (samples, time, variables), or (samples, time) for one variable; it has the shape {shape}",
        shape=array.shape,
    )
    if array.ndim != 1:
        return error
    short = name if isinstance(name, str) else name.name
    return error.followed_by(
        f": for one series of {array.size} steps use {{series}}, for {array.size} samples of one step {{samples}}; "
        "pytrainr.series cuts a series into windows",
        series=reshaped(short, 1, array.size, 1),
        samples=reshaped(short, array.size, 1, 1),
    )


def _first(array: np.ndarray) -> Any:
    return array.reshape(-1)[0] if array.size else None


def check_finite(array: np.ndarray, name: Place | str) -> None:
    """Raise ``ValueError``, with the place, where ``array`` (samples, time, variables) has NaN or infinity."""
    if array.dtype.kind in "iub":
        return
    if array.size <= _CHUNK and np.count_nonzero(np.isfinite(array)) == array.size:
        return
    wrong = first_entry(array, lambda part: ~np.isfinite(part))
    if wrong:
        raise wrong_value(
            entry(name, *wrong),
            "{place} is {value} (sample, time step, variable): {name} should hold finite numbers only; remove or fill "
            "the sample",
            value=array[wrong],
        )


def first_entry(array: np.ndarray, wrong: Callable[[np.ndarray], np.ndarray]) -> tuple[int, ...]:
    """The index of the first entry that ``wrong`` marks, or (): some samples at a time, for X may exceed memory."""
    step = max(1, _CHUNK // max(1, array[0].size))
    for start in range(0, array.shape[0], step):
        marked = wrong(array[start : start + step])
        if marked.any():
            sample, *rest = (int(n) for n in np.argwhere(marked)[0])
            return (start + sample, *rest)
    return ()


def entry(name: Place | str, *index: int) -> Place:
    """An entry of an argument, counted from 0."""
    place = Place(name) if isinstance(name, str) else name
    return Place(place.name, index, place.of)


def check_shapes(X: np.ndarray, Y: np.ndarray, seq_to_seq_unsync: bool) -> None:
    """Raise ``ValueError`` where X and Y do not belong together."""
    shapes = {"x": X.shape, "y": Y.shape}
    if X.shape[0] != Y.shape[0]:
        raise wrong_value(
            "X",
            f"X and Y should have the same number of samples (first dimension); X has {X.shape[0]}, Y has {Y.shape[0]}"
            ": X is {x}, Y is {y}",
            **shapes,
        )
    if not seq_to_seq_unsync and X.shape[1] != Y.shape[1]:
        raise wrong_value(
            "X",
            f"the time dimension of X is different from the time dimension of Y: X has {X.shape[1]} steps, Y has "
            f"{Y.shape[1]} (X is {{x}}, Y is {{y}}); with {{unsync}} the output begins where the input ends",
            unsync=Setting("seq_to_seq_unsync", True),
            **shapes,
        )


def check_variables(X: np.ndarray, variables: int) -> None:
    """Raise ``ValueError`` where X has another number of variables than in training."""
    if X.shape[2] != variables:
        raise wrong_value(
            "X",
            f"{{place}} should have {variables} variables (last dimension) as in training, it has {X.shape[2]}: its "
            "shape is {shape}",
            shape=X.shape,
        )


def check_dimensions(*dimensions: tuple[str, str, np.ndarray, int, int]) -> None:
    """Raise ``ValueError`` for the first array that has not as many as it had in the first training.

    Each is its name, what is counted ("variables"), the array, how many it has and how many it should have.
    """
    for name, what, array, have, need in dimensions:
        if have != need:
            raise wrong_value(
                name,
                f"{{place}} should have {need} {what} as in the first training, it has {have}: its shape is {{shape}}",
                shape=array.shape,
            )


def too_large_batch(samples: int, batch_size: float) -> ArgumentValueError:
    """The error for a ``batch_size`` that leaves no group."""
    return wrong_value(
        "batch_size",
        f"{{place}} should be smaller than twice the number of samples: round({samples} / {batch_size:g}) = 0 groups; "
        "for one group of all samples use {whole}",
        whole=Setting("batch_size", samples),
    )


def too_few_samples(samples: int, batch_size: float) -> ArgumentValueError:
    """The error for samples too few for the model's ``batch_size``."""
    return wrong_value(
        "X",
        f"{{place}} has {samples} samples, too few for the model's batch_size of {batch_size:g}: it should have more "
        "than half of that",
    )


# single values ------------------------------------------------------------------------------------------------------


def number(value: Any, name: Place | str, should: str) -> float:
    """A number of any of Python's or NumPy's types, also as an array of one."""
    if isinstance(value, np.ndarray) and value.size == 1:
        value = value.item()
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise wrong_type(name, f"{{place}} should be {should}, it is {{value}}", value=value)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf  # type: ignore[operator]  # a Real compares with 0


def rate(value: Any, name: Place | str, *, zero: bool = True) -> float:
    """A finite number of 0 or more (``zero=False``: more than 0)."""
    should = "a finite number, 0 or more" if zero else "a finite number greater than 0"
    return _within(value, name, should, lambda n: n > 0 or (zero and n == 0))


def natural(value: Any, name: Place | str, *, least: int = 0) -> int:
    """A whole number of ``least`` or more, as large as R's integers at most."""
    n = _within(value, name, f"a whole number, {least} or more", lambda n: n == int(n) and n >= least)
    if n > _LARGEST:
        raise wrong_value(name, f"{{place}} should be at most {_LARGEST}, it is {{value}}", value=value)
    return int(n)


def positive_integer(value: Any, name: Place | str) -> int:
    """A whole number of 1 or more, as large as R's integers at most."""
    return natural(value, name, least=1)


def _within(value: Any, name: Place | str, should: str, right: Callable[[float], bool]) -> float:
    """``value`` as a number, finite and ``right``."""
    n = number(value, name, should)
    if not math.isfinite(n) or not right(n):
        raise wrong_value(name, f"{{place}} should be {should}, it is {{value}}", value=value)
    return n


def flag(value: Any, name: str) -> bool:
    """True or False."""
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise wrong_type(name, "{place} should be {yes} or {no}, it is {value}", yes=True, no=False, value=value)


def choice(value: Any, name: str, allowed: Sequence[str]) -> str:
    """One of the names ``allowed``."""
    if isinstance(value, str) and value in allowed:
        return value
    listed = ", ".join(f"{{allowed{k}}}" for k in range(len(allowed)))
    terms = {f"allowed{k}": word for k, word in enumerate(allowed)}
    wrong = wrong_value if isinstance(value, str) else wrong_type
    error = wrong(name, f"{{place}} should be one of {listed}, it is {{value}}", value=value, **terms)
    close = difflib.get_close_matches(value, allowed, 1, 0.6) if isinstance(value, str) else []
    raise error.followed_by("; did you mean {close}?", close=close[0]) if close else error


def hidden_dims(value: Any, name: str = "hidden_dim") -> tuple[int, ...]:
    """The numbers of hidden units: an integer, or one for each layer from the input up."""
    values = list(value) if isinstance(value, (list, tuple, range)) else value
    if isinstance(value, np.ndarray):
        values = value.reshape(-1).tolist() if value.ndim < 2 else None
    if isinstance(value, (str, bytes)) or values is None or isinstance(values, Mapping):
        raise wrong_type(
            name, "{place} should be a whole number or a list of them, one a layer; it is {value}", value=value
        )
    if not isinstance(values, list):
        return (positive_integer(values, name),)
    if not values:
        raise wrong_value(name, "{place} should name at least one hidden layer, it is {value}", value=value)
    if len(values) == 1:
        return (positive_integer(values[0], name),)
    return tuple(positive_integer(dim, entry(name, layer)) for layer, dim in enumerate(values))


def trained(value: Any, name: str) -> RList:
    """What ``trainr`` returned."""
    if isinstance(value, RList):
        return value
    raise wrong_type(name, "{place} should be what trainr returned (a pytrainr.Model), it is {value}", value=value)


def function(value: Any, name: str) -> Callable:
    """A callable."""
    if callable(value):
        return value
    raise wrong_type(name, "{place} should be a function of the model that returns it, it is {value}", value=value)


def functions(value: Any, name: str) -> list[Callable]:
    """A list of callables; a single one is accepted bare."""
    listed = [value] if callable(value) else list(value) if isinstance(value, (list, tuple)) else None
    if value is None:
        listed = []
    if listed is None or not all(map(callable, listed)):
        raise wrong_type(
            name,
            "{place} should be a function of the model that returns it, or a list of such; it is {value}",
            value=value,
        )
    return listed


# keyword arguments beyond R's own -----------------------------------------------------------------------------------


def check_extra(
    extra: Mapping[str, Any], known: Iterable[str], reserved: Iterable[str] = (), call: str = "trainr"
) -> None:
    """Raise ``TypeError`` for a keyword of ``call`` that its user does not mean as one of their own.

    R keeps every further argument on the model, so one that is misspelt, or that only other calls or other libraries
    have, trains silently without. One that would hide a field of the model cannot be either.
    """
    known = list(known)
    for name in extra:
        if name in known:
            continue
        if name in reserved:
            raise wrong_type(
                name, "{given} is a field that training sets on the model, it cannot be an argument", given=Value(name)
            )
        by_case = [k for k in known if k.lower() == normal_name(name)]
        foreign = None if by_case else foreign_name(name, call)
        if foreign:
            raise foreign
        close = by_case or difflib.get_close_matches(normal_name(name), known, 1, 0.8)
        if close:
            raise wrong_type(
                name,
                "unknown argument {given}: did you mean {close}? (an argument of your own, kept on the model, needs a "
                "name less like it)",
                given=Value(name),
                close=close[0],
            )


def check_exact_only(extra: Mapping[str, Any], exact_only: Iterable[str]) -> None:
    """Raise ``TypeError`` for a keyword that comes with ``exact=True`` alone."""
    for name in extra:
        for option in exact_only:
            if normal_name(name) == option:
                exact = Setting("exact", True)
                raise wrong_type(
                    name,
                    "{given} has no effect in R's arithmetic: it comes with {exact}",
                    given=Value(name),
                    exact=exact,
                )
