"""Places where servers share files: a directory, and a real object store."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.scale.object_store import KEYS, Swift, what_is_missing

PLACES = ["file"] if what_is_missing() else ["file", "s3"]
NewPlace = Callable[[], str]


@pytest.fixture(scope="session")
def swift() -> Iterator[Swift]:
    """One object store for all tests; what starts servers has its keys in the environment."""
    patch = pytest.MonkeyPatch()
    for name, value in KEYS.items():
        patch.setenv(name, value)
    store = Swift()
    yield store
    store.stop()
    patch.undo()


@pytest.fixture(params=PLACES, scope="module")
def new_place(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> NewPlace:
    """Makes URLs of new places, of each kind."""
    if request.param == "s3":
        return request.getfixturevalue("swift").new_bucket
    return lambda: f"file://{tmp_path_factory.mktemp('files')}"
