"""The layers' equations on a graph of operators, for whatever target: ONNX's nodes, or PyTorch's tensors.

A layer that is added brings a function here, and a line in ``LAYERS``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from pytrainr.exact.activations import known_as
from pytrainr.exact.layers.dense import Dense
from pytrainr.export.of_model import Network, NotExportableError, Path, Scale, check_used

__all__ = ["LAYERS", "Graph", "write_network"]

_END = np.iinfo(np.int64).max


Node = Any
"""What stands for an array in a target."""


class Stream(NamedTuple):
    """A sequence (samples, steps, width) and, where steps may have no entry, (samples, steps, 1) of whether they do.

    ``resampled``: its steps are not those of X, so that X does not say which have an entry.
    """

    values: Any
    width: int
    present: Any = None
    resampled: bool = False


class Graph(ABC):
    """A target's operators, named as ONNX names them, on whatever stands for an array there."""

    target: str

    @abstractmethod
    def number(self, values: Any) -> Any:
        """Constants, or weights, of the network's precision."""

    @abstractmethod
    def whole(self, values: Sequence[int]) -> Any:
        """Whole numbers that say a shape or a place."""

    @abstractmethod
    def __call__(self, kind: str, *inputs: Any, **attributes: Any) -> Any:
        """What an operator gives."""

    @abstractmethod
    def scan(self, x: Any, states: list[Any], step: Callable[..., list[Any]], more: Sequence[Any] = ()) -> Any:
        """Run ``step(graph, x_t, *more_t, *states)``, which returns the states after it, over time: the first of all
        steps."""

    # what is made of them -------------------------------------------------------------------------------------------

    def activated(self, x: Node, activation: str | None) -> Node:
        """f(x)."""
        kind = known_as(activation)
        if kind == "Gompertz":
            return self("Exp", self("Neg", self("Exp", self("Neg", x))))
        if kind == "softmax":
            return self("Softmax", x, axis=-1)
        names = {"logistic": "Sigmoid", "tanh": "Tanh", "relu": "Relu"}
        return x if kind == "linear" else self(names[kind], x)

    def affine(self, x: Node, kernel: Node, bias: Node | None) -> Node:
        """x W [+ b]."""
        y = self("MatMul", x, self.number(kernel))
        return y if bias is None else self("Add", y, self.number(bias))

    def steps_of(self, x: Node) -> Node:
        """The number of time steps, a vector of one whole number."""
        return self("Slice", self("Shape", x), self.whole([1]), self.whole([2]), self.whole([0]))

    def cut(self, x: Node, first: int, end: int = _END, step: int = 1, axis: int = 1) -> Node:
        """x[first:end:step] along an axis."""
        return self("Slice", x, *(self.whole([value]) for value in (first, end, axis, step)))

    def turned(self, x: Node) -> Node:
        """The steps in the opposite order."""
        return self.cut(x, -1, -_END, -1)

    def padded(self, x: Node, before: Node, after: Node, value: float = 0.0) -> Node:
        """Steps of ``value`` before and after; how many are vectors of one whole number."""
        zero = self.whole([0])
        pads = self("Concat", zero, before, zero, zero, after, zero, axis=0)
        return self("Pad", x, pads, self.number(value), mode="constant")

    def counted(self, present: Node) -> Node:
        """1 where there is an entry, 0 where not."""
        return self("Where", present, self.number(1.0), self.number(0.0))

    def zeros(self, x: Node, width: int) -> Node:
        """(samples, width) of 0 for as many samples as x has."""
        samples = self.cut(self("Shape", x), 0, 1, axis=0)
        return self("Expand", self.number(0.0), self("Concat", samples, self.whole([width]), axis=0))


Weights = Callable[[str], Any]
"""A layer's weights by name; None where it has none of that name."""


# layers ---------------------------------------------------------------------------------------------------------------


