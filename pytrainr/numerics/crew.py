"""Several threads in one kernel: each runs all of it, takes its share, and meets the others where it needs theirs.

A meeting costs a fraction of a microsecond where handing work to a pool and back costs fifty.
"""

from __future__ import annotations

import os
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from pytrainr.numerics.jit import intrinsic, strict_part

__all__ = ["Crew", "agreed", "break_up", "meet", "meeting"]

_ARRIVED, _MEETINGS, _ANSWER, _BROKEN = 0, 8, 16, 24  # a cache line apart
_PATIENCE = 2000  # looks before the processor is left to others


class Crew(NamedTuple):
    """One thread of several: its ``number`` (from 0), how many there ``are``, and the :func:`meeting` of all."""

    number: int
    are: int
    meeting: np.ndarray


def meeting() -> np.ndarray:
    """What a crew shares to meet: arrivals, meetings so far, the answer that all agree on, whether it broke up."""
    return np.zeros(32, dtype=np.int64)


def break_up(meeting: np.ndarray) -> None:
    """One of the crew failed: the others wait for nobody any more, and stop where they next ask for an agreement."""
    meeting[_BROKEN] = 1


def _pointer(context: Any, builder: Any, kind: Any, array: Any, place: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [place])


@intrinsic
def _look(typing: Any, memory: types.Array, place: Any) -> Any:
    """``memory[place]``, and with it all that was written before it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load_atomic(_pointer(context, builder, memory, *arguments), ordering="acquire", align=8)

    return types.int64(memory, types.int64), generate


@intrinsic
def _write(typing: Any, memory: types.Array, place: Any, value: Any) -> Any:
    """``memory[place] = value``, after all that was written before."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        at = _pointer(context, builder, memory, *arguments[:2])
        builder.store_atomic(arguments[2], at, ordering="release", align=8)
        return context.get_dummy_value()

    return types.void(memory, types.int64, types.int64), generate


@intrinsic
def _count(typing: Any, memory: types.Array, place: Any) -> Any:
    """Add 1 to ``memory[place]``; what it was."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        one = ir.Constant(ir.IntType(64), 1)
        return builder.atomic_rmw("add", _pointer(context, builder, memory, *arguments), one, ordering="acq_rel")

    return types.int64(memory, types.int64), generate


@intrinsic
def _let_others_run(typing: Any) -> Any:
    """Give the processor away for a moment, where the system has a call for it."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        if os.name == "posix":
            function_type = ir.FunctionType(ir.IntType(32), [])
            builder.call(cgutils.get_or_insert_function(builder.module, function_type, "sched_yield"), [])
        return context.get_dummy_value()

    return types.void(), generate


@strict_part
def meet(crew):
    """Wait until all of the crew are here, or it breaks up."""
    if crew.are > 1:
        meetings = _look(crew.meeting, _MEETINGS)
        if _count(crew.meeting, _ARRIVED) == crew.are - 1:
            _write(crew.meeting, _ARRIVED, 0)
            _count(crew.meeting, _MEETINGS)
        else:
            looks = 0
            while _look(crew.meeting, _MEETINGS) == meetings and _look(crew.meeting, _BROKEN) == 0:
                looks += 1
                if looks > _PATIENCE:
                    _let_others_run()


@strict_part
def agreed(crew, answer):
    """The ``answer`` (true or false) of the crew's first, for all; true, which means to stop, if the crew broke up."""
    if crew.are == 1:
        return answer
    if crew.number == 0:
        _write(crew.meeting, _ANSWER, 1 if answer else 0)
    meet(crew)
    result = _look(crew.meeting, _ANSWER) == 1
    meet(crew)  # nobody asks the next question before all have heard this answer
    return result or _look(crew.meeting, _BROKEN) != 0
