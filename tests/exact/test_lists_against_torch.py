"""Layers of lists against PyTorch: gradients to 1e-9. PyTorch is a test-only extra."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr.layers import GRU, Dense, Embedding, Flatten, LayerNormalization, RepeatVector, TimeDistributed
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
