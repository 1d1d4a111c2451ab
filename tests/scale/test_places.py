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
from pytrainr_server.store import shared
from pytrainr_server.store.cache import Cache, MismatchError
from pytrainr_server.store.places import FilesError, Place, open_place
from pytrainr_server.store.shared import DATASET
from pytrainr_server.store.store import Store, StoreSettings

from tests.scale.conftest import NewPlace
from tests.scale.object_store import Swift, what_is_missing
from tests.scale.proxy import Proxy
from tests.service.test_leases import LIMITS, new_job

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
