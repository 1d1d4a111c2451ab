"""The shorthand: today's arguments of ``trainr(exact=True)`` as a list of layers, and R's names for their weights.

``network_type``, ``hidden_dim``, ``bidirectional``, ``pyramid``, ``attention`` and the others say what
``Shorthand.layers`` is; every option has its check here.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any, ClassVar

from pytrainr.argument_errors import Setting, wrong_value
from pytrainr.arguments import choice
from pytrainr.exact.activations import HIDDEN
from pytrainr.exact.cells.echo_state import EchoState
from pytrainr.exact.cells.elman import SimpleRNN
from pytrainr.exact.cells.gru import GRU
from pytrainr.exact.cells.jordan import Jordan
from pytrainr.exact.cells.lstm import LSTM
from pytrainr.exact.initial import drawing_operations, initial_weights
from pytrainr.exact.layers.bidirectional import Bidirectional
from pytrainr.exact.layers.decoder import Decoder
from pytrainr.exact.layers.dense import Dense
from pytrainr.exact.layers.dropout import SpatialDropout1D
from pytrainr.exact.layers.last_steps import LastSteps
from pytrainr.exact.layers.layer import Layer
from pytrainr.exact.layers.pyramid import Pyramid
from pytrainr.exact.layers.recurrent import Recurrent
from pytrainr.exact.losses import LOSSES, Loss
from pytrainr.exact.losses.huber import Huber
from pytrainr.exact.plan import Path, weights_of
from pytrainr.parameters import Block, Flat, Layout
from pytrainr.r_random import RRandom

__all__ = [
    *("INITS", "NETWORK_TYPES", "OUTPUTS", "SENSIBLE_LOSS", "SIGMOIDS"),
    *("Shorthand", "check_loss", "check_needs_no_layers"),
]

NETWORK_TYPES: dict[str, type[Recurrent]] = {
    "rnn": SimpleRNN,
    "jordan": Jordan,
    "gru": GRU,
    "lstm": LSTM,
    "esn": EchoState,
}
"""The recurrent layers by ``network_type``."""

SIGMOIDS = HIDDEN
OUTPUTS = ("logistic", "linear", "tanh", "softmax")

INITS = ("uniform", "glorot", "orthogonal")

SENSIBLE_LOSS = {"logistic": "squared", "linear": "squared", "tanh": "squared", "softmax": "categorical_crossentropy"}
_PROBABILITIES = ("binary_crossentropy", "categorical_crossentropy", "sparse_categorical_crossentropy")


@dataclass(frozen=True)
class Shorthand:
    """The shape of an exact network.

    ``steps`` is the time dimension of X, ``output_steps`` that of Y: the outputs are the last ``output_steps`` steps
    of the
    top sequence (all of it: many-to-many; one: many-to-one). The other fields are arguments of ``trainr(exact=True)``.
    """

    network_type: str
    input_dim: int
    hidden_dim: tuple[int, ...]
    output_dim: int
    steps: int
    output_steps: int
    hidden_activation: str = "logistic"
    use_bias: bool = False
    peephole: bool = False
    proj_size: int = 0
    bidirectional: bool = False
    pyramid: int = 1
    attention: bool = False
    output: str | None = None
    loss: str | None = None
    huber_width: float = 1.0
    dropout: float = 0.0
    recurrent_dropout: float = 0.0
    padded: bool = False
    init: str = "uniform"
    forget_bias: float | None = None
    leak: float = 1.0
    spectral_radius: float = 0.9
    density: float = 0.1
    ridge: float = 1e-6
    dtype: str = "float64"

    tokens: ClassVar[int | None] = None
    """X is numbers."""

    def __post_init__(self) -> None:
        if self.output is None:
            object.__setattr__(self, "output", "linear" if self.network_type == "esn" else "logistic")
        choice(self.network_type, "network_type", tuple(NETWORK_TYPES))
        choice(self.output, "output", OUTPUTS)
        if self.loss is None:
            object.__setattr__(self, "loss", SENSIBLE_LOSS[str(self.output)])
        choice(self.loss, "loss", tuple(LOSSES))
        check_needs_no_layers(self.loss)
        choice(self.hidden_activation, "hidden_activation", SIGMOIDS)
        choice(self.init, "init", INITS)
        choice(self.dtype, "dtype", ("float64", "float32"))
        check_loss(str(self.loss), str(self.output))
        if self.output == "softmax" and self.output_dim == 1:
            raise wrong_value(
                "output",
                "{softmax} over one output variable is always 1: give Y one variable per class (one-hot), or use "
                "{logistic}",
                softmax=Setting("output", "softmax"),
                logistic=Setting("output", "logistic"),
            )
        for name in ("dropout", "recurrent_dropout"):
            self._check_range(name, 0.0 <= getattr(self, name) < 1.0, "is the share of units left out: 0 <= {name} < 1")
        self._check_range("leak", 0.0 < self.leak <= 1.0, "should be above 0 and at most 1")
        connected = "is the share of connections in the reservoir: 0 < density <= 1"
        self._check_range("density", 0.0 < self.density <= 1.0, connected)
        for name in ("spectral_radius", "ridge"):
            self._check_range(name, getattr(self, name) >= 0.0, "should be 0 or more")
        self._check_range("huber_width", self.huber_width > 0.0, "should be positive")
        self._check_range("pyramid", self.pyramid >= 1, "is the number of steps a layer joins into one: 1 or more")
        self._check_range("proj_size", self.proj_size >= 0, "should be 0 (no projection) or positive")
        self._check_together()

    def _check_range(self, name: str, right: bool, should: str) -> None:
        if not right:
            raise wrong_value(name, f"{{place}} {should}, not {{value}}", value=getattr(self, name))

    def _check_together(self) -> None:
        """Options that exclude each other."""
        lstm_only = (
            ("peephole", self.peephole),
            ("proj_size", self.proj_size),
            ("forget_bias", self.forget_bias is not None),
        )
        for name, given in lstm_only:
            if given and self.network_type != "lstm":
                lstm = Setting("network_type", "lstm")
                raise wrong_value(name, "{place} belongs to {lstm}, not {given}", lstm=lstm, given=self.network_type)
        if self.proj_size and any(self.proj_size >= hidden for hidden in self.hidden_dim):
            size = Setting("proj_size", self.proj_size)
            should = "{size} should be smaller than hidden_dim {hidden}"
            raise wrong_value("proj_size", should, size=size, hidden=self.hidden_dim)
        if self.forget_bias is not None and not self.use_bias:
            raise wrong_value("forget_bias", "{place} needs {bias}", bias=Setting("use_bias", True))
        if self.network_type == "jordan" and (self.bidirectional or self.attention):
            raise wrong_value(
                "network_type",
                "a Jordan network feeds its output back step by step, so it can be neither bidirectional nor with "
                "attention",
            )
        if self.network_type == "esn":
            if self.output != "linear" or self.loss != "squared":
                raise wrong_value(
                    "network_type",
                    "{esn} fits its readout by ridge regression: {output}, {loss}",
                    esn=Setting("network_type", "esn"),
                    output=Setting("output", "linear"),
                    loss=Setting("loss", "squared"),
                )
            if self.attention or self.dropout or self.recurrent_dropout:
                esn = Setting("network_type", "esn")
                raise wrong_value("network_type", "{esn} has fixed hidden weights: no attention, no dropout", esn=esn)
        if not self.attention and self.output_steps > self.top_steps:
            raise wrong_value(
                "Y",
                f"Y has {self.output_steps} time steps, the network puts out {self.top_steps}"
                + (" ({pyramid} shortens every layer after the first)" if self.pyramid > 1 else ""),
                pyramid=Setting("pyramid", self.pyramid),
            )

    @property
    def directions(self) -> int:
        return 2 if self.bidirectional else 1

    @property
    def depth(self) -> int:
        """Hidden layers, the decoder of attention not counted."""
        return len(self.hidden_dim)

    def steps_of(self, level: int) -> int:
        """Time steps that come out of hidden layer ``level``."""
        steps = self.steps
        for _ in range(level):
            steps = -(-steps // self.pyramid)
        return steps

    @property
    def top_steps(self) -> int:
        """Time steps that the output layer reads."""
        return self.output_steps if self.attention else self.steps_of(self.depth - 1)

    @property
    def feeds_back(self) -> bool:
        """Whether the last hidden layer hears the output."""
        return self.network_type == "jordan"

    def outputs_of(self, level: int) -> int:
        """Width of one direction's state of hidden layer ``level``."""
        if self.feeds_back and level == self.depth - 1:
            return self.output_dim
        return self.proj_size or self.hidden_dim[level]

    @property
    def top_width(self) -> int:
        """Width of what the output layer reads."""
        if self.feeds_back:
            return self.hidden_dim[-1]
        return self.outputs_of(self.depth - 1) * (1 if self.attention else self.directions)

    def inputs_of(self, level: int) -> int:
        """Width of what hidden layer ``level`` reads, the decoder being the layer after the last."""
        if level == 0:
            return self.input_dim
        below = self.outputs_of(level - 1) * self.directions
        return below if level == self.depth else below * self.pyramid

    # as an architecture ---------------------------------------------------------------------------------------------

    def for_steps(self, steps: int) -> Shorthand:
        """The same network for sequences of another length."""
        if steps == self.steps:
            return self
        output_steps = self.output_steps
        if not self.attention and output_steps > 1:
            output_steps = replace(self, steps=steps, output_steps=1).top_steps
        return replace(self, steps=steps, output_steps=output_steps)

    @cached_property
    def layers(self) -> tuple[Layer, ...]:
        """The list of layers that the options are a shorthand for."""
        return tuple(_layers_of(self))

    @cached_property
    def layout(self) -> Layout:
        """R's names for the weights."""
        return _layout_of(self)

    @cached_property
    def places(self) -> dict[tuple[Path, str], int]:
        """Where each layer's weights lie in the flat vector."""
        return _places_of(self)

    @property
    def loss_layer(self) -> Loss:
        """The loss."""
        return Huber(self.huber_width) if self.loss == "huber" else LOSSES[str(self.loss)]()

    @property
    def fits_readout(self) -> bool:
        """Whether training is one direct solution for the output layer."""
        return self.network_type == "esn"

    @property
    def draws_masks(self) -> bool:
        """Whether there is dropout."""
        return self.dropout > 0.0 or self.recurrent_dropout > 0.0

    def biases(self) -> list[Block]:
        """What L2 leaves out."""
        return [block for block in self.layout if "bias" in block.field]

    def initial_weights(self, rng: RRandom) -> Flat:
        """The initial weights, drawn in R's order."""
        return initial_weights(self, rng)

    def drawing_operations(self) -> float:
        """About how many floating point operations drawing them takes, beyond the numbers themselves."""
        return drawing_operations(self)

    @classmethod
    def names(cls) -> frozenset[str]:
        """The names that are arguments of ``trainr``."""
        return frozenset(field.name for field in fields(cls))


