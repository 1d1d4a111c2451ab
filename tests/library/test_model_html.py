"""What a notebook shows of a model (issue 14, number 5)."""

from __future__ import annotations

from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

from pytrainr import Model, RRandom, trainr
from pytrainr.layers import GRU, Dense

X = np.random.default_rng(1).uniform(size=(20, 5, 2))


class Texts(HTMLParser):
    """All tags and texts."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


@pytest.mark.parametrize("exact", [False, True])
def test_a_table_and_a_curve(exact: bool) -> None:
    """The layers or weights with their parameters, the total, and the errors as a line with a point for each epoch."""
    network = {"layers": [GRU(4), Dense(1)]} if exact else {"hidden_dim": 3}
    Y = X[:, :1, :1] if exact else X[:, :, :1]
    model = trainr(Y, X, exact=exact, learningrate=0.1, numepochs=6, epoch_function=[], rng=RRandom(1), **network)
    html = model._repr_html_()
    assert html is not None
    shown = Texts(html)
    expected = ["gru (GRU)", "(None, 1, 4)", "96", "101"] if exact else ["time_synapse[0]", "2 × 3", "6", "22"]
    assert set(expected) <= set(shown.texts)
    drawing = ElementTree.fromstring(html[html.index("<svg") : html.index("</svg>") + 6])
    (line,) = drawing.findall("{http://www.w3.org/2000/svg}polyline")
    heights = [float(point.split(",")[1]) for point in line.get("points", "").split()]
    assert np.array_equal(np.argsort(heights), np.argsort(-model.mean_error))


class Named(Model):
    """A model whose name is what somebody put there."""

    def __repr__(self) -> str:
        return "Model <script>alert(1)</script>"


def test_names_are_escaped() -> None:
    """Every text of a model is shown as text."""
    model = trainr(X[:, :, :1], X, learningrate=0.1, hidden_dim=3, rng=RRandom(1))
    html = Named(dict(model.items()))._repr_html_()
    assert html is not None
    assert "&lt;script&gt;" in html
    assert "<script" not in html
    assert "svg" not in Texts(html).tags  # one epoch is no curve
