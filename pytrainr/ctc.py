"""``ctc_decode``: what a network trained with ``loss="ctc"`` reads."""

from __future__ import annotations

import heapq
import math
from collections import defaultdict
from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from pytrainr import arguments
from pytrainr.argument_errors import Setting, wrong_value
from pytrainr.model import Model
from pytrainr.prediction import predictr

__all__ = ["ctc_decode"]

_METHODS = ("greedy", "beam")
_ROUNDING = 1e-3  # by which probabilities in single precision may miss 1

_Read = tuple[tuple[int, ...], float]
"""Labels, and the logarithm of their probability."""


@overload
def ctc_decode(
    source: Model | ArrayLike,
    X: ArrayLike | None = None,
    *,
    method: str = "greedy",
    beam_width: int = 10,
    blank: int | None = None,
    scores: Literal[False] = False,
    **options: Any,
) -> list[np.ndarray]: ...
@overload
def ctc_decode(
    source: Model | ArrayLike,
    X: ArrayLike | None = None,
    *,
    method: str = "greedy",
    beam_width: int = 10,
    blank: int | None = None,
    scores: Literal[True],
    **options: Any,
) -> tuple[list[np.ndarray], np.ndarray]: ...
def ctc_decode(
    source: Model | ArrayLike,
    X: ArrayLike | None = None,
    *,
    method: str = "greedy",
    beam_width: int = 10,
    blank: int | None = None,
    scores: bool = False,
    **options: Any,
) -> list[np.ndarray] | tuple[list[np.ndarray], np.ndarray]:
    """The sequences of labels that a network reads.

    Parameters
    ----------
    source
        A model trained with ``loss="ctc"``, which predicts ``X``; or probabilities, (samples, steps, outputs), as
        ``predictr`` gives them: steps of NaN have no entry.
    X
        What ``predictr`` takes, with its ``options`` (``mask``).
    method
        ``"greedy"``: the likeliest output at each step, repeats joined, blanks left out. ``"beam"``: the likeliest
        sequence found by a prefix beam search (Graves et al. 2006; Hannun et al. 2014), which adds up the
        probabilities of all paths that read alike.
    beam_width
        How many beginnings ``"beam"`` keeps at each step.
    blank
        The output that means "no label": the model's, or 0.
    scores
        Return the logarithms of the probabilities (samples,) as well: of the path for ``"greedy"``, of the sequence,
        as far as the beam holds its paths, for ``"beam"``.

    Returns
    -------
    list of arrays
        The labels of each sample, whole numbers; they differ in length.

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be what it should; the message names it.
    """
    method = arguments.choice(method, "method", _METHODS)
    beam_width = arguments.positive_integer(beam_width, "beam_width")
    probabilities, blank = _probabilities(source, X, blank, options)
    read = [
        _greedy(steps, blank) if method == "greedy" else _beam(steps, blank, beam_width)
        for steps in (sample[~np.isnan(sample[:, 0])] for sample in probabilities)
    ]
    labels = [np.array(labels, dtype=np.int64) for labels, _ in read]
    if not arguments.flag(scores, "scores"):
        return labels
    return labels, np.array([score for _, score in read])


def _probabilities(source: Any, X: Any, blank: Any, options: dict[str, Any]) -> tuple[np.ndarray, int]:
    """What to decode, and its blank."""
    if isinstance(source, Model):
        if source.get("loss") != "ctc":
            trained = Setting("loss", "ctc")
            raise wrong_value("source", "{place} should be a model trained with {trained}", trained=trained)
        if blank is not None:
            raise wrong_value("blank", "{place} is the model's own; it goes with probabilities")
        return np.asarray(predictr(source, X, real_output=False, **options)), int(source.get("blank") or 0)
    if X is not None or options:
        raise wrong_value("X", "{place} is what a model predicts; source holds probabilities already")
    given = arguments.as_samples(source, "source")
    blank = 0 if blank is None else arguments.natural(blank, "blank")
    if blank >= given.shape[2]:
        raise wrong_value("blank", f"{{place}} is one of the {given.shape[2]} outputs, counted from 0, not {blank}")
    given = given.astype(np.float64)
    wrong = (given < 0.0) | ~(given.sum(axis=2, keepdims=True) <= 1.0 + _ROUNDING)
    if (wrong & ~np.isnan(given)).any():
        raise wrong_value(
            "source",
            "{place} should hold probabilities of all outputs, 0 or more, that add up to 1 at each step; {place}"
            f"{np.argwhere(wrong & ~np.isnan(given))[0].tolist()} is no such (sample, step, output)",
        )
    return given, blank


def _greedy(steps: np.ndarray, blank: int) -> _Read:
    """The labels of the likeliest path."""
    path = steps.argmax(axis=1)
    changes = np.diff(path, prepend=-1) != 0
    with np.errstate(divide="ignore"):
        score = float(np.log(steps.max(axis=1)).sum())
    return tuple(path[changes & (path != blank)].tolist()), score


def _beam(steps: np.ndarray, blank: int, width: int) -> _Read:
    """The likeliest beginning after the last step. Of each is kept with which probability its paths end in a blank and
    in its last label, divided by that of all that are kept, so that neither becomes too small a number."""
    beams: dict[tuple[int, ...], tuple[float, float]] = {(): (1.0, 0.0)}
    log_mass = 0.0
    for step in steps.tolist():
        following: dict[tuple[int, ...], list[float]] = defaultdict(lambda: [0.0, 0.0])
        for beginning, (in_blank, in_label) in beams.items():
            both, last = in_blank + in_label, beginning[-1] if beginning else None
            stays = following[beginning]
            stays[0] += both * step[blank]
            for label, probability in enumerate(step):
                if label == last:
                    stays[1] += in_label * probability
                    following[(*beginning, label)][1] += in_blank * probability
                elif label != blank:
                    following[(*beginning, label)][1] += both * probability
        kept = heapq.nlargest(width, following.items(), key=lambda entry: sum(entry[1]))
        mass = sum(sum(pair) for _, pair in kept)
        if mass == 0.0:
            return (), -math.inf
        beams = {beginning: (in_blank / mass, in_label / mass) for beginning, (in_blank, in_label) in kept}
        log_mass += math.log(mass)
    best, pair = max(beams.items(), key=lambda entry: sum(entry[1]))
    return best, log_mass + math.log(sum(pair))
