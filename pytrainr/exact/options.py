"""What an exact network can be: every option with its check, and the sizes that follow from them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from pytrainr.argument_errors import Setting, wrong_value
from pytrainr.arguments import choice
from pytrainr.exact.activations import ACTIVATIONS
from pytrainr.exact.cells import CELLS
from pytrainr.exact.losses import LOSSES
from pytrainr.exact.outputs import OUTPUTS

__all__ = ["INITS", "Options"]

INITS = ("uniform", "glorot", "orthogonal")

_SENSIBLE_LOSS = {"logistic": "squared", "linear": "squared", "tanh": "squared", "softmax": "categorical_crossentropy"}
_PROBABILITIES = ("binary_crossentropy", "categorical_crossentropy")


@dataclass(frozen=True)
class Options:
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

    def __post_init__(self) -> None:
        if self.output is None:
            object.__setattr__(self, "output", "linear" if self.network_type == "esn" else "logistic")
        choice(self.network_type, "network_type", tuple(CELLS))
        choice(self.output, "output", OUTPUTS)
        if self.loss is None:
            object.__setattr__(self, "loss", _SENSIBLE_LOSS[str(self.output)])
        choice(self.loss, "loss", tuple(LOSSES))
        choice(self.hidden_activation, "hidden_activation", tuple(ACTIVATIONS))
        choice(self.init, "init", INITS)
        choice(self.dtype, "dtype", ("float64", "float32"))
        if self.loss in _PROBABILITIES and self.output not in ("logistic", "softmax"):
            raise wrong_value(
                "loss",
                "{loss} needs outputs between 0 and 1: {logistic} or {softmax}, not {output}",
                loss=Setting("loss", self.loss),
                logistic=Setting("output", "logistic"),
                softmax=Setting("output", "softmax"),
                output=self.output,
            )
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

    @classmethod
    def names(cls) -> frozenset[str]:
        """The names that are arguments of ``trainr``."""
        return frozenset(field.name for field in fields(cls))
