"""Jobs, models, datasets and the caller's functions, as a client sees them."""

from __future__ import annotations

import asyncio
import copy
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from typing import Any

import grpc
import numpy as np
import pytest
import pytrainr_client
from pytrainr_client import Client, NotFoundError, ServerError
from pytrainr_client.functions import sorted_out
from pytrainr_server import LocalServer
from trainr import wire
from trainr.v1 import dataset_pb2, dataset_pb2_grpc, prediction_pb2, prediction_pb2_grpc, training_pb2

import pytrainr
from pytrainr import Model, RRandom
from pytrainr.preparation import _note_gradient
from tests.service.conftest import SecureServer, adder

Data = tuple[np.ndarray, np.ndarray]
OPTIONS: dict[str, Any] = {"learningrate": 0.1, "hidden_dim": 5, "numepochs": 6}
ENDLESS: dict[str, Any] = {"learningrate": 0.001, "hidden_dim": 16, "numepochs": 1_000_000, "network_type": "lstm"}


def test_epoch_functions_of_the_callers_change_the_model_as_here(client: Client, data: Data) -> None:
    X, Y = data
    drawn: list[float] = []

    def change(model: Model) -> Model:
        drawn.append(float(pytrainr.runif(1)[0]))
        model.learningrate = model.learningrate * 0.9
        model.time_synapse[0][0, 0] = drawn[-1]
        model.recurrent_synapse = [weights * 0.5 for weights in model.recurrent_synapse]
        model.notes = [*model.get("notes", []), drawn[-1]]
        model.anything = object
        return model

    outcomes = []
    for train in (client.trainr, pytrainr.trainr):
        pytrainr.set_seed(3)
        outcomes.append(
            (train(Y, X, epoch_function=[pytrainr.epoch_annealing, change], **OPTIONS), pytrainr.runif(1)[0])
        )
    (remote, next_remote), (here, next_here) = outcomes
    assert remote == here
    assert remote.epoch_function == here.epoch_function
    assert next_remote == next_here
    assert drawn[:6] == drawn[6:]


@pytest.mark.parametrize("exact", [False, True])
def test_early_stopping_at_the_caller_s_ends_the_job(client: Client, data: Data, exact: bool) -> None:
    """Issue 14.5: the same epoch is the last, and the same weights come back, as from a training here."""

    def functions() -> list[Any]:
        def rise(model: pytrainr.Model) -> pytrainr.Model:
            model.held_out_error = np.abs(np.arange(1.0, 9.0) - 3)
            return model

        return [pytrainr.epoch_annealing, rise, pytrainr.EarlyStopping(patience=2)]

    X, Y = data
    options: dict[str, Any] = {"learningrate": 0.3, "hidden_dim": 3, "numepochs": 8, "exact": exact}
    here = pytrainr.trainr(Y, X, epoch_function=functions(), rng=RRandom(1), **options)
    there = client.trainr(Y, X, epoch_function=functions(), rng=RRandom(1), **options)
    assert here.best_epoch_kept == there.best_epoch_kept == 3
    assert here.error.shape == there.error.shape == (X.shape[0], 5)
    assert np.array_equal(here.time_synapse[0], there.time_synapse[0])
    assert np.array_equal(client.predictr(there, X), pytrainr.predictr(here, X))


def schedules() -> list[Any]:
    """Each once, and among them what ends the training early."""
    kept = pytrainr.EarlyStopping(patience=2)
    plateau = pytrainr.ReduceOnPlateau(0.5, patience=1)
    return [pytrainr.CosineSchedule(9), pytrainr.StepSchedule(2, 9.0), pytrainr.ExponentialSchedule(1.5), plateau, kept]


