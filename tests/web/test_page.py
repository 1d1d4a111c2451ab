"""Issue 16: the page in a real browser."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pytrainr_client
from playwright.sync_api import Browser, Page, expect
from pytrainr_client import Client
from pytrainr_server import LocalServer

import pytrainr
from pytrainr import RRandom
from tests.service.conftest import SecureServer, adder
from tests.web.conftest import OWNER

PICTURES = Path(__file__).resolve().parents[2] / "docs" / "images"
SECONDS = 120_000  # of patience, in Playwright's milliseconds: kernels may be compiled meanwhile


# What a screen reader would have no name for.
WITHOUT_NAME = """[...document.querySelectorAll("a, button, input, select, textarea, progress, [role=img]")]
    .filter((each) => !each.labels?.length && !each.getAttribute("aria-label") && !each.textContent.trim())
    .map((each) => each.outerHTML)"""


class Faults(list[str]):
    """What the browser complained of: errors of scripts, what the content security policy stopped, dialogs."""

    def watch(self, page: Page) -> None:
        page.on("pageerror", lambda error: self.append(str(error)))
        page.on("console", lambda said: self.append(said.text) if said.type == "error" else None)
        page.on("dialog", lambda dialog: (self.append(dialog.message), dialog.dismiss()))


@pytest.fixture
def faults() -> Iterator[Faults]:
    found = Faults()
    yield found
    assert found == []


@pytest.fixture
def page(browser: Browser, watched: LocalServer, faults: Faults) -> Iterator[Page]:
    """The page of the server on loopback, at its list of jobs."""
    context = browser.new_context(viewport={"width": 1100, "height": 800})
    opened = context.new_page()
    opened.set_default_timeout(SECONDS)
    expect.set_options(timeout=SECONDS)
    faults.watch(opened)
    opened.goto(watched.page)
    yield opened
    context.close()


@pytest.fixture
def client(watched: LocalServer) -> Iterator[Client]:
    with pytrainr_client.connect(watched.address) as connected:
        yield connected


def picture(page: Page, name: str) -> None:
    """The pictures of the docs are what the tests see: PYTRAINR_PICTURES=1 pytest tests/web/test_page.py"""
    if os.environ.get("PYTRAINR_PICTURES"):
        PICTURES.mkdir(exist_ok=True)
        page.locator("body").screenshot(path=PICTURES / f"{name}.png")


def test_a_jobs_curve_grows_and_the_job_is_cancelled(page: Page, client: Client) -> None:
    X, Y = adder(300)
    client.train_async(Y, X, rng=RRandom(1), learningrate=0.05, hidden_dim=4, numepochs=1_000_000, job_id="growing")
    page.get_by_role("link", name="growing").click()
    expect(page.get_by_role("heading", name="Job growing")).to_be_visible()
    legend = page.locator(".u-legend").first
    page.wait_for_function("() => /^[1-9]\\d* of/.test([...document.querySelectorAll('dd')][1].textContent)")
    first = page.locator("dd").nth(1).inner_text()
    expect(page.locator("dd").nth(1)).not_to_have_text(first)
    expect(legend).to_contain_text("mean error")
    page.get_by_label("logarithmic").check()
    page.get_by_label("smoothing").fill("0.9")
    expect(legend).to_contain_text("mean error, smoothed")
    page.get_by_role("button", name="Cancel").focus()
    page.wait_for_timeout(2500)  # the page has been written anew meanwhile
    assert page.evaluate("document.activeElement.textContent") == "Cancel"
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_role("button", name="Delete")).to_be_visible()
    assert client.job("trainingJobs/growing").info().state == "CANCELLED"


def test_validation_learning_rate_and_the_log_are_shown(page: Page, client: Client) -> None:
    X, Y = adder(200)
    job = client.train_async(
        *(Y, X),
        **{"rng": RRandom(1), "exact": True, "network_type": "lstm", "hidden_dim": 6, "update_rule": "adam"},
        **{"learningrate": 0.01, "learningrate_decay": 0.98, "numepochs": 60, "validation": 0.3, "job_id": "held-out"},
    )
    job.wait()
    page.goto(page.url.partition("#")[0] + "#/jobs/held-out")
    expect(page.get_by_role("heading", name="Job held-out")).to_be_visible()
    errors, rates = page.locator(".u-legend").nth(0), page.locator(".u-legend").nth(1)
    expect(errors).to_contain_text("validation")
    expect(rates).to_contain_text("learning rate")
    page.get_by_label("smoothing").fill("0.5")
    expect(errors).to_contain_text("validation, smoothed")
    log = page.get_by_role("log")
    expect(log).to_contain_text("Started by")
    expect(log).to_contain_text("Succeeded after 60 epochs.")
    picture(page, "job")


def test_the_list_is_as_it_is_now(page: Page, client: Client) -> None:
    expect(page.get_by_role("link", name="appears")).to_have_count(0)
    X, Y = adder(20)
    client.train_async(Y, X, learningrate=0.1, numepochs=2, job_id="appears").wait()
    row = page.get_by_role("row").filter(has_text="appears")
    expect(row).to_contain_text("succeeded")
    picture(page, "jobs")
    page.get_by_label("State").select_option("failed")
    expect(page.get_by_role("link", name="appears")).to_have_count(0)
    page.get_by_label("State").select_option("")
    page.get_by_label("Search").fill("appea")
    expect(page.get_by_role("link", name="appears")).to_be_visible()
    expect(page.get_by_role("link", name="held-out")).to_have_count(0)


def test_jobs_are_compared(page: Page, client: Client) -> None:
    X, Y = adder(200)
    rates = {"slow": (0.01, 16), "middle": (0.05, 4), "quick": (0.2, 8)}
    models = {
        name: client.train_async(
            Y, X, rng=RRandom(1), learningrate=rate, hidden_dim=units, numepochs=30, job_id=name
        ).wait()
        for name, (rate, units) in rates.items()
    }
    for name in rates:
        page.get_by_label(f"compare {name}").check()
    page.get_by_role("button", name="Compare").click()
    expect(page.get_by_role("heading", name="3 jobs compared")).to_be_visible()
    table = page.get_by_role("table").last
    expect(table).to_contain_text("learningrate")
    expect(table).not_to_contain_text("numepochs")
    best = min(models, key=lambda name: models[name].mean_error[-1])
    expect(page.get_by_role("row").filter(has_text="best")).to_contain_text(best)
    expect(page.locator("svg polyline")).to_have_count(3)
    picture(page, "compare")


def test_a_model_is_named_tried_and_taken_home(page: Page, client: Client, faults: Faults, tmp_path: Path) -> None:
    X, Y = adder(40)
    model = client.train_async(
        Y, X, rng=RRandom(1), learningrate=0.1, numepochs=3, hidden_dim=5, network_type="lstm", model_id="tried"
    ).wait()
    page.get_by_role("link", name="Models").click()
    page.get_by_role("link", name="tried@1").click()
    page.get_by_label("Name it").fill("prod")
    page.get_by_role("button", name="Set").click()
    expect(page.get_by_label("remove the alias prod")).to_be_visible()
    assert client.predictr("models/tried@prod", X).shape == (40, 8)
    page.get_by_label("Array").select_option("recurrent_synapse 1")
    expect(page.get_by_label("recurrent_synapse 1, 5 × 5 × 4")).to_be_visible()

    page.get_by_label("Rows as CSV").fill("a,b\n0.25,0.5\n1,0")
    page.get_by_role("button", name="Predict").click()
    expected = pytrainr.predictr(model, np.array([[[0.25, 0.5], [1, 0]]]))[0]
    shown = page.get_by_role("status").locator("pre")
    expect(shown).to_be_visible()
    np.testing.assert_allclose([float(each) for each in shown.inner_text().split(",")], expected, rtol=1e-4)
    for gate in ("forget", "input", "candidate", "output"):
        expect(page.get_by_label(f"lstm, {gate}, 5 × 2", exact=False)).to_be_visible()
    page.get_by_label("as lines").first.check()
    expect(page.get_by_text("time step, lstm, forget").first).to_be_attached()
    expect(page.locator(".maps").first.locator("canvas.map")).to_have_count(0)
    page.get_by_label("as lines").first.uncheck()
    page.get_by_label("Predict for").select_option(index=1)  # X of its job
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_label("lstm, forget, 5 × 8", exact=False)).to_be_visible()
    picture(page, "model")
    page.get_by_label("Predict for").select_option(index=0)
    page.get_by_label("Rows as CSV").fill("0.25\n1,x")
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_role("alert")).to_contain_text("line 2")
    assert "400" in faults.pop()  # the browser tells of the refusal too

    with page.expect_download() as download:
        page.get_by_role("button", name="Model file").click()
    download.value.save_as(tmp_path / "tried.trainr")
    np.testing.assert_array_equal(pytrainr.Model.load(tmp_path / "tried.trainr").time_synapse[0], model.time_synapse[0])


def test_data_and_the_server_are_shown(page: Page, client: Client) -> None:
    X, Y = adder(9000)  # more than travels inside a request
    client.train_async(Y, X, learningrate=0.1, numepochs=1, hidden_dim=2, job_id="large").wait()
    page.get_by_role("link", name="Data").click()
    expect(page.get_by_role("row").filter(has_text="9000 × 8 × 2")).to_contain_text("large")
    page.get_by_role("row").filter(has_text="9000 × 8 × 2").get_by_role("link").first.click()
    expect(page.locator("canvas")).to_be_visible()
    expect(page.locator("dl")).to_contain_text(f"{X.mean():.4g}")
    page.get_by_role("link", name="Server").click()
    expect(page.locator("main")).to_contain_text(pytrainr.__version__)
    page.goto(page.url.partition("#")[0] + "#/models/large/1")
    found = page.get_by_label("Predict for").locator("option").filter(has_text="data set").first
    page.get_by_label("Predict for").select_option(label=found.inner_text())
    page.get_by_role("button", name="Predict").click()
    expect(page.get_by_text("Prediction 6 × 8 × 1")).to_be_visible()


def test_signing_in_and_names_that_would_be_markup(browser: Browser, guarded: SecureServer, faults: Faults) -> None:
    """Stored names are shown as text: a token's owner is called <script>."""
    context = browser.new_context(ignore_https_errors=True)
    page = context.new_page()
    expect.set_options(timeout=SECONDS)
    page.goto(guarded.server.page)
    page.get_by_label("Your token").fill("trainr_wrong_token")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("not valid")
    faults.watch(page)  # the browser itself reported the refusal
    page.get_by_label("Your token").fill(guarded.other_token)
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#who")).to_contain_text(OWNER)
    page.get_by_role("link", name="Server").click()
    expect(page.locator("dl").first).to_contain_text(OWNER)
    assert page.evaluate("document.cookie") == ""
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_label("Your token")).to_be_visible()
    context.close()


