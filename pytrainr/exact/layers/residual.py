"""A residual connection: what a layer is to add to its input (He et al. 2016)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytrainr.exact.layers.dense import Dense
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit
from pytrainr.exact.layers.structure import added, forked

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Residual"]


@dataclass(frozen=True)
class Residual(Layer):
    """y = x + layer(x), or where the layer gives another width y = x P + c + layer(x), with a projection P like a
    convolution of one tap (Bai et al. 2018). The layer keeps the number of steps."""

    layer: Layer

    @property
    def pointwise(self) -> bool:  # type: ignore[override]
        return self.layer.pointwise

    def looks_ahead(self) -> str | None:
        return self.layer.looks_ahead()

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        given, width = self.layer.output_shape(steps, width)
        if given != steps:
            raise LayerDoesNotFit(f"its layer makes {given} steps of {steps}, which cannot be added to what it reads")
        return steps, width

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        past, through = forked(plan, x, path)
        y = self.layer.lay(plan, through, (*path, "layer"))
        if y.width != x.width:
            past = Dense(y.width).lay(plan, past, (*path, "projection"))
        return added(plan, y, past, path)