def check_needs_no_layers(loss: Any) -> None:
    """Raise ``ValueError`` for a loss whose targets do not say how many outputs there are."""
    if isinstance(loss, str) and loss in LOSSES and LOSSES[loss].targets in ("class", "labels"):
        raise wrong_value(
            "loss",
            "{loss} needs layers: the last, a Dense with the activation 'softmax', says how many classes there are",
            loss=Setting("loss", loss),
        )


def check_loss(loss: str, output: str) -> str:
    """The loss, where it goes with the output's activation."""
    if LOSSES[loss].targets == "labels" and output != "softmax":
        raise wrong_value(
            "loss",
            "{loss} reads the probabilities of all labels and the blank: the last layer should have the activation "
            "{softmax}, not {output}, as Dense(5, activation={softmax}) for four labels and the blank",
            loss=Setting("loss", loss),
            softmax="softmax",
            output=output,
        )
    if loss in _PROBABILITIES and output not in ("logistic", "softmax"):
        raise wrong_value(
            "loss",
            "{loss} needs outputs between 0 and 1: {logistic} or {softmax}, not {output}",
            loss=Setting("loss", loss),
            logistic=Setting("output", "logistic"),
            softmax=Setting("output", "softmax"),
            output=output,
        )
    return loss


# the list of layers ---------------------------------------------------------------------------------------------------


