"""The R client when something stops: R itself by Ctrl-C, or the server."""

from __future__ import annotations

import signal
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from pytrainr_server.local import start_local_server

from tests.r_client.conftest import make_token, tls_flags
from tests.r_client.r import R, what_is_missing

LONG = """
library(rnnremote)
set.seed(1)
X <- array(runif(2000 * 20 * 2), c(2000, 20, 2))
Y <- X[, , 1]
"""
HERE = [] if what_is_missing() else ["here"]


def wait_for(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait until the condition holds."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.1)


def first_lines(process: subprocess.Popen[str], text: str) -> str:
    """What the process printed, up to the line that holds the text."""
    assert process.stdout is not None
    printed = ""
    for line in process.stdout:
        printed += line
        if text in line:
            return printed
    raise AssertionError(printed)


def rest(process: subprocess.Popen[str], seconds: float = 90.0) -> str:
    """What the process prints from here to its end."""
    assert process.stdout is not None
    alarm = threading.Timer(seconds, process.kill)
    alarm.start()
    printed = process.stdout.read()
    alarm.cancel()
    assert process.wait() == 0, printed
    return printed


@pytest.mark.parametrize("r_is", HERE)
def test_ctrl_c_cancels_the_job_on_the_server(r_is: str, r: R) -> None:
    process = r.start("-e", LONG + "m <- trainr(Y, X, learningrate = 0.01, numepochs = 1e5, keep_store = FALSE)")
    first_lines(process, "Trained epoch: 2 ")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=90)
    process.kill()
    state = "library(rnnremote); cat(job_list()$state[1])"
    wait_for(lambda: r.run(state) == "cancelled", 20)


@pytest.mark.parametrize("r_is", HERE)
@pytest.mark.parametrize("own", ["", ", epoch_function = list(epoch_print, function(model) model)"])
def test_ctrl_c_leaves_the_model_of_the_last_whole_epoch(own: str, r_is: str, r: R) -> None:
    """Issue 11, number 23: with a warning, as from Python; the script goes on with it."""
    code = f"""
    options(warn = 1)
    model <- trainr(Y, X, learningrate = 0.01, numepochs = 1e5, keep_store = FALSE{own})
    further <- suppressMessages(trainr(Y[1:9, ], X[1:9, , ], model = within(model, numepochs <- 1)))
    cat("result", ncol(model$error) == model$current_epoch, length(attr(model, "error")) == model$current_epoch,
      model$current_epoch > 1, length(predictr(model, X)) == length(Y), model$hidden_dim, "\\n")
    """
    process = r.start("-e", LONG + code)
    first_lines(process, "Trained epoch: 3 ")  # the second is whole: its functions have been called
    process.send_signal(signal.SIGINT)
    printed = rest(process)
    assert "interrupted: this is the model after epoch" in printed
    assert result(printed) == ["TRUE", "TRUE", "TRUE", "TRUE", "10"], printed


@pytest.mark.parametrize("r_is", HERE)
def test_a_killed_server_comes_back_and_the_training_ends_as_if_nothing_had_happened(
    r_is: str, r_library: Path, certificates: Path, tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    data_dir.mkdir()
    flags = [*tls_flags(certificates), "--checkpoint-seconds", "0.5"]
    token = make_token(data_dir, "an R user")
    train = "model <- trainr(Y, X, learningrate = 0.01, numepochs = {}, keep_store = FALSE);"
    show = "cat('result', digest(model), format(runif(1), digits = 17), '\\n')"
    digest = "digest <- function(m) { f <- tempfile(); saveRDS(m$time_synapse, f); tools::md5sum(f) };"
    server = start_local_server(data_dir, flags=flags)
    try:
        r = R(r_library, server.address, token, certificates / "authority.pem")
        code = LONG + digest + train.format(300) + show
        undisturbed = result(r.run(code))
        process = r.start("-e", code)
        printed = first_lines(process, "Trained epoch: 20 ")
        server.kill()
        time.sleep(1)
        server = start_local_server(data_dir, flags=flags, listen=r.address)
        printed += rest(process)
        assert result(printed) == undisturbed
        epochs = [line.split()[2] for line in printed.splitlines() if line.startswith("Trained epoch")]
        assert epochs == [str(epoch) for epoch in range(1, 301)]
    finally:
        server.kill()


def result(printed: str) -> list[str]:
    """The line with the result."""
    return next(line.split()[1:] for line in printed.splitlines() if line.startswith("result"))