@pytest.mark.parametrize("exact", [False, True])
def test_schedules_run_at_the_server(client: Client, data: Data, exact: bool) -> None:
    """Nobody waits after each epoch, nor has to be there: the model, its schedules and what is printed are those of a
    training here."""
    X, Y = data
    options: dict[str, Any] = {"learningrate": 0.3, "hidden_dim": 3, "numepochs": 12, "exact": exact}

    def seen(train: Any, functions: list[Any]) -> tuple[Model, list[tuple[float, ...]]]:
        notes: list[tuple[float, ...]] = []

        def note(model: Model) -> Model:
            notes.append((model.current_epoch, model.learningrate, model.mean_error[model.current_epoch - 1]))
            return model

        note.observer = True  # type: ignore[attr-defined]
        model = train(Y, X, rng=RRandom(1), epoch_function=[note, *functions, note], **options)
        model.epoch_function = model.epoch_function[1:-1]
        return model, notes

    assert not sorted_out([pytrainr.epoch_print, *schedules()]).pause
    here, notes = seen(pytrainr.trainr, schedules())
    there, noted = seen(client.trainr, schedules())
    assert there == here
    assert there.epoch_function != schedules(), "they have a state by now"
    assert [note[:2] for note in noted] == [note[:2] for note in notes]
    assert np.allclose([note[2] for note in noted], [note[2] for note in notes], rtol=1e-12)
    background = client.train_async(Y, X, rng=RRandom(1), epoch_function=schedules(), **options).wait()
    assert background == here
    assert client.trainr(Y, X, model=there, rng=RRandom(2)) == pytrainr.trainr(Y, X, model=here, rng=RRandom(2))


def test_who_watches_between_two_changes_sees_what_only_the_first_has_changed(client: Client, data: Data) -> None:
    """What only waiting after each epoch can show; in the background nobody is there to see."""
    X, Y = data
    between = [pytrainr.epoch_annealing, pytrainr.epoch_print, pytrainr.StepSchedule(2)]
    assert sorted_out(between).pause
    options = {**OPTIONS, "learningrate_decay": 0.5}
    here = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=copy.deepcopy(between), **options)
    assert client.trainr(Y, X, rng=RRandom(1), epoch_function=between, **options) == here
    with pytest.raises(ValueError, match="without a function between them that watches"):
        client.train_async(Y, X, epoch_function=between, **options)


def test_a_schedule_of_the_caller_s_own_kind_runs_at_the_caller(client: Client, data: Data) -> None:
    """Its name says nothing to the server, or something else."""

    class StepSchedule(pytrainr.StepSchedule):
        def __call__(self, model: Any) -> Any:
            model.learningrate *= 0.7
            return model

    X, Y = data
    own = StepSchedule(2)
    assert sorted_out(own).pause
    here = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=own, **OPTIONS)
    there = client.trainr(Y, X, rng=RRandom(1), epoch_function=own, **OPTIONS)
    assert np.array_equal(there.time_synapse[0], here.time_synapse[0])
    assert there.learningrate == here.learningrate


def test_observers_stream_and_print_what_r_prints(
    client: Client, data: Data, capsys: pytest.CaptureFixture[str]
) -> None:
    X, Y = data
    functions = [pytrainr.epoch_print, pytrainr.epoch_annealing]
    client.trainr(Y, X, rng=RRandom(1), epoch_function=functions, learningrate_decay=0.5, **OPTIONS)
    remote = capsys.readouterr().err
    pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=functions, learningrate_decay=0.5, **OPTIONS)
    assert remote == capsys.readouterr().err
    assert remote.count("Trained epoch") == 6


def test_messages_are_the_local_ones(client: Client, data: Data, capsys: pytest.CaptureFixture[str]) -> None:
    X, Y = data
    quiet = {**OPTIONS, "epoch_function": pytrainr.epoch_annealing, "rng": RRandom(1)}
    written = []
    for train in (client.trainr, pytrainr.trainr):
        _note_gradient.cache_clear()
        model = train(Y, X, **quiet)
        train(Y, X, model=model)
        train(Y, X, **{**quiet, "network_type": "gru"})
        train(Y, X, **{**quiet, "update_rule": "adagrad"})
        written.append(capsys.readouterr().err)
    assert written[0] == written[1]
    assert "retraining" in written[0]


def test_an_epoch_function_that_returns_nothing_is_an_error_and_ends_the_job(client: Client, data: Data) -> None:
    with pytest.raises(TypeError, match="return model"):
        client.trainr(data[1], data[0], epoch_function=lambda model: None, **OPTIONS)  # type: ignore[arg-type, return-value]
    time.sleep(0.1)
    assert all(info.ended or info.state == "RUNNING" for info in client.jobs())


