"""Issue 11.25, R: while a server compiles its first kernels, R says so instead of "epoch 1: 0 %"."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pytrainr_server.local import start_local_server

from tests.r_client.r import R, what_is_missing


@pytest.mark.parametrize("r_is", [] if what_is_missing() else ["here"])
def test_r_says_that_the_server_compiles(r_is: str, r_library: Path, tmp_path: Path) -> None:
    """11.25: with an empty kernel cache; a second training of the kind has nothing to compile and says nothing."""
    code = """
        library(rnnremote); options(rnnremote.progress = TRUE, width = 120)
        X <- array((1:24) / 25, c(4, 3, 2))
        train <- function() invisible(suppressMessages(
          trainr(X[, 3, 1, drop = FALSE], X, exact = TRUE, layers = list(gru(2), dense(1)), learningrate = 0.1)))
        train(); cat("\\nagain\\n", file = stderr()); train()
    """
    with start_local_server(tmp_path / "data", environment={"NUMBA_CACHE_DIR": str(tmp_path / "kernels")}) as server:
        first, again = R(r_library, server.address).run(code, seconds=500).split("again")
    assert re.search(r"the server is compiling [a-z_.]+ \(\d+ of \d+\)", first), first
    assert "compiling" not in again, again
