"""Against the package rnn itself, where it is installed: scripts, cross-check records, model files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pytrainr import predictr, trainr
from pytrainr.interop import crosscheck, read_r_model, write_r_model
from tests.r_client.r import R, has_package, what_is_missing

HERE = [] if what_is_missing() or not has_package("rnn") else ["here"]
TYPES = ("rnn", "gru", "lstm")


@pytest.mark.parametrize("rnn_is", HERE)
def test_against_rnn(rnn_is: str, r: R, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    records, models = tmp_path / "records", tmp_path / "models"
    records.mkdir()
    models.mkdir()
    r.environment.update(PYTRAINR_RECORDS=str(records), PYTRAINR_MODELS=str(models))
    r.run_file("with-rnn.R")

    assert crosscheck.main([str(path) for path in sorted(records.iterdir())]) == 0
    assert "identical: 38 arrays" in capsys.readouterr().out

    X = np.fromfile(models / "X.f8").reshape((8, 4, 2), order="F")
    for kind in TYPES:
        model = read_r_model(models / f"{kind}.rds")
        assert np.array_equal(predictr(model, X), np.fromfile(models / f"{kind}.f8").reshape((8, 4), order="F"))
        write_r_model(model, models / f"{kind}_again.rds", keep_store=True)
        ours = trainr(np.round(X[:, :, 0]), X, learningrate=0.1, hidden_dim=3, network_type=kind, epoch_function=())
        write_r_model(ours, models / f"{kind}_ours.rds", keep_store=True)
        predictr(ours, X).T.tofile(models / f"{kind}_ours.f8")
    r.run(READ_IN_R.format(folder=models))


READ_IN_R = """
library(rnn)
X <- readRDS(file.path("{folder}", "X.rds"))
for (type in c("rnn", "gru", "lstm")) {{
  path <- function(end) file.path("{folder}", paste0(type, end))
  saved <- readRDS(path(".rds"))
  again <- readRDS(path("_again.rds"))
  fields <- setdiff(names(saved), c("epoch_function", "loss_function"))
  stopifnot(identical(names(again), names(saved)), identical(again[fields], saved[fields]))
  stopifnot(identical(attributes(again), attributes(saved)))
  further <- lapply(list(saved, again), function(model) {{
    set.seed(5)
    trainr(round(X[, , 1]), X, model = model)$time_synapse
  }})
  stopifnot(identical(further[[1]], further[[2]]))
  ours <- readRDS(path("_ours.rds"))
  stopifnot(identical(as.vector(predictr(ours, X)), readBin(path("_ours.f8"), "double", 32)))
  trained <- trainr(round(X[, , 1]), X, model = ours)
}}
"""
