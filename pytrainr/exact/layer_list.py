"""A network given as a list of layers, ``trainr(exact=True, layers=[…])``: names, weights, whether they fit."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from pytrainr.argument_errors import ArgumentError, Code, Place, Setting, wrong_type, wrong_value
from pytrainr.exact.activations import LINEAR, number_of
from pytrainr.exact.cells.echo_state import EchoState
from pytrainr.exact.initial import draw, operations
from pytrainr.exact.layers.dense import Dense
from pytrainr.exact.layers.embedding import Embedding
from pytrainr.exact.layers.last_steps import LastSteps
from pytrainr.exact.layers.layer import Layer, LayerDoesNotFit, Weight
from pytrainr.exact.losses import LOSSES, Loss
from pytrainr.exact.plan import Path, Planned, laid_out, weights_of
from pytrainr.parameters import Block, Flat, Layout
from pytrainr.r_random import RRandom

__all__ = ["LayerList", "described", "layers_from", "named", "parameter_count", "snake_case", "summary_of", "table_of"]


_NOT_DECAYED = ("bias", "gamma", "beta", "initial")
_MOST_LAYERS, _DEEPEST = 1000, 7
"""Of a list, those within others counted as well; and how many may lie in one another: the network's plan is made in
Python, layer by layer, and a model's messages nest no deeper."""


