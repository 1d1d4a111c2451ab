"""A layer over both directions of time, side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytrainr.exact.layers.layer import Layer, check_range
from pytrainr.exact.layers.recurrent import Recurrent
from pytrainr.exact.layers.structure import Reverse, added, forked, joined

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Bidirectional"]


@dataclass(frozen=True)
class Bidirectional(Layer):
    """``layer`` forwards, and one like it with weights of its own backwards; ``merge_mode`` "concat" or "sum".

    Without ``return_sequences`` each direction gives the state that it ends in.
    """

    layer: Recurrent
    merge_mode: str = "concat"

    causal: ClassVar[bool] = False

    def check(self) -> None:
        check_range(self, "merge_mode", self.merge_mode in ("concat", "sum"), "should be 'concat' or 'sum'")

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        steps, width = self.layer.output_shape(steps, width)
        return steps, width * (2 if self.merge_mode == "concat" else 1)

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        there, back = forked(plan, x, path)
        a = self.layer.lay(plan, there, (*path, "forward"))
        b = self.layer.lay(plan, Reverse().lay(plan, back, path), (*path, "backward"))
        if self.layer.return_sequences:
            b = Reverse().lay(plan, b, path)
        return (joined if self.merge_mode == "concat" else added)(plan, a, b, path)
