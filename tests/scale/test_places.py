"""Issue 17.1: files behind one interface, in a directory or an object store; whole, verified, and never taken away."""

from __future__ import annotations

import hashlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pytrainr_server.errors import ServiceError
from pytrainr_server.store import shared, shared_job_files
from pytrainr_server.store.cache import Cache, MismatchError
from pytrainr_server.store.job_files import DamagedCheckpointError, Epoch, JobFiles
from pytrainr_server.store.jobs import LeaseLostError, Taken
from pytrainr_server.store.places import FilesError, Place, open_place
from pytrainr_server.store.schema import State
from pytrainr_server.store.shared import DATASET, ERRORS
from pytrainr_server.store.store import Store, StoreSettings

from tests.scale.conftest import NewPlace
from tests.scale.object_store import Swift, what_is_missing
from tests.scale.proxy import Proxy
from tests.service.test_leases import LIMITS, new_job, new_model

Open = Callable[[], Store]


def test_an_object_store_is_here_or_said_to_be_missing() -> None:
    if missing := what_is_missing():
        warnings.warn(f"LEFT OUT: every test with an object store, for {missing} is not installed", stacklevel=1)


@pytest.fixture
def another(new_place: NewPlace, tmp_path: Path) -> Iterator[Open]:
    """Opens the same database and files once more, as a server on another machine would."""
    url, stores = new_place(), []

    def open_store() -> Store:
        own = tmp_path / f"server{len(stores)}"
        database = f"sqlite:///{tmp_path / 'store.db'}"
        store = Store(StoreSettings(database, str(own), 3600.0, 3600.0, 1 << 30, url))
        store.open()
        stores.append(store)
        return store

    yield open_store
    for store in stores:
        store.database.close()


def written(path: Path, size: int, seed: int = 0) -> bytes:
    data = np.random.default_rng(seed).bytes(size)
    path.write_bytes(data)
    return data