@pytest.mark.parametrize(
    ("field", "value"),
    [("error", np.zeros(3)), ("error", "text"), ("error", None), ("use_bias", "text"), ("time_synapse", [1, "a"])],
)
def test_a_broken_field_is_refused_by_its_name(client: Client, data: Data, field: str, value: Any) -> None:
    """Whatever an epoch function leaves in the model, the error names it."""
    X, Y = data

    def breaks(model: Model) -> Model:
        model[field] = value
        return model

    with pytest.raises((ValueError, TypeError, ServerError), match=field):
        client.trainr(Y, X, rng=RRandom(1), epoch_function=breaks, **OPTIONS)


def test_a_loss_function_of_the_callers_is_refused(client: Client, data: Data) -> None:
    with pytest.raises(ValueError, match="cannot at a distance"):
        client.trainr(data[1], data[0], loss_function=lambda model: model, **OPTIONS)


def test_a_loss_function_that_adagrad_never_calls_may_be_any(client: Client, data: Data) -> None:
    """11.20: as in R, where an unused loss function is no error; it stays on the model."""

    def mine(model: pytrainr.Model) -> pytrainr.Model:
        raise AssertionError("adagrad calls no loss function")

    X, Y = data
    given = {"epoch_function": pytrainr.epoch_annealing, "loss_function": mine, "update_rule": "adagrad", **OPTIONS}
    remote, here = (train(Y, X, rng=RRandom(1), **given) for train in (client.trainr, pytrainr.trainr))
    assert remote == here
    assert remote.loss_function is mine
    again, here = (train(Y, X, model=here, rng=RRandom(2)) for train in (client.trainr, pytrainr.trainr))
    assert again == here
    with pytest.raises(ValueError, match="function of your own"):
        client.trainr(Y, X, **{**given, "exact": True})


def test_retraining_from_a_stored_model(client: Client, data: Data) -> None:
    X, Y = data
    first = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **OPTIONS)
    name = client.store_model(first, "retrained")
    remote = client.trainr(Y, X, model=name, rng=RRandom(2), epoch_function=pytrainr.epoch_annealing)
    here = pytrainr.trainr(Y, X, model=first, rng=RRandom(2))
    assert remote == here


def test_versions_and_aliases(client: Client, data: Data) -> None:
    X, Y = data
    models = [
        pytrainr.trainr(Y, X, rng=RRandom(seed), epoch_function=pytrainr.epoch_annealing, **OPTIONS) for seed in (1, 2)
    ]
    assert [client.store_model(model, "versions") for model in models] == ["models/versions@1", "models/versions@2"]
    client.set_alias("models/versions@1", "prod")
    for name, expected in (("models/versions", 1), ("models/versions@prod", 0), ("models/versions@latest", 1)):
        assert client.model(name) == models[expected]
        assert np.array_equal(client.predictr(name, X), pytrainr.predictr(models[expected], X))
    client.set_alias("models/versions@2", "prod")
    assert np.array_equal(client.predictr("models/versions@prod", X), pytrainr.predictr(models[1], X))
    assert [list(stored.alias) for stored in client.models("models/versions")] == [["prod"], []]
    client.delete_model("models/versions@2")
    with pytest.raises(NotFoundError):
        client.predictr("models/versions@prod", X)
    assert client.store_model(models[0], "versions") == "models/versions@3", "a number is never used again"


def test_jobs_are_listed_in_pages_watched_from_any_epoch_and_deleted(client: Client, data: Data) -> None:
    X, Y = data
    jobs = [client.train_async(Y, X, **OPTIONS, model_id="paged") for _ in range(3)]
    models = [job.wait() for job in jobs]
    assert [epoch.epoch for epoch in jobs[0].watch(after_epoch=4)] == [5, 6]
    means = [epoch.mean_error for epoch in jobs[0].watch()]
    assert np.array_equal(means, models[0].mean_error)
    names, token = [], ""
    while True:
        page = client.training.ListTrainingJobs(training_pb2.ListTrainingJobsRequest(page_size=2, page_token=token))
        names += [job.name for job in page.training_jobs]
        assert len(page.training_jobs) <= 2
        token = page.next_page_token
        if not token:
            break
    assert len(names) == len(set(names))
    assert {job.name for job in jobs} <= set(names)
    jobs[0].delete()
    with pytest.raises(NotFoundError):
        jobs[0].info()


