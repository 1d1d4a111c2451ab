"""Issue 15, number 5: files that R has the server write compute elsewhere what predictr computes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import pytrainr
from tests.r_client.r import R, what_is_missing


@pytest.mark.parametrize("r_is", [] if what_is_missing() else ["here"])
def test_files_of_r_are_read_elsewhere(r_is: str, r: R, tmp_path: Path) -> None:
    """ONNX Runtime and Python compute R's predictions; a file that Python saves is R's model."""
    runtime = pytest.importorskip("onnxruntime")
    code = f"""
        library(rnnremote); setwd("{tmp_path}"); set.seed(1)
        X <- array(runif(5 * 4 * 2), c(5, 4, 2))
        models <- suppressMessages(list(
          plain = trainr(X[, , 1], X, learningrate = 0.1),
          exact = trainr(X[, 4, 1, drop = FALSE], X, learningrate = 0.1, exact = TRUE,
            layers = list(lstm(3), dense(1)))))
        writeBin(c(X), "X")
        for (name in names(models)) {{
          for (ending in c(".onnx", ".trainr")) model_export(models[[name]], paste0(name, ending))
          writeBin(c(predictr(models[[name]], X)), paste0(name, ".predicted"))
        }}"""
    r.run(code, seconds=500)
    X = np.fromfile(tmp_path / "X").reshape(5, 4, 2, order="F")
    for name, steps in (("plain", 4), ("exact", 1)):
        predicted = np.fromfile(tmp_path / f"{name}.predicted").reshape(5, steps, order="F")
        session = runtime.InferenceSession((tmp_path / f"{name}.onnx").read_bytes(), providers=["CPUExecutionProvider"])
        np.testing.assert_allclose(session.run(["Y"], {"X": X})[0][:, :, 0], predicted, rtol=1e-12)
        model = pytrainr.Model.load(tmp_path / f"{name}.trainr")
        np.testing.assert_array_equal(np.asarray(pytrainr.predictr(model, X)).reshape(5, steps), predicted)
        pytrainr.trainr(X[:, :steps, :1], X, model=model, epoch_function=()).save(tmp_path / f"{name}.further")
        r.run(
            f"""
            library(rnnremote); setwd("{tmp_path}")
            X <- array(readBin("X", "double", 40), c(5, 4, 2))
            writeBin(c(predictr(model_import("{name}.further"), X)), "further")""",
            seconds=500,
        )
        further = pytrainr.predictr(pytrainr.Model.load(tmp_path / f"{name}.further"), X)
        np.testing.assert_array_equal(np.fromfile(tmp_path / "further"), np.asarray(further).ravel(order="F"))
