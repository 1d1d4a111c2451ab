"""Issue 16: what happened to a job is told on its page, also what happened while nobody looked."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import pytrainr_client
from pytrainr_server import start_local_server
from pytrainr_server.config import Config
from pytrainr_server.server import store_settings
from pytrainr_server.store.job_lines import MAX_LINES, MAX_TEXT, line, lines_of, put_lines
from pytrainr_server.store.store import Store

from pytrainr import RRandom
from tests.service.conftest import adder
from tests.web.conftest import WEB
from tests.web.test_api import Browser

FLAGS = [*WEB, "--checkpoint-seconds", "0.2"]


def texts(browser: Browser, id: str) -> list[str]:
    """What the page says of a job."""
    return [each["text"] for each in browser.ask("GET", f"/api/jobs/{id}")[1]["log"]]


def until(browser: Browser, id: str, text: str) -> list[str]:
    """What the page says once that is among it."""
    while True:
        said = texts(browser, id)
        if any(text in each for each in said):
            return said
        time.sleep(0.2)


def test_a_killed_server_a_cancelled_job_and_checkpoints_are_told(tmp_path: Path) -> None:
    X, Y = adder(200)
    with start_local_server(tmp_path, flags=FLAGS) as server:
        browser = Browser(server.page)
        browser.sign_in()
        with pytrainr_client.connect(server.address) as client:
            client.train_async(Y, X, rng=RRandom(1), learningrate=0.01, numepochs=1_000_000, job_id="long")
            said = until(browser, "long", "heckpoint")
            assert said[0] == "Accepted."
            assert "Started by" in said[1]
        server.process.kill()
        server.process.wait()
    with start_local_server(tmp_path, flags=FLAGS) as server:
        browser = Browser(server.page)
        browser.sign_in()
        said = until(browser, "long", "from the checkpoint after epoch")
        died = next(place for place, each in enumerate(said) if "The server died while it had this job" in each)
        assert any("heckpoint" in each for each in said[:died])
        assert "Taken up again by" in said[died + 1]
        levels = {each["text"]: each["level"] for each in browser.ask("GET", "/api/jobs/long")[1]["log"]}
        assert levels[said[died]] == "warning"
        browser.ask("POST", "/api/jobs/long/cancel")
        said = until(browser, "long", "Cancelled")
        assert "Its owner asked for it to be cancelled." in said
        assert said[-1].startswith("Cancelled")


def test_what_ends_a_job_is_told(tmp_path: Path) -> None:
    """The error's text is the last line; markup in it stays text."""
    X, Y = adder(20)
    with start_local_server(tmp_path, flags=FLAGS) as server, pytrainr_client.connect(server.address) as client:
        browser = Browser(server.page)
        browser.sign_in()
        options: dict[str, Any] = {"learningrate": 1e200, "numepochs": 50, "update_rule": "sgd", "exact": True}
        job = client.train_async(Y, X, network_type="rnn", sigmoid="relu", job_id="wild", **options)
        while not job.info().ended:
            time.sleep(0.1)
        last = browser.ask("GET", "/api/jobs/wild")[1]["log"][-1]
        assert last["level"] == "error"
        assert last["text"].startswith("Failed: ")
        assert job.info().error_message in last["text"]


def test_the_lines_of_a_job_are_bounded(tmp_path: Path) -> None:
    store = Store(store_settings(Config(data_dir=str(tmp_path))))
    store.open()
    with store.database.write() as connection:
        for number in range(3 * MAX_LINES):
            put_lines(connection, "job", [line(f"<b>{number}\n" + "x" * 2 * MAX_TEXT)])
        put_lines(connection, "job", [line("is replaced", key="k")])
        kept = line("the last of all", logging.WARNING, key="k")
        put_lines(connection, "job", [kept])
        put_lines(connection, "another", [line("of another job")], first=True)
        found = lines_of(connection, "job")
    assert len(found) == MAX_LINES
    assert found[-1] == kept
    assert not any(each.text == "is replaced" for each in found)
    assert all(len(each.text) <= MAX_TEXT and "\n" not in each.text for each in found)
    store.database.close()
