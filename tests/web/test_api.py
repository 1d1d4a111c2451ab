"""Issue 16: who may see and do what on the page; everything through the guard of the service."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import pytrainr_client
from pytrainr_server import LocalServer, start_local_server
from pytrainr_server.config import Config, ConfigError
from pytrainr_server.errors import ServiceError
from pytrainr_server.security.tokens import REMEMBERED_SECONDS
from pytrainr_server.web import live
from pytrainr_server.web.rows import sequences_of
from pytrainr_server.web.sessions import RateLimit

import pytrainr
from pytrainr import RRandom
from tests.service.conftest import SecureServer, adder, create_token
from tests.web.conftest import OWNER, WEB


class Browser:
    """Cookies and the page's secret; what a program would send instead of a browser."""

    def __init__(self, page: str, authority: Any = None) -> None:
        self._url = urlsplit(page)
        self._context = ssl.create_default_context(cafile=str(authority)) if authority else None
        self.cookie = self.secret = ""

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> HTTPResponse:
        """One request on a connection of its own."""
        place = self._url.hostname or "", self._url.port
        connection = (
            HTTPSConnection(*place, context=self._context, timeout=300)
            if self._context
            else HTTPConnection(*place, timeout=300)
        )
        sent = {"Cookie": self.cookie, "X-Pytrainr-Secret": self.secret, "Content-Type": "application/json", **headers}
        connection.request(method, path, None if body is None else json.dumps(body), sent)
        return connection.getresponse()

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and JSON."""
        response = self.send(method, path, body, **headers)
        return response.status, json.loads(response.read())

    def sign_in(self, token: str = "") -> str:
        """Sign in; what the cookie header said."""
        response = self.send("POST", "/api/sign-in", {"token": token})
        found = json.loads(response.read())
        assert response.status == 200, found
        set_cookie = response.headers["Set-Cookie"]
        self.cookie, self.secret = set_cookie.partition(";")[0], found["secret"]
        return set_cookie


@pytest.fixture
def alice(guarded: SecureServer) -> Browser:
    browser = Browser(guarded.server.page, guarded.authority.certificate)
    browser.sign_in(guarded.token)
    return browser


@pytest.fixture(scope="module")
def trained(guarded: SecureServer) -> Iterator[str]:
    """A job of alice's with a model "adder"."""
    X, Y = adder(60)
    with guarded.connect() as client:
        job = client.train_async(Y, X, rng=RRandom(1), learningrate=0.1, hidden_dim=3, numepochs=4, model_id="adder")
        job.wait()
        yield job.name.removeprefix("trainingJobs/")


def test_without_signing_in_nothing_is_told(guarded: SecureServer, trained: str) -> None:
    stranger = Browser(guarded.server.page, guarded.authority.certificate)
    for path in ("jobs", f"jobs/{trained}", f"jobs/{trained}/curve", "models", "models/adder/1", "datasets", "server"):
        assert stranger.ask("GET", f"/api/{path}")[0] == 401, path
    for path in ("live", f"jobs/{trained}/watch"):
        assert b"UNAUTHENTICATED" in (read := stranger.send("GET", f"/api/{path}").read()) or b"oken" in read
    assert stranger.ask("GET", "/api/session") == (200, {"owner": None, "token_needed": True})
    assert stranger.ask("POST", "/api/sign-in", {"token": "trainr_1_2"})[0] == 401


def test_a_token_becomes_a_cookie_that_scripts_cannot_read(guarded: SecureServer, trained: str) -> None:
    browser = Browser(guarded.server.page, guarded.authority.certificate)
    set_cookie = browser.sign_in(guarded.token)
    assert {"HttpOnly", "Secure", "SameSite=Strict"} <= {part.strip() for part in set_cookie.split(";")}
    assert guarded.token not in set_cookie
    assert browser.ask("GET", f"/api/jobs/{trained}")[1]["state"] == "succeeded"
    assert browser.ask("POST", "/api/sign-out")[0] == 200
    assert browser.ask("GET", f"/api/jobs/{trained}")[0] == 401


def test_what_another_owner_has_is_not_found(guarded: SecureServer, trained: str) -> None:
    other = Browser(guarded.server.page, guarded.authority.certificate)
    other.sign_in(guarded.other_token)
    assert other.ask("GET", "/api/session")[1]["owner"] == OWNER
    assert other.ask("GET", "/api/jobs")[1]["jobs"] == []
    for method, path in (
        ("GET", f"jobs/{trained}"),
        ("GET", f"jobs/{trained}/curve"),
        ("GET", f"compare?jobs={trained}"),
        ("POST", f"jobs/{trained}/cancel"),
        ("POST", f"jobs/{trained}/train-on"),
        ("DELETE", f"jobs/{trained}"),
        ("GET", "models/adder/1"),
        ("GET", "models/adder/1/file"),
        ("POST", "models/adder/1/alias"),
        ("GET", f"datasets/{'0' * 64}"),
    ):
        body = {"alias": "mine"} if method == "POST" else None
        assert other.ask(method, f"/api/{path}", body)[0] == 404, path
    assert b"NOT_FOUND" in (read := other.send("GET", f"/api/jobs/{trained}/watch").read()) or b"does not exist" in read


