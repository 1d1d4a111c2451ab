"""A layer at every step by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytrainr.exact.layers.layer import Layer, check_range

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["TimeDistributed"]


@dataclass(frozen=True)
class TimeDistributed(Layer):
    """y_t = layer(x_t), the same weights at every step: for layers of vectors, which do so here anyway."""

    layer: Layer

    pointwise: ClassVar[bool] = True

    def check(self) -> None:
        known = "should treat a step by itself, as Dense, Activation, Dropout and LayerNormalization do"
        check_range(self, "layer", self.layer.pointwise, known)

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return self.layer.output_shape(steps, width)

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        return self.layer.lay(plan, x, (*path, "layer"))
