"""``generate``: a network writes tokens, each the next after those before it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, cast, overload

import numpy as np
from numpy.typing import ArrayLike

from pytrainr import arguments
from pytrainr.argument_errors import Setting, wrong_value
from pytrainr.exact.layers.decoder import Decoder
from pytrainr.exact.network import ExactNetwork
from pytrainr.exact.prediction import checked_input
from pytrainr.exact.writers import Writer, writer_of
from pytrainr.model import Model
from pytrainr.network import kept_network
from pytrainr.r_random import RRandom, stream_of

__all__ = ["generate"]


class _Written(NamedTuple):
    """``tokens`` (rows, length), the stop token from where one has ended, and their log probabilities ``scores``
    (rows,)."""

    tokens: np.ndarray
    scores: np.ndarray


@overload
def generate(
    model: Model,
    X: ArrayLike,
    max_length: int | None = None,
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    beam_width: int = 1,
    length_penalty: float = 0.0,
    stop_token: int | None = None,
    rng: RRandom | None = None,
    scores: Literal[False] = False,
    mask: Any = None,
) -> list[np.ndarray]: ...
@overload
def generate(
    model: Model,
    X: ArrayLike,
    max_length: int | None = None,
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    beam_width: int = 1,
    length_penalty: float = 0.0,
    stop_token: int | None = None,
    rng: RRandom | None = None,
    scores: Literal[True],
    mask: Any = None,
) -> tuple[list[np.ndarray], np.ndarray]: ...
def generate(
    model: Model,
    X: ArrayLike,
    max_length: int | None = None,
    *,
    temperature: float | None = None,
    top_k: int | None = None,
    beam_width: int = 1,
    length_penalty: float = 0.0,
    stop_token: int | None = None,
    rng: RRandom | None = None,
    scores: bool = False,
    mask: Any = None,
) -> list[np.ndarray] | tuple[list[np.ndarray], np.ndarray]:
    """Write tokens: what a decoder answers to X, or how a language model goes on after X.

    Left to itself, the likeliest token each time (greedy).

    Parameters
    ----------
    model
        Of ``trainr(exact=True, layers=…)``: its last layer a ``Decoder`` with an ``embedding``; or a language model,
        its first layer an ``Embedding``, its last a softmax over the same tokens, trained to say the next one.
    X
        What ``predictr`` takes; for a language model the tokens to go on after, (samples, steps).
    max_length
        How many tokens at most; of a decoder as many as it has steps, unless said.
    temperature
        Draw each token, from p^(1/temperature): 1 as likely as the network says, less bolder, more evener.
    top_k
        Draw among the ``top_k`` likeliest only; 1 is greedy.
    beam_width
        Keep so many beginnings and return the likeliest sequence found (beam search).
    length_penalty
        Beams are compared by log p/length^``length_penalty``: 0 favours short ones, 1 is the mean (Wu et al. 2016).
    stop_token
        The token that ends a sequence; it is not returned.
    rng
        The random stream; without it the module's own, which ``pytrainr.set_seed`` seeds. Each token takes one uniform
        number per sample, whether it has ended or not.
    scores
        Return the log probabilities (samples,) as well, that of the stop token included.
    mask
        As for ``predictr``.

    Returns
    -------
    list of arrays
        The tokens of each sample, whole numbers; they differ in length where there is a ``stop_token``.

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be what it should; the message names it.
    """
    arguments.trained(model, "model")
    if not model.exact:
        raise wrong_value("model", "{place} should be trained with {exact}", exact=Setting("exact", True))
    kept, weights = kept_network(model)
    network = cast(ExactNetwork, kept)
    writer = writer_of(model, network, weights, checked_input(model, X, mask))
    length = _length(max_length, network)
    tokens = int(model.output_dim)
    stop = _stop(stop_token, tokens)
    beams = arguments.positive_integer(beam_width, "beam_width")
    if beams > 1:
        for name, value in (("temperature", temperature), ("top_k", top_k), ("rng", rng)):
            if value is not None:
                raise wrong_value(name, "{place} is for drawing tokens; a beam search draws none: use one of them")
        written = _search(writer, length, beams, stop, _penalty(length_penalty))
    else:
        if length_penalty:
            raise wrong_value(
                "length_penalty", "{place} belongs to a beam search: {beam}", beam=Setting("beam_width", 4)
            )
        written = _write(writer, length, stop, _choice(temperature, top_k, rng, tokens))
    answers = [_until(row, stop) for row in written.tokens]
    return (answers, written.scores) if arguments.flag(scores, "scores") else answers


def _length(max_length: Any, network: ExactNetwork) -> int:
    if max_length is not None:
        return arguments.positive_integer(max_length, "max_length")
    last = network.options.layers[-1]
    if not isinstance(last, Decoder):
        raise wrong_value(
            "max_length", "{place}: a language model goes on for ever, say how many tokens it should write"
        )
    return last.steps


def _stop(stop_token: Any, tokens: int) -> int:
    """The stop token, -1 for none."""
    if stop_token is None:
        return -1
    stop = arguments.natural(stop_token, "stop_token")
    if stop >= tokens:
        raise wrong_value(
            "stop_token", f"{{place}} is one of the {tokens} tokens, counted from 0, not {{value}}", value=stop
        )
    return stop


def _penalty(value: Any) -> float:
    penalty = arguments.number(value, "length_penalty", "a number of 0 or more")
    if not penalty >= 0.0:
        raise wrong_value("length_penalty", "{place} should be 0 or more, not {value}", value=value)
    return penalty


def _until(row: np.ndarray, stop: int) -> np.ndarray:
    ends = np.flatnonzero(row == stop)
    return row[: ends[0]] if ends.size else row


def _logarithms(probabilities: np.ndarray) -> np.ndarray:
    """log p, −∞ for 0. Raises ``ValueError`` where a sample has no probabilities."""
    if np.isnan(probabilities).any():
        sample = int(np.argwhere(np.isnan(probabilities))[0, 0])
        raise ValueError(
            f"the network gives no probabilities for sample {sample}: it has no entry, or the weights are NaN"
        )
    with np.errstate(divide="ignore"):
        return np.log(probabilities.astype(np.float64))


# one token after the other --------------------------------------------------------------------------------------------

_Choice = Callable[[np.ndarray], np.ndarray]
"""Tokens (rows,) of log probabilities (rows, tokens)."""


def _choice(temperature: Any, top_k: Any, rng: Any, tokens: int) -> _Choice:
    """How a token is chosen."""
    stream = stream_of(rng)
    if temperature is None and top_k is None:
        if rng is not None:
            raise wrong_value("rng", "{place} is for drawing tokens: give {temperature}", temperature=_AS_LIKELY)
        return lambda logarithms: logarithms.argmax(axis=1)
    heat = 1.0 if temperature is None else arguments.number(temperature, "temperature", "a positive number")
    if not 0.0 < heat < np.inf:
        raise wrong_value(
            "temperature", "{place} should be positive, not {value}; without it: greedy", value=temperature
        )
    kept = tokens if top_k is None else min(tokens, arguments.positive_integer(top_k, "top_k"))
    return lambda logarithms: _drawn(logarithms / heat, kept, stream)


_AS_LIKELY = Setting("temperature", 1.0)


def _drawn(logarithms: np.ndarray, kept: int, stream: RRandom) -> np.ndarray:
    """A token of each row, by its share among the ``kept`` likeliest."""
    order = np.argsort(-logarithms, axis=1, kind="stable")[:, :kept]
    likeliest = np.take_along_axis(logarithms, order, axis=1)
    shares = np.exp(likeliest - likeliest[:, :1]).cumsum(axis=1)
    drawn = stream.runif(len(shares), 0.0, 1.0)[:, np.newaxis] * shares[:, -1:]
    return np.take_along_axis(order, (shares <= drawn).sum(axis=1, keepdims=True), axis=1)[:, 0]


def _write(writer: Writer, length: int, stop: int, choose: _Choice) -> _Written:
    probabilities, state = writer.begin()
    n = len(probabilities)
    written, scores, ended = np.full((n, length), stop), np.zeros(n), np.zeros(n, bool)
    for t in range(length):
        logarithms = _logarithms(probabilities)
        tokens = np.where(ended, stop, choose(logarithms))
        written[:, t] = tokens
        scores[~ended] += logarithms[~ended, tokens[~ended]]
        ended |= tokens == stop
        if ended.all() or t == length - 1:
            break
        probabilities, state = writer.follow(state, tokens)
    return _Written(written, scores)


# beam search ----------------------------------------------------------------------------------------------------------


def _search(writer: Writer, length: int, beams: int, stop: int, penalty: float) -> _Written:
    """The best found when the ``beams`` best beginnings are kept at each step, those that have ended among them."""
    probabilities, state = writer.begin()
    n, tokens = probabilities.shape
    written, scores, lengths = np.empty((n, 1, 0), np.int64), np.zeros((n, 1)), np.zeros((n, 1))
    for t in range(length):
        width = scores.shape[1]
        logarithms = _logarithms(probabilities).reshape(n, width, tokens)
        ended = (written == stop).any(axis=2)
        logarithms[ended] = -np.inf  # what has ended goes on as it is
        if stop >= 0:
            logarithms[ended, stop] = 0.0
        longer = lengths + ~ended
        candidates = scores[:, :, np.newaxis] + logarithms
        order = -(candidates / longer[:, :, np.newaxis] ** penalty).reshape(n, -1)
        best = np.argsort(order, axis=1, kind="stable")[:, :beams]
        scores = np.take_along_axis(candidates.reshape(n, -1), best, axis=1)
        parents, following = best // tokens, best % tokens
        lengths = np.take_along_axis(longer, parents, axis=1)
        before = np.take_along_axis(written, parents[:, :, np.newaxis], axis=1)
        written = np.concatenate([before, following[:, :, np.newaxis]], axis=2)
        if (following == stop).all() or t == length - 1:
            break
        rows = (np.arange(n)[:, np.newaxis] * width + parents).reshape(-1)
        probabilities, state = writer.follow(state[rows], following.reshape(-1))
    return _Written(written[:, 0], scores[:, 0])