def test_cancelling_the_call_stops_the_training_within_a_second(plain: LocalServer, data: Data) -> None:
    X, Y = data
    with pytrainr_client.connect(plain.address) as client:
        conversation = client.conversation(Y, X, None, ENDLESS, pytrainr.epoch_annealing, pytrainr.loss_L1, RRandom(1))
        call = client.training.Train(
            training_pb2.TrainRequest(training=conversation._training, request_id=str(uuid.uuid4()))
        )
        job = client.job(next(call).accepted.name)
        next(event for event in call if event.WhichOneof("event") == "epochs")
        call.cancel()
        began = time.monotonic()
        while not job.info().ended:
            assert time.monotonic() - began < 60, "a cancelled call did not end its job"
            time.sleep(0.02)
        assert job.info().state == "CANCELLED"
        assert client.model(job.info().model).current_epoch == job.info().epoch


def test_a_caller_that_vanishes_leaves_the_job_its_time_of_grace(plain: LocalServer) -> None:
    script = f"""
        import os, threading, numpy as np, pytrainr, pytrainr_client
        from tests.service.test_jobs import ENDLESS, adder
        def leave(model):
            if model.current_epoch == 3:
                os.kill(os.getpid(), 9)
            return model
        leave.observer = True
        X, Y = adder(60)
        pytrainr_client.connect({plain.address!r}).trainr(Y, X, epoch_function=leave, **ENDLESS)
    """
    with pytrainr_client.connect(plain.address) as client:
        before = {info.name for info in client.jobs()}
        subprocess.run([sys.executable, "-c", textwrap.dedent(script)], timeout=300, check=False)
        (name,) = {info.name for info in client.jobs()} - before
        time.sleep(0.3)
        assert client.job(name).info().state == "RUNNING", "within the time of grace it goes on"
        began = time.monotonic()
        while not client.job(name).info().ended:
            assert time.monotonic() - began < 60, "the time of grace does not end"
            time.sleep(0.05)
        assert client.job(name).info().state == "CANCELLED"


def test_ctrl_c_hands_back_the_model_of_the_last_whole_epoch(plain: LocalServer) -> None:
    script = f"""
        import os, signal, warnings, pytrainr, pytrainr_client
        from tests.service.test_jobs import ENDLESS, adder
        def interrupt(model):
            if model.current_epoch == 3:
                os.kill(os.getpid(), signal.SIGINT)
            return model
        interrupt.observer = True
        X, Y = adder(60)
        with warnings.catch_warnings(record=True) as caught, pytrainr_client.connect({plain.address!r}) as client:
            warnings.simplefilter("always")
            model = client.trainr(Y, X, rng=pytrainr.RRandom(1), epoch_function=interrupt, **ENDLESS)
        epochs = int(model.current_epoch)
        assert any(issubclass(warning.category, pytrainr.TrainingInterrupted) for warning in caught), caught
        options = {{**ENDLESS, "numepochs": epochs}}
        here = pytrainr.trainr(Y, X, rng=pytrainr.RRandom(1), epoch_function=(), **options)
        assert all((a == b).all() for a, b in zip(model.time_synapse, here.time_synapse))
        print("the model after epoch", epochs)
    """
    with pytrainr_client.connect(plain.address) as client:
        before = {info.name for info in client.jobs()}
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script)], timeout=300, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        assert "the model after epoch" in done.stdout
        (name,) = {info.name for info in client.jobs()} - before
        assert client.job(name).info().state == "CANCELLED"


def test_a_request_id_attaches_again_without_a_gap_and_detaching_lasts(plain: LocalServer, data: Data) -> None:
    X, Y = data
    with pytrainr_client.connect(plain.address) as client:
        options = {**ENDLESS, "numepochs": 2500}
        conversation = client.conversation(Y, X, None, options, pytrainr.epoch_annealing, pytrainr.loss_L1, RRandom(1))
        request_id = str(uuid.uuid4())
        lost = pytrainr_client.connect(plain.address)
        events = lost.training.Train(training_pb2.TrainRequest(training=conversation._training, request_id=request_id))
        seen = []
        for event in events:
            seen += [epoch.epoch for epoch in event.epochs.epoch]
            if seen:
                break
        lost.close()
        again = client.training.Train(
            training_pb2.TrainRequest(request_id=request_id, after_epoch=seen[-1], detach=True)
        )
        job = client.job(next(again).accepted.name)
        for event in again:
            seen += [epoch.epoch for epoch in event.epochs.epoch]
            if len(seen) > 50:
                break
        again.cancel()
        assert seen == list(range(1, len(seen) + 1))
        model = job.wait()
        here = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **options)
        assert np.array_equal(model.error, here.error)


