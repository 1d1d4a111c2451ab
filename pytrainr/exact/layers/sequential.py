"""Several layers as one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytrainr.argument_errors import wrong_type
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit, needs_whole

if TYPE_CHECKING:
    from pytrainr.exact.plan import Path, Planner, Stream

__all__ = ["Sequential"]


@dataclass(frozen=True)
class Sequential(Layer):
    """``layers`` one after another, as one layer: for containers that take one, such as ``Residual``."""

    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.layers, (list, tuple)) or not self.layers:
            should = "Sequential: layers should be a list of layers such as [Dense(8), Dropout(0.1)], it is {value}"
            raise wrong_type("layers", should, value=self.layers)
        for layer in self.layers:
            if not isinstance(layer, Layer):
                raise wrong_type("layers", "Sequential: layers should be layers, {value} is none", value=layer)
        object.__setattr__(self, "layers", tuple(self.layers))

    @property
    def pointwise(self) -> bool:  # type: ignore[override]
        return all(layer.pointwise for layer in self.layers)

    def looks_ahead(self) -> str | None:
        return needs_whole(self.layers)

    def shortens(self) -> bool:
        return any(layer.shortens() for layer in self.layers)

    def output_shape(self, steps: int, width: int) -> tuple[int, int]:
        for number, layer in enumerate(self.layers):
            with _named(number, layer, steps, width):
                steps, width = layer.output_shape(steps, width)
        return steps, width

    def lay(self, plan: Planner, x: Stream, path: Path) -> Stream:
        for number, layer in enumerate(self.layers):
            with _named(number, layer, x.steps, x.width):
                x = layer.lay(plan, x, (*path, number))
        return x


@contextmanager
def _named(number: int, layer: Layer, steps: int, width: int) -> Iterator[None]:
    """Where the layer does not fit, the error says which it is."""
    try:
        yield
    except LayerDoesNotFit as error:
        kind = type(layer).__name__
        raise LayerDoesNotFit(
            f"its layer {number + 1}, {kind}, is given {steps} steps of {width} variables: {error}"
        ) from None
