"""Issue 17.4: ``trainr_many`` at a server: one submission of many jobs, one stream of progress, results as they end."""

from __future__ import annotations

import subprocess
import sys
import textwrap
import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, NotFoundError, ServerError
from pytrainr_client.batches import BatchInfo
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.errors import ServiceError
from pytrainr_server.service.batches import check_size
from trainr.v1 import dataset_pb2, dataset_pb2_grpc, training_pb2

import pytrainr
from tests.service.conftest import SecureServer, adder
from tests.service.test_bad_input import refused, training
from tests.service.test_faults import Reviver, reviver  # noqa: F401 (a fixture)

Data = tuple[np.ndarray, np.ndarray]
GRID: dict[str, Any] = {"learningrate": [0.1, 0.3], "hidden_dim": [3, (4, 2)]}
ENDLESS: dict[str, Any] = {"learningrate": 0.01, "hidden_dim": 16, "network_type": "lstm", "numepochs": 1_000_000}


@pytest.fixture
def server(plain: LocalServer) -> Iterator[Client]:
    with pytrainr_client.connect(plain.address) as connected:
        yield connected


def same(there: list[pytrainr.Trained], here: list[pytrainr.Trained]) -> None:
    assert [(one.seed, one.options) for one in there] == [(one.seed, one.options) for one in here]
    for one, other in zip(there, here, strict=True):
        assert one.model == other.model
        assert type(one.error) is type(other.error)
        assert str(one.error) == str(other.error)


def stored(client: Client) -> tuple[int, int, int]:
    """How many jobs, models and datasets one has at the server."""
    sets = dataset_pb2_grpc.DatasetServiceStub(client._channel).ListDatasets(dataset_pb2.ListDatasetsRequest())
    return len(list(client.jobs())), len(list(client.models())), len(sets.datasets)


def test_they_are_those_of_here_and_leave_nothing(
    server: Client, data: Data, capfd: pytest.CaptureFixture[str]
) -> None:
    """One divergent among them; the arrays travel once, whatever N is; afterwards jobs and models are gone."""
    X, Y = data
    before = stored(server)
    shared: dict[str, Any] = {"numepochs": 3, "learningrate_decay": 0.9}
    there = server.trainr_many(Y, X, GRID, seeds=(5, 6), **shared)
    same(there, pytrainr.trainr_many(Y, X, GRID, seeds=(5, 6), **shared))
    said = capfd.readouterr().err.splitlines()
    assert len([line for line in said if "8 of 8 models: " in line]) == 2, "said there and here"
    assert any("learningrate=0.3, hidden_dim=(4, 2), seed 6: mean error " in line for line in said)
    grid = [{"learningrate": 1e6}, {"learningrate": 0.01}]
    exact: dict[str, Any] = {"exact": True, "output": "linear", "numepochs": 4, "progress": False}
    same(server.trainr_many(Y, X, grid, **exact), pytrainr.trainr_many(Y, X, grid, **exact))
    after = stored(server)
    assert after[:2] == before[:2]
    assert after[2] - before[2] <= 2


def test_results_come_as_they_end_and_the_rest_can_be_stopped(server: Client, data: Data) -> None:
    X, Y = data
    grid = [ENDLESS, {"learningrate": 0.1}, {"learningrate": 0.2}]
    batch = server.train_many_async(Y, X, grid, batch_id=f"some-{uuid.uuid4().hex[:8]}", priority=3)
    results = batch.results()
    first = [next(results), next(results)]
    assert sorted(place for place, _ in first) == [1, 2]
    info = batch.info()
    assert (info.size, info.succeeded, info.ended) == (3, 2, 2)
    jobs = list(server.jobs(batch=batch.name))
    assert [job.name for job in jobs] == [f"trainingJobs/{batch.name.partition('/')[2]}-{place}" for place in (2, 1, 0)]
    assert {job.priority for job in jobs} == {3}
    with pytest.raises(ServerError, match="has not ended; cancel it first"):
        batch.delete()
    batch.cancel()
    ((place, trained),) = results
    assert place == 0
    assert isinstance(trained.error, ServerError)
    assert trained.error.code == grpc.StatusCode.CANCELLED
    seen = list(server.batch(batch.name).watch(seen=(0, 1, 2)))
    assert len(seen) == 1, "nothing again but how it ended"
    assert isinstance(seen[0], BatchInfo)
    assert (seen[0].succeeded, seen[0].cancelled) == (2, 1)
    batch.delete(models=True)
    with pytest.raises(NotFoundError):
        batch.info()