def test_asyncio(secure: SecureServer, data: Data) -> None:
    X, Y = data

    async def both() -> list[Model]:
        settings: dict[str, Any] = {"ca": secure.authority.certificate}
        async with pytrainr_client.connect_async(secure.server.address, secure.token, **settings) as server:
            options = {**OPTIONS, "epoch_function": pytrainr.epoch_annealing}
            models = await asyncio.gather(*(server.trainr(Y, X, rng=RRandom(seed), **options) for seed in (1, 2)))
            endless = asyncio.create_task(server.trainr(Y, X, epoch_function=pytrainr.epoch_annealing, **ENDLESS))
            await asyncio.sleep(0.3)
            endless.cancel()
            with pytest.raises(asyncio.CancelledError):
                await endless
            assert np.array_equal(await server.predictr(models[0], X), pytrainr.predictr(models[0], X))
            return list(models)

    for seed, model in zip((1, 2), asyncio.run(both()), strict=True):
        assert model == pytrainr.trainr(Y, X, rng=RRandom(seed), epoch_function=pytrainr.epoch_annealing, **OPTIONS)


def test_large_data_are_uploaded_once_and_a_broken_upload_goes_on(plain: LocalServer) -> None:
    X, Y = adder(20_000, seed=4)
    options: dict[str, Any] = {"learningrate": 0.01, "hidden_dim": 3, "batch_size": 100, "numepochs": 1}
    with pytrainr_client.connect(plain.address) as client:
        channel = client._channel
        stub = dataset_pb2_grpc.DatasetServiceStub(channel)
        here = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **options)

        def stored() -> set[str]:
            return {dataset.name for dataset in stub.ListDatasets(dataset_pb2.ListDatasetsRequest()).datasets}

        known, added = stored(), []  # what the tests before this one sent stays on this server
        for _ in range(2):
            assert client.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **options) == here
            added.append(len(stored() - known))
        assert added == [2, 2]

        data = np.random.default_rng(1).bytes(20 << 20)
        message = dataset_pb2.UploadDatasetRequest
        broken = [message(upload_id="mine", size_bytes=len(data)), message(data=data[: 9 << 20])]
        with pytest.raises(grpc.RpcError):
            stub.UploadDataset(iter(broken))
        committed = stub.GetUpload(dataset_pb2.GetUploadRequest(upload_id="mine")).committed_bytes
        assert committed == 9 << 20
        rest = [message(upload_id="mine", size_bytes=len(data), offset=committed), message(data=data[committed:])]
        dataset = stub.UploadDataset(iter(rest))
        assert dataset.name == "datasets/" + __import__("hashlib").sha256(data).hexdigest()


@pytest.mark.parametrize("use_bias", [False, True])
def test_a_streamed_prediction_equals_one_call(plain: LocalServer, use_bias: bool) -> None:
    X, Y = adder(50)
    model = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, use_bias=use_bias, **OPTIONS)
    expected = pytrainr.predictr(model, X, real_output=False)
    with pytrainr_client.connect(plain.address) as client:
        name = client.store_model(model, "streamed")
        message = prediction_pb2.PredictStreamRequest
        pieces = [message(stored_model=name, samples=len(X), x=wire.encode_array(X[:7]))]
        pieces += [message(x=wire.encode_array(X[first : first + 20])) for first in range(7, len(X), 20)]
        stub = prediction_pb2_grpc.PredictionServiceStub(client._channel)
        answers = list(stub.PredictStream(iter(pieces)))
        assert [answer.offset for answer in answers] == [0, 7, 27, 47]
        predicted = np.concatenate([wire.decode_array(answer.prediction, "prediction") for answer in answers])
        assert np.array_equal(predicted, expected)
        pieces[0].samples = 40
        with pytest.raises(grpc.RpcError) as error:
            list(stub.PredictStream(iter(pieces)))
        assert error.value.code() == grpc.StatusCode.INVALID_ARGUMENT


