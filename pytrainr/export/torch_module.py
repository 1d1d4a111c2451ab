"""``model.to_torch()``: the network as a PyTorch module, with the same outputs and gradients."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import chain
from typing import Any

import numpy as np
import torch

from pytrainr.export.equations import Graph, write_network
from pytrainr.export.of_model import Network, Path, Scale, network_as_layers, scales_of
from pytrainr.r_list import RList

__all__ = ["TorchNetwork", "torch_module"]


def torch_module(model: RList) -> TorchNetwork:
    """The module; see :meth:`pytrainr.Model.to_torch`."""
    network = network_as_layers(model)
    module = TorchNetwork(network, scales_of(model, network))
    with torch.no_grad():  # what has no form here is named now, not at the first use
        module(torch.zeros(1, network.steps, network.input_dim))
    return module


class TorchNetwork(torch.nn.Module):
    """From raw X (samples, steps, inputs) to raw Y (samples, steps, outputs).

    Parameters are named by the layer's place in ``model.layers`` (from 0), inside containers by their names for it, and
    the weight's name, as ``0_forward_kernel``; shapes and gates are pytrainr's (docs/layers.md).
    """

    def __init__(self, network: Network, scales: dict[str, Scale | None]) -> None:
        super().__init__()
        self._network, self._scales = network, scales
        kind = torch.float32 if network.dtype == np.float32 else torch.float64
        self._names: dict[tuple[Path, str], str] = {}
        for (path, name), weight in network.weights.items():
            self._names[path, name] = full = "_".join([*map(str, path), name])
            self.register_parameter(full, torch.nn.Parameter(torch.tensor(np.asarray(weight), dtype=kind)))
        self._kind = kind

    def forward(self, X: torch.Tensor) -> torch.Tensor:
        """The prediction, without dropout."""
        weights = {place: self.get_parameter(name) for place, name in self._names.items()}
        result: torch.Tensor = write_network(
            TorchGraph(self._kind), self._network, weights, X.to(self._kind), self._scales
        )
        return result


class TorchGraph(Graph):
    """Operators on tensors; whole numbers that say a shape or a place are lists."""

    target = "PyTorch"

    def __init__(self, kind: torch.dtype) -> None:
        self.kind = kind

    def number(self, values: Any) -> torch.Tensor:
        return values if isinstance(values, torch.Tensor) else torch.tensor(np.asarray(values), dtype=self.kind)

    def whole(self, values: Sequence[int]) -> list[int]:
        return list(values)

    def __call__(self, kind: str, *inputs: Any, **attributes: Any) -> Any:
        if all(isinstance(given, list) for given in inputs) and kind in _ON_SHAPES:
            return [_ON_SHAPES[kind](*numbers) for numbers in zip(*inputs, strict=True)]
        return _OPERATORS[kind](*inputs, **attributes)

    def scan(self, x: Any, states: list[Any], step: Callable[..., list[Any]], more: Sequence[Any] = ()) -> Any:
        given, outputs = [x, *more], []
        for t in range(x.shape[1]):
            states = step(self, *(each[:, t] for each in given), *states)
            outputs.append(states[0])
        return torch.stack(outputs, dim=1)


def _slice(x: Any, first: list[int], end: list[int], axis: list[int], step: list[int] | None = None) -> Any:
    every = step[0] if step else 1
    if isinstance(x, list):
        return x[first[0] : end[0] : every]
    if every < 0:
        return x.flip(axis[0])
    return x[(*(slice(None) for _ in range(axis[0])), slice(first[0], end[0], every))]


def _concat(*parts: Any, axis: int) -> Any:
    return [*chain(*parts)] if isinstance(parts[0], list) else torch.cat(parts, dim=axis)


def _pad(x: Any, pads: list[int], value: Any, mode: str) -> Any:
    return torch.nn.functional.pad(x, (0, 0, pads[1], pads[4]), mode=mode, value=float(value))


def _reshape(x: Any, shape: list[int]) -> Any:
    return x.reshape([x.shape[k] if size == 0 else size for k, size in enumerate(shape)])


_KINDS = {6: torch.int32, 7: torch.int64, 9: torch.bool}  # ONNX's numbers for them

_ON_SHAPES: dict[str, Callable[..., int]] = {
    "Neg": lambda a: -a,
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a // b,
    "Mod": lambda a, b: a % b,
    "Max": max,
}

_OPERATORS: dict[str, Callable[..., Any]] = {
    "Add": torch.add,
    "Cast": lambda x, to: x.to(_KINDS[to]),
    "Concat": _concat,
    "Div": torch.div,
    "Exp": torch.exp,
    "Expand": lambda x, shape: x.expand(shape),
    "Gather": lambda rows, places, axis: rows[places],
    "Greater": torch.gt,
    "Identity": lambda x: x,
    "IsNaN": torch.isnan,
    "MatMul": torch.matmul,
    "Max": lambda *given: reduce(torch.maximum, given),
    "Mul": torch.mul,
    "Neg": torch.neg,
    "Not": torch.logical_not,
    "Pad": _pad,
    "ReduceMax": lambda x, axes, keepdims: x.amax(axes, keepdim=bool(keepdims)),
    "ReduceMean": lambda x, axes, keepdims: x.mean(axes, keepdim=bool(keepdims)),
    "ReduceSum": lambda x, axes, keepdims: x.sum(axes, keepdim=bool(keepdims)),
    "Relu": torch.relu,
    "Reshape": _reshape,
    "Shape": lambda x: list(x.shape),
    "Sigmoid": torch.sigmoid,
    "Slice": _slice,
    "Softmax": lambda x, axis: torch.softmax(x, dim=axis),
    "Sqrt": torch.sqrt,
    "Squeeze": lambda x, axes: x.squeeze(axes[0]),
    "Sub": torch.sub,
    "Sum": lambda *given: reduce(torch.add, given),
    "Tanh": torch.tanh,
    "Tile": lambda x, times: x.repeat(times),
    "Where": torch.where,
}
"""ONNX's operators on tensors."""
