"""The R package against a real server over TLS with a token; its own tests are in testthat/."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import pytest
from pytrainr_server.local import LocalServer

from tests.r_client.certificates import make_certificates
from tests.r_client.r import HERE, PACKAGE, ROOT, R, has_package, what_is_missing

MISSING = what_is_missing()
FILES = [] if MISSING else sorted(path.name for path in (HERE / "testthat").glob("test-*.R"))


def test_r_is_there() -> None:
    """Where R is missing this says what is left out; in continuous integration that is an error."""
    if MISSING:
        assert not os.environ.get("CI"), f"{MISSING} is missing: the tests of the R client did not run"
        warnings.warn(f"LEFT OUT: every test of the R client, for {MISSING} is not installed here", stacklevel=1)
    elif not has_package("rnn"):
        warnings.warn("LEFT OUT: the R client against the package rnn, which is not installed here", stacklevel=1)


def test_the_package_carries_the_current_proto_files() -> None:
    ours = {path.name: path.read_text() for path in (ROOT / "proto" / "trainr" / "v1").glob("*.proto")}
    carried = {path.name: path.read_text() for path in (PACKAGE / "inst" / "proto" / "trainr" / "v1").glob("*.proto")}
    assert carried == ours, "run: cp proto/trainr/v1/*.proto client/r/inst/proto/trainr/v1/"


@pytest.mark.parametrize("file", FILES)
def test_in_r(file: str, r: R, tmp_path: Path) -> None:
    make_certificates(tmp_path)
    r.environment["PYTRAINR_OTHER_AUTHORITY"] = str(tmp_path / "authority.pem")
    print(r.run_file(file))


@pytest.mark.parametrize("owner", [] if MISSING else ["another R user"])
def test_another_owner_sees_nothing(owner: str, r: R, server: LocalServer) -> None:
    from tests.r_client.conftest import make_token

    code = "library(rnnremote); X <- matrix((1:20) / 21, 5); suppressMessages(cat({}))"
    name = r.run(code.format('model_store(trainr(X, X, learningrate = 0.1), "private")')).strip()
    assert name.startswith("models/private@")
    other = R(r.library, r.address, make_token(server.data_dir, owner), r.authority)
    assert "not there" in other.run(
        f'library(rnnremote); tryCatch(model_fetch("{name}"), rnnremote_not_found = function(e) cat("not there"))'
    )