def _cell(given: Shorthand, level: int, **more: Any) -> Recurrent:
    """The recurrent layer ``level``, the decoder being as the last."""
    options: dict[str, Any] = {"units": given.hidden_dim[level], "use_bias": given.use_bias, **more}
    options |= {"dropout": given.dropout, "recurrent_dropout": given.recurrent_dropout}
    layer = NETWORK_TYPES[given.network_type]
    if layer is LSTM:
        options |= {"peephole": given.peephole, "projection": given.proj_size}
    elif layer is GRU:
        options["reset_after"] = False  # as R
    elif layer is EchoState:
        options |= {"leak": given.leak, "spectral_radius": given.spectral_radius, "density": given.density}
    elif layer is Jordan and level == given.depth - 1:
        options |= {"outputs": given.output_dim, "output_activation": given.output}
    if layer is Jordan and level < given.depth - 1:
        layer = SimpleRNN  # in a stack only the last layer hears the output
    if layer in (SimpleRNN, Jordan):
        options["activation"] = given.hidden_activation
    return layer(**options)


def _layers_of(given: Shorthand) -> list[Layer]:
    """The list of layers that the options are a shorthand for."""
    layers: list[Layer] = []
    for level in range(given.depth):
        if level and given.pyramid > 1:
            layers.append(Pyramid(given.pyramid))
        # one output step reads what each direction ends in
        last = level == given.depth - 1 and not given.attention and given.output_steps == 1
        cell = _cell(given, level, return_sequences=not last)
        layers.append(Bidirectional(cell) if given.bidirectional else cell)
    if given.attention:
        cell = replace(_cell(given, given.depth - 1, return_sequences=True), dropout=0.0)
        layers.append(Decoder(cell, given.output_steps))
    elif 1 < given.output_steps < given.top_steps:
        layers.append(LastSteps(given.output_steps))
    if not given.feeds_back:
        if given.dropout:
            layers.append(SpatialDropout1D(given.dropout))
        layers.append(Dense(given.output_dim, activation=given.output, use_bias=given.use_bias))
    return layers


