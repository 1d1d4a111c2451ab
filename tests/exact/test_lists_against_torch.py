"""Layers of lists against PyTorch: gradients to 1e-9. PyTorch is a test-only extra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr.layers import (
    GRU,
    TCN,
    AveragePooling1D,
    Conv1D,
    Dense,
    Embedding,
    Flatten,
    GlobalAveragePooling1D,
    GlobalMaxPooling1D,
    LayerNormalization,
    MaxPooling1D,
    RepeatVector,
    TimeDistributed,
)
from tests.exact.checking import ListCase

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'pytrainr[test]' to compare with it")


def check(case: ListCase, parameters: list[tuple[str, int, Any]], loss: Any) -> None:
    """Each parameter is the field and number of ours, and PyTorch's; a function turns its gradient into ours."""
    loss.backward()
    gradient, _ = case.gradient(case.weights)
    for field, number, theirs in parameters:
        ours = case.network.layout.find(field, number).view(gradient)
        assert np.abs(ours - theirs.grad.numpy()).max() <= 1e-9 * max(1.0, np.abs(ours).max()), (field, number)


def tensors(case: ListCase, field: str) -> list[Any]:
    blocks = [block for block in case.network.layout if block.field == field]
    return [torch.tensor(block.view(case.weights), requires_grad=True) for block in blocks]


def squares(y: Any, case: ListCase) -> Any:
    return 0.5 * ((y - torch.tensor(case.Y)) ** 2).sum()


def gates_of_torch(matrix: Any) -> Any:
    """Our gates z, r, g side by side as PyTorch's r, z, g in rows; its z is the share of the old state, 1 − ours."""
    z, r, g = matrix.chunk(3, -1)
    joined = torch.cat([r, -z, g], -1)
    return joined.T if joined.ndim == 2 else joined


@pytest.mark.parametrize("use_bias", [True, False])
def test_gru_reset_after(use_bias: bool) -> None:
    """layers.GRU is Keras's and PyTorch's: the reset gate after the product, which has a bias of its own."""
    case = ListCase([GRU(4, use_bias=use_bias, return_sequences=True)], steps=6, samples=5, scale=0.7)
    ours = tensors(case, "gru_weights")
    cell = torch.nn.GRU(2, 4, bias=use_bias, batch_first=True, dtype=torch.float64)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"][: len(ours)]
    weights = {name: gates_of_torch(tensor) for name, tensor in zip(names, ours, strict=True)}
    y, _ = torch.func.functional_call(cell, weights, (torch.tensor(case.X),))
    check(case, [("gru_weights", k, tensor) for k, tensor in enumerate(ours)], squares(y, case))


def test_layer_normalization() -> None:
    case = ListCase([LayerNormalization(), Dense(2)], width=5)
    gamma, beta = tensors(case, "layer_normalization_weights")
    kernel, bias = tensors(case, "dense_weights")
    y = torch.nn.functional.layer_norm(torch.tensor(case.X), (5,), gamma, beta, 0.001) @ kernel + bias
    fields = [("layer_normalization_weights", 0, gamma), ("layer_normalization_weights", 1, beta)]
    check(case, [*fields, ("dense_weights", 0, kernel), ("dense_weights", 1, bias)], squares(y, case))


def test_flatten_and_repeat() -> None:
    case = ListCase([Dense(3), Flatten(), RepeatVector(4), TimeDistributed(Dense(2, activation="tanh"))])
    kernel, bias = tensors(case, "dense_weights")
    above, its_bias = tensors(case, "time_distributed_weights")
    y = torch.tanh((torch.tensor(case.X) @ kernel + bias).flatten(1) @ above + its_bias)
    y = y[:, None].expand(-1, 4, -1)
    fields = [("dense_weights", 0, kernel), ("dense_weights", 1, bias)]
    fields += [("time_distributed_weights", 0, above), ("time_distributed_weights", 1, its_bias)]
    check(case, fields, squares(y, case))


def test_embedding_and_classes() -> None:
    """Tokens in, classes out: torch.nn.functional.embedding and cross_entropy."""
    X = np.random.default_rng(0).integers(0, 6, (4, 5, 1)).astype(float)
    stack = [Embedding(6, 3), Dense(4, activation="softmax")]
    case = ListCase(stack, 5, 1, 4, X=X, loss="sparse_categorical_crossentropy")
    (rows,), (kernel, bias) = tensors(case, "embedding_weights"), tensors(case, "dense_weights")
    y = torch.nn.functional.embedding(torch.tensor(X[:, :, 0]).long(), rows) @ kernel + bias
    classes = torch.tensor(case.Y).long().flatten()
    loss = torch.nn.functional.cross_entropy(y.flatten(0, 1), classes, reduction="sum")
    assert abs(case.loss(case.weights) - loss.item()) < 1e-9
    fields = [("embedding_weights", 0, rows), ("dense_weights", 0, kernel), ("dense_weights", 1, bias)]
    check(case, fields, loss)


