"""Layers that read a window of steps at a time: how many windows a sequence has, where they begin, which have an entry.

With a mask a window counts as the sequence by itself would have it, for sequences that end early: "valid" ones have an
entry where their last step has one, the others where the step that they stand for has.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from pytrainr.exact.layers.layer import LayerDoesNotFit
from pytrainr.numerics.elementwise import copy
from pytrainr.numerics.jit import fast_part

if TYPE_CHECKING:
    from pytrainr.exact.plan import Planner, Stream

__all__ = ["SlidingWindow", "pass_presence"]


class SlidingWindow(NamedTuple):
    """Windows of ``span`` steps, a new one every ``strides``; ``padding`` is "valid", "same" or "causal"."""

    span: int
    strides: int
    padding: str

    def count(self, steps: int) -> int:
        """How many there are of so many steps; raises :class:`LayerDoesNotFit` where there is none."""
        if self.padding != "valid":
            return -(-steps // self.strides)
        if steps < self.span:
            raise LayerDoesNotFit(f"it reads {self.span} steps at a time, unless padding lets it read beyond the ends")
        return (steps - self.span) // self.strides + 1

    def before(self, steps: int) -> int:
        """How many steps before the sequence the first one begins."""
        if self.padding == "valid":
            return 0
        if self.padding == "causal":
            return self.span - 1
        return max(0, (self.count(steps) - 1) * self.strides + self.span - steps) // 2

    @property
    def entry(self) -> int:
        """How far after ``strides`` times its number the step lies that says whether a window has an entry."""
        return self.span - 1 if self.padding == "valid" else 0

    def stream(self, plan: Planner, x: Stream, width: int) -> Stream:
        """What comes out of a layer that makes ``width`` variables of each window of ``x``."""
        steps, present = self.count(x.steps), x.present
        if present is not None:
            if self.padding == "same" and self.strides > 1:
                raise LayerDoesNotFit(
                    "where padding='same' begins with strides depends on a sequence's length, so it takes no mask; "
                    "other paddings do"
                )
            present = present + self.entry if self.strides == 1 else plan.take(steps)
        y = plan.stream(steps, width, x, present=present)
        return replace(y, resampled=x.resampled or steps != x.steps)


@fast_part
def pass_presence(layer, tape):
    """Which windows have an entry; ``layer`` has ``strides`` and ``entry``. Without strides they lie there already."""
    if layer.strides > 1:
        for t in range(tape.y_present.shape[0]):
            copy(tape.y_present[t], tape.present[t * layer.strides + layer.entry])