def test_a_batch_goes_with_its_last_job(server: Client, data: Data) -> None:
    X, Y = data
    batch = server.train_many_async(Y, X, seeds=range(2), learningrate=0.1, batch_id="twice")
    batch.wait()
    first, second = server.jobs(batch=batch.name)
    server.job(first.name).delete()
    assert batch.info().size == 1
    server.job(second.name).delete()
    server.train_many_async(Y, X, learningrate=0.1, batch_id="twice").wait()
    batch.delete()


def test_all_or_none(server: Client, data: Data) -> None:
    """One of them is wrong, or one of them names what is not there: the error says which, and no job is stored."""
    X, Y = data
    before = stored(server)[0]
    which = r"hidden_dim.*\(model 3 of 3: hidden_dim=-1, seed 1\)"
    with pytest.raises(pytrainr_client.InvalidArgumentError, match=which):
        server.trainr_many(Y, X, {"hidden_dim": [2, 3, -1]}, learningrate=0.1)
    with pytest.raises(NotFoundError, match="models/none"):
        server.trainr_many(Y, X, [{}, {"model": "models/none"}], learningrate=0.1)
    with pytest.raises(ValueError, match="functions of your own"):
        server.trainr_many(Y, X, learningrate=0.1, epoch_function=lambda model: model)
    with pytest.raises(TypeError, match="rng cannot be shared"):
        server.trainr_many(Y, X, learningrate=0.1, rng=pytrainr.RRandom(1))
    assert stored(server)[0] == before


def request_of(count: int, **changes: Any) -> training_pb2.CreateTrainingJobsRequest:
    return training_pb2.CreateTrainingJobsRequest(training=[training()] * count, **changes)


def test_one_request_id_is_one_batch(server: Client) -> None:
    create = server.training.CreateTrainingJobs
    request = request_of(3, request_id=str(uuid.uuid4()))
    with ThreadPoolExecutor(4) as pool:
        names = {batch.name for batch in pool.map(lambda _: create(request), range(8))}
    (name,) = names
    assert len(list(server.jobs(batch=name))) == 3
    code, reason, _ = refused(lambda: create(request_of(2, request_id=request.request_id)))
    assert (code, reason) == (grpc.StatusCode.ALREADY_EXISTS, "REQUEST_ID_REUSED")


def test_what_is_no_batch_is_refused(server: Client) -> None:
    create = server.training.CreateTrainingJobs
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    halving = training_pb2.Halving(eta=3)
    longer = [training(options={"numepochs": epochs}) for epochs in (2, 2, 3)]
    for request, field in (
        (request_of(0), "training"),
        (request_of(1, training_batch_id="Not"), "training_batch_id"),
        (request_of(1, training_batch_id="x" * 62), "training_batch_id"),
        (request_of(2, halving=halving), "halving"),
        (request_of(3, halving=training_pb2.Halving(eta=-1)), "halving"),
        (training_pb2.CreateTrainingJobsRequest(training=longer, halving=training_pb2.Halving(eta=2)), "numepochs"),
    ):
        code, _, named = refused(lambda request=request: create(request))  # type: ignore[misc]
        assert (code, named) == (invalid, field)
    watch = server.training.WatchTrainingBatch(
        training_pb2.WatchTrainingBatchRequest(name="trainingBatches/a", seen_place=[-1])
    )
    assert refused(lambda: next(watch))[2] == "seen_place"