def test_by_keyboard_alone(page: Page, client: Client) -> None:
    X, Y = adder(20)
    client.train_async(Y, X, learningrate=0.1, job_id="by-keys").wait()
    expect(page.get_by_role("link", name="by-keys")).to_be_visible()
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to content"
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent") == "by-keys":
            break
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Job by-keys")).to_be_visible()
    assert page.evaluate("document.activeElement.id") == "main"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_a_phone_nothing_is_cut_off(browser: Browser, watched: LocalServer, client: Client, scheme: str) -> None:
    X, Y = adder(20)
    client.train_async(Y, X, learningrate=0.1, job_id=f"phone-{scheme}").wait()
    context = browser.new_context(viewport={"width": 360, "height": 700}, color_scheme=scheme)  # type: ignore[arg-type]
    page = context.new_page()
    here = f"phone-{scheme}"
    for title, path in (
        ("Jobs", "#/jobs"),
        (f"Job {here}", f"#/jobs/{here}"),
        (f"Model {here}@1", f"#/models/{here}/1"),
        ("1 job compared", f"#/compare/{here}"),
        *(("Models", "#/models"), ("Data sets", "#/datasets"), ("Server", "#/server")),
    ):
        page.goto(watched.page + path)
        expect(page.get_by_role("heading", level=1)).to_have_text(title)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert page.evaluate(WITHOUT_NAME) == [], path
    background = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")
    context.close()
