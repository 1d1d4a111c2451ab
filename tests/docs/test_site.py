"""Issue 14, number 7: the site is built without warnings and without network, and has every public name."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

MKDOCS = [sys.executable, "-m", "mkdocs", "build", "--strict"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`make docs` where no other host can be reached: links that lead nowhere are warnings, and stop it."""
    folder = tmp_path_factory.mktemp("site")
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")
    built = _build(folder, **nowhere)
    assert built.returncode == 0, built.stderr
    return folder


def _build(folder: Path, config: str = "mkdocs.yml", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*MKDOCS, "--config-file", config, "--site-dir", str(folder)],
        cwd=ROOT,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1", **environment},
        capture_output=True,
        text=True,
    )


class _Loads(HTMLParser):
    """What a browser fetches to show a page, and where its anchors are."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []
        self.anchors: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        if found.get("id"):
            self.anchors.add(str(found["id"]))
        fetched = tag in ("script", "img", "iframe", "source") and found.get("src")
        if tag == "link" and found.get("rel") in ("stylesheet", "icon", "preload", "modulepreload"):
            fetched = found.get("href")
        if fetched:
            self.loaded.append(str(fetched))


def _read(page: Path) -> _Loads:
    parser = _Loads()
    parser.feed(page.read_text(encoding="utf-8"))
    return parser


def test_pages_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 20
    outside = {(page.name, what) for page in pages for what in _read(page).loaded if re.match(r"(https?:)?//", what)}
    assert outside == set()
    styles = [path.read_text(encoding="utf-8") for path in site.rglob("*.css")]
    assert [style[:80] for style in styles if re.search(r"url\(['\"]?(https?:)?//|@import", style)] == []


def _reference() -> object:
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "_site" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_public_name_is_in_the_reference(site: Path) -> None:
    """Each name of the modules that users import, by its docstring, which is not empty."""
    reference = _reference()
    anchors = set().union(*(_read(page).anchors for page in (site / "reference").glob("*.html")))
    missing, silent = [], []
    for page, name in reference.PAGES.items():  # type: ignore[attr-defined]
        module = importlib.import_module(name)
        for public, path in reference.entries(page).items():  # type: ignore[attr-defined]
            missing += [f"{name}.{public}"] if path not in anchors else []
            value = getattr(module, public)
            silent += [f"{name}.{public}"] if callable(value) and not (value.__doc__ or "").strip() else []
    assert missing == []
    assert silent == []


def test_the_reference_has_every_module_with_public_names() -> None:
    """What stands in README and pages as an import is on a page of the reference."""
    text = "".join(path.read_text(encoding="utf-8") for path in [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
    imported = set(re.findall(r"^(?:from|import) (pytrainr[\w.]*)", text, re.MULTILINE))
    inner = {"pytrainr.demo"}  # where the examples' data lie
    assert imported - inner - set(_reference().PAGES.values()) == set()  # type: ignore[attr-defined]


def test_the_protocol_has_every_message_and_field(site: Path) -> None:
    page = (site / "protocol.html").read_text(encoding="utf-8")
    shown = set(re.findall(r"<code>(\w+)</code>", page)) | set(re.findall(r'id="([\w.-]+)"', page))
    for proto in (ROOT / "proto" / "trainr" / "v1").glob("*.proto"):
        code = re.sub(r"//[^\n]*", "", proto.read_text(encoding="utf-8"))
        names = re.findall(r"(?:rpc|oneof)\s+(\w+)", code) + re.findall(r"(\w+)\s*=\s*\d+\s*[;\[]", code)
        assert [name for name in names if name not in shown] == [], proto.name
        blocks = re.findall(r"(?:message|enum|service)\s+(\w+)", code)
        assert [name for name in blocks if not re.search(rf"<h3[^>]*>(?:\w+\.)*{name}<", page)] == [], proto.name


def test_a_page_that_is_not_listed_is_an_error(tmp_path: Path) -> None:
    """Nobody finds a page that the navigation lacks."""
    listed = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    config = tmp_path / "mkdocs.yml"
    absolute = listed.replace("docs_dir: docs", f"docs_dir: {ROOT}/docs").replace("[docs/_site", f"[{ROOT}/docs/_site")
    config.write_text(absolute.replace("  - From R: from-r.md\n", ""), encoding="utf-8")
    built = _build(tmp_path / "site", str(config))
    assert built.returncode != 0
    assert "from-r.md" in built.stdout + built.stderr
