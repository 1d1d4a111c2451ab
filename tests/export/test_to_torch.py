"""``model.to_torch``: PyTorch gives predictr's numbers, and the exact gradient (issue 14, item 4)."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytrainr
from pytrainr.export.equations import LAYERS
from pytrainr.export.of_model import NotExportableError
from pytrainr.layers import GRU, LSTM, Dense, Embedding
from pytrainr.series import Normalisation
from tests.exact import test_layers
from tests.exact.checking import ListCase
from tests.export.models import cube, model_of, with_gaps
from tests.export.test_c import EVERY, QUIET, data

torch = pytest.importorskip("torch", reason="PyTorch is missing: pip install 'pytrainr[torch]'")


def check(model: pytrainr.Model, X: np.ndarray) -> None:
    module = model.to_torch()
    found, expected = module(torch.tensor(X)).detach().numpy(), cube(pytrainr.predictr(model, X))
    assert found.shape == expected.shape
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    size = max(1.0, np.nanmax(np.abs(expected), initial=0.0))
    tolerance = 1e-5 if model.get("dtype") == "float32" else 1e-12
    assert np.nanmax(np.abs(found - expected), initial=0.0) <= tolerance * size


def check_gradient(stack: list[Any], steps: int, width: int, seed: int) -> None:
    """d/dw Σ ½(Y − out)² is what exact training computes."""
    case = ListCase(stack, steps, width, 3, seed)
    model = model_of(stack, steps, width, seed)
    module = model.to_torch()
    if not list(module.parameters()):
        return
    (0.5 * (torch.tensor(case.Y) - module(torch.tensor(case.X))) ** 2).sum().backward()
    case.weights = np.concatenate([case.weights])
    case.network.layout.collect(model.copy(), case.weights)
    gradient, _ = case.gradient(case.weights)
    options = case.network.options
    for (path, name), parameter in module._names.items():
        place, found = options.places[path, name], module.get_parameter(parameter).grad.numpy()
        ours = gradient[place : place + found.size].reshape(found.shape)
        assert np.abs(ours - found).max() <= 1e-9 * max(1.0, np.abs(ours).max()), (path, name)


def check_list(stack: list[Any], steps: int, width: int, seed: int = 0, **options: Any) -> None:
    model = model_of(stack, steps, width, seed, **options)
    X = np.random.default_rng(seed).standard_normal((3, steps, width))
    X = with_gaps(X) if options.get("mask") else X
    try:
        check(model, X)
    except NotExportableError as error:
        assert str(error).split()[0] not in LAYERS or " with " in str(error)
        return
    if not options.get("mask") and test_layers.without_dropout(stack):
        check_gradient(stack, steps, width, seed)


@settings(max_examples=20, deadline=None)
@given(
    stack=st.lists(test_layers.layers, min_size=1, max_size=4),
    steps=st.integers(1, 6),
    width=st.integers(1, 3),
    mask=st.sampled_from([None, "nan"]),
    seed=st.integers(0, 9),
)
def test_any_list_of_layers(stack: list[Any], steps: int, width: int, mask: str | None, seed: int) -> None:
    """Random lists of layers, masked or not: outputs to 1e-12, gradients to 1e-9."""
    test_layers.fitting(stack, steps, width, mask)
    check_list(stack, steps, width, seed, mask=mask)


@pytest.mark.parametrize("mask", [None, "nan"])
def test_every_layer(mask: str | None) -> None:
    """Each layer by itself: it computes the same, or is refused by its name."""
    for _, layer in EVERY:
        stack = [Dense(2), layer] if "RepeatVector" not in repr(layer) else [GRU(2), layer]
        try:
            test_layers.LayerList(tuple(stack), 2, 5, padded=mask is not None).check()
        except ValueError:
            continue
        check_list(stack, 5, 2, mask=mask)


def test_tokens_and_single_precision() -> None:
    X = np.random.default_rng(0).integers(0, 7, (5, 6, 1)).astype(float)
    stack = [Embedding(7, 3, mask_zero=True), LSTM(4, return_sequences=True), Dense(2)]
    check(model_of(stack, 6, 1, X=X), X)
    check(model_of(stack, 6, 1, X=X, dtype="float32"), X)


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
def test_r_arithmetic(network_type: str) -> None:
    """R's networks, with the normalisation that they keep; a module is a module: it is pickled, and has a state."""
    Y, X = data(outputs=2)
    scales = Normalisation.by_deviation(X.reshape(-1, 2) * 3.0 + 1.0).fields(target=[0, 1])
    model = pytrainr.trainr(Y, X, **QUIET, network_type=network_type, **scales)
    check(model, X)
    module = model.to_torch()
    again = pickle.loads(pickle.dumps(module))
    again.load_state_dict(module.state_dict())
    assert torch.equal(again(torch.tensor(X)), module(torch.tensor(X)))
    assert set(module.state_dict()) >= {"0_kernel", "1_recurrent_kernel", "2_kernel"}


def test_what_torch_cannot_say_is_named() -> None:
    Y, X = data()
    model = pytrainr.trainr(Y[:, :2], X, **{**QUIET, "hidden_dim": 3}, exact=True, network_type="gru", attention=True)
    with pytest.raises(ValueError, match="Decoder has no form in PyTorch"):
        model.to_torch()