class _Writer:
    """Writes layer after layer; ``weights`` as the target has them."""

    def __init__(self, graph: Graph, network: Network, weights: Mapping[tuple[Path, str], Any]) -> None:
        self.graph, self.network, self._weights = graph, network, weights
        self.used: set[tuple[Path, str]] = set()

    def layer(self, layer: Any, x: Stream, path: Path) -> Stream:
        kind = type(layer).__name__
        if kind not in LAYERS:
            raise NotExportableError(f"{kind} has no form in {self.graph.target} yet; there are {', '.join(LAYERS)}")
        return LAYERS[kind](self, layer, x, path)

    def weights(self, path: Path) -> Weights:
        """The weights of a layer by name, None for one that it has not."""

        def of(name: str) -> Any:
            self.used.add((path, name))
            return self._weights.get((path, name))

        return of

    def kept(self, x: Stream, values: Node, width: int) -> Stream:
        """What comes out of a layer of single steps."""
        return x._replace(values=values, width=width)


def _dense(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    of = w.weights(path)
    y = w.graph.affine(x.values, _needed(of, "kernel"), of("bias"))
    return w.kept(x, w.graph.activated(y, layer.activation), layer.units)


def _needed(of: Weights, name: str) -> Node:
    weight = of(name)
    assert weight is not None
    return weight


def _activation(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    return w.kept(x, w.graph.activated(x.values, layer.activation), x.width)


def _nothing(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    """Dropout is for training alone."""
    return x


def _layer_normalization(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    g, of = w.graph, w.weights(path)
    centred = g("Sub", x.values, g("ReduceMean", x.values, axes=[2], keepdims=1))
    variance = g("ReduceMean", g("Mul", centred, centred), axes=[2], keepdims=1)
    y = g("Div", centred, g("Sqrt", g("Add", variance, g.number(layer.epsilon))))
    gamma, beta = of("gamma"), of("beta")
    y = y if gamma is None else g("Mul", y, g.number(gamma))
    return w.kept(x, y if beta is None else g("Add", y, g.number(beta)), x.width)


def _embedding(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    g = w.graph
    tokens = g("Cast", g("Squeeze", x.values, g.whole([2])), to=7)  # int64
    y = g("Gather", g.number(_needed(w.weights(path), "embeddings")), tokens, axis=0)
    present = g("Greater", x.values, g.number(0.0)) if layer.mask_zero else x.present
    return Stream(y, layer.output_dim, present)


def _time_distributed(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    return w.layer(layer.layer, x, (*path, "layer"))


def _sequential(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    for number, each in enumerate(layer.layers):
        x = w.layer(each, x, (*path, number))
    return x


def _residual(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    y = w.layer(layer.layer, x, (*path, "layer"))
    past = x if y.width == x.width else _dense(w, Dense(y.width), x, (*path, "projection"))
    return y._replace(values=w.graph("Add", past.values, y.values))


def _last_steps(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    present = None if x.present is None or layer.steps == 1 else w.graph.cut(x.present, -layer.steps)
    return Stream(w.graph.cut(x.values, -layer.steps), x.width, present, x.resampled)


def _flatten(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    width = w.network.shape_of(path)[1]
    return Stream(w.graph("Reshape", x.values, w.graph.whole([0, 1, -1])), width)


def _repeat_vector(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    return Stream(w.graph("Tile", x.values, w.graph.whole([1, layer.n, 1])), x.width)


def _pyramid(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    g, size = w.graph, layer.size

    def joined(sequence: Node, width: int) -> Node:
        missing = g("Mod", g("Neg", g.steps_of(sequence)), g.whole([size]))
        return g("Reshape", g.padded(sequence, g.whole([0]), missing), g.whole([0, -1, size * width]))

    present = None
    if x.present is not None:
        most = g("ReduceMax", joined(g.counted(x.present), 1), axes=[2], keepdims=1)
        present = g("Greater", most, g.number(0.5))
    return Stream(joined(x.values, x.width), x.width * size, present, x.resampled)


def _bidirectional(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    g = w.graph
    there = w.layer(layer.layer, x, (*path, "forward"))
    turned_present = None if x.present is None else _turned_presence(g, x.present)
    turned = Stream(g.turned(x.values), x.width, turned_present, x.resampled)
    back = w.layer(layer.layer, turned, (*path, "backward"))
    name = g.turned(back.values) if layer.layer.return_sequences else back.values
    if layer.merge_mode == "sum":
        return there._replace(values=g("Add", there.values, name))
    return there._replace(values=g("Concat", there.values, name, axis=2), width=2 * there.width)


def _turned_presence(g: Graph, present: Node) -> Node:
    return g("Greater", g.turned(g.counted(present)), g.number(0.5))


# recurrent layers -----------------------------------------------------------------------------------------------------


def _recurrent(cell: Callable[..., list[Node]]) -> Callable[..., Stream]:
    def write(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
        g, of = w.graph, w.weights(path)
        gates = g.affine(x.values, _needed(of, "kernel"), of("bias"))
        states = [g.zeros(x.values, layer.outputs)]
        if type(layer).__name__ == "LSTM":
            states.append(g.zeros(x.values, layer.units))

        def step(body: Graph, s: Node, *more: Node) -> list[Node]:
            before = list(more[-len(states) :])
            after = cell(body, layer, of, s, *before)
            if x.present is None:
                return [body("Identity", name) for name in after]
            return [body("Where", more[0], new, old) for new, old in zip(after, before, strict=True)]

        y = g.scan(gates, states, step, [] if x.present is None else [x.present])
        if layer.return_sequences:
            return Stream(y, layer.outputs, x.present, x.resampled)
        return Stream(g.cut(y, -1), layer.outputs)

    return write


def _parts(g: Graph, s: Node, count: int, units: int) -> list[Node]:
    return [g.cut(s, k * units, (k + 1) * units) for k in range(count)]


def _simple_rnn(g: Graph, layer: Any, of: Weights, s: Node, h: Node) -> list[Node]:
    s = g("Add", s, g("MatMul", h, g.number(of("recurrent_kernel"))))
    return [g.activated(s, layer.activation)]


def _jordan(g: Graph, layer: Any, of: Weights, s: Node, y: Node) -> list[Node]:
    h = g.activated(g("Add", s, g("MatMul", y, g.number(of("recurrent_kernel")))), layer.activation)
    return [g.activated(g.affine(h, _needed(of, "projection"), of("projection_bias")), layer.output_activation)]


def _echo_state(g: Graph, layer: Any, of: Weights, s: Node, h: Node) -> list[Node]:
    m = g("Tanh", g("Add", s, g("MatMul", h, g.number(of("recurrent_kernel")))))
    return [g("Add", h, g("Mul", g.number(layer.leak), g("Sub", m, h)))]


def _gru(g: Graph, layer: Any, of: Weights, s: Node, h: Node) -> list[Node]:
    units, recurrent = layer.units, _needed(of, "recurrent_kernel")
    x_z, x_r, x_g = _parts(g, s, 3, units)
    if layer.reset_after:
        p_z, p_r, p_g = _parts(g, g.affine(h, recurrent, of("recurrent_bias")), 3, units)
        z, r = g("Sigmoid", g("Add", x_z, p_z)), g("Sigmoid", g("Add", x_r, p_r))
        new = g("Tanh", g("Add", x_g, g("Mul", r, p_g)))
    else:
        r_z, r_r, r_g = (g.number(recurrent[:, k * units : (k + 1) * units]) for k in range(3))
        z, r = g("Sigmoid", g("Add", x_z, g("MatMul", h, r_z))), g("Sigmoid", g("Add", x_r, g("MatMul", h, r_r)))
        new = g("Tanh", g("Add", x_g, g("MatMul", g("Mul", h, r), r_g)))
    return [g("Add", h, g("Mul", z, g("Sub", new, h)))]


def _lstm(g: Graph, layer: Any, of: Weights, s: Node, h: Node, c: Node) -> list[Node]:
    peephole, projection = of("peephole"), of("projection")
    s_f, s_i, s_g, s_o = _parts(g, g("Add", s, g("MatMul", h, g.number(of("recurrent_kernel")))), 4, layer.units)

    def peeped(gate: Node, state: Node, number: int) -> Node:
        return gate if peephole is None else g("Add", gate, g("Mul", state, g.number(peephole[number])))

    f, i = g("Sigmoid", peeped(s_f, c, 0)), g("Sigmoid", peeped(s_i, c, 1))
    c = g("Add", g("Mul", f, c), g("Mul", i, g("Tanh", s_g)))
    m = g("Mul", g("Sigmoid", peeped(s_o, c, 2)), g("Tanh", c))
    return [m if projection is None else g("MatMul", m, g.number(projection)), c]


# window --------------------------------------------------------------------------------------------------------------


def _around(g: Graph, x: Node, window: Any, value: float) -> Node:
    """x with the steps of ``value`` beyond the ends that its window read."""
    if window.padding == "valid":
        return x
    if window.padding == "causal":
        return g.padded(x, g.whole([window.span - 1]), g.whole([0]), value)
    steps, strides = g.steps_of(x), g.whole([window.strides])
    count = g("Div", g("Add", steps, g.whole([window.strides - 1])), strides)
    read = g("Add", g("Mul", g("Sub", count, g.whole([1])), strides), g.whole([window.span]))
    missing = g("Max", g("Sub", read, steps), g.whole([0]))
    before = g("Div", missing, g.whole([2]))
    return g.padded(x, before, g("Sub", missing, before), value)


def _tap(g: Graph, x: Node, window: Any, place: int) -> Node:
    """The step at ``place`` of every window."""
    left = window.span - 1 - place
    return g.cut(x, place, -left if left else _END, window.strides)


def _resampled(x: Stream, window: Any) -> bool:
    return x.resampled or window.strides > 1 or (window.padding == "valid" and window.span > 1)


def _window_presence(g: Graph, x: Stream, window: Any) -> Node | None:
    if x.present is None:
        return None
    present = g.cut(g.counted(x.present), window.entry, _END, window.strides)
    return g("Greater", present, g.number(0.5))


def _conv1d(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
    g, of, window = w.graph, w.weights(path), layer.window
    name = x.values if x.present is None else g("Where", x.present, x.values, g.number(0.0))
    read = _around(g, name, window, 0.0)
    kernel, terms = _needed(of, "kernel"), []
    for number in range(layer.kernel_size):
        tap = g.number(kernel[number * x.width : (number + 1) * x.width])
        terms.append(g("MatMul", _tap(g, read, window, number * layer.dilation_rate), tap))
    y = g("Sum", *terms)
    bias = of("bias")
    y = y if bias is None else g("Add", y, g.number(bias))
    return Stream(
        g.activated(y, layer.activation), layer.filters, _window_presence(g, x, window), _resampled(x, window)
    )


def _pooling(mean: bool) -> Callable[..., Stream]:
    def write(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
        g, window = w.graph, layer.window
        parts = _Parts(g, x, mean)
        values, counts = (_around(g, name, window, value) for name, value in parts.sides())
        places = range(window.span)
        join = "Sum" if mean else "Max"
        y = g(join, *(_tap(g, values, window, place) for place in places))
        count = g("Sum", *(_tap(g, counts, window, place) for place in places))
        return Stream(parts.finished(y, count), x.width, _window_presence(g, x, window), _resampled(x, window))

    return write


def _global_pooling(mean: bool) -> Callable[..., Stream]:
    def write(w: _Writer, layer: Any, x: Stream, path: Path) -> Stream:
        g = w.graph
        parts = _Parts(g, x, mean)
        (values, _), (counts, _) = parts.sides()
        axis = g.whole([1])
        y = g("ReduceSum", values, axis, keepdims=1) if mean else g("ReduceMax", values, axes=[1], keepdims=1)
        return Stream(parts.finished(y, g("ReduceSum", counts, axis, keepdims=1)), x.width)

    return write


class _Parts:
    """What pooling sums, or takes the largest of, and how many there are."""

    def __init__(self, g: Graph, x: Stream, mean: bool) -> None:
        self.g, self.mean = g, mean
        self.nothing = 0.0 if mean else -np.inf
        self.masked = x.present is not None
        ones = g("Add", g("Mul", g.cut(x.values, 0, 1, axis=2), g.number(0.0)), g.number(1.0))
        self.counts = ones if x.present is None else g.counted(x.present)
        self.values = x.values if x.present is None else g("Where", x.present, x.values, g.number(self.nothing))

    def sides(self) -> tuple[tuple[Node, float], tuple[Node, float]]:
        """Both, each with what it is beyond the ends."""
        return (self.values, self.nothing), (self.counts, 0.0)

    def finished(self, y: Node, count: Node) -> Node:
        g = self.g
        if self.mean:
            return g("Div", y, g("Max", count, g.number(1.0)))
        return g("Where", g("Greater", count, g.number(0.5)), y, g.number(0.0)) if self.masked else y


LAYERS: dict[str, Callable[..., Stream]] = {
    "Dense": _dense,
    "Activation": _activation,
    "Dropout": _nothing,
    "SpatialDropout1D": _nothing,
    "LayerNormalization": _layer_normalization,
    "Embedding": _embedding,
    "TimeDistributed": _time_distributed,
    "Sequential": _sequential,
    "Residual": _residual,
    "LastSteps": _last_steps,
    "Flatten": _flatten,
    "RepeatVector": _repeat_vector,
    "Pyramid": _pyramid,
    "Bidirectional": _bidirectional,
    "SimpleRNN": _recurrent(_simple_rnn),
    "Jordan": _recurrent(_jordan),
    "GRU": _recurrent(_gru),
    "LSTM": _recurrent(_lstm),
    "EchoState": _recurrent(_echo_state),
    "Conv1D": _conv1d,
    "MaxPooling1D": _pooling(False),
    "AveragePooling1D": _pooling(True),
    "GlobalMaxPooling1D": _global_pooling(False),
    "GlobalAveragePooling1D": _global_pooling(True),
}
"""How each layer is written."""


def write_network(
    g: Graph, network: Network, weights: Mapping[tuple[Path, str], Any], X: Any, scales: Mapping[str, Scale | None]
) -> Any:
    """From raw X (samples, steps, inputs) to raw Y (samples, steps, outputs)."""
    w = _Writer(g, network, weights)
    x, absent = _read(g, network, X, scales["input"])
    for number, layer in enumerate(network.layers):
        x = w.layer(layer, x, (number,))
    for path, name in weights.keys() - w.used:
        check_used(type(network.layers[int(path[0])]).__name__, [name], g.target)
    y = x.values
    if scales["output"] is not None:
        y = g("Add", g("Mul", y, g.number(scales["output"].scale)), g.number(scales["output"].center))
    if x.present is not None and (x.resampled or not network.padded):
        return g("Where", x.present, y, g.number(np.nan))
    if absent is not None and network.output_steps == network.steps:
        return g("Where", absent, g.number(np.nan), y)
    return y


def _read(g: Graph, network: Network, X: Any, scale: Scale | None) -> tuple[Stream, Any]:
    """The network's input from raw X: scaled, 0 where there is no entry, with the steps that follow it; and where there
    is none."""
    values = X
    if scale is not None:
        values = g("Div", g("Sub", X, g.number(scale.center)), g.number(scale.scale))
    absent, stream = None, Stream(values, network.input_dim)
    if network.padded:
        some = g("ReduceMax", g("Cast", g("IsNaN", values), to=6), axes=[2], keepdims=1)  # int32
        absent = g("Cast", some, to=9)  # bool
        stream = Stream(g("Where", absent, g.number(0.0), values), network.input_dim, g("Not", absent))
    if network.steps_after:
        zero, more = g.whole([0]), g.whole([network.steps_after])
        stream = stream._replace(values=g.padded(stream.values, zero, more))
        if stream.present is not None:
            present = g.padded(g.counted(stream.present), zero, more, 1.0)
            stream = stream._replace(present=g("Greater", present, g.number(0.5)))
    return stream, absent
