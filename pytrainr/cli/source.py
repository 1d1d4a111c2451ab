"""What a model of the command line remembers about its data, as JSON in its field ``table``."""

from __future__ import annotations

import argparse
import csv
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

__all__ = ["Source", "add_reading_options", "named_columns", "opened"]


@dataclass(frozen=True)
class Source:
    """The columns that a network was trained on, and how a series was cut; a series has a ``lookback``."""

    y: list[str]
    x: list[str]
    sample: str | None = None
    time: str | None = None
    pad: bool = False
    lookback: int | None = None
    step: int = 1
    delay: int | list[int] = 1
    across_gaps: bool = False

    @classmethod
    def of_model(cls, model: Any) -> Source | None:
        """What the model remembers; None for one that was trained on arrays."""
        if "table" not in model:
            return None
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in json.loads(model["table"]).items() if name in known})

    @property
    def delays(self) -> list[int]:
        return [self.delay] if isinstance(self.delay, int) else list(self.delay)

    def json(self) -> str:
        """The text that the model keeps."""
        return json.dumps(asdict(self))


def add_reading_options(group: Any) -> None:
    """How a CSV file is written, where it cannot be told from the file."""
    group.add_argument("--encoding", metavar="NAME", help="of DATA.csv where it is not UTF-8, such as cp1252")
    group.add_argument("--decimal", choices=[".", ","], help="its decimal mark, where it cannot be told")


def opened(path: Path, options: argparse.Namespace) -> Any:
    """The columns of DATA.csv."""
    from pytrainr.tables.columns import open_columns

    return open_columns(path, options.encoding, options.decimal)


def named_columns(text: str, names: Sequence[str]) -> list[str]:
    """Names separated by commas, of the columns ``names``.

    A name with a comma in it may be quoted (``'"temp, C",wind'``); it need not be where there is a column of that name.
    """
    parts, found, start = text.split(","), [], 0
    while start < len(parts):
        for end in range(len(parts), start, -1):
            name = _column(",".join(parts[start:end]), names)
            if name is not None:
                break
        found.append(parts[start].strip() if name is None else name)
        start = start + 1 if name is None else end
    return found


def _column(text: str, names: Sequence[str]) -> str | None:
    """The column that ``text`` means, as it is, quoted, or with spaces around it."""
    quoted = text.strip()
    if len(quoted) > 1 and quoted[0] == quoted[-1] == '"':
        cells = next(csv.reader([quoted]))
        return cells[0] if len(cells) == 1 else None
    if text in names:
        return text
    return next((name for name in names if name.strip() == quoted and quoted), None)
