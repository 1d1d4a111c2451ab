"""What writes tokens, one after the other: exact networks that say how likely each token is next.

A writer has begun with some samples, and goes on from any of their states with a token for each:

    probabilities, state = writer.begin()
    probabilities, state = writer.follow(state[rows], tokens)

``probabilities`` (rows, tokens) of what comes next; a ``state`` (rows, ·) is numbers that may be taken, left or
repeated by row.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from pytrainr.argument_errors import wrong_value
from pytrainr.exact.layer_list import described
from pytrainr.exact.layers.decoder import Decoder
from pytrainr.exact.layers.embedding import Embedding
from pytrainr.exact.layers.layer import needs_whole
from pytrainr.exact.network import ExactNetwork
from pytrainr.parameters import Flat
from pytrainr.r_list import RList

__all__ = ["Writer", "writer_of"]


class Writer(Protocol):
    """See the module."""

    def begin(self) -> tuple[np.ndarray, np.ndarray]: ...

    def follow(self, state: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]: ...


def writer_of(model: RList, network: ExactNetwork, weights: Flat, X: np.ndarray) -> Writer:
    """The writer that goes on after, or answers, the samples X (n, T, input), which are as the network takes them.

    Raises ``ValueError`` where the model writes no tokens.
    """
    layers = network.options.layers
    if isinstance(layers[-1], Decoder) and layers[-1].embedding is not None:
        return _Decoded(model, network, weights, X)
    should = (
        "{place} should write tokens: its last layer a Decoder with an embedding, or its first an Embedding and its "
        "last a softmax over as many tokens"
    )
    tokens = network.options.tokens
    if tokens is None or tokens != model.output_dim or model.output != "softmax":
        numbers = "; predictr gives numbers" if tokens is None else f"; it reads {tokens}, it puts out {{outputs}}"
        raise wrong_value("model", should + numbers, outputs=model.output_dim)
    kind = _Rereading if needs_whole(layers) else _StepByStep
    return kind(network, weights, X)


class _Continued:
    """A language model: it says what follows the tokens that it has read."""

    def __init__(self, network: ExactNetwork, weights: Flat, X: np.ndarray) -> None:
        self.network, self.weights, self.X = network, weights, X
        first = network.options.layers[0]
        self.pads = isinstance(first, Embedding) and first.mask_zero

    def following(self, output: np.ndarray) -> np.ndarray:
        """The probabilities at each row's last step that has an entry; what pads is never written."""
        there = ~np.isnan(output[:, :, 0])
        last = output.shape[1] - 1 - there[:, ::-1].argmax(axis=1)
        probabilities = output[np.arange(len(output)), last]
        if self.pads:
            probabilities = probabilities.copy()
            probabilities[:, 0] = 0.0
        return probabilities


class _StepByStep(_Continued):
    """One whose layers go step by step: its state is theirs."""

    def begin(self) -> tuple[np.ndarray, np.ndarray]:
        return self._read(self.X, np.zeros((self.X.shape[0], self.network.state_width)))

    def follow(self, state: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._read(tokens[:, np.newaxis, np.newaxis].astype(np.float64), state)

    def _read(self, X: np.ndarray, state: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output, _, after = self.network.forward(self.weights, X, states=state)
        return self.following(output), after


class _Rereading(_Continued):
    """One that looks at whole sequences: it reads all from the beginning, each time; its state is what it has read."""

    def begin(self) -> tuple[np.ndarray, np.ndarray]:
        return self._read(self.X[:, :, 0])

    def follow(self, state: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        return self._read(np.concatenate([state, tokens[:, np.newaxis]], axis=1))

    def _read(self, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output = self.network.forward(self.weights, tokens[:, :, np.newaxis])[0]
        return self.following(output), tokens


class _Decoded:
    """A decoder, one step at a time: its state is the sample's number, and what its cell and feed carry on.

    The layers below read X once. The decoder, as a network of its own, has one step; the first number of its state is
    the token that it is fed.
    """

    def __init__(self, model: RList, network: ExactNetwork, weights: Flat, X: np.ndarray) -> None:
        *below, decoder = network.options.layers
        places = network.options.places
        first = min(place for (path, _), place in places.items() if path[0] == len(below))
        self.weights = weights[first:]
        self.read, absent = X, bool(np.isnan(X).any())
        if below:
            encoder = ExactNetwork(_part(model, below, X.shape[1], X.shape[2]))
            self.read = encoder.forward(weights[:first], X, absent_as_nan=True)[0]
            absent = encoder.prediction_plan(X.shape[1]).output.present is not None
        alone = Decoder(decoder.cell, 1, decoder.attention, "own", decoder.output, decoder.embedding)
        part = _part(model, [alone], *self.read.shape[1:])
        part.mask = "nan" if absent else None
        self.decoder = ExactNetwork(part)

    def begin(self) -> tuple[np.ndarray, np.ndarray]:
        rows = np.arange(self.read.shape[0])
        return self._step(rows, np.zeros((rows.size, self.decoder.state_width)))

    def follow(self, state: np.ndarray, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        carried = state[:, 1:].copy()
        carried[:, 0] = tokens
        return self._step(state[:, 0].astype(np.int64), carried)

    def _step(self, rows: np.ndarray, carried: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        output, _, after = self.decoder.forward(self.weights, self.read[rows], states=carried)
        return output[:, 0], np.column_stack([rows, after.astype(np.float64)])


def _part(model: RList, layers: list[Any], steps: int, width: int) -> RList:
    """A model of some of the layers, as far as a network needs one."""
    changed = {"layers": described(layers), "time_dim": steps, "input_dim": width}
    return RList({**dict(model.items()), **changed, "weighted": False})