def test_another_sites_page_can_change_nothing(alice: Browser, trained: str) -> None:
    alice.secret, secret = "guessed", alice.secret
    assert alice.ask("POST", f"/api/jobs/{trained}/cancel")[1]["reason"] == "NOT_FROM_THIS_PAGE"
    assert alice.ask("DELETE", f"/api/jobs/{trained}")[0] == 403
    assert alice.ask("POST", "/api/sign-in", {}, Origin="https://evil.example")[0] == 403
    assert alice.ask("POST", "/api/sign-in", {}, **{"Content-Type": "text/plain"})[0] == 403
    alice.secret = secret
    assert alice.ask("POST", f"/api/jobs/{trained}/cancel")[0] == 200


def test_every_answer_forbids_what_the_page_does_not_need(alice: Browser) -> None:
    for path in ("/", "/static/main.js", "/api/jobs", "/api/nothing", "/static/nothing", "/api/jobs/Not-an-id"):
        headers = alice.send("GET", path).headers
        policy = headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy, path
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "max-age" in headers["Strict-Transport-Security"]
    assert alice.send("GET", "/static/../api.py").status in (400, 403, 404)


def test_a_revoked_token_ends_its_sessions(guarded: SecureServer) -> None:
    def command(*arguments: str) -> str:
        run = [sys.executable, "-m", "pytrainr_server", "token", *arguments, "--data-dir", str(guarded.server.data_dir)]
        return subprocess.run(run, check=True, capture_output=True, text=True, timeout=300).stdout.strip()

    token = command("create", "--owner", "leaver")
    browser = Browser(guarded.server.page, guarded.authority.certificate)
    browser.sign_in(token)
    command("revoke", token.split("_")[1])
    time.sleep(REMEMBERED_SECONDS)
    assert browser.ask("GET", "/api/jobs")[0] == 401


def test_guessing_tokens_is_slowed_down(tmp_path: Any) -> None:
    with start_local_server(tmp_path, flags=[*WEB, "--tokens", "always"]) as server:
        browser = Browser(server.page)
        statuses = [browser.ask("POST", "/api/sign-in", {"token": "trainr_1_2"})[0]]
        while len(statuses) < 500 and statuses[-1] != 429:  # on a slow machine the limit comes late
            statuses.append(browser.ask("POST", "/api/sign-in", {"token": "trainr_1_2"})[0])
        assert len(statuses) > 10
        assert set(statuses[:-1]) == {401}
        assert statuses[-1] == 429


def test_requests_are_limited_for_each_address() -> None:
    limit = RateLimit(at_once=3, a_second=1e-6)
    for _ in range(3):
        limit.check("192.0.2.1")
    with pytest.raises(ServiceError, match="Too many requests") as error:
        limit.check("192.0.2.1")
    assert error.value.retry_seconds is not None
    limit.check("192.0.2.2")


def test_a_classroom_behind_one_address_signs_in_at_once(guarded: SecureServer) -> None:
    """Only attempts that fail count."""
    browser = Browser(guarded.server.page, guarded.authority.certificate)
    for _ in range(30):
        browser.sign_in(guarded.token)


async def test_the_live_list_goes_on_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([OSError("gone for a while"), {"jobs": [1]}])

    async def look() -> dict[str, Any]:
        found = next(looks, {"jobs": [2]})
        if isinstance(found, OSError):
            raise found
        return found

    monkeypatch.setattr(live, "LOOK_SECONDS", 0.01)
    messages = live.Feed(look).messages()
    assert json.loads(await anext(messages)) in ({"jobs": [1]}, {"jobs": [2]})
    await messages.aclose()


def test_another_name_that_leads_here_is_not_answered(watched: LocalServer) -> None:
    """Else a page of another site could read everything on a machine where no token is needed."""
    browser = Browser(watched.page)
    browser.sign_in()
    assert browser.ask("GET", "/api/jobs", Host="evil.example")[0] == 403
    assert browser.ask("GET", "/api/jobs")[0] == 200


