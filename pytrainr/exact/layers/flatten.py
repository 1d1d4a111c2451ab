"""All steps of a sequence side by side."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit
from pytrainr.exact.layers.pyramid import Pyramid

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Flatten"]


@dataclass(frozen=True)
class Flatten(Layer):
    """y = [x_1, x_2, …, x_T], one step of T times as many variables; sequences should be whole."""

    causal: ClassVar[bool] = False

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        return 1, steps * width

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        if x.present is not None:
            raise LayerDoesNotFit("it needs whole sequences, without a mask: which steps are missing it cannot tell")
        return Pyramid(x.steps).lay(plan, x, path)