@pytest.mark.parametrize("size", [0, 100, 40 << 20], ids=["empty", "small", "in parts"])
def test_a_file_comes_back_as_it_went(new_place: NewPlace, tmp_path: Path, size: int) -> None:
    place = open_place(new_place())
    place.check()
    data = written(tmp_path / "source", size)
    assert not place.has("models/one", size)
    place.put("models/one", tmp_path / "source")
    assert place.has("models/one", size)
    assert not place.has("models/one", size + 1)
    place.fetch("models/one", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == data
    assert [file.name for file in place.found()] == ["models/one"]
    assert place.delete("models/one")
    assert place.delete("models/one"), "gone is gone"
    with pytest.raises(FileNotFoundError):
        place.fetch("models/one", tmp_path / "target")


@pytest.mark.parametrize("url", ["", "models", "s3:bucket", "file://host/models", "c:/models", "s3://bucket?retries=3"])
def test_what_is_no_place_is_said(url: str) -> None:
    with pytest.raises(FilesError, match=r"files is|options"):
        open_place(url).check()


def test_a_bucket_that_there_is_not_is_said_at_the_start(swift: Swift) -> None:
    with pytest.raises(FilesError, match="cannot be written to s3://none"):
        open_place(f"s3://none?endpoint_url={swift.address}").check()


# a bad line to the object store ---------------------------------------------------------------------------------------


@pytest.fixture
def line(swift: Swift) -> Iterator[tuple[Proxy, Place]]:
    """A line that can fail, and a place at its end."""
    proxy = Proxy([swift.address])
    place = open_place(swift.new_bucket(f"http://{proxy.address}"))
    yield proxy, place
    proxy.close()


@pytest.mark.parametrize("trouble", ["answers", "cuts", "delay"])
def test_passing_trouble_is_not_noticed(line: tuple[Proxy, Place], tmp_path: Path, trouble: str) -> None:
    """503s, connections that break off within an answer, slow ones: each call is tried again."""
    proxy, place = line
    data = written(tmp_path / "source", 3 << 20)
    setattr(proxy, trouble, 0.05 if trouble == "delay" else 2)
    place.put("models/one", tmp_path / "source")
    setattr(proxy, trouble, 0.01 if trouble == "delay" else 2)
    place.fetch("models/one", tmp_path / "target")
    assert (tmp_path / "target").read_bytes() == data


def test_a_lost_line_is_an_error_that_passes(
    line: tuple[Proxy, Place], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, place = line
    written(tmp_path / "source", 100)
    proxy.down(True)
    with pytest.raises(ServiceError) as error:
        place.put("models/one", tmp_path / "source")
    assert (error.value.code.name, error.value.reason) == ("UNAVAILABLE", "FILES_UNREACHABLE")
    proxy.down(False)
    place.put("models/one", tmp_path / "source")
    assert place.has("models/one", 100)


# copies on this machine -----------------------------------------------------------------------------------------------


def test_the_cache_keeps_within_its_bound_and_what_is_fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = Cache(tmp_path, 2500)
    datas = [bytes([index]) * 1000 for index in range(4)]
    hashes = [hashlib.sha256(data).hexdigest() for data in datas]
    fetched: list[int] = []

    def get(index: int) -> Path:
        def fetch(target: Path) -> None:
            fetched.append(index)
            target.write_bytes(datas[index])

        return kept.path(hashes[index], fetch)

    for index in range(3):
        assert get(index).read_bytes() == datas[index]
    assert len(list(tmp_path.iterdir())) == 3, "all were asked for just now"
    for index in range(3):
        os.utime(tmp_path / hashes[index], (1000 + index, 1000 + index))
    get(0)
    get(3)
    assert {path.name for path in tmp_path.iterdir()} == {hashes[0], hashes[3]}, "the longest unused went"
    assert fetched == [0, 1, 2, 3]
    (tmp_path / hashes[3]).write_bytes(b"damaged on this disk")
    assert get(3).read_bytes() == datas[3]
    with pytest.raises(MismatchError):
        kept.path(hashes[1], lambda target: target.write_bytes(b"other"))
    assert hashes[1] not in {path.name for path in tmp_path.iterdir()}


def test_many_that_want_one_file_fetch_it_once(tmp_path: Path) -> None:
    kept, data, fetched = Cache(tmp_path, 1 << 20), b"bytes", []

    def fetch(target: Path) -> None:
        fetched.append(target)
        target.write_bytes(data)

    threads = [threading.Thread(target=kept.path, args=(hashlib.sha256(data).hexdigest(), fetch)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(fetched) == 1


# datasets and uploads -------------------------------------------------------------------------------------------------


def names(store: Store) -> list[str]:
    assert store.shared is not None
    return sorted(file.name.partition("/")[0] for file in store.shared.place.found())


def test_a_dataset_put_at_one_server_is_there_at_another(another: Open) -> None:
    first, second = another(), another()
    data = os.urandom(100_000)
    sha256 = first.datasets.put("alice", data)
    assert second.datasets.checked_path(sha256).read_bytes() == data
    assert second.datasets.put("bob", data) == sha256
    assert names(first) == ["datasets"], "the bytes are there once"
    second.datasets.delete("alice", sha256)
    second.collect_garbage()
    assert first.datasets.checked_path(sha256).read_bytes() == data, "bob has them yet"
    first.datasets.delete("bob", sha256)
    first.collect_garbage()
    assert names(first) == []


def test_damaged_bytes_are_found_and_can_be_sent_again(another: Open, tmp_path: Path) -> None:
    first, second = another(), another()
    data = os.urandom(100_000)
    sha256 = first.datasets.put("alice", data)
    assert second.shared is not None
    row = second.shared.row(DATASET, sha256)
    (tmp_path / "other").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    second.shared.place.delete(row.name)
    second.shared.place.put(row.name, tmp_path / "other")
    with pytest.raises(ServiceError) as error:
        second.datasets.checked_path(sha256)
    assert (error.value.code.name, error.value.reason) == ("DATA_LOSS", "DATASET_DAMAGED")
    assert second.datasets.touch("alice", sha256) is None, "they are to be sent again"
    second.datasets.put("alice", data)
    assert second.datasets.checked_path(sha256).read_bytes() == data
    assert names(first) == ["datasets"]


def test_an_upload_goes_on_at_another_server_and_has_one_writer(another: Open) -> None:
    first, second = another(), another()
    data = np.random.default_rng(1).bytes(20 << 20)
    upload = first.datasets.begin_upload("alice", "mine", len(data), 0, "")
    upload.write(data[: 9 << 20])
    upload.write(data[9 << 20 : 10 << 20])
    offset = second.datasets.committed_bytes("alice", "mine")
    assert offset == 9 << 20
    again = second.datasets.begin_upload("alice", "mine", len(data), offset, "")
    again.write(data[offset : 12 << 20])
    with pytest.raises(ServiceError) as error:
        upload.write(data[10 << 20 : 19 << 20])
    assert error.value.reason == "UPLOAD_TAKEN_OVER"
    upload.abandon()
    again.abandon()
    offset = first.datasets.committed_bytes("alice", "mine")
    assert offset == 12 << 20, "what came is kept"
    last = first.datasets.begin_upload("alice", "mine", len(data), offset, hashlib.sha256(data).hexdigest())
    last.write(data[offset:])
    row = last.finish()
    last.abandon()
    assert second.datasets.checked_path(row.sha256).read_bytes() == data
    assert names(first) == ["datasets"], "the parts have gone"
    assert [list(store.directories.uploads.iterdir()) for store in (first, second)] == [[], []]


# running jobs ---------------------------------------------------------------------------------------------------------

SAMPLES = 20_000  # whose errors do not fit into a row


def logged(files: JobFiles, epoch: int) -> None:
    files.append(Epoch(epoch, 0.5 * epoch, 0.1, 0.1), np.full(SAMPLES, float(epoch)))


def taken(store: Store, worker: str) -> Taken:
    found = store.jobs.lease_next(worker, 60.0)
    assert found is not None
    return found


def test_a_worker_that_was_cut_off_cannot_overwrite_its_successor(another: Open, monkeypatch: Any) -> None:
    """Whatever it stores after its lease has run out counts for nothing, and is gone in the end."""
    monkeypatch.setattr(shared_job_files, "SHOW_SECONDS", 0.0)
    first, second, third = another(), another(), another()
    first.jobs.create(new_job("job"), LIMITS)
    job = taken(first, "first")
    files = first.job_files(job.key, job.lease, SAMPLES, validated=False)
    assert files.open() is None
    for epoch in (1, 2, 3):
        logged(files, epoch)
    files.save(3, {"weights": np.ones(3)})
    logged(files, 4)
    files.flush()
    assert [epoch.epoch for epoch in second.epoch_log(job.key).read(0, 10)] == [1, 2, 3, 4], "anyone can watch"
    first.jobs.update(job.key, job.lease, lease_seconds=-1.0)

    successor = taken(second, "second")
    theirs = second.job_files(job.key, successor.lease, SAMPLES, validated=False)
    restored = theirs.open()
    assert restored is not None
    assert np.array_equal(restored.checkpoint["weights"], np.ones(3))
    assert np.array_equal(restored.error_columns, np.full((SAMPLES, 3), [1.0, 2.0, 3.0]))
    logged(theirs, 4)
    theirs.save(4, {"weights": np.full(3, 4.0)})

    logged(files, 5)
    with pytest.raises(LeaseLostError):
        files.save(5, {"weights": np.zeros(3)})
    with pytest.raises(LeaseLostError):
        files.begin_anew()
    files.leave()
    second.jobs.update(job.key, successor.lease, lease_seconds=-1.0)
    last = third.job_files(job.key, taken(third, "third").lease, SAMPLES, validated=False)
    restored = last.open()
    assert restored is not None
    assert np.array_equal(restored.checkpoint["weights"], np.full(3, 4.0))
    assert restored.error_columns.shape == (SAMPLES, 4)
    assert [epoch.epoch for epoch in first.epoch_log(job.key).read(0, 10)] == [1, 2, 3, 4]
    theirs.leave()
    last.leave()
    monkeypatch.setattr(shared, "ORPHAN_SECONDS", -10.0)
    third.collect_garbage()
    assert third.shared is not None
    with third.database.read() as connection:
        known = [row.name for row in third.shared.rows(connection, ERRORS, job.key)]
    assert sorted(file.name for file in third.shared.place.found()) == sorted(known), "what was stored late has gone"
    assert not any(list(store.directories.work.iterdir()) for store in (first, second, third))


def test_a_long_job_has_few_pieces_and_they_are_its_errors(another: Open) -> None:
    store = another()
    store.jobs.create(new_job("job"), LIMITS)
    job = taken(store, "worker")
    files = store.job_files(job.key, job.lease, SAMPLES, validated=False)
    files.open()
    for epoch in range(1, 21):
        logged(files, epoch)
        files.save(epoch, {"weights": np.ones(1)})
    assert store.shared is not None
    with store.database.read() as connection:
        assert len(store.shared.rows(connection, ERRORS, job.key)) <= 5
    files.leave()
    again = store.job_files(job.key, job.lease, SAMPLES, validated=False)
    restored = again.open()
    assert restored is not None
    assert np.array_equal(restored.error_columns[0], np.arange(1.0, 21.0))
    again.leave()


def test_a_damaged_checkpoint_is_found(another: Open, tmp_path: Path) -> None:
    store = another()
    store.jobs.create(new_job("job"), LIMITS)
    job = taken(store, "worker")
    files = store.job_files(job.key, job.lease, SAMPLES, validated=False)
    files.open()
    logged(files, 1)
    files.save(1, {"weights": np.ones(1)})
    assert store.shared is not None
    row = store.shared.row(ERRORS, job.key)
    written(tmp_path / "other", row.size_bytes)
    store.shared.place.delete(row.name)
    store.shared.place.put(row.name, tmp_path / "other")
    again = another().job_files(job.key, job.lease, SAMPLES, validated=False)
    with pytest.raises(DamagedCheckpointError):
        again.open()
    again.begin_anew()
    assert again.open() is None


def test_of_two_workers_with_one_job_the_later_has_it(another: Open) -> None:
    """Dask may begin a task again whose worker it has lost sight of."""
    store = another()
    store.jobs.create(new_job("job"), LIMITS)
    job = taken(store, "server")
    first = store.jobs.claim(job.key, job.lease, 60.0)
    store.jobs.update(job.key, first, 60.0)
    second = store.jobs.claim(job.key, job.lease, 60.0)
    with pytest.raises(LeaseLostError):
        store.jobs.update(job.key, first, 60.0)
    store.publish(job.key, second, State.SUCCEEDED, new_model(), b"")
    with pytest.raises(LeaseLostError):
        store.jobs.claim(job.key, job.lease, 60.0)
    assert store.jobs.by_key(job.key).resumed == 1


# garbage --------------------------------------------------------------------------------------------------------------


def test_what_belongs_to_nothing_goes_once_it_is_old(another: Open, tmp_path: Path, monkeypatch: Any) -> None:
    store = another()
    assert store.shared is not None
    store.jobs.create(new_job("job"), LIMITS)
    sha256 = store.datasets.put("alice", b"bytes")
    written(tmp_path / "file", 100)
    stray = store.shared.put(DATASET, "0" * 64, tmp_path / "file")
    store.collect_garbage()
    assert store.shared.place.has(stray.name, 100), "its writer may be about to point to it"
    monkeypatch.setattr(shared, "ORPHAN_SECONDS", -10.0)
    store.collect_garbage()
    assert not store.shared.place.has(stray.name, 100)
    assert store.datasets.checked_path(sha256).read_bytes() == b"bytes"
    with pytest.raises(ServiceError), store.database.write() as connection:
        shared.add_file(connection, stray)  # one so late points to nothing


def test_files_in_parts_that_were_never_whole_go_after_a_day(
    swift: Swift, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = swift.new_bucket()
    store = Store(
        StoreSettings(f"sqlite:///{tmp_path / 'store.db'}", str(tmp_path / "own"), 3600.0, 3600.0, 1 << 30, url)
    )
    store.open()
    assert store.shared is not None
    place: Any = store.shared.place
    files, bucket = place._files, url.split("/")[2]
    begun = files.call_s3("create_multipart_upload", Bucket=bucket, Key="pytrainr/models/broken-off")
    part = {"Bucket": bucket, "Key": "pytrainr/models/broken-off", "UploadId": begun["UploadId"]}
    files.call_s3("upload_part", PartNumber=1, Body=b"x" * (5 << 20), **part)
    assert store.shared.remove_orphans() == 0, "it may still be written"
    monkeypatch.setattr(shared, "BROKEN_SECONDS", -10.0)
    assert store.shared.remove_orphans() == 1
    assert not files.call_s3("list_multipart_uploads", Bucket=bucket).get("Uploads")
    store.database.close()


if what_is_missing():
    del test_files_in_parts_that_were_never_whole_go_after_a_day
