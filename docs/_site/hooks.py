"""What is made beside the written pages: the reference, the wire protocol, the changes, files that pages link to."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from posixpath import normpath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))

import protocol  # noqa: E402  its folder is no package
import reference  # noqa: E402

_LINK = re.compile(r"\]\((\.\.?/[^)#\s]+)(#[^)\s]*)?\)")


def on_config(config: Any) -> Any:
    """Where mkdocs.yml says ``folder/*`` stand the folder's pages; other pages are to be listed, or the build fails."""
    for entry in config.nav:
        for title, pages in entry.items():
            if pages == "reference/*":
                entry[title] = [{module: f"reference/{name}.md"} for name, module in reference.PAGES.items()]
            elif isinstance(pages, str) and pages.endswith("/*"):
                folder = ROOT / "docs" / pages[:-2]
                entry[title] = sorted(path.relative_to(ROOT / "docs").as_posix() for path in folder.rglob("*.md"))
    config.nav[:] = [entry for entry in config.nav if all(entry.values())]
    return config


def on_files(files: Files, config: Any) -> Files:
    """Add the pages that are made."""
    made = {f"reference/{name}.md": reference.page(name) for name in reference.PAGES}
    made["protocol.md"] = protocol.page(ROOT / "proto" / "trainr" / "v1")
    made["changes.md"] = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    for path, text in made.items():
        files.append(File.generated(config, path, content=text))
    for page in ROOT.joinpath("docs").rglob("*.md"):
        for linked, _ in _LINK.findall(page.read_text(encoding="utf-8")):
            path = _outside(page.relative_to(ROOT).parent.as_posix(), linked)
            if path and files.get_file_from_path(f"files/{path}") is None:
                files.append(File.generated(config, f"files/{path}", content=_shown(path)))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Files) -> str:
    """Links to files of the project outside docs/ go to copies of them."""
    folder = Path("docs", page.file.src_uri).parent.as_posix()

    def moved(match: re.Match[str]) -> str:
        path = _outside(folder, match[1])
        up = "../" * page.file.src_uri.count("/")
        return f"]({up}files/{path}{match[2] or ''})" if path else match[0]

    return _LINK.sub(moved, markdown)


def _outside(folder: str, link: str) -> str | None:
    """The path in the project of a link that leaves docs/; None for one that does not, or leads nowhere."""
    path = normpath(f"{folder}/{link}")
    inside = path.startswith("docs/") or path.startswith("..")
    if inside or not (ROOT / path).exists():
        return None
    return path + ("/index.txt" if (ROOT / path).is_dir() else ".txt" if path.endswith(".md") else "")


def _shown(path: str) -> bytes:
    """The file, or the names of the files in a folder."""
    if path.endswith("/index.txt"):
        return "\n".join(
            sorted(entry.name for entry in (ROOT / path).parent.iterdir() if entry.name[0] not in "._")
        ).encode()
    return (ROOT / path.removesuffix(".txt")).read_bytes()