def before_and_after(steps: int, span: int, strides: int, padding: str) -> tuple[int, int]:
    """How many steps TensorFlow pads on either side."""
    if padding == "valid":
        return 0, 0
    if padding == "causal":
        return span - 1, 0
    total = max((-(-steps // strides) - 1) * strides + span - steps, 0)
    return total // 2, total - total // 2


def convolved(x: Any, kernel: Any, bias: Any, layer: Conv1D) -> Any:
    """(samples, steps, variables) by torch's conv1d; our kernel is (taps·inputs, filters)."""
    span = (layer.kernel_size - 1) * layer.dilation_rate + 1
    padded = torch.nn.functional.pad(x.mT, before_and_after(x.shape[1], span, layer.strides, layer.padding))
    weight = kernel.reshape(layer.kernel_size, -1, layer.filters).permute(2, 1, 0)
    return torch.nn.functional.conv1d(padded, weight, bias, layer.strides, 0, layer.dilation_rate).mT


def check_outputs(y: Any, case: ListCase) -> None:
    ours = case.network.forward(case.weights, case.X)[0]
    assert np.abs(ours - y.detach().numpy()).max() <= 1e-9 * max(1.0, np.abs(ours).max())


@pytest.mark.parametrize("samples", [1, 40])
@pytest.mark.parametrize(
    "layer",
    [
        Conv1D(5, 3),
        Conv1D(5, 3, padding="causal", activation="tanh"),
        Conv1D(33, 4, padding="same"),
        Conv1D(5, 2, padding="causal", dilation_rate=6, activation="tanh"),
        Conv1D(4, 3, padding="same", dilation_rate=3, use_bias=False),
        Conv1D(3, 4, strides=2, activation="sigmoid"),
        Conv1D(3, 3, strides=2, padding="same"),
        Conv1D(3, 5, strides=3, padding="causal"),
        Conv1D(2, 1),
        Conv1D(2, 9, padding="causal", dilation_rate=4),
    ],
    ids=repr,
)
def test_conv1d(layer: Conv1D, samples: int) -> None:
    """Issue 12: every padding, stride and dilation, outputs and gradients, by the layer's input too."""
    case = ListCase([Dense(3), layer, Dense(2)], steps=13, samples=samples, scale=0.7)
    (below, its_bias), (kernel, *bias) = tensors(case, "dense_weights"), tensors(case, "conv1d_weights")
    above, last = tensors(case, "dense_1_weights")
    functions = {"tanh": torch.tanh, "sigmoid": torch.sigmoid, None: lambda y: y}
    y = convolved(torch.tensor(case.X) @ below + its_bias, kernel, bias[0] if bias else None, layer)
    y = functions[layer.activation](y) @ above + last
    check_outputs(y, case)
    names = {"dense_weights": [below, its_bias], "conv1d_weights": [kernel, *bias], "dense_1_weights": [above, last]}
    fields = [(name, k, tensor) for name, all_of in names.items() for k, tensor in enumerate(all_of)]
    check(case, fields, squares(y, case))


@pytest.mark.parametrize(
    "layer",
    [
        MaxPooling1D(),
        MaxPooling1D(3, strides=2, padding="same"),
        MaxPooling1D(4, strides=1),
        AveragePooling1D(3),
        AveragePooling1D(3, strides=2, padding="same"),
        AveragePooling1D(4, strides=1),
        GlobalMaxPooling1D(),
        GlobalAveragePooling1D(),
    ],
    ids=repr,
)
def test_pooling(layer: Any) -> None:
    """Issue 12: what lies beyond the ends is no part of a maximum or mean."""
    case = ListCase([Dense(5), layer, Dense(2)], steps=10, samples=7)
    (below, its_bias), (above, last) = tensors(case, "dense_weights"), tensors(case, "dense_1_weights")
    x = (torch.tensor(case.X) @ below + its_bias).mT
    if isinstance(layer, (GlobalMaxPooling1D, GlobalAveragePooling1D)):
        pooled = x.amax(2, keepdim=True) if isinstance(layer, GlobalMaxPooling1D) else x.mean(2, keepdim=True)
    else:
        strides = layer.strides or layer.pool_size
        ends = before_and_after(10, layer.pool_size, strides, layer.padding)
        if isinstance(layer, MaxPooling1D):
            padded = torch.nn.functional.pad(x, ends, value=-torch.inf)
            pooled = torch.nn.functional.max_pool1d(padded, layer.pool_size, strides)
        else:
            sums, counts = (
                torch.nn.functional.avg_pool1d(torch.nn.functional.pad(each, ends), layer.pool_size, strides)
                for each in (x, torch.ones_like(x))
            )
            pooled = sums / counts
    y = pooled.mT @ above + last
    check_outputs(y, case)
    fields = [("dense_weights", 0, below), ("dense_weights", 1, its_bias)]
    check(case, [*fields, ("dense_1_weights", 0, above), ("dense_1_weights", 1, last)], squares(y, case))


def test_tcn() -> None:
    """Issue 12: the residual stack of Bai et al. (2018), a projection where the width changes."""
    case = ListCase([TCN(4, 3, (1, 2, 4), activation="tanh"), Dense(2)], steps=12, width=3, samples=5, scale=0.5)
    ours, (above, last) = tensors(case, "sequential_weights"), tensors(case, "dense_weights")
    rest, x = iter(ours), torch.tensor(case.X)
    for dilation in (1, 2, 4):
        layer, y = Conv1D(4, 3, padding="causal", dilation_rate=dilation), x
        for _ in range(2):
            y = torch.tanh(convolved(y, next(rest), next(rest), layer))
        x = torch.tanh((x @ next(rest) + next(rest) if x.shape[2] != 4 else x) + y)
    y = x[:, -1:] @ above + last
    check_outputs(y, case)
    fields = [("sequential_weights", k, tensor) for k, tensor in enumerate(ours)]
    check(case, [*fields, ("dense_weights", 0, above), ("dense_weights", 1, last)], squares(y, case))