def test_jobs_are_searched_filtered_and_paged(watched: LocalServer) -> None:
    X, Y = adder(20)
    browser = Browser(watched.page)
    browser.sign_in()
    with pytrainr_client.connect(watched.address) as client:
        for number in range(3):
            client.train_async(Y, X, learningrate=0.1, numepochs=1, job_id=f"found-{number}").wait()
    found = browser.ask("GET", "/api/jobs?search=found-&state=succeeded")[1]
    assert [job["id"] for job in found["jobs"]] == ["found-2", "found-1", "found-0"]
    assert browser.ask("GET", "/api/jobs?search=found-&state=failed")[1]["jobs"] == []
    assert browser.ask("GET", "/api/jobs?search=%25")[1]["jobs"] == []
    first = found["jobs"][0]
    after = f"{first['created']!r},{first['id']}"
    assert browser.ask("GET", f"/api/jobs?search=found-&after={after}")[1]["jobs"][0]["id"] == "found-1"
    assert browser.ask("GET", "/api/jobs?after=soon")[0] == 400


def test_a_job_is_trained_on_and_its_code_is_true(watched: LocalServer) -> None:
    """The Python shown, run as it stands, gives the job's very model."""
    X, Y = adder(20)
    browser = Browser(watched.page)
    browser.sign_in()
    with pytrainr_client.connect(watched.address) as client:
        options = {"learningrate": 0.1, "numepochs": 3, "hidden_dim": (4, 2), "network_type": "gru", "clipping": 0.5}
        job = client.train_async(Y, X, rng=RRandom(7), job_id="first", model_id="series", **options)
        model = job.wait()
        shown = browser.ask("GET", "/api/jobs/first")[1]
        assert shown["options"]["hidden_dim"] == [4, 2]
        assert shown["options"]["clipping"] == 0.5
        names: dict[str, Any] = {"X0": X, "Y0": Y}
        pytrainr.set_seed(7)
        exec(shown["python"].replace('np.load("X.npy")', "X0").replace('np.load("Y.npy")', "Y0"), names)
        np.testing.assert_array_equal(names["model"].time_synapse[0], model.time_synapse[0])

        status, created = browser.ask("POST", "/api/jobs/first/train-on")
        assert status == 200
        stream = RRandom(7)
        expected = pytrainr.trainr(Y, X, model=pytrainr.trainr(Y, X, rng=stream, **options), rng=stream)
        np.testing.assert_array_equal(
            client.job(f"trainingJobs/{created['id']}").wait().time_synapse[0], expected.time_synapse[0]
        )
        assert [each["version"] for each in browser.ask("GET", "/api/models/series")[1]["models"]] == [2, 1]
        for version, aliases in ((1, [[], ["prod"]]), (2, [["prod"], []])):  # set, then moved
            assert browser.ask("POST", f"/api/models/series/{version}/alias", {"alias": "prod"})[0] == 200
            assert [each["aliases"] for each in browser.ask("GET", "/api/models/series")[1]["models"]] == aliases


def test_a_downloaded_model_is_whole(alice: Browser, guarded: SecureServer, trained: str, tmp_path: Any) -> None:
    for kind, read in (("trainr", pytrainr.Model.load), ("rds", pytrainr.read_r_model)):
        response = alice.send("GET", f"/api/models/adder/1/file?format={kind}")
        assert "attachment" in response.headers["Content-Disposition"]
        (tmp_path / kind).write_bytes(response.read())
        model = read(tmp_path / kind)
        with guarded.connect() as client:
            np.testing.assert_array_equal(model.error, client.model("models/adder@1").error)
    assert b"void" in alice.send("GET", "/api/models/adder/1/file?format=c").read()
    assert alice.send("GET", "/api/models/adder/1/file?format=onnx").status == 200
    assert alice.ask("GET", "/api/models/adder/1/file?format=exe")[0] == 400
    with guarded.connect() as client:
        X, Y = adder(20)
        client.train_async(Y, X, learningrate=0.1, use_bias=True, model_id="biased").wait()
    status, said = alice.ask("GET", "/api/models/biased/1/file?format=onnx")
    assert (status, said["reason"]) == (409, "NOT_EXPORTABLE")
    assert "bias" in said["message"]


def test_rows_are_read_or_refused_by_their_line() -> None:
    np.testing.assert_array_equal(sequences_of("a,b\n1,2\n3;4\n\n5 6\n7\t8"), [[[1, 2], [3, 4]], [[5, 6], [7, 8]]])
    for text, said in (
        ("", "no numbers"),
        ("1,2\n3,x", "line 2"),
        ("1,2\n3", "2 numbers"),
        ("1\n2\n\n3", "2 lines"),
        ("1\ninf", "not finite"),
    ):
        with pytest.raises(Exception, match=said):
            sequences_of(text)


