"""The neural Turing machine as a cell (issue 12, point 4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytrainr import Model, RRandom, layer_states, predictr, trainr
from pytrainr.layers import GRU, NTM, Decoder, Dense
from tests.exact.checking import ListCase

CELLS = [
    NTM(3, memory_slots=5, memory_width=4, read_heads=2, write_heads=2, return_sequences=True),
    NTM(4, memory_slots=6, memory_width=3, shift_range=2, controller="dense", return_sequences=True),
    NTM(3, memory_slots=4, memory_width=2, shift_range=0, use_bias=False, return_sequences=True),
]


def in_torch(torch: Any, cell: NTM, x: Any, named: dict[str, Any]) -> Any:
    """The paper's equations, written down in PyTorch."""
    n, heads = x.shape[0], cell.read_heads + cell.write_heads
    width, shifts = cell.memory_width, cell.shift_range
    zero = torch.zeros((), dtype=x.dtype)
    h, c = torch.zeros(n, cell.units, dtype=x.dtype), torch.zeros(n, cell.units, dtype=x.dtype)
    read = torch.zeros(n, cell.read_heads * width, dtype=x.dtype)
    memory = named["initial_memory"].expand(n, -1, -1)
    looked = torch.softmax(named["initial_weighting"], 1).expand(n, -1, -1)
    outputs = []
    for t in range(x.shape[1]):
        context = read if cell.controller == "dense" else torch.cat([h, read], 1)
        gates = x[:, t] @ named["kernel"] + context @ named["recurrent_kernel"] + named.get("bias", zero)
        if cell.controller == "dense":
            h = torch.tanh(gates)
        else:
            f, i, g, o = gates.chunk(4, 1)
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
            h = torch.sigmoid(o) * torch.tanh(c)
        said = h @ named["head_kernel"] + named.get("head_bias", zero)
        each = width + 2 * shifts + 4
        addressing = said[:, : heads * each].reshape(n, heads, each)
        key, strength, gate, shift, sharpness = addressing.split([width, 1, 1, 2 * shifts + 1, 1], 2)
        product = torch.einsum("nhw,nsw->nhs", key, memory)
        lengths = key.norm(dim=2)[:, :, None] * memory.norm(dim=2)[:, None]
        likeness = product / (lengths + 1e-8)
        content = torch.softmax(torch.nn.functional.softplus(strength) * likeness, 2)
        kept = torch.sigmoid(gate) * content + (1 - torch.sigmoid(gate)) * looked
        shares = torch.softmax(shift, 2)
        rolled = [torch.roll(kept, j, 2) * shares[:, :, j + shifts, None] for j in range(-shifts, shifts + 1)]
        sharp = (sum(rolled) + 1e-16) ** (1 + torch.nn.functional.softplus(sharpness))
        looked = sharp / sharp.sum(2, keepdim=True)
        writing = said[:, heads * each :].reshape(n, cell.write_heads, 2, width)
        erase, more = torch.sigmoid(writing[:, :, 0]), torch.tanh(writing[:, :, 1])
        at = looked[:, cell.read_heads :]
        for k in range(cell.write_heads):
            memory = memory * (1 - at[:, k, :, None] * erase[:, k, None])
        memory = memory + torch.einsum("nks,nkw->nsw", at, more)
        read = torch.einsum("nhs,nsw->nhw", looked[:, : cell.read_heads], memory).flatten(1)
        outputs.append(torch.cat([h, read], 1))
    return torch.stack(outputs, 1)


@pytest.mark.parametrize("cell", CELLS)
def test_against_torch(cell: NTM) -> None:
    """Outputs and every gradient are those of the equations in PyTorch, to 1e-9; central differences agree."""
    torch = pytest.importorskip("torch")
    case = ListCase([cell], 5, 2, 4)
    names = [weight.name for weight in cell.weights(5, 2)]
    blocks = list(case.network.layout)
    tensors = [torch.tensor(block.view(case.weights), requires_grad=True) for block in blocks]
    y = in_torch(torch, cell, torch.tensor(case.X), dict(zip(names, tensors, strict=True)))
    ours = case.network.forward(case.weights, case.X)[0]
    assert np.abs(ours - y.detach().numpy()).max() < 1e-9
    (0.5 * (y - torch.tensor(case.Y)) ** 2).sum().backward()
    gradient, _ = case.gradient(case.weights)
    for block, tensor, name in zip(blocks, tensors, names, strict=True):
        theirs = tensor.grad.numpy()
        assert np.abs(block.view(gradient) - theirs).max() <= 1e-9 * max(1.0, np.abs(theirs).max()), name
    assert case.worst_difference(step=5e-4) < 1e-6


