"""The log of a job's epochs: what was held out has its loss there, in a training without that there is none."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pytrainr_client import Client
from pytrainr_server.store.job_files import Epoch, EpochLog, JobFiles

from pytrainr import RRandom
from tests.service.conftest import adder


def written(directory: Path, count: int, validated: bool) -> list[Epoch]:
    """So many epochs in a log of either kind."""
    files = JobFiles(directory, 1, validated=validated)
    epochs = [Epoch(n, 1 / n, 0.1, 0.05, 2 / n if validated else None) for n in range(1, count + 1)]
    for epoch in epochs:
        files.append(epoch, np.zeros(1))
    files.flush()
    files.close()
    return epochs


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 60), st.booleans(), st.integers(0, 70), st.integers(1, 70))
def test_a_log_is_read_from_any_epoch_and_thinned(
    tmp_path_factory: pytest.TempPathFactory, count: int, validated: bool, after: int, limit: int
) -> None:
    directory = tmp_path_factory.mktemp("job")
    epochs = written(directory, count, validated)
    log = EpochLog(directory)
    stored = log.path.read_bytes()
    for kept in (None, stored):
        assert log.read(after, limit, kept) == epochs[after : after + limit]
        assert log.read(1 << 62, limit, kept) == []
        thinned = log.thinned(limit, kept)
        assert len(thinned) == min(limit, count)
        assert [epoch for epoch in epochs if epoch in thinned] == thinned
        if thinned and limit > 1:
            assert (thinned[0], thinned[-1]) == (epochs[0], epochs[-1])


@pytest.mark.parametrize("before", [False, True])
def test_a_job_taken_up_again_goes_on_in_the_kind_of_its_log(tmp_path: Path, before: bool) -> None:
    """A job begun by a server that logged no validation is taken up by one that does."""
    files = JobFiles(tmp_path, 1, validated=before)
    for n in (1, 2, 3):
        files.append(Epoch(n, 1 / n, 0.1, 0.1, 0.5 if before else None), np.zeros(1))
        if n == 2:
            files.save(n, {})  # the third is trained again
    files.flush()
    files.close()
    again = JobFiles(tmp_path, 1, validated=True)
    assert again.open() is not None
    again.append(Epoch(3, 0.25, 0.1, 0.1, 0.75), np.zeros(1))
    again.flush()
    again.close()
    last = EpochLog(tmp_path).read(0, 10)[-1]
    assert (last.epoch, last.mean_error, last.validation_loss) == (3, 0.25, 0.75 if before else None)


def test_who_watches_sees_the_validation(client: Client) -> None:
    """Issue 16: the loss on what is held out, epoch by epoch, is that of the model."""
    X, Y = adder(30)
    job = client.train_async(
        Y, X, rng=RRandom(1), exact=True, learningrate=0.1, hidden_dim=2, numepochs=5, validation=0.3
    )
    seen = [epoch.validation_loss for epoch in job.watch()]
    np.testing.assert_array_equal(seen, job.wait().validation_loss)
    plain = client.train_async(Y, X, learningrate=0.1, hidden_dim=2, numepochs=2)
    assert [epoch.validation_loss for epoch in plain.watch()] == [None, None]