def test_beyond_this_machine_the_page_needs_tls() -> None:
    with pytest.raises(ConfigError, match="tls-certificate"):
        Config(web="0.0.0.0:7273")
    with pytest.raises(ConfigError, match="HOST:PORT"):
        Config(web="unix:/tmp/page")


def test_an_operator_sees_the_jobs_of_all_and_nothing_within(tmp_path: Any) -> None:
    """A teacher sees how the class is doing; a student only what is the student's own."""
    X, Y = adder(20)
    tokens = {owner: create_token(tmp_path, owner) for owner in ("teacher", "student")}
    flags = [*WEB, "--tokens", "always", "--web-operators", "teacher"]
    with start_local_server(tmp_path, flags=flags) as server:
        with pytrainr_client.connect(server.address, tokens["student"]) as client:
            client.train_async(Y, X, learningrate=0.1, job_id="homework").wait()
        teacher, student = Browser(server.page), Browser(server.page)
        teacher.sign_in(tokens["teacher"])
        student.sign_in(tokens["student"])
        assert teacher.ask("GET", "/api/session")[1]["operator"] is True
        assert student.ask("GET", "/api/session")[1]["operator"] is False
        assert teacher.ask("GET", "/api/jobs")[1]["jobs"] == []
        (seen,) = teacher.ask("GET", "/api/jobs?all=1")[1]["jobs"]
        assert (seen["id"], seen["owner"], seen["state"]) == ("homework", "student", "succeeded")
        live = teacher.send("GET", "/api/live?all=1")
        assert b'"owner":"student"' in live.readline()
        live.close()
        assert teacher.ask("GET", "/api/jobs/homework")[0] == 404
        assert student.ask("GET", "/api/jobs?all=1")[1]["reason"] == "NOT_AN_OPERATOR"
        assert b"operators" in student.send("GET", "/api/live?all=1").read()
        about = teacher.ask("GET", "/api/server")[1]
        assert about["queue"] == {"waiting": 0, "since": 0.0}
        assert {token["owner"] for token in about["tokens"]} == {"teacher", "student"}
        assert {"tokens", "workers", "queue", "all_jobs"}.isdisjoint(student.ask("GET", "/api/server")[1])


def test_jobs_are_compared_in_one_answer(watched: LocalServer, alice: Browser, trained: str) -> None:
    X, Y = adder(20)
    browser = Browser(watched.page)
    browser.sign_in()
    options: dict[str, Any] = {"exact": True, "learningrate": 0.1, "numepochs": 30, "validation": 0.3}
    with pytrainr_client.connect(watched.address) as client:
        model = client.train_async(Y, X, rng=RRandom(1), job_id="one", **options).wait()
        client.train_async(Y, X, learningrate=0.2, job_id="two").wait()
    one, two = browser.ask("GET", "/api/compare?jobs=one,two,one")[1]["jobs"]
    assert (one["id"], one["options"]["validation"], two["id"]) == ("one", 0.3, "two")
    np.testing.assert_array_equal(one["curve"]["validation"], model.validation_loss)
    assert two["curve"]["validation"] == []
    curve = browser.ask("GET", "/api/jobs/one/curve?points=7")[1]
    assert (len(curve["epoch"]), curve["epoch"][0], curve["epoch"][-1]) == (7, 1, 30)
    assert browser.ask("GET", f"/api/compare?jobs={trained}")[0] == 404  # alice's, at another server
    assert browser.ask("GET", "/api/compare?jobs=")[0] == 400
    assert browser.ask("GET", "/api/compare?jobs=" + ",".join(f"j-{n}" for n in range(101)))[0] == 400


def test_layers_and_arrays_among_the_options_are_shown(watched: LocalServer) -> None:
    X, Y = adder(20)
    browser = Browser(watched.page)
    browser.sign_in()
    layers = [pytrainr.layers.GRU(3, return_sequences=True), pytrainr.layers.Dense(1)]
    with pytrainr_client.connect(watched.address) as client:
        client.train_async(
            Y, X, exact=True, layers=layers, sample_weight=np.ones(20), learningrate=0.1, job_id="layered"
        ).wait()
    shown = browser.ask("GET", "/api/jobs/layered")[1]
    assert shown["options"]["layers"] == ["GRU(units=3, return_sequences=True)", "Dense(units=1)"]
    assert shown["options"]["sample_weight"] == "array (20)"
    assert shown["network"] == "GRU – Dense"
    assert "layers = list(gru(units = 3, return_sequences = TRUE), dense(units = 1))" in shown["r"]
    assert 'sample_weight=np.load("sample_weight.npy")' in shown["python"].replace("'", '"')
