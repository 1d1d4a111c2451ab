"""``model.to_onnx(path)``: the network as an ONNX graph, for any number of samples and time steps.

Recurrences are ``Scan``, which every precision has: ONNX Runtime's own LSTM and GRU are of single precision only.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pytrainr.export.equations import Graph, write_network
from pytrainr.export.of_model import network_as_layers, scales_of
from pytrainr.r_list import RList
from pytrainr.storage import write_atomically

__all__ = ["to_onnx"]

_OPSET, _IR = 17, 8


def to_onnx(model: RList, path: str | os.PathLike[str]) -> None:
    """Write the network as ONNX; see :meth:`pytrainr.Model.to_onnx`."""
    write_atomically(path, [onnx_model(model).SerializeToString()])


class OnnxGraph(Graph):
    """Collects nodes and constants; what stands for an array is its name."""

    target = "ONNX"

    def __init__(self, dtype: np.dtype) -> None:
        self.dtype = dtype
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self._count = 0

    def named(self, kind: str) -> str:
        """A new name."""
        self._count += 1
        return f"{kind}_{self._count}"

    def number(self, values: Any) -> str:
        """A constant of the network's precision."""
        return self._constant(np.asarray(values, self.dtype))

    def whole(self, values: Any) -> str:
        """A constant of whole numbers."""
        return self._constant(np.asarray(values, np.int64))

    def _constant(self, values: np.ndarray) -> str:
        from onnx import numpy_helper

        name = self.named("constant")
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def __call__(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Add a node of one output."""
        from onnx import helper

        name = self.named(kind.lower())
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def scan(self, x: str, states: list[str], step: Callable[..., list[str]], more: Sequence[str] = ()) -> str:
        """Run ``step(x_t, *more_t, *states)``, which returns the states after it, over time: the first of all steps."""
        from onnx import TensorProto, helper

        kind = helper.np_dtype_to_tensor_dtype(self.dtype)
        body = OnnxGraph(self.dtype)
        body._count = self._count + 1000  # names in the body are not to be those outside
        inner = [body.named("state") for _ in states]
        given = [body.named("x") for _ in range(1 + len(more))]
        after = step(body, *given, *inner)
        y = body("Identity", after[0])
        kinds = [*(kind for _ in inner), kind, *(TensorProto.BOOL for _ in more)]
        graph = helper.make_graph(
            body.nodes,
            self.named("body"),
            [helper.make_tensor_value_info(n, k, None) for n, k in zip([*inner, *given], kinds, strict=True)],
            [helper.make_tensor_value_info(n, kind, None) for n in [*after, y]],
            body.constants,
        )
        self._count = body._count
        ends, name = [self.named("end") for _ in states], self.named("scan")
        count = 1 + len(more)
        self.nodes.append(
            helper.make_node(
                "Scan",
                [*states, x, *more],
                [*ends, name],
                body=graph,
                num_scan_inputs=count,
                scan_input_axes=[1] * count,
                scan_output_axes=[1],
            )
        )
        return name


def onnx_model(model: RList) -> Any:
    """The graph: X (samples, steps, inputs) in, Y (samples, steps, outputs) out, of the network's precision."""
    try:
        from onnx import helper
    except ImportError:
        raise ImportError("to_onnx needs the package onnx: pip install 'pytrainr[onnx]'") from None
    network = network_as_layers(model)
    g = OnnxGraph(network.dtype)
    y = write_network(g, network, network.weights, "X", scales_of(model, network))
    g.nodes.append(helper.make_node("Identity", [y], ["Y"]))
    kind = helper.np_dtype_to_tensor_dtype(network.dtype)
    inputs = helper.make_tensor_value_info("X", kind, ["samples", "steps", network.input_dim])
    outputs = helper.make_tensor_value_info("Y", kind, ["samples", "steps_out", network.output_dim])
    graph = helper.make_graph(g.nodes, "pytrainr", [inputs], [outputs], g.constants)
    opset = [helper.make_opsetid("", _OPSET)]
    return helper.make_model(graph, opset_imports=opset, ir_version=_IR, producer_name="pytrainr")
