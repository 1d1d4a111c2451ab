"""What the extras bring, once through each: what shows whether the versions that pyproject.toml allows fit."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

import pytrainr
from pytrainr import predictr, trainr
from pytrainr.layers import GRU, Dense

RANDOM = np.random.default_rng(1)
X = RANDOM.normal(size=(12, 6, 2))
Y = X[:, :, :1] * 0.5
HOW: dict[str, Any] = {
    **{"exact": True, "network_type": "gru", "output": "linear", "hidden_dim": 3, "learningrate": 0.01},
    **{"numepochs": 2, "epoch_function": []},
}


def sklearn(folder: Path) -> None:
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.utils.estimator_checks import check_estimator

    from pytrainr.sklearn import RNNClassifier, RNNRegressor

    check_estimator(RNNRegressor(random_state=0))
    pipeline = make_pipeline(StandardScaler(), RNNClassifier(hidden_dim=2, numepochs=2, variables=2, random_state=0))
    labels = np.where(X[:, 0, 0] > np.median(X[:, 0, 0]), "above", "below")
    search = GridSearchCV(pipeline, {"rnnclassifier__hidden_dim": [2, 3]}, cv=2).fit(X.reshape(12, 12), labels)
    assert set(search.predict(X.reshape(12, 12))) <= {"above", "below"}


def onnx(folder: Path) -> None:
    import onnxruntime

    model = trainr(Y, X, **HOW)
    model.to_onnx(folder / "net.onnx")
    session = onnxruntime.InferenceSession(str(folder / "net.onnx"), providers=["CPUExecutionProvider"])
    (found,) = session.run(["Y"], {"X": X})
    assert np.abs(found.reshape(12, 6) - predictr(model, X)).max() < 1e-12


def safetensors(folder: Path) -> None:
    model = trainr(Y, X, **HOW)
    model.to_safetensors(folder / "net.safetensors")
    assert np.array_equal(predictr(pytrainr.from_safetensors(folder / "net.safetensors"), X), predictr(model, X))


def h5py(folder: Path) -> None:
    import h5py

    given = {"gru/cell/vars": [(2, 9), (3, 9), (2, 9)], "dense/vars": [(3, 1), (1,)]}
    with h5py.File(folder / "net.weights.h5", "w") as file:
        for group, shapes in given.items():
            for number, shape in enumerate(shapes):
                file[f"layers/{group}/{number}"] = RANDOM.normal(size=shape).astype(np.float32)
    layers = [GRU(3, reset_after=True, return_sequences=True), Dense(1)]
    assert np.isfinite(predictr(pytrainr.from_keras(folder / "net.weights.h5", layers, steps=6), X)).all()


def tensorboardX(folder: Path) -> None:  # noqa: N802
    trainr(Y, X, **{**HOW, "epoch_function": pytrainr.epoch_tensorboard(folder / "log")})
    assert next((folder / "log").iterdir()).stat().st_size > 0


def tqdm(folder: Path) -> None:
    assert trainr(Y, X, **{**HOW, "epoch_function": pytrainr.epoch_progress()}).current_epoch == 2


def matplotlib(folder: Path) -> None:
    from pytrainr import plots

    model = trainr(Y, X, **HOW)
    plots.history(model, folder / "history.png")
    plots.weights(model, folder / "weights.png")
    plots.gates(model, X, path=folder / "gates.png")
    assert all((folder / f"{name}.png").stat().st_size > 0 for name in ("history", "weights", "gates"))


def pandas(folder: Path) -> None:
    import pandas as pd

    from pytrainr.series import trainr_series

    months = pd.date_range("2001-01-01", periods=120, freq="MS")
    series = pd.Series(np.sin(np.arange(120) / 6), months, name="wave")
    ahead = trainr_series(series, lookback=12, **{**HOW, "hidden_dim": 2}).forecast(3)
    assert list(ahead.to_frame().index) == list(pd.date_range("2011-01-01", periods=3, freq="MS"))


PARTS: tuple[Callable[[Path], None], ...] = (
    *(sklearn, onnx, safetensors, h5py, tensorboardX, tqdm, matplotlib, pandas),
)
"""Each is named after the module that it needs."""


def run() -> None:
    """All whose module is installed."""
    for part in PARTS:
        if find_spec(part.__name__) is None:
            print(f"{part.__name__}: not installed", flush=True)
            continue
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            part(Path(folder))
        print(f"{part.__name__}: passed", flush=True)