def test_many_callers_at_once_get_their_own_results(client: Client, data: Data) -> None:
    X, Y = data
    results: dict[int, Model] = {}

    def train(seed: int) -> None:
        results[seed] = client.trainr(Y, X, rng=RRandom(seed), epoch_function=pytrainr.epoch_annealing, **OPTIONS)

    threads = [threading.Thread(target=train, args=(seed,)) for seed in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for seed, model in results.items():
        assert model == pytrainr.trainr(Y, X, rng=RRandom(seed), epoch_function=pytrainr.epoch_annealing, **OPTIONS)
    assert len(results) == 12


def test_a_cancelled_job_has_its_last_whole_epoch(client: Client, data: Data) -> None:
    X, Y = data
    job = client.train_async(Y, X, **ENDLESS)
    while job.info().epoch < 2:
        time.sleep(0.02)
    job.cancel()
    with pytest.raises(ServerError) as cancelled:
        job.wait()
    assert cancelled.value.code == grpc.StatusCode.CANCELLED
    assert client.model(cancelled.value.metadata["model"]).current_epoch >= 2


def test_a_training_that_ends_early_keeps_its_last_whole_epoch(client: Client, data: Data) -> None:
    """11.23: divergence, and a caller's epoch function that puts nonsense into the model, lost all epochs before."""
    X, Y = data

    def nonsense(model: pytrainr.Model) -> pytrainr.Model:
        model.learningrate = -1.0 if model.current_epoch == 3 else model.learningrate
        return model

    with pytest.raises(ServerError, match="learningrate should be a finite number") as failed:
        client.trainr(Y, X, rng=RRandom(1), epoch_function=nonsense, **OPTIONS)
    kept = client.model(failed.value.metadata["model"])
    here = pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=(), **{**OPTIONS, "numepochs": 2})
    assert np.array_equal(kept.time_synapse[0], here.time_synapse[0])
    assert kept.current_epoch == 2

    wild = {"learningrate": 1e200, "hidden_dim": 3, "numepochs": 5, "network_type": "rnn", "momentum": 1e3}
    with pytest.raises(pytrainr.DivergedError) as here_diverged:
        pytrainr.trainr(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **wild)
    for train in (client.trainr, lambda *data, **options: client.train_async(*data, **options).wait()):
        with pytest.raises(pytrainr.DivergedError) as diverged:
            train(Y, X, rng=RRandom(1), epoch_function=pytrainr.epoch_annealing, **wild)
        assert diverged.value.model == here_diverged.value.model
        assert diverged.value.epoch == here_diverged.value.epoch


def test_stored_models_keep_schedules_with_their_state_and_the_names_of_functions(client: Client, data: Data) -> None:
    """11.13: prediction, listing and fetching need no training function; training on asks for it."""
    X, Y = data
    schedules = [pytrainr.ReduceOnPlateau(0.5, patience=1), pytrainr.StepSchedule(2)]
    model = client.trainr(Y, X, rng=RRandom(1), epoch_function=schedules, **OPTIONS)
    stored = client.model(client.store_model(model, "with-schedules"))
    assert stored.epoch_function == model.epoch_function != schedules
    remote = client.trainr(Y, X, model=stored, rng=RRandom(2))
    assert remote == pytrainr.trainr(Y, X, model=client.model("models/with-schedules"), rng=RRandom(2))

    calls = []

    def mine(model: pytrainr.Model) -> pytrainr.Model:
        calls.append(int(model.current_epoch))
        return model

    model.epoch_function = [mine]
    assert client.trainr(Y, X, model=model, rng=RRandom(3)) == pytrainr.trainr(Y, X, model=model, rng=RRandom(3))
    assert calls == 2 * [1, 2, 3, 4, 5, 6]
    model.epoch_function = [lambda model: model]
    name = client.store_model(model, "with-a-function")
    fetched = client.model(name)
    assert np.array_equal(client.predictr(name, X), pytrainr.predictr(fetched, X))
    assert "<lambda>" in repr(fetched.epoch_function)
    with pytest.raises(ValueError, match="epoch_function '<lambda>', of which only the name is known"):
        pytrainr.trainr(Y, X, model=fetched)
    with pytest.raises(ValueError, match="epoch_function '<lambda>', of which only the name is known"):
        client.trainr(Y, X, model=fetched)
