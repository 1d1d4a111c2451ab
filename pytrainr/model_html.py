"""A model as a notebook shows it: its name, a table of its layers, the curve of its errors. Nothing is loaded."""

from __future__ import annotations

from html import escape
from typing import Any

import numpy as np

from pytrainr.epoch_functions import curves
from pytrainr.network import layout_of
from pytrainr.r_list import RList

__all__ = ["html_of"]

_WIDTH, _HEIGHT, _MARGIN = 320, 120, 8
_COLOURS = {"error": "#0072B2", "validation_loss": "#D55E00", "held_out_error": "#D55E00"}
_LABEL = 'font-size="11" font-family="sans-serif" fill="currentColor"'


def html_of(model: RList) -> str:
    """HTML that stands alone; every text from the model is escaped."""
    parts = [f"<p><code>{escape(repr(model))}</code></p>", _table(model)]
    drawn = _curves(model)
    return "<div>" + "".join(parts) + drawn + "</div>"


def _table(model: RList) -> str:
    if model.exact:
        from pytrainr.exact.layer_list import table_of
        from pytrainr.exact.network import architecture_of

        head, *rows = table_of(architecture_of(model))
    else:
        head = ("Weights", "Shape", "Param #")
        rows = [
            (f"{block.field}[{block.layer}]", " × ".join(map(str, block.shape)), f"{block.size:,}")
            for block in layout_of(model)
        ]
    total = sum(int(row[2].replace(",", "")) for row in rows)
    lines = [_row(head, "th"), *(_row(row, "td") for row in rows), _row(("Total", "", f"{total:,}"), "th")]
    return "<table>" + "".join(lines) + "</table>"


def _row(cells: tuple[Any, ...], kind: str) -> str:
    return "<tr>" + "".join(f"<{kind}>{escape(str(cell))}</{kind}>" for cell in cells) + "</tr>"


def _curves(model: RList) -> str:
    """The errors after each epoch as SVG, where there are two or more."""
    if not np.size(model.get("error", ())) or int(model.get("current_epoch", 0)) < 2:
        return ""
    found = {name: values for name, values in curves(model).items() if name in _COLOURS}
    finite = np.concatenate([values[np.isfinite(values)] for values in found.values()])
    if not finite.size:
        return ""
    low, high = float(finite.min()), float(finite.max())
    span, last = (high - low) or 1.0, max(map(len, found.values())) - 1
    lines = []
    for name, values in found.items():
        points = " ".join(
            f"{_MARGIN + epoch / max(last, 1) * _WIDTH:.1f},{_MARGIN + (high - value) / span * _HEIGHT:.1f}"
            for epoch, value in enumerate(values)
            if np.isfinite(value)
        )
        lines.append(f'<polyline points="{points}" fill="none" stroke="{_COLOURS[name]}" stroke-width="1.5"/>')
    names = ", ".join(name.replace("_", " ") for name in found)
    caption = f"{names} per epoch, {low:.4g} to {high:.4g}"
    size = f'width="{_WIDTH + 2 * _MARGIN}" height="{_HEIGHT + 2 * _MARGIN + 16}"'
    text = f'<text x="{_MARGIN}" y="{_HEIGHT + 2 * _MARGIN + 10}" {_LABEL}>{escape(caption)}</text>'
    return f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">{"".join(lines)}{text}</svg>'
