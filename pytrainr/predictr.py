"""``predictr``: R's call, in Python."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike

from pytrainr import arguments
from pytrainr.model import Model
from pytrainr.networks import network_of
from pytrainr.series.normalisation import normalised_input, raw_output

__all__ = ["predictr"]

_CHUNK_NUMBERS = 4e6  # hidden states held at a time


@overload
def predictr(
    model: Model, X: ArrayLike, hidden: Literal[False] = False, real_output: bool = True, **extra: Any
) -> np.ndarray: ...
@overload
def predictr(
    model: Model, X: ArrayLike, hidden: Literal[True], real_output: bool = True, **extra: Any
) -> list[np.ndarray]: ...
@overload
def predictr(
    model: Model, X: ArrayLike, hidden: bool, real_output: bool = True, **extra: Any
) -> np.ndarray | list[np.ndarray]: ...
def predictr(
    model: Model, X: ArrayLike, hidden: bool = False, real_output: bool = True, **extra: Any
) -> np.ndarray | list[np.ndarray]:
    """Predict, as R's ``rnn::predictr`` 1.9.1 does, to the same bits.

    Parameters
    ----------
    model
        What ``trainr`` returned.
    X
        (samples, time, input variables); 2-D is one variable. A model that keeps its normalisation
        (``pytrainr.series.Normalisation``) takes and returns raw numbers. With ``use_bias`` R's recycled bias makes a
        sample's prediction depend on the samples predicted with it.
    hidden
        Return the states of every layer instead: a list with, per hidden layer, (samples, time, hidden) for rnn,
        (samples, time, hidden, 4) = h, z, r, candidate for gru, (samples, time, hidden, 6) = h, cell, f, i, candidate,
        o for lstm; last the output (samples, time, output).
    real_output
        For a network of one output variable return (samples, time); for one trained with ``seq_to_seq_unsync`` go on
        after the input's end and return only the steps from there. False returns (samples, time, output) of the input's
        steps.

    Returns
    -------
    array or list of arrays

    Raises
    ------
    TypeError, ValueError
        For an argument that cannot be what it should; the message names it.
    """
    if not isinstance(model, Model):
        raise TypeError(f"model should be what trainr returned (a pytrainr.Model), it is {model!r}")
    hidden, real_output = arguments.flag(hidden, "hidden"), arguments.flag(real_output, "real_output")
    if model.exact:
        from pytrainr.exact.prediction import predict_exact

        more = {name: extra.pop(name) for name in ("state", "return_state", "mask") if name in extra}
        arguments.check_extra(extra, ["model", "X", "hidden", "real_output", "state", "return_state", "mask"], ())
        return predict_exact(model, X, hidden=hidden, real_output=real_output, **more)
    arguments.check_extra(extra, ["model", "X", "hidden", "real_output"], ())
    samples = arguments.as_samples(X, "X")
    if samples.shape[2] != model.input_dim:
        raise ValueError(
            f"X should have {model.input_dim} variables (last dimension) as in training, it has {samples.shape[2]}: "
            f"its shape is {samples.shape}"
        )
    arguments.check_finite(samples, "X")
    steps = given_steps = samples.shape[1]
    unsync = real_output and bool(model.seq_to_seq_unsync)
    if unsync:
        steps = model.time_dim
        if given_steps > steps:
            raise ValueError(
                f"X should have at most {steps} time steps, the length of the network trained with seq_to_seq_unsync; "
                f"it has {given_steps}: its shape is {samples.shape}"
            )
    output, store = _forward(model, samples, steps, hidden)
    if hidden:
        return [*store, output]
    output = raw_output(model, output)
    if not real_output:
        return output
    if unsync:
        output = output[:, given_steps - 1 :]
    return output[:, :, 0] if model.output_dim == 1 else output


def _forward(model: Model, samples: np.ndarray, steps: int, hidden: bool) -> tuple[np.ndarray, list[np.ndarray]]:
    """The outputs (n, steps, output) and, where asked for, the states: in chunks, which change no bit."""
    network = network_of(model)
    weights = network.layout.zeros()
    network.layout.collect(Model({field: list(model[field]) for field in network.layout.views(weights)}), weights)
    n = samples.shape[0]
    shapes = network.store_shapes(steps)
    sizes = [int(np.prod(shape)) for shape in shapes]
    arguments.check_memory(8.0 * n * (sum(sizes) if hidden else sizes[-1]), f"predicting {n} samples")
    output = np.empty((n, *shapes[-1]))
    store = [np.empty((n, *shape)) for shape in shapes[:-1]] if hidden else []
    chunk = max(1, int(_CHUNK_NUMBERS / sum(sizes)))
    for first in range(0, n, chunk):
        rows = slice(first, min(n, first + chunk))
        X = np.zeros((rows.stop - first, steps, samples.shape[2]))
        X[:, : samples.shape[1]] = normalised_input(model, samples[rows])
        record = np.empty((X.shape[0], sum(sizes) if hidden else 0))
        output[rows] = network.predict(weights, X, first, n, record)
        column = 0
        for array, size in zip(store, sizes, strict=False):
            array[rows] = record[:, column : column + size].reshape(X.shape[0], *array.shape[1:])
            column += size
    return output, store
