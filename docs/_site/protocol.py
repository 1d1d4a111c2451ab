"""The wire protocol as a page, from the comments of the .proto files."""

from __future__ import annotations

import re
from pathlib import Path

ORDER = ("training", "prediction", "model", "dataset", "tensor", "server_info", "error")

_BLOCK = re.compile(r"(message|service|enum|oneof)\s+(\w+)\s*\{")
_FIELD = re.compile(r"(?:(optional|repeated)\s+)?(map<[^>]+>|[\w.]+)\s+(\w+)\s*=\s*(-?\d+)")
_VALUE = re.compile(r"(\w+)\s*=\s*(-?\d+)")
_CALL = re.compile(r"rpc\s+(\w+)\s*\(\s*(stream\s+)?([\w.]+)\s*\)\s*returns\s*\(\s*(stream\s+)?([\w.]+)\s*\)")


def page(folder: Path) -> str:
    """One section for each file, one table for each service, message and enum; fields with their numbers."""
    lines = [
        "# Wire protocol",
        "",
        "Package `trainr.v1` of gRPC, as the comments of the `.proto` files say it. Whatever speaks gRPC can train and",
        "predict, as `examples/node` and `examples/buf` in the source do. Numbers of fields never change.",
        "",
    ]
    found = {path.stem: path for path in folder.glob("*.proto")}
    for name in [*ORDER, *sorted(set(found) - set(ORDER))]:
        lines += _file(found[name].read_text(encoding="utf-8"), name)
    return "\n".join(lines)


def _file(text: str, name: str) -> list[str]:
    lines, comment, stack = [f"## {name}.proto", ""], [], []
    head = True
    for raw in _joined(text):
        line = raw.strip()
        if line.startswith("//"):
            comment.append(line[2:].strip())
            continue
        if head and comment:
            lines += [" ".join(comment), ""]
            comment = []
        head = False
        if line.startswith(("syntax", "package", "import", "option ", "reserved")) or not line:
            comment = [] if not line.startswith("reserved") and line else comment if line else []
            continue
        code, _, behind = line.partition("//")
        note = _cell(" ".join([*comment, behind.strip()]).strip())
        comment = []
        block = _BLOCK.match(code)
        if block:
            kind, title = block.groups()
            stack.append((kind, title))
            if kind == "oneof":
                lines.append(f"| *one of* | `{title}` | | {note} |")
                continue
            path = ".".join(part for what, part in stack if what != "oneof")
            lines += ["", f"### {path}", "", note, ""]
            if kind == "service":
                lines += ["| call | takes | gives | |", "|---|---|---|---|"]
            elif kind == "enum":
                lines += ["| value | number | |", "|---|---|---|"]
            else:
                lines += ["| number | field | type | |", "|---|---|---|---|"]
            if code.rstrip().endswith("}"):
                stack.pop()
            continue
        if code.startswith("}"):
            if stack:
                stack.pop()
            continue
        lines += _entry(code, note, stack[-1][0] if stack else "")
    return [*lines, ""]


def _entry(code: str, note: str, kind: str) -> list[str]:
    call, field, value = _CALL.match(code), _FIELD.match(code), _VALUE.match(code)
    if call:
        name, stream_in, takes, stream_out, gives = call.groups()
        stream_in, stream_out = ("stream of " if stream else "" for stream in (stream_in, stream_out))
        return [f"| `{name}` | {stream_in}`{takes}` | {stream_out}`{gives}` | {note} |"]
    if kind == "enum" and value:
        return [f"| `{value[1]}` | {value[2]} | {note} |"]
    if field:
        label, kind_of, name, number = field.groups()
        kind_of = kind_of.replace("<", "\\<")
        return [f"| {number} | `{name}` | {label + ' ' if label else ''}{kind_of} | {note} |"]
    return []


def _joined(text: str) -> list[str]:
    """The lines, with statements that go over several lines in one."""
    lines: list[str] = []
    for line in text.splitlines():
        before = lines[-1].split("//")[0].rstrip() if lines else ""
        whole = not before or lines[-1].strip().startswith("//") or before.endswith((";", "{", "}"))
        if whole or line.strip().startswith("//") or not line.strip():
            lines.append(line)
        else:
            lines[-1] = f"{before} {line.strip()}"
    return lines


def _cell(text: str) -> str:
    """Text for a table: no column may end inside."""
    return text.replace("|", "\\|").replace("<", "&lt;")