def data() -> tuple[np.ndarray, np.ndarray]:
    X = np.random.default_rng(0).standard_normal((40, 6, 2))
    return X.cumsum(axis=1).mean(axis=2, keepdims=True), X


STACK = [NTM(6, memory_slots=8, memory_width=4, return_sequences=True), Dense(1)]
OPTIONS: dict[str, Any] = {"exact": True, "learningrate": 0.01, "update_rule": "adam", "batch_size": 8}
OPTIONS |= {"numepochs": 8, "epoch_function": []}


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_it_trains_is_kept_and_goes_step_by_step(tmp_path: Any, dtype: str) -> None:
    """As every layer: any length, a stepper, a state to go on from, model files, pieces, masks, single precision."""
    Y, X = data()
    model = trainr(Y, X, layers=STACK, dtype=dtype, rng=RRandom(1), **OPTIONS)
    assert model.mean_error[-1] < 0.8 * model.mean_error[0]
    model.save(tmp_path / "model")
    loaded = Model.load(tmp_path / "model")
    assert np.array_equal(predictr(loaded, X), predictr(model, X))
    near = {"rtol": 0.0, "atol": 1e-12 if dtype == "float64" else 1e-5}
    step, whole = loaded.stepper(), predictr(model, X[:1])
    assert np.allclose([float(step(x)[0]) for x in X[0]], whole[0], **near)
    first, state = predictr(model, X[:, :2], return_state=True)
    rest = predictr(model, X[:, 2:], state=state)
    assert np.allclose(np.concatenate([first, rest], axis=1), predictr(model, X), **near)
    pieces = trainr(Y, X, layers=STACK, dtype=dtype, bptt_steps=2, recurrent_dropout=0.0, rng=RRandom(1), **OPTIONS)
    assert pieces.mean_error[-1] < pieces.mean_error[0]
    assert "NTM" in model.summary()


def test_a_mask_a_decoder_and_dropout_of_the_state() -> None:
    cell = NTM(3, memory_slots=4, memory_width=2)
    for stack in ([cell, Dense(1)], [Decoder(cell, 3)]):
        assert ListCase(stack, 5, 2, 4, mask="nan").worst_difference(step=5e-4) < 1e-6
    Y, X = data()
    shape: dict[str, int] = {"units": 4, "memory_slots": 4, "memory_width": 2}
    stack = [NTM(**shape, dropout=0.2, recurrent_dropout=0.2, return_sequences=True), Dense(1)]
    assert np.isfinite(trainr(Y, X, layers=stack, rng=RRandom(1), **OPTIONS).error).all()


def test_memory_and_heads_can_be_seen() -> None:
    """layer_states shows the memory and where the heads look: what is written is what the equations say."""
    Y, X = data()
    model = trainr(Y, X, layers=STACK, rng=RRandom(1), **OPTIONS)
    seen = layer_states(model, X[:7])["ntm"]
    shapes = {"memory": (7, 6, 8, 4), "read_weightings": (7, 6, 1, 8), "write_weightings": (7, 6, 1, 8)}
    assert {name: array.shape for name, array in seen.items()} == shapes
    assert np.allclose(seen["read_weightings"].sum(axis=3), 1.0, rtol=1e-12)
    read = np.einsum("nths,ntsw->nthw", seen["read_weightings"], seen["memory"])[:, :, 0]
    assert np.allclose(predictr(model, X[:7], hidden=True)[0][:, :, 6:], read, rtol=0.0, atol=1e-12)
    with pytest.raises(ValueError, match="model has no layer with more to show"):
        layer_states(trainr(Y, X, layers=[GRU(2, return_sequences=True), Dense(1)], **OPTIONS), X)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"memory_slots": 2}, "NTM: memory_slots should be 3 or more"),
        ({"read_heads": 0}, "NTM: read_heads should be 1 or more"),
        ({"controller": "gru"}, "NTM: controller should be 'lstm' or 'dense'"),
    ],
)
def test_errors(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        NTM(4, **options)