# R's names for the weights --------------------------------------------------------------------------------------------

SIDES = ("", "reverse_")
"""The fields of a layer's second direction begin with ``reverse_``."""

_FIELDS = {
    "kernel": "time_synapse",
    "recurrent_kernel": "recurrent_synapse",
    "bias": "bias_synapse",
    "peephole": "peephole_synapse",
    "projection": "projection_synapse",
    "query": "attention_query",
    "key": "attention_key",
    "score": "attention_score",
}


def _layout_of(given: Shorthand) -> Layout:
    """All weights: R's fields first, then those that R's networks lack. A bias has its place even where none is."""
    gates = len(NETWORK_TYPES[given.network_type].gates)
    per_gate = gates if gates > 1 else 0
    blocks = []
    for side in SIDES[: given.directions]:
        for level in range(given.depth):
            hidden, inputs, outputs = given.hidden_dim[level], given.inputs_of(level), given.outputs_of(level)
            blocks += [
                Block(f"{side}time_synapse", level, inputs, hidden, per_gate),
                Block(f"{side}recurrent_synapse", level, outputs, hidden, per_gate),
                Block(f"{side}bias_synapse", level, 0, hidden, per_gate),
            ]
            if given.peephole:
                blocks.append(Block(f"{side}peephole_synapse", level, 3, hidden))
            if given.proj_size:
                blocks.append(Block(f"{side}projection_synapse", level, hidden, given.proj_size))
    top = given.depth
    if given.attention:
        hidden, outputs = given.hidden_dim[-1], given.outputs_of(top - 1)
        encoder = given.inputs_of(top)
        blocks += [
            Block("time_synapse", top, encoder, hidden, per_gate),
            Block("recurrent_synapse", top, outputs, hidden, per_gate),
            Block("bias_synapse", top, 0, hidden, per_gate),
            Block("attention_query", 0, outputs, hidden),
            Block("attention_key", 0, encoder, hidden),
            Block("attention_score", 0, 0, hidden),
        ]
        if given.peephole:
            blocks.append(Block("peephole_synapse", top, 3, hidden))
        if given.proj_size:
            blocks.append(Block("projection_synapse", top, hidden, given.proj_size))
        top += 1
    blocks += [
        Block("time_synapse", top, given.top_width, given.output_dim),
        Block("bias_synapse", top, 0, given.output_dim),
    ]
    return Layout(blocks)


def _places_of(given: Shorthand) -> dict[tuple[Path, str], int]:
    level, places = -1, {}
    levels = []
    for layer in given.layers:  # Pyramid, LastSteps and dropout have no weights
        level += isinstance(layer, (Recurrent, Bidirectional, Decoder, Dense))
        levels.append(level)
    for path, owner, weight in weights_of(given.layers, given.steps, given.input_dim):
        side = SIDES[1] if "backward" in path else ""
        name, level = weight.name, levels[int(path[0])]
        if isinstance(owner, Jordan) and name.startswith("projection"):  # the output layer is inside
            side, name, level = "", {"projection": "kernel", "projection_bias": "bias"}[name], given.depth
        field = _FIELDS[name]
        places[path, weight.name] = given.layout.find(
            side + field, 0 if field.startswith("attention") else level
        ).offset
    return places
