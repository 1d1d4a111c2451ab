"""``model.to_onnx``: ONNX Runtime computes what ``predictr`` computes (issue 14, item 2)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import pytrainr
from pytrainr.export.equations import LAYERS
from pytrainr.export.of_model import NotExportableError
from pytrainr.layers import GRU, LSTM, Dense, EchoState, Embedding, GlobalAveragePooling1D
from pytrainr.series import Normalisation
from tests.exact import test_layers
from tests.export.models import cube, model_of, with_gaps
from tests.export.test_c import EVERY, QUIET, data

onnx = pytest.importorskip("onnx", reason="ONNX is missing: pip install 'pytrainr[onnx]'")
runtime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is missing: pip install 'pytrainr[onnx]'")


def computed(model: pytrainr.Model, X: np.ndarray, folder: Path) -> np.ndarray:
    """What ONNX Runtime makes of the file for X."""
    path = folder / "net.onnx"
    model.to_onnx(path)
    onnx.checker.check_model(onnx.load(path), full_check=True)
    session = runtime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    return np.asarray(session.run(["Y"], {"X": X.astype(model.get("dtype", "float64"))})[0])


def check(model: pytrainr.Model, X: np.ndarray, folder: Path) -> None:
    found, expected = computed(model, X, folder), cube(pytrainr.predictr(model, X))
    assert found.shape == expected.shape
    assert np.array_equal(np.isnan(found), np.isnan(expected))
    size = max(1.0, np.nanmax(np.abs(expected), initial=0.0))
    tolerance = 1e-6 if model.get("dtype") == "float32" else 1e-12
    assert np.nanmax(np.abs(found - expected), initial=0.0) <= tolerance * size


def check_list(stack: list[Any], steps: int, width: int, folder: Path, seed: int = 0, **options: Any) -> None:
    """Of one sample and of several, as many steps as in training and, where the layers take them, others."""
    model = model_of(stack, steps, width, seed, **options)
    random = np.random.default_rng(seed)
    for samples, length in ((3, steps), (1, steps + 3)):
        X = random.standard_normal((samples, length, width))
        X = with_gaps(X) if options.get("mask") else X
        try:
            pytrainr.predictr(model, X)
        except ValueError:
            assert length != steps
            continue
        try:
            check(model, X, folder)
        except NotExportableError as error:
            assert str(error).split()[0] not in LAYERS or " with " in str(error)
            return


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    stack=st.lists(test_layers.layers, min_size=1, max_size=4),
    steps=st.integers(1, 6),
    width=st.integers(1, 3),
    mask=st.sampled_from([None, "nan"]),
    dtype=st.sampled_from(["float64", "float32"]),
    seed=st.integers(0, 9),
)
def test_any_list_of_layers(
    stack: list[Any], steps: int, width: int, mask: str | None, dtype: str, seed: int, tmp_path: Path
) -> None:
    """Random lists of layers, masked or not, in both precisions, for any number of samples and steps."""
    test_layers.fitting(stack, steps, width, mask)
    check_list(stack, steps, width, tmp_path, mask=mask, dtype=dtype, seed=seed)


@pytest.mark.parametrize("mask", [None, "nan"])
def test_every_layer(mask: str | None, tmp_path: Path) -> None:
    """Each layer by itself: it computes the same, or is refused by its name."""
    for _, layer in EVERY:
        stack = [Dense(2), layer] if "RepeatVector" not in repr(layer) else [GRU(2), layer]
        try:
            test_layers.LayerList(tuple(stack), 2, 5, padded=mask is not None).check()
        except ValueError:
            continue
        check_list(stack, 5, 2, tmp_path, mask=mask)


@pytest.mark.parametrize(
    "top", [[LSTM(4, return_sequences=True), Dense(2)], [GRU(3)], [GlobalAveragePooling1D()]], ids=str
)
def test_tokens(top: list[Any], tmp_path: Path) -> None:
    """Tokens in, with token 0 as none."""
    X = np.random.default_rng(0).integers(0, 7, (5, 6, 1)).astype(float)
    X[:, 0] = 1.0
    check(model_of([Embedding(7, 3, mask_zero=True), *top], 6, 1, X=X), X, tmp_path)


def test_reservoirs_in_a_list(tmp_path: Path) -> None:
    check_list([EchoState(5, leak=0.5, return_sequences=True), Dense(1)], 6, 2, tmp_path)


@pytest.mark.parametrize("network_type", ["rnn", "gru", "lstm"])
@pytest.mark.parametrize("unsync", [False, True])
def test_r_arithmetic(network_type: str, unsync: bool, tmp_path: Path) -> None:
    """R's networks, with the normalisation that they keep inside the graph; their recycled bias is refused by name."""
    Y, X = data(outputs=2)
    scales = Normalisation.by_deviation(X.reshape(-1, 2) * 3.0 + 1.0).fields(target=[0, 1])
    options = {**QUIET, "network_type": network_type, "seq_to_seq_unsync": unsync, **scales}
    Y = Y[:, :3] if unsync else Y
    check(pytrainr.trainr(Y, X, **options), X, tmp_path)
    with pytest.raises(ValueError, match="use_bias=True"):
        pytrainr.trainr(Y, X, **options, use_bias=True).to_onnx(tmp_path / "biased.onnx")
    assert not (tmp_path / "biased.onnx").exists()


@pytest.mark.parametrize(
    "options",
    [
        {"network_type": "gru", "seq_to_seq_unsync": True},
        {"network_type": "lstm", "peephole": True, "proj_size": 2, "output": "linear", "bidirectional": True},
        {"network_type": "jordan", "output": "tanh", "dtype": "float32"},
    ],
    ids=str,
)
def test_shorthands(options: dict[str, Any], tmp_path: Path) -> None:
    """What the options of exact training build, trained, with its normalisation."""
    Y, X = data(outputs=2)
    Y = Y[:, :3] if options.get("seq_to_seq_unsync") else Y
    scales = Normalisation.by_deviation(X.reshape(-1, 2) * 3.0 + 1.0).fields(target=[0, 1])
    hidden = 4 if options["network_type"] == "jordan" else [4, 3]
    check(
        pytrainr.trainr(Y, X, **{**QUIET, "hidden_dim": hidden}, exact=True, use_bias=True, **options, **scales),
        X,
        tmp_path,
    )


def test_what_onnx_cannot_say_is_named(tmp_path: Path) -> None:
    Y, X = data()
    model = pytrainr.trainr(Y[:, :2], X, **{**QUIET, "hidden_dim": 3}, exact=True, network_type="gru", attention=True)
    with pytest.raises(ValueError, match="Decoder has no form in ONNX"):
        model.to_onnx(tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())
