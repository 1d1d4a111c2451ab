"""Issue 17.4: R's ``trainr_many`` is one batch at the server, whose models are Python's, through kills and Ctrl-C."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client
from pytrainr_server.failpoints import VARIABLE
from pytrainr_server.local import LocalServer, start_local_server
from trainr.v1 import training_pb2

import pytrainr
from tests.r_client.conftest import make_token, tls_flags
from tests.r_client.r import R, what_is_missing
from tests.r_client.test_interruptions import first_lines, rest, result, wait_for

HERE = [] if what_is_missing() else ["here"]
DATA = """
library(rnnremote)
set.seed(1)
X <- array(runif(40 * 20 * 2), c(40, 20, 2))
Y <- X[, , 1]
"""
DIGEST = """
digest <- function(trained) {
  file <- tempfile()
  saveRDS(lapply(unclass(trained), function(one) list(coef(one$model), one$model$error, paste(one$condition))), file)
  tools::md5sum(file)
}
"""


@pytest.fixture
def server_of_r(r: R) -> Iterator[Client]:
    with pytrainr_client.connect(r.address, r.token, ca=r.authority) as client:
        yield client


@pytest.mark.parametrize("r_is", HERE)
def test_it_is_one_batch_and_ctrl_c_cancels_it(r_is: str, r: R, server_of_r: Client) -> None:
    """All of its jobs have been handed in together; what was cancelled has the models of the last whole epochs."""
    grid = "data.frame(numepochs = c(1, 1, 1e6, 1e6), hidden_dim = c(2, 3, 8, 9))"
    code = f"""
    options(warn = 1)
    trained <- trainr_many(Y, X, {grid}, seeds = 1:2, learningrate = 0.001, priority = 7)
    text <- as.data.frame(trained)$stopped
    epochs <- vapply(unclass(trained), function(one) max(0L, one$model$current_epoch), 0L)
    said <- ifelse(nzchar(text), as.integer(gsub("[^0-9]", "", text)), 1L)
    cat("result", identical(nzchar(text), rep(c(FALSE, TRUE), each = 4)), identical(said, epochs), "\\n")
    """
    known = {job.name for job in server_of_r.jobs()}
    process = r.start("-e", DATA + code)

    def mine() -> list[training_pb2.TrainingJob]:
        page = server_of_r.training.ListTrainingJobs(training_pb2.ListTrainingJobsRequest(page_size=100))
        return [job for job in page.training_jobs if job.name not in known]

    wait_for(lambda: sum(job.state == training_pb2.JOB_STATE_SUCCEEDED for job in mine()) == 4, 90)
    wait_for(lambda: any(4 < job.epoch < 1e6 for job in mine()), 90)
    jobs = mine()
    (batch,) = {job.training_batch for job in jobs}
    assert sorted(job.batch_place for job in jobs) == list(range(8))
    assert {job.priority for job in jobs} == {7}
    time.sleep(1)  # R has fetched what is done
    process.send_signal(signal.SIGINT)
    printed = rest(process)
    assert "interrupted: 4 of 8 models are trained to the end" in printed
    assert result(printed) == ["TRUE", "TRUE"], printed
    with pytest.raises(pytrainr_client.NotFoundError):
        server_of_r.batch(batch).info()


@pytest.mark.parametrize("r_is", HERE)
@pytest.mark.parametrize("exact", [False, True])
def test_halving_is_pythons_to_the_bit(r_is: str, exact: bool, r: R, tmp_path: Path) -> None:
    """The same go on and are dropped, for the same reasons, with the same weights and errors."""
    options = "exact = TRUE, validation = 0.25" if exact else "exact = FALSE"
    code = f"""
    grid <- list(learningrate = c(0.01, 0.5, 0.1), hidden_dim = c(2, 5, 3))
    trained <- trainr_many(Y, X, grid, seeds = 3:4, numepochs = 9, network_type = "gru", halving = 3, {options})
    setwd("{tmp_path}")
    writeBin(as.vector(X), "X.bin")
    weights <- c("time_synapse", "recurrent_synapse")
    for (i in seq_along(trained)) {{
      model <- trained[[i]]$model
      writeBin(as.double(unlist(c(model[weights], list(model$error)))), paste0(i, ".bin"))
      cat("model", if (is.null(trained[[i]]$condition)) "whole" else conditionMessage(trained[[i]]$condition), "\\n")
    }}
    """
    printed = r.run(DATA + code)
    x = np.fromfile(tmp_path / "X.bin").reshape((40, 20, 2), order="F")
    given: dict[str, Any] = {"exact": True, "validation": 0.25} if exact else {}
    # R's expand.grid changes the first option first.
    grid = [{"learningrate": rate, "hidden_dim": units} for units in (2, 5, 3) for rate in (0.01, 0.5, 0.1)]
    shared: dict[str, Any] = {"numepochs": 9, "network_type": "gru", "progress": False, **given}
    here = pytrainr.trainr_many(x[:, :, :1], x, grid, seeds=(3, 4), halving=3, **shared)
    said = [line.strip().removeprefix("model ") for line in printed.splitlines() if line.startswith("model ")]
    assert said == [str(one.error or "whole") for one in here]
    assert [said.count("whole"), len(said)] == [2, 18]
    for place, one in enumerate(here):
        assert one.model is not None
        arrays = [*one.model.time_synapse, *one.model.recurrent_synapse, one.model.error]
        expected = np.concatenate([np.asarray(array, dtype=float).ravel(order="F") for array in arrays])
        assert np.fromfile(tmp_path / f"{place + 1}.bin").tobytes() == expected.tobytes()


@pytest.mark.parametrize("r_is", HERE)
@pytest.mark.parametrize("halving", ["NULL", "2"])
def test_a_killed_server_comes_back_and_the_batch_ends_as_if_nothing_had_happened(
    r_is: str, halving: str, r_library: Path, certificates: Path, tmp_path: Path
) -> None:
    """R waits, and takes up the same batch: each model comes once, with the bits that it would have had."""
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    flags = [*tls_flags(certificates), "--checkpoint-seconds", "0.5"]
    token = make_token(data_dir, "an R user")
    code = f"""
    trained <- trainr_many(
      Y, X, list(hidden_dim = c(2, 4, 6, 8)), learningrate = 0.05, numepochs = 300, network_type = "gru",
      halving = {halving}, each = function(one) cat("ended", one$options$hidden_dim, "\\n")
    )
    cat("result", digest(trained), "\\n")
    """
    server: LocalServer = start_local_server(data_dir, flags=flags)
    try:
        r = R(r_library, server.address, token, certificates / "authority.pem")
        undisturbed = r.run(DATA + DIGEST + code, 300)
        process = r.start("-e", DATA + DIGEST + code)
        printed = ""
        for kill in range(2):
            with pytrainr_client.connect(r.address, token, ca=certificates / "authority.pem") as client:
                wait_for(lambda kill=kill, client=client: progressed(client, 150 * (kill + 1)), 90)
            if kill:
                printed = first_lines(process, "ended")
            server.kill()
            time.sleep(1)
            server = start_local_server(data_dir, flags=flags, listen=r.address)
        printed += rest(process, 300)
        assert result(printed) == result(undisturbed)
        ended = [line.split()[1] for line in printed.splitlines() if line.startswith("ended")]
        assert sorted(ended) == ["2", "4", "6", "8"]
    finally:
        server.kill()


@pytest.mark.parametrize("r_is", HERE)
@pytest.mark.parametrize("failpoint", ["mid-accept", "after-accept"])
def test_a_server_killed_as_it_accepts_has_one_batch(
    r_is: str, failpoint: str, r_library: Path, tmp_path: Path
) -> None:
    """R hears no answer, and hands in the same batch again: it is there once, whole, whenever the server died."""
    server = start_local_server(tmp_path, environment={VARIABLE: failpoint})
    try:
        r = R(r_library, server.address)
        code = 'trained <- trainr_many(Y, X, seeds = 1:5, learningrate = 0.1); cat("result", digest(trained), "\\n")'
        process = r.start("-e", DATA + DIGEST + code)
        wait_for(lambda: server.process.poll() is not None, 90)
        server = start_local_server(tmp_path, listen=r.address)
        printed = rest(process)
        with pytrainr_client.connect(r.address) as client:
            assert list(client.jobs()) == []
            assert len(list(client.models())) == 5
        assert result(r.run(DATA + DIGEST + code)) == result(printed)
    finally:
        server.kill()


def progressed(client: Client, epochs: int) -> bool:
    """Whether the jobs that are there have trained so many epochs together."""
    return sum(job.epoch for job in client.jobs()) >= epochs
