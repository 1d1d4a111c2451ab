"""The .proto files: their stubs are current, their form is AIP's, and no change breaks a client."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.service.node import buf

PROTO = Path(__file__).resolve().parents[2] / "proto"
FILES = sorted(PROTO.glob("trainr/v1/*.proto"))


def test_the_stubs_are_those_of_the_proto_files() -> None:
    check = subprocess.run(
        ["make", "--silent", "proto-check"], cwd=PROTO.parent, capture_output=True, text=True, check=False
    )
    assert check.returncode == 0, check.stderr


def test_buf_finds_nothing_to_complain_about() -> None:
    assert buf("lint", cwd=PROTO) == ""


def test_nothing_breaks_the_clients_of_before() -> None:
    assert buf("breaking", "--against", "baseline.binpb", cwd=PROTO) == ""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_r_can_read_every_message_and_every_field_is_explained(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = re.sub(r"//.*", "", text)
    assert 'import "google/' not in code
    assert not re.search(r"\bmap\s*<", code)
    assert not re.search(r"optional\s+bytes", code)
    lines = [line.strip() for line in text.splitlines()]
    for number, line in enumerate(lines):
        if re.match(r"(repeated |optional )?[\w.]+ \w+ = \d+;|rpc |message |enum |service |[A-Z_0-9]+ = \d+;", line):
            assert lines[number - 1].startswith("//"), f"{path.name}:{number + 1} has no comment: {line}"