def snake_case(kind: str) -> str:
    """Keras's name of a layer of this class: ``simple_rnn``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])", "_", kind).lower()


def named(layers: Sequence[object]) -> list[str]:
    """Keras's names: the class in snake case, numbered from the second of a kind on (``gru``, ``gru_1``)."""
    seen: Counter[str] = Counter()
    names = []
    for layer in layers:
        name = snake_case(type(layer).__name__)
        names.append(f"{name}_{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


@dataclass(frozen=True)
class LayerList:
    """The network, for sequences of ``steps`` time steps of ``input_dim`` variables."""

    layers: tuple[Layer, ...]
    input_dim: int
    steps: int
    loss: str = "squared"
    huber_width: float = 1.0
    blank: int = 0
    padded: bool = False
    dtype: str = "float64"

    def for_steps(self, steps: int) -> LayerList:
        """The same network for sequences of another length; raises ``ValueError`` where a layer can take no other."""
        if steps == self.steps:
            return self
        other = replace(self, steps=steps)
        other.shapes()
        for (path, layer, weight), (_, _, needed) in zip(self._weights, other._weights, strict=True):
            if weight.shape != needed.shape:
                raise wrong_value(
                    "X",
                    f"{{place}} has {steps} time steps, it should have {self.steps} as in training: the weights of "
                    f"layer {int(path[0]) + 1} ({type(layer).__name__}) are as many as these need",
                )
        return other

    def shapes(self) -> list[tuple[int, int]]:
        """(steps, width) of what goes in, and of what comes out of each layer.

        Raises ``ValueError`` that names two layers that do not fit each other, with their shapes.
        """
        shapes = [(self.steps, self.input_dim)]
        for number, layer in enumerate(self.layers):
            try:
                shapes.append(layer.output_shape(*shapes[-1]))
            except LayerDoesNotFit as error:
                raise self._unfitting(number, shapes[-1], error) from None
        return shapes

    def _unfitting(self, number: int, shape: tuple[int, int], error: LayerDoesNotFit) -> ArgumentError:
        names = named(self.layers)
        below = f"layer {number} ({names[number - 1]})" if number else "the input"
        return wrong_value(
            "layers",
            f"{{place}}: layer {number + 1} ({names[number]}) does not fit {below}, which gives {shape[0]} steps "
            f"of {shape[1]} variables: {error}",
        )

    def check(self) -> None:
        """Raise ``ValueError`` that names the layer that cannot stand where it does, or take sequences of different
        length."""
        shapes = self.shapes()
        how: dict[str, Any] = {"padded": self.padded, "training": True}
        try:
            laid_out(self.layers, self.steps, self.input_dim, **how)
        except LayerDoesNotFit:
            for number in range(len(self.layers)):  # the shortest beginning of the list that does not fit
                try:
                    laid_out(self.layers[: number + 1], self.steps, self.input_dim, **how)
                except LayerDoesNotFit as error:
                    raise self._unfitting(number, shapes[number], error) from None
            raise
        if any(isinstance(layer, EchoState) for _, layer, _ in self._weights) and not self.fits_readout:
            raise wrong_value(
                "layers",
                "{place}: the weights of an EchoState are fixed, only a linear Dense after it is fitted, by ridge "
                "regression: the list should be {such}, more than one EchoState with {sequences} before the last, and "
                "LastSteps before the Dense if you want",
                such=Code("[EchoState(…), Dense(…)]", "list(echo_state(...), dense(...))"),
                sequences=Setting("return_sequences", True),
            )

    @cached_property
    def fits_readout(self) -> bool:
        """Whether training is one direct solution for the last layer: where it reads echo states."""
        last, below = self.layers[-1], [layer for layer in self.layers[:-1] if not isinstance(layer, LastSteps)]
        fixed = bool(below) and all(isinstance(layer, EchoState) and not _draws_masks(layer) for layer in below)
        return fixed and isinstance(last, Dense) and number_of(last.activation) == LINEAR

    @cached_property
    def tokens(self) -> int | None:
        """How many tokens there are, where X is tokens."""
        rows = laid_out(self.layers, self.steps, self.input_dim).rows
        return min((row.layer.input_dim for row in rows if isinstance(row.layer, Embedding)), default=None)

    @property
    def output_steps(self) -> int:
        return self.shapes()[-1][0]

    @property
    def output_dim(self) -> int:
        return self.shapes()[-1][1]

    @cached_property
    def _weights(self) -> list[tuple[Path, Planned, Weight]]:
        return list(weights_of(self.layers, self.steps, self.input_dim))

    @cached_property
    def layout(self) -> Layout:
        """Weights by the layer's name, in the layer's order: ``model.gru_weights[0]`` is its kernel."""
        names, seen, blocks = named(self.layers), Counter[str](), []
        for path, _, weight in self._weights:
            name = f"{names[int(path[0])]}_weights"
            rows, columns = weight.shape if len(weight.shape) == 2 else (0, *weight.shape)
            blocks.append(Block(name, seen[name], rows, columns))
            seen[name] += 1
        return Layout(blocks)

    @cached_property
    def places(self) -> dict[tuple[Path, str], int]:
        """Where each layer's weights lie in the flat vector."""
        return {
            (path, weight.name): block.offset
            for (path, _, weight), block in zip(self._weights, self.layout, strict=True)
        }

    @property
    def loss_layer(self) -> Loss:
        """The loss."""
        options: dict[str, dict[str, Any]] = {"huber": {"width": self.huber_width}, "ctc": {"blank": self.blank}}
        return LOSSES[self.loss](**options.get(self.loss, {}))

    @property
    def draws_masks(self) -> bool:
        """Whether a layer, or one inside it, draws dropout masks."""
        return any(map(_draws_masks, self.layers))

    def initial_weights(self, rng: RRandom) -> Flat:
        """Every layer's initial weights, in order."""
        flat = self.layout.zeros()
        for (_, _, weight), block in zip(self._weights, self.layout, strict=True):
            block.view(flat)[...] = draw(weight, rng)
        return flat

    def drawing_operations(self) -> float:
        """About how many floating point operations drawing them takes, beyond the numbers themselves."""
        return sum(operations(weight) for _, _, weight in self._weights)

    def biases(self) -> list[Block]:
        """What L2 leaves out."""
        return [
            block
            for (_, _, weight), block in zip(self._weights, self.layout, strict=True)
            if any(name in weight.name for name in _NOT_DECAYED)
        ]


def layers_from(described: Any) -> tuple[Layer, ...]:
    """Layers from what a caller gave, or a model kept: layers, or their descriptions. Everything is checked.

    Raises ``ArgumentError`` that names the layer.
    """
    if not isinstance(described, (list, tuple)) or not described:
        such = Code("[GRU(32), Dense(1)]", "list(gru(32), dense(1))")
        raise wrong_type(
            "layers", "{place} should be a list of layers such as {such}, it is {value}", such=such, value=described
        )
    _check_bounds(described)
    return tuple(_layer_from(layer, f"layer {number}: ") for number, layer in enumerate(described, 1))


def _check_bounds(described: Any) -> None:
    """Raise ``ValueError`` for more layers, or deeper ones, than can be; goes no deeper itself."""
    count, within = 0, [(layer, 1) for layer in described]
    while within:
        layer, depth = within.pop()
        count += 1
        if count > _MOST_LAYERS:
            raise wrong_value(
                "layers", f"{{place}} should be {_MOST_LAYERS:,} at most, those within others counted as well"
            )
        if depth > _DEEPEST:
            raise wrong_value("layers", f"{{place}} may lie in one another to a depth of {_DEEPEST}, these lie deeper")
        within += [(inner, depth + 1) for inner in _layers_within(layer)]


def _layers_within(described: Any) -> list[Any]:
    """The layers, or their descriptions, among the options of one."""
    if isinstance(described, Layer):
        options = [getattr(described, field.name) for field in fields(described)]
    else:
        options = list(described.values()) if isinstance(described, dict) else []
    flat = [each for value in options for each in (value if isinstance(value, (list, tuple)) else [value])]
    return [each for each in flat if isinstance(each, (dict, Layer))]


def _layer_from(described: Any, place: str) -> Any:
    """The layer of a description; ``place`` begins the message where it cannot be."""
    from pytrainr.layers import LAYERS

    if not isinstance(described, dict):
        if not isinstance(described, Layer):
            raise wrong_type(
                "layers", f"{{place}} should hold layers such as GRU(32), {place}{{value}}", value=described
            )
        return described
    options = dict(described)
    kind = options.pop("kind", None)
    if not isinstance(kind, str) or kind not in LAYERS:
        known = ", ".join(LAYERS)
        raise wrong_value("layers", f"{{place}}, {place}there is no {{kind}}; there are {known}", kind=kind)
    known_options = [field.name for field in fields(LAYERS[kind])]
    unknown = sorted(set(options) - set(known_options))
    if unknown:
        has = f"it has {', '.join(known_options)}" if known_options else "it has none"
        raise wrong_type("layers", f"{{place}}, {place}{kind} has no option {{name}}; {has}", name=unknown[0])
    for field in fields(LAYERS[kind]):
        if field.name in options and "int" in str(field.type):
            options[field.name] = _whole(options[field.name])
    for name, value in options.items():
        if isinstance(value, dict):
            options[name] = _layer_from(value, f"{place}{kind}: ")
        elif isinstance(value, (list, tuple)) and any(isinstance(each, (dict, Layer)) for each in value):
            options[name] = tuple(_layer_from(each, f"{place}{kind}: ") for each in value)
    try:
        return LAYERS[kind](**options)
    except ArgumentError as error:
        raise type(error)("layers", (), (Place("layers"), f", {place}", *error.parts)) from None
    except TypeError as error:  # of Python: an option is missing
        raise wrong_type("layers", f"{{place}}, {place}{kind} {str(error).split(' ', 1)[-1]}") from None


def _whole(value: Any) -> Any:
    """Whole numbers as such, which R often has as doubles."""
    if isinstance(value, (list, tuple)):
        return tuple(map(_whole, value))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _draws_masks(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return any(map(_draws_masks, value))
    if not is_dataclass(value):
        return False
    return any(
        (field.name in ("dropout", "recurrent_dropout", "rate") and bool(getattr(value, field.name)))
        or _draws_masks(getattr(value, field.name))
        for field in fields(value)
    )


def described(layer: Any) -> Any:
    """A layer as plain values: its class and the options that are not the default; what a model keeps and sends."""
    if isinstance(layer, (list, tuple)):
        return [described(each) for each in layer]
    if not isinstance(layer, Layer):
        return layer
    options = {
        field.name: described(getattr(layer, field.name))
        for field in fields(layer)
        if getattr(layer, field.name) != field.default
    }
    return {"kind": type(layer).__name__, **options}


def table_of(network: Any) -> list[tuple[str, str, str]]:
    """A head and a row for each layer: its name, what it gives, how many parameters it has."""
    names = named(network.layers)
    shape = network.steps, network.input_dim
    counts: Counter[int] = Counter()
    for path, _, weight in weights_of(network.layers, *shape):
        counts[int(path[0])] += int(np.prod(weight.shape))
    lines = [("Layer (type)", "Output Shape", "Param #")]
    for number, layer in enumerate(network.layers):
        shape = layer.output_shape(*shape)
        lines.append(
            (f"{names[number]} ({type(layer).__name__})", f"(None, {shape[0]}, {shape[1]})", f"{counts[number]:,}")
        )
    return lines


def parameter_count(network: Any) -> int:
    """How many numbers the network has; training learns them, but for those of an echo state."""
    weights = weights_of(network.layers, network.steps, network.input_dim)
    return sum(int(np.prod(weight.shape)) for _, _, weight in weights)


def summary_of(network: Any) -> str:
    """Keras's table: layer, output shape, parameters."""
    lines = table_of(network)
    widths = [max(len(line[k]) for line in lines) for k in range(3)]
    rows = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in lines]
    rule = "─" * (sum(widths) + 4)
    total = f"Total params: {parameter_count(network):,}"
    return "\n".join(['Model: "sequential"', rule, rows[0], rule, *rows[1:], rule, total])