def test_limits_are_those_of_the_whole_batch(tmp_path: Path) -> None:
    """Quotas hold for all of its jobs before any is stored; far too many are not even taken apart."""
    few = start_local_server(tmp_path, flags=["--max-jobs", "5"])
    with few as server, pytrainr_client.connect(server.address) as client:
        assert client.limits.max_batch == 5
        create = client.training.CreateTrainingJobs
        code, reason, _ = refused(lambda: create(request_of(6)))
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS")
        empty = b"\n\0" * 4_000_000
        raw = client._channel.unary_unary("/trainr.v1.TrainingService/CreateTrainingJobs")
        code, reason, _ = refused(lambda: raw(empty))
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS")
        watch = client._channel.unary_stream("/trainr.v1.TrainingService/WatchTrainingBatch")
        many = training_pb2.WatchTrainingBatchRequest(name="trainingBatches/a", seen_place=range(10_000))
        code, reason, _ = refused(lambda: next(watch(many.SerializeToString())))
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_PLACES")
        X, Y = adder(20)
        endless = client.train_many_async(Y, X, seeds=range(3), **ENDLESS)
        code, reason, _ = refused(lambda: create(request_of(3)))
        assert (code, reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOO_MANY_JOBS")
        assert len(list(client.jobs())) == 3
        create(request_of(2))
        endless.cancel()


@pytest.mark.parametrize("raw", [b"", b"\xff" * 40, b"\n", b"\n\x05abc", b"\x0b" * 20, b"\x08\x01", b"\x0f"])
def test_what_is_no_message_is_left_to_the_parser(raw: bytes) -> None:
    check_size(raw, 100)


def test_fields_of_every_kind_are_counted() -> None:
    for field in (b"\n\0", b"\x08\x01", b"\x0d1234", b"\x0912345678", b"\x0b\x0c"):
        with pytest.raises(ServiceError, match="more than 10 jobs"):
            check_size(field * 27, 10)
        check_size(field * 10, 10)


def test_another_owner_has_no_part_in_it(secure: SecureServer, data: Data) -> None:
    X, Y = data
    with secure.connect() as alice, secure.connect(secure.other_token) as bob:
        batch = alice.train_many_async(Y, X, seeds=range(2), **ENDLESS)
        theirs = bob.batch(batch.name)
        for call in (theirs.info, lambda: list(theirs.watch()), theirs.cancel):
            with pytest.raises(NotFoundError):
                call()
        theirs.delete(models=True)  # of what is not there for him nothing
        assert list(bob.jobs(batch=batch.name)) == []
        assert batch.info().ended == 0
        batch.cancel()


def test_ctrl_c_hands_back_what_there_is(plain: LocalServer) -> None:
    script = f"""
        import os, signal, threading, time, warnings, pytrainr, pytrainr_client
        from tests.service.test_batches import ENDLESS, adder
        X, Y = adder(60)
        grid = [{{"learningrate": 0.1, "hidden_dim": 2}}, ENDLESS]
        with warnings.catch_warnings(record=True) as caught, pytrainr_client.connect({plain.address!r}) as client:
            warnings.simplefilter("always")
            batch = client.train_many_async(Y, X, grid)
            def interrupt():
                while not (batch.info().succeeded == 1 and next(iter(batch.jobs())).epoch > 3):
                    time.sleep(0.05)
                os.kill(os.getpid(), signal.SIGINT)
            threading.Thread(target=interrupt).start()
            short, long = batch.train(False)
        assert any(issubclass(warning.category, pytrainr.TrainingInterrupted) for warning in caught), caught
        assert "1 of 2 models" in str(caught[-1].message), caught[-1].message
        here = pytrainr.trainr(Y, X, rng=pytrainr.RRandom(1), epoch_function=pytrainr.epoch_annealing, **grid[0])
        assert short.error is None and short.model == here
        assert isinstance(long.error, pytrainr.TrainingInterrupted), long.error
        assert f"after {{long.model.current_epoch}} whole" in str(long.error)
        print("interrupted")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script)], timeout=500, capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == "interrupted", done.stderr


def test_what_cannot_be_fetched_stays_at_the_server(
    server: Client, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = data
    batch = server.train_many_async(Y, X, GRID)
    fetch = Client.model

    def lost(client: Client, name: str) -> Any:
        monkeypatch.setattr(Client, "model", fetch)
        raise ServerError("the line is cut", grpc.StatusCode.UNAVAILABLE)

    monkeypatch.setattr(Client, "model", lost)
    with pytest.raises(ServerError, match="the line is cut"):
        batch.train(False)
    left = server.batch(batch.name).wait()
    assert len(left) == batch.info().size
    assert sum(one.model is not None for one in left) >= 1  # the rest was stopped
    for model in server.models():
        server.delete_model(model.name)
    gone = server.batch(batch.name).wait()
    assert [one.model for one in gone] == [None] * len(left)
    assert any(isinstance(one.error, NotFoundError) for one in gone), "where it has gone for good that is told"
    batch.delete(models=True)


def test_ctrl_c_while_they_are_handed_in_stops_them(
    server: Client, data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    X, Y = data
    create, handed_in = server.training.CreateTrainingJobs, []

    def interrupted(request: training_pb2.CreateTrainingJobsRequest, **options: Any) -> None:
        handed_in.append(create(request, **options))
        raise KeyboardInterrupt

    monkeypatch.setattr(server.training, "CreateTrainingJobs", interrupted)
    with pytest.raises(KeyboardInterrupt):
        server.train_many_async(Y, X, [ENDLESS])
    batch = server.batch(handed_in[0].name)
    assert [one.error is not None for one in batch.wait()] == [True]
    assert batch.info().cancelled == 1
    batch.delete(models=True)


# successive halving ---------------------------------------------------------------------------------------------------

HALVED: dict[str, Any] = {"numepochs": 9, "learningrate_decay": 0.9, "network_type": "gru"}


@pytest.mark.parametrize("exact", [False, True])
def test_halving_is_that_of_here(server: Client, data: Data, exact: bool) -> None:
    """The same go on, the same are dropped and when, and all models have the same bits."""
    X, Y = data
    grid = {"learningrate": [0.01, 0.5, 0.1], "hidden_dim": [2, 5, 3]}
    shared = {**HALVED, "exact": exact, **({"validation": 0.25} if exact else {}), "progress": False}
    there = server.trainr_many(Y, X, grid, halving=3, **shared)
    here = pytrainr.trainr_many(Y, X, grid, halving=3, **shared)
    assert [type(one.error).__name__ for one in here].count("TrainingDropped") == 8
    same(there, here)


def test_halving_goes_on_where_a_server_was_killed(reviver: Reviver) -> None:  # noqa: F811
    """Jobs wait for one another across deaths of the server; what comes of it is what would have come anyway."""
    X, Y = adder(40)
    shared: dict[str, Any] = {"learningrate": 0.05, "numepochs": 400, "network_type": "gru"}
    server = reviver.start()
    with pytrainr_client.connect(server.address, retry_seconds=120) as client:
        batch = client.train_many_async(Y, X, {"hidden_dim": [2, 4, 6, 8]}, halving=2, **shared)
        for epochs in (100, 400, 700):
            while (info := batch.info()).epoch < epochs and info.ended < 4:
                time.sleep(0.05)
            server.kill()
            server = reviver.start()
        there = batch.wait()
    same(there, pytrainr.trainr_many(Y, X, {"hidden_dim": [2, 4, 6, 8]}, halving=2, progress=False, **shared))


def test_cancelling_while_they_wait_for_one_another_ends_all(server: Client, data: Data) -> None:
    """One never comes to the rung: the others wait, and a cancelled batch has their models."""
    X, Y = data
    slow = {"hidden_dim": 64, "network_type": "lstm"}
    options = [{"hidden_dim": 2}, {"hidden_dim": 3}, slow]
    batch = server.train_many_async(Y, X, options, halving=2, learningrate=0.01, numepochs=20_000)
    while batch.info().paused < 1:
        time.sleep(0.05)
    batch.cancel()
    trained = batch.wait()
    assert [type(one.error) for one in trained] == [ServerError] * 3
    assert trained[0].model is not None or trained[1].model is not None
    assert batch.info().cancelled == 3
